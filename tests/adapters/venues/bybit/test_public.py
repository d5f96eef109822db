"""Public frames: a table of rows, a table of refusals, the import's rows on recorded frames, and any bytes at all."""

import copy

import numpy as np
import orjson
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from mmfold.adapters.importers import load_importer
from mmfold.adapters.importers.outcome import ImportRequest
from mmfold.adapters.live.rows import gap_rows
from mmfold.adapters.venues.bybit.public import PublicParser
from mmfold.adapters.venues.port import FRAME_BYTES_MAX, Control, ControlKind, Ignored, MalformedFrame
from mmfold.engine.codes import EventKind, Flag
from mmfold.engine.jit import JIT_ENABLED
from mmfold.engine.records import NO_TS_NS
from mmfold.journal.log.reader import Journal
from tests.adapters.venues.bybit.words import MANIFEST, TS, frame, public, short
from tests.adapters.venues.spoiled import spoiled_frames

BOOK = "orderbook.50.A"
SNAPSHOT = {"s": "A", "b": [["100.0", "1"]], "a": [["100.10", "0.5"]], "u": 7, "seq": 1}
DELTA = {"s": "A", "b": [["100.0", "0"], ["99.9", "2"]], "a": [["100.2", "0.001"]], "u": 8, "seq": 2}
TRADE = {"T": 5, "s": "A", "S": "Sell", "v": "0.002", "p": "100.1", "L": "PlusTick", "i": "7", "BT": False, "seq": 44}
DELTA_ROWS = [
    ("BOOK_DELTA", 1000, 0, 7, 8, 0),
    ("BOOK_DELTA", 999, 2000, 7, 8, 0),
    ("BOOK_DELTA", 1002, 1, 7, 8, 0),
]
SNAPSHOT_ROWS = [("BOOK_SNAPSHOT", 1000, 1000, None, 7, 0), ("BOOK_SNAPSHOT", 1001, 500, None, 7, 0)]


def book(type_, data, **more):
    return frame(BOOK, data, type=type_, ts=6, cts=5, **more)


TRADES = frame("publicTrade.A", [TRADE, TRADE | {"S": "Buy", "BT": True, "seq": 45, "i": "8"}], type="snapshot", ts=6)


def restarted(rows):
    return [(kind, price, qty, None, 1, code) for kind, price, qty, _, _, code in rows]


ROWS = [
    ([book("snapshot", SNAPSHOT)], SNAPSHOT_ROWS),
    ([book("delta", DELTA)], DELTA_ROWS),
    ([book("snapshot", SNAPSHOT), book("delta", DELTA)], DELTA_ROWS),  # by the compiled lane
    ([book("snapshot", SNAPSHOT), book("delta", DELTA | {"b": [], "a": []})], [("BOOK_DELTA", None, 0, 7, 8, 0)]),
    ([book("snapshot", SNAPSHOT | {"u": 1})], restarted(SNAPSHOT_ROWS)),
    (
        [book("snapshot", SNAPSHOT), book("snapshot", SNAPSHOT | {"u": 1})],
        [("BOOK_CLEAR", None, 0, None, None, 0), *restarted(SNAPSHOT_ROWS)],
    ),
    (
        [book("snapshot", SNAPSHOT), book("delta", SNAPSHOT | {"u": 1})],
        [("BOOK_CLEAR", None, 0, None, None, 0), *restarted(SNAPSHOT_ROWS)],
    ),
    (
        [TRADES],
        [("TRADE", 1001, 2, 7, 44, 0), ("TRADE", 1001, 2, 8, 45, 0)],
    ),
    (
        [frame("tickers.A", {"symbol": "A", "markPrice": "100.05", "indexPrice": "100"}, type="snapshot", ts=6)],
        [("MARK", None, 0, 10_000_000_000, 10_005_000_000, 0)],
    ),
    (
        [
            frame("tickers.A", {"symbol": "A", "markPrice": "100.05"}, type="snapshot", ts=6),
            frame("tickers.A", {"symbol": "A", "indexPrice": "101"}, type="delta", ts=7),
        ],
        [("MARK", None, 0, 10_100_000_000, 10_005_000_000, 0)],
    ),
]


@pytest.mark.parametrize(("frames", "rows"), ROWS)
def test_rows(frames, rows):
    parser = public()
    found = [parser.parse(each, TS) for each in frames][-1]
    assert short(found) == rows
    assert set(found["ts_receive_ns"].tolist()) == {TS} and not found["seq"].any()
    assert found["flags"][-1] & Flag.LAST


def test_a_restart_is_a_whole_book_whatever_its_type_and_its_empty_levels():
    parser = public()
    parser.parse(book("snapshot", SNAPSHOT), TS)
    gone = SNAPSHOT | {"u": 1, "b": [*SNAPSHOT["b"], ["90.0", "0"]], "a": [["190.0", "0.000"], *SNAPSHOT["a"]]}
    for kind in ("delta", "snapshot"):
        assert short(parser.parse(book(kind, gone), TS)) == [
            ("BOOK_CLEAR", None, 0, None, None, 0),
            *restarted(SNAPSHOT_ROWS),
        ]
    with pytest.raises(MalformedFrame, match="unknown type"):
        parser.parse(book("whole", gone), TS)


IN_LANE = [book("delta", DELTA), book("delta", DELTA | {"b": [], "a": []}), TRADES]
NOT_IN_LANE = [
    book("snapshot", SNAPSHOT),
    book("delta", DELTA | {"u": 1}),
    frame("orderbook.1.A", DELTA, type="delta", ts=6, cts=5),
    book("delta", DELTA) + b" ",
    book("delta", DELTA | {"b": [["100.0", "1"]] * (1 << 13)}),
    book("delta", DELTA | {"b": [["1", "1"]] * (1 << 12)}),
    b"",
]


@pytest.mark.skipif(not JIT_ENABLED, reason="without JIT there is no lane")
def test_what_the_lane_takes():
    parser = public()
    assert parser.lane.read(book("delta", DELTA), TS) is None, "its book was not seen yet"
    parser.parse(book("snapshot", SNAPSHOT), TS)
    assert all(parser.lane.read(each, TS) is not None for each in IN_LANE)
    assert not any(parser.lane.read(each, TS) is not None for each in NOT_IN_LANE)
    parser.forget_books()
    assert parser.lane.read(book("delta", DELTA), TS) is None


@pytest.mark.parametrize("trade_id", ["9", "not a number"])
def test_a_trade_that_the_venue_tells_again_is_passed_over(trade_id):
    parser = public()
    again = frame("publicTrade.A", [TRADE, TRADE | {"i": trade_id}], type="snapshot", ts=6)
    assert len(parser.parse(TRADES, TS)) == 2 and len(parser.parse(again, TS)) == 1
    for each in (again, TRADES):
        assert parser.parse(each, TS) == Ignored("trade told twice")


@pytest.mark.parametrize("spaces", [b" ", b"\n", b"\n "])
def test_a_trade_with_spaces_behind_it_is_told(spaces):
    assert len(public().parse(TRADES + spaces, TS)) == 2, "the lane must not note what it leaves to the parser"


def test_rows_are_the_callers_own():
    parser = public()
    parser.parse(book("snapshot", SNAPSHOT), TS)
    first = parser.parse(book("delta", DELTA), TS)
    kept = first.tobytes()
    parser.parse(TRADES, TS)
    assert first.tobytes() == kept and first.flags.writeable


NOT_ROWS = [
    ({"success": True, "ret_msg": "pong", "req_id": "", "op": "ping"}, Control(ControlKind.PONG, True, "", "pong")),
    ({"req_id": "r", "op": "pong", "args": ["5"], "conn_id": "c"}, Control(ControlKind.PONG, True, "r")),
    ({"retCode": 0, "retMsg": "OK", "op": "pong", "data": ["5"]}, Control(ControlKind.PONG, True, "", "OK")),
    ({"success": True, "ret_msg": "", "req_id": "r", "op": "subscribe"}, Control(ControlKind.SUBSCRIBE, True, "r")),
    ({"success": False, "ret_msg": "no", "op": "subscribe"}, Control(ControlKind.SUBSCRIBE, False, "", "no")),
    ({"success": True, "data": {"failTopics": ["x"]}, "type": "COMMAND_RESP"}, Control(ControlKind.SUBSCRIBE, False)),
    ({"success": True, "ret_msg": "", "op": "auth"}, Control(ControlKind.AUTH, True)),
    ({"reqId": "r", "retCode": 10004, "retMsg": "sign", "op": "auth"}, Control(ControlKind.AUTH, False, "r", "sign")),
    ({"topic": "kline.1.A", "data": []}, Ignored("kline")),
    ({"topic": "tickers.A", "ts": 5, "data": {"symbol": "A", "fundingRate": "0.0001"}}, Ignored("ticker")),
    ({"topic": "publicTrade.Z", "data": [TRADE | {"s": "Z"}]}, Ignored("other symbol")),
]  # fmt: skip


@pytest.mark.parametrize(("message", "expected"), NOT_ROWS)
def test_what_carries_no_rows(message, expected):
    assert public().parse(orjson.dumps(message), TS) == expected


def test_a_second_depth_is_not_mixed_into_the_book():
    parser = public()
    parser.parse(book("snapshot", SNAPSHOT), TS)
    other = frame("orderbook.1.A", SNAPSHOT | {"u": 9}, type="snapshot", ts=6, cts=5)
    assert parser.parse(other, TS) == Ignored("orderbook.1 beside orderbook.50")


MALFORMED = [
    (b"", "not JSON"),
    (b"\x81\xff", "not JSON"),
    (b"[" * 100_000, "not JSON"),
    (b"[]", "not a JSON object"),
    (b" " * (FRAME_BYTES_MAX + 1), "at most"),
    (b"{}", "neither a topic nor a control frame"),
    (b'{"topic":5}', "the topic is no string"),
    (b'{"topic":["orderbook"],"type":"delta","data":{},"cts":1}', "the topic is no string"),
    (b'{"op":"auth"}', "without"),
    (b'{"op":["auth"]}', "neither a topic nor a control frame"),
    (b'{"topic":"orderbook"}', "unknown topic"),
    (b'{"topic":"lt.A"}', "unknown topic"),
    (book("delta", DELTA | {"b": [["100.05", "1"]]}), "off the grid"),
    (book("delta", DELTA | {"b": [["1e2", "1"]]}), "not a plain decimal"),
    (book("delta", DELTA | {"b": [["-1", "1"]]}), "negative"),
    (book("delta", DELTA | {"b": [["0", "1"]]}), "is 0"),
    (book("delta", DELTA | {"b": [["100.0", 1]]}), "not a decimal string"),
    (book("delta", DELTA | {"b": ["12"]}), "not \\[price, size\\]"),
    (book("delta", DELTA | {"b": [["100.0"]]}), "not \\[price, size\\]"),
    (book("delta", DELTA | {"b": "x"}), "missing or not a list"),
    (book("delta", DELTA | {"u": True}), "not an integer"),
    (book("delta", DELTA | {"u": -1}), "out of range"),
    (book("delta", DELTA | {"u": 1 << 62}), "out of range"),
    (book("snapshot", SNAPSHOT | {"b": [["100.0", "0"]]}), "size 0"),
    (frame("publicTrade.A", [TRADE | {"S": "Hold"}]), "neither Buy nor Sell"),
    (frame("tickers.A", {"symbol": "A", "markPrice": "1e2"}, ts=5), "not a plain decimal"),
]


@pytest.mark.parametrize("warm", [False, True], ids=["first", "after a snapshot"])
@pytest.mark.parametrize(
    ("raw", "reason"), MALFORMED, ids=lambda value: value[:40] if isinstance(value, bytes) else value
)
def test_malformed_frames_are_typed_and_kept(raw, reason, warm):
    parser = public()
    if warm:
        parser.parse(book("snapshot", SNAPSHOT), TS)
    with pytest.raises(MalformedFrame, match=reason) as caught:
        parser.parse(raw, TS)
    assert caught.value.frame is raw
    assert short(parser.parse(book("delta", DELTA), TS)) == DELTA_ROWS, "a bad frame leaves the parser as it was"


def test_a_lost_connection_is_a_gap_and_the_next_first_snapshot_no_restart():
    parser = public()
    parser.parse(book("snapshot", SNAPSHOT), TS)
    parser.forget_books()
    assert short(parser.parse(book("snapshot", SNAPSHOT | {"u": 1}), TS)) == restarted(SNAPSHOT_ROWS)
    assert short(gap_rows(1, TS)) == [("BOOK_GAP", None, 0, None, None, 0)]
    assert gap_rows(1, TS)["ts_exchange_ns"][0] == NO_TS_NS


GOOD = [each for frames, _ in ROWS for each in frames]


@given(st.lists(spoiled_frames(GOOD) | st.sampled_from(GOOD) | st.binary(max_size=30), max_size=6))
def test_any_bytes_give_rows_or_malformed(frames):
    parser = public()
    for raw in frames:
        slow = copy.copy(parser)
        slow.lane, slow.seen_topics = None, set()
        slow.context = copy.deepcopy(parser.context)
        try:
            found = parser.parse(raw, TS)
        except MalformedFrame as refused:
            assert refused.reason and refused.frame is raw
            continue
        assert isinstance(found, np.ndarray | Control | Ignored)
        if isinstance(found, np.ndarray):
            short(found)
            if EventKind.BOOK_CLEAR not in found["kind"]:
                assert found.tobytes() == slow.parse(raw, TS).tobytes(), "the lane is the long way"


@pytest.mark.realdata
def test_recorded_frames_give_the_rows_of_the_import(shared_data, tmp_path):
    path = shared_data / "bybit_v5_l2_trades" / "bybit_v5_linear_BTCUSDT_ETHUSDT.jsonl.zst"
    if not path.is_file():
        pytest.skip(f"no recorded feed {path.name}")
    load_importer("bybit")(ImportRequest(files=(path,), out=tmp_path / "journal"), lambda _: None)
    journal = Journal(tmp_path / "journal")
    imported = np.concatenate(list(journal.chunks()))
    imported = imported[(imported["kind"] >= EventKind.BOOK_SNAPSHOT) & (imported["kind"] <= EventKind.FUNDING)].copy()
    imported["seq"] = 0
    parser, found, ignored = PublicParser(journal.manifest()), [], set()
    lines = zstandard.ZstdDecompressor().stream_reader(path.open("rb")).read().splitlines()
    for line in lines:
        record = orjson.loads(line)
        if record["t"] != "recv":
            continue
        ts_ns = round(float(record["ts"]) * 1e6) * 1000
        told = parser.parse(record["data"].encode(), ts_ns)
        if isinstance(told, np.ndarray):
            found.append(told)
        else:
            ignored.add(told.what if isinstance(told, Ignored) else told.kind.value)
    rows = np.concatenate(found)
    rows["ts_receive_ns"] = imported["ts_receive_ns"]  # the clock's digits are the capture's affair
    assert rows.tobytes() == imported.tobytes()
    assert ignored == {"kline", "ticker", "subscribe"}
    assert len(rows) > 11_671 and {EventKind.MARK, EventKind.TRADE} <= set(rows["kind"].tolist())
    assert MANIFEST.instruments[0].symbol not in parser.context.table.listings
