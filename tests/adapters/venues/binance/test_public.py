"""Market frames: a table of rows, a table of refusals, the import's rows of the same line, and any bytes at all."""

import copy
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfold.adapters.importers.table import Context, SymbolTable
from mmfold.adapters.venues.binance.messages import parse_message
from mmfold.adapters.venues.binance.public import BinanceParser
from mmfold.adapters.venues.port import FRAME_BYTES_MAX, Control, ControlKind, Ignored, MalformedFrame
from mmfold.engine.codes import Flag
from mmfold.engine.jit import JIT_ENABLED
from tests.adapters.venues.binance.words import MANIFEST, TS, Rows, depth, frame, public, short, trade
from tests.adapters.venues.spoiled import spoiled_frames

DEPTH = depth(5, 9, 4, [["100.0", "0"], ["99.9", "2"]], [["100.2", "0.001"]])
BEST = {"e": "bookTicker", "u": 11, "s": "A", "b": "100.0", "B": "2.5", "a": "100.1", "A": "3", "T": 11, "E": 12}
MARK = {
    "e": "markPriceUpdate",
    "E": 12,
    "s": "A",
    "p": "100.05000000",
    "i": "100.01",
    "P": "99",
    "r": "0.0001",
    "T": 99,
}
AGGREGATE = {"e": "aggTrade", "E": 12, "a": 87, "s": "A", "p": "100.1", "q": "2", "f": 12, "l": 13, "T": 11, "m": False}

SPOT_TRADE = {"e": "trade", "E": 12, "s": "A", "t": 3, "p": "1", "q": "1", "m": True, "M": True}

ROWS: list[tuple[bytes, Rows]] = [
    (DEPTH, [("BOOK_DELTA", 1000, 0, 4, 9), ("BOOK_DELTA", 999, 2000, 4, 9), ("BOOK_DELTA", 1002, 1, 4, 9)]),
    (depth(5, 5, 3), [("BOOK_DELTA", None, 0, 3, 5)]),
    (depth(5, 5, 3, [["7.5", "70"]], symbol="B"), [("BOOK_DELTA", 15, 7, 3, 5)]),
    (trade(3), [("TRADE", 1001, 2, None, 3)]),
    (frame("a@aggTrade", AGGREGATE), [("TRADE", 1001, 2000, None, 87)]),
    (frame("a@bookTicker", BEST), [("BBO", 1000, 2500, None, 11), ("BBO", 1001, 3000, None, 11)]),
    (frame("a@markPrice@1s", MARK), [("MARK", None, 0, 10_001_000_000, 10_005_000_000)]),
    (frame("a@markPrice", {**MARK, "i": ""}), [("MARK", None, 0, None, 10_005_000_000)]),
]  # fmt: skip


def of_import(raw: bytes) -> Any:
    """What the import makes of one line."""
    table = SymbolTable(venue="binance", wanted=frozenset({"A", "B"}))
    for instrument in MANIFEST.instruments:
        table.list_instrument(instrument)
    return parse_message(raw, TS, Context(table=table, market="usdm"))


@pytest.mark.parametrize(("raw", "rows"), ROWS)
def test_rows_are_those_of_the_import(raw: bytes, rows: Rows) -> None:
    found = public().parse(raw, TS)
    assert isinstance(found, np.ndarray) and short(found) == rows
    assert found.tobytes() == of_import(raw).tobytes()
    assert set(found["ts_receive_ns"].tolist()) == {TS} and not found["seq"].any()
    assert found["flags"][-1] & Flag.LAST


@pytest.mark.skipif(not JIT_ENABLED, reason="without JIT there is no lane")
def test_what_the_lane_takes() -> None:
    lane = public().lane
    assert lane is not None
    taken = [raw for raw, _ in ROWS if lane.read(raw, TS) is not None]
    assert taken == [raw for raw, _ in ROWS if b"markPrice" not in raw and b"aggTrade" not in raw], "beside the trades"
    left = [
        trade(3),
        DEPTH + b" ",
        DEPTH + b"\n",
        DEPTH + b"\n ",
        b"",
        b"\n",
        frame("a@depth5", orjson.loads(DEPTH)["data"]),
    ]
    left += [depth(5, 9, 4, [["100.0", "1"]] * (1 << 12)), depth(5, 9, 4, [["100.0", "1"]] * (1 << 13)), depth(9, 5, 4)]
    assert not any(lane.read(raw, TS) is not None for raw in left)


def test_rows_are_the_callers_own() -> None:
    parser = public()
    first = parser.parse(DEPTH, TS)
    assert isinstance(first, np.ndarray)
    kept = first.tobytes()
    parser.parse(trade(3), TS)
    assert first.tobytes() == kept and first.flags.writeable


def test_a_trade_is_told_once_and_by_one_stream() -> None:
    parser = public()
    assert isinstance(parser.parse(trade(3), TS), np.ndarray)
    for spaces in (b"", b" ", b"\n "):  # by the lane and by the long way
        assert parser.parse(trade(3) + spaces, TS) == Ignored("trade told twice")
        assert isinstance(parser.parse(trade(10 + len(spaces)) + spaces, TS), np.ndarray)
    assert parser.parse(frame("a@aggTrade", AGGREGATE), TS) == Ignored("aggTrade beside trade")


NOT_ROWS: list[tuple[Any, Control | Ignored]] = [
    ({"result": None, "id": 7}, Control(ControlKind.SUBSCRIBE, True, "7")),
    ({"result": ["a@trade"], "id": 7}, Control(ControlKind.SUBSCRIBE, False, "7")),
    ({"error": {"code": 2, "msg": "no"}, "id": 7}, Control(ControlKind.SUBSCRIBE, False, "7", "2 no")),
    ({"error": {"code": 2, "msg": "no"}}, Control(ControlKind.SUBSCRIBE, False, "", "2 no")),
    ({"code": 2, "msg": "no", "id": None}, Control(ControlKind.SUBSCRIBE, False, "", "2 no")),
    ({"stream": "a@kline_1m", "data": {"e": "kline"}}, Ignored("kline")),
    ({"stream": "a@forceOrder", "data": {"e": "forceOrder"}}, Ignored("liquidation")),
    ({"stream": "z@trade", "data": orjson.loads(trade(3))["data"] | {"s": "ZZZ"}}, Ignored("other symbol")),
    ({"stream": "a@depth5@100ms", "data": orjson.loads(DEPTH)["data"]}, Ignored("partial depth")),
    ({"stream": "a@trade", "data": orjson.loads(trade(3, X="NA"))["data"]}, Ignored("trade beside the book")),
]  # fmt: skip


@pytest.mark.parametrize(("message", "expected"), NOT_ROWS)
def test_what_carries_no_rows(message: Any, expected: Control | Ignored) -> None:
    assert public().parse(orjson.dumps(message), TS) == expected


MALFORMED = [
    (b"", "not JSON"),
    (b"\x81\xff", "not JSON"),
    (b"[" * 100_000, "not JSON"),
    (b"[]", "not a JSON object"),
    (b" " * (FRAME_BYTES_MAX + 1), "at most"),
    (b"{}", "neither of a stream nor an answer"),
    (b'{"result":null}', "neither of a stream nor an answer"),
    (b'{"result":null,"id":true}', "neither of a stream nor an answer"),
    (b'{"error":{"code":"2","msg":"x"},"id":1}', "neither of a stream nor an answer"),
    (b'{"stream":5,"data":{"e":"trade"}}', "not what it should be"),
    (b'{"stream":"a@trade"}', "no event"),
    (b'{"stream":"a@trade","data":[]}', "no event"),
    (b'{"stream":"a@depth","data":{"lastUpdateId":5,"bids":[],"asks":[]}}', "no event"),
    (b'{"stream":"x","data":{"symbols":[{"symbol":"A"}]}}', "no event"),
    (b'{"stream":"x","data":{"e":"lightning"}}', "unknown kind"),
    (depth(9, 5, 4), "is above"),
    (depth(5, 9, 4, [["100.05", "1"]]), "off the grid"),
    (depth(5, 9, 4, [["1e2", "1"]]), "not a plain decimal"),
    (depth(5, 9, 4, [["-1", "1"]]), "negative"),
    (depth(5, 9, 4, [["0", "1"]]), "is 0"),
    (depth(5, 9, 4, [["100.0", 1]]), "not a decimal string"),
    (depth(5, 9, 4, ["12"]), "not \\[price, size\\]"),
    (depth(5, 9, 4, b="x"), "missing or not a list"),
    (depth(5, 9, 4, u=True), "not an integer"),
    (depth(5, 9, -4), "out of range"),
    (depth(5, 1 << 62, 4), "out of range"),
    (trade(3, m=0), "not true or false"),
    (trade(3, p=None), "missing"),
    (trade(3, q="0.000"), "size 0"),
    (frame("a@trade", SPOT_TRADE), "a spot message"),
    (frame("a@markPrice", {**MARK, "p": "1e2"}), "not a plain decimal"),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "reason"), MALFORMED, ids=lambda value: str(value)[:40])
def test_malformed_frames_are_typed_and_kept(raw: bytes, reason: str) -> None:
    parser = public()
    with pytest.raises(MalformedFrame, match=reason) as caught:
        parser.parse(raw, TS)
    assert caught.value.frame is raw
    assert short(parser.parse(DEPTH, TS)) == ROWS[0][1], "a bad frame leaves the parser as it was"
    assert not parser.context.table.offered, "a list in a frame of a stream is none of the venue's"


GOOD = [raw for raw, _ in ROWS]


@given(st.lists(spoiled_frames(GOOD) | st.sampled_from(GOOD) | st.binary(max_size=30), max_size=6))
def test_any_bytes_give_rows_or_malformed(frames: list[bytes]) -> None:
    parser = public()
    for raw in frames:
        slow = copy.copy(parser)
        slow.lane, slow.books = None, copy.deepcopy(parser.books)
        slow.context = copy.deepcopy(parser.context)
        try:
            found = parser.parse(raw, TS)
        except MalformedFrame as refused:
            assert refused.reason and refused.frame is raw
            continue
        assert isinstance(found, np.ndarray | Control | Ignored)
        if isinstance(found, np.ndarray):
            short(found)
            again = slow.parse(raw, TS)
            assert isinstance(again, np.ndarray) and found.tobytes() == again.tobytes(), "the lane is the long way"


def test_a_manifest_of_many_instruments_keeps_its_indices() -> None:
    parser = BinanceParser(MANIFEST)
    found = parser.parse(depth(5, 5, 3, symbol="B"), TS)
    assert isinstance(found, np.ndarray) and found["instrument_index"].tolist() == [1]
