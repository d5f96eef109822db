"""Lines in, ticks and order events out, or one error that names the place."""

from decimal import Decimal
from pathlib import Path

import pytest

from mmfold.engine.codes import Side
from mmfold.replay.ticks.load import Cancel, Place, Replace, TickFileError, Top, read_order_events, read_ticks

GOOD = b'{"ts_ms":0,"bid":100.0,"ask":100.1}\n'
PLACE = b'{"ts_ms":1,"type":"place","cl_id":"A","symbol":"X","side":"buy","price":1,"size":2}\n'


def quiet(done: int) -> None:
    """Hear of progress and say nothing."""


def ticks_of(tmp_path: Path, data: bytes) -> list[Top]:
    (tmp_path / "t.jsonl").write_bytes(data)
    return list(read_ticks(tmp_path / "t.jsonl", quiet))


def events_of(tmp_path: Path, data: bytes) -> list[object]:
    (tmp_path / "e.jsonl").write_bytes(data)
    return list(read_order_events(tmp_path / "e.jsonl", quiet))


TICKS = [
    # line, bid, ask
    (b'{"ts_ms":7,"bid":100.0,"ask":100.1,"bid_qty":1.0,"ask_qty":1.0,"trades":0}', "100.0", "100.1"),
    (b'{"ts_ms":7,"bid":0.1000000000000000055,"ask":1e2}', "0.1000000000000000055", "1E+2"),
    (b'{"ts_ms":7.0,"bid":NaN,"ask":Infinity}', "0", "0"),
    (b'{"ts_ms":7,"bid":-Infinity,"ask":-1,"venue":{"a":[1]}}', "0", "-1"),
]


@pytest.mark.parametrize(("line", "bid", "ask"), TICKS)
def test_a_tick_is_read_exactly(tmp_path: Path, line: bytes, bid: str, ask: str) -> None:
    assert ticks_of(tmp_path, line) == [Top(7, Decimal(bid), Decimal(ask))]


def test_blank_lines_are_skipped_and_time_may_go_back(tmp_path: Path) -> None:
    later = GOOD.replace(b'"ts_ms":0', b'"ts_ms":9')
    assert [top.ts_ms for top in ticks_of(tmp_path, b"\n" + later + b" \r\n\n" + GOOD)] == [9, 0]
    assert ticks_of(tmp_path, b"") == []


BAD_TICKS = [
    # second line, code, what the message says
    (b'{"ts_ms":1,"bid":100', "bad_json", "Expecting"),
    (b"[1, 2]", "bad_json", "expected an object"),
    (b"\xff\xfe", "bad_json", "utf-8"),
    (b"[" * 50_000, "bad_json", ""),
    (b'{"ts_ms":1,"bid":"100","ask":1}', "bad_json", "'100' is not a number"),
    (b'{"ts_ms":1,"bid":true,"ask":1}', "bad_json", "True is not a number"),
    (b'{"ts_ms":1,"bid":1,"bid":2,"ask":1}', "bad_json", "twice"),
    (b'{"ts_ms":1,"bid":1e15,"ask":1}', "bad_json", "the number '1e15'"),
    (b'{"ts_ms":1,"bid":1e-21,"ask":1}', "bad_json", "20 decimals"),
    (b'{"ts_ms":1,"bid":1e999999999999999999999,"ask":1}', "bad_json", "the number"),
    (b'{"ts_ms":1,"bid":' + b"9" * 5_000 + b',"ask":1}', "bad_json", "the number"),
    (b'{"ts_ms":1,"bid":1,"ask":1,"pad":"' + b"x" * 70_000 + b'"}', "bad_json", "longer than"),
    (b'{"bid":1,"ask":1}', "missing_field", '"ts_ms"'),
    (b'{"ts_ms":1,"ask":1}', "missing_field", '"bid"'),
    (b'{"ts_ms":1,"bid":1,"ask":null}', "missing_field", '"ask"'),
    (b'{"ts_ms":"1","bid":1,"ask":1}', "bad_ts", "'1' is not a time"),
    (b'{"ts_ms":1.5,"bid":1,"ask":1}', "bad_ts", "1.5"),
    (b'{"ts_ms":-1,"bid":1,"ask":1}', "bad_ts", "-1"),
    (b'{"ts_ms":253402300800000,"bid":1,"ask":1}', "bad_ts", "253402300800000"),
    (b'{"ts_ms":false,"bid":1,"ask":1}', "bad_ts", "False"),
]


@pytest.mark.parametrize(("line", "code", "said"), BAD_TICKS, ids=lambda value: str(value)[:40])
def test_the_first_bad_line_is_named(tmp_path: Path, line: bytes, code: str, said: str) -> None:
    with pytest.raises(TickFileError) as caught:
        ticks_of(tmp_path, GOOD + line + b"\n" + b"also bad\n")
    text = str(caught.value)
    assert text.startswith(f"E_BT_LOADER:{code}: ") and f"line 2 (byte {len(GOOD)})" in text and said in text
    assert len(text) < 300 + len(str(tmp_path)) and caught.value.hint


@pytest.mark.parametrize("name", ["absent.jsonl", "."])
def test_a_file_that_cannot_be_read_is_an_io_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(TickFileError, match=r"^E_BT_LOADER:io_error: "):
        list(read_ticks(tmp_path / name, quiet))


def test_order_events_are_read(tmp_path: Path) -> None:
    lines = [
        b'{"ts_ms":0,"type":"book","bid":100.0,"ask":101.0}',
        PLACE.strip(),
        PLACE.strip().replace(b'"A"', b'"B"').replace(b"buy", b"S").replace(b'"X"', b'"x"'),
        b'{"ts_ms":2,"type":"replace","cl_id":"A","price":3}',
        b'{"ts_ms":3,"type":"cancel","cl_id":"A"}',
    ]
    assert events_of(tmp_path, b"\n".join(lines)) == [
        Top(0, Decimal(100), Decimal(101)),
        Place(1, "A", Side.BID, Decimal(1), Decimal(2)),
        Place(1, "B", Side.ASK, Decimal(1), Decimal(2)),
        Replace(2, "A", Decimal(3), None),
        Cancel(3, "A"),
    ]


BAD_EVENTS = [
    # what is changed in a good order, into what, code, what the message says
    (b'"type":"place"', b'"type":"fill"', "bad_json", 'type "fill" is not known'),
    (b'"type":"place",', b"", "missing_field", '"type"'),
    (b'"cl_id":"A"', b'"cl_id":1', "bad_json", '"cl_id" 1 is not a text'),
    (b'"symbol":"X"', b'"symbol":"Y"', "bad_json", "an order for Y among those for X"),
    (b'"buy"', b'"long"', "bad_json", 'side "long" is not known'),
    (b'"price":1', b'"price":0', "bad_json", '"price" 0 is not above 0'),
    (b'"size":2', b'"size":NaN', "bad_json", '"size" 0 is not above 0'),
    (b'"size":2', b'"size":null', "missing_field", '"size"'),
]


@pytest.mark.parametrize(("old", "new", "code", "said"), BAD_EVENTS)
def test_an_order_that_cannot_be_is_named(tmp_path: Path, old: bytes, new: bytes, code: str, said: str) -> None:
    assert old in PLACE
    with pytest.raises(TickFileError) as caught:
        events_of(tmp_path, PLACE + PLACE.replace(old, new))
    assert str(caught.value).startswith(f"E_BT_LOADER:{code}: ") and "line 2" in str(caught.value)
    assert said in str(caught.value)


def test_progress_counts_bytes(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_bytes(GOOD * 10_000)
    told: list[int] = []
    assert len(list(read_ticks(tmp_path / "t.jsonl", told.append))) == 10_000
    assert told == [4_096 * len(GOOD), 8_192 * len(GOOD)]
