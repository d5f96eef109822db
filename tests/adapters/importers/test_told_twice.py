"""A trade is told once, whatever tells it: overlapping captures, a file given twice, a second stream of trades."""

import gzip
import uuid

import numpy as np
import orjson
import pytest

from mmfold.adapters.importers import load_importer
from mmfold.adapters.importers import run as run_module
from mmfold.adapters.importers.frames import Form
from mmfold.adapters.importers.outcome import ImportRequest
from mmfold.engine.codes import EventKind
from mmfold.engine.jit import JIT_ENABLED
from mmfold.engine.records import NO_ORDER_ID
from mmfold.journal import told
from mmfold.journal.log.reader import Journal
from tests.adapters.importers.take_lines import note_slow_lines, take
from tests.adapters.venues.bybit import made_capture as made

T0_NS = 1_767_225_600_000_000_000
T0_MS = T0_NS // 1_000_000
GRIDS = {"ticks": {"A": "0.1", "B": "0.1", **made.TICKS}, "lots": {"A": "0.001", "B": "0.001", **made.LOTS}}
COMPILED = pytest.mark.skipif(not JIT_ENABLED, reason="without JIT there is no fast lane")
UUID_TEXT = "a9188a0a-82bc-50de-be60-0123456789ab"


def depth(number, symbol="A"):
    data = {"e": "depthUpdate", "E": T0_MS + number, "T": T0_MS + number, "s": symbol, "U": number, "u": number,
            "pu": number - 1, "b": [["1.0", "2"]], "a": [["1.1", "2"]]}  # fmt: skip
    return {"stream": f"{symbol.lower()}@depth", "data": data}


def trade(number, symbol="A", price="1.0"):
    data = {"e": "trade", "E": T0_MS + number, "T": T0_MS + number, "s": symbol, "t": number, "p": price,
            "q": "0.5", "X": "MARKET", "m": True}  # fmt: skip
    return {"stream": f"{symbol.lower()}@trade", "data": data}


def aggregate(number, first, last, symbol="A"):
    data = {"e": "aggTrade", "E": T0_MS + last, "a": number, "s": symbol, "p": "1.0", "q": "1.5", "f": first,
            "l": last, "T": T0_MS + last, "m": True}  # fmt: skip
    return {"stream": f"{symbol.lower()}@aggTrade", "data": data}


def bybit_trade(*ids, symbol="AAAUSDT"):
    data = [{"T": T0_MS, "s": symbol, "S": "Buy", "v": "0.001", "p": "60000.0", "i": one, "BT": False, "seq": 7}
            for one in ids]  # fmt: skip
    return {"topic": f"publicTrade.{symbol}", "type": "snapshot", "ts": T0_MS, "data": data}


def stamped(messages, start=0, late_ns=0):
    """Lines 1 ms apart, the first at a place in the recording, received a bit later than by another recorder."""
    return [
        b"%d %s" % (T0_NS + late_ns + (start + index) * 1_000_000, orjson.dumps(message))
        for index, message in enumerate(messages)
    ]


def capture(lines):
    return b"".join(line + b"\n" for line in lines)


def run(tmp_path, *files, source="binance", **values):
    paths = []
    for index, data in enumerate(files):
        paths.append(tmp_path / f"in{index}")
        paths[-1].write_bytes(data)
    request = ImportRequest(files=tuple(paths), out=tmp_path / "j", **{**GRIDS, "force": True, **values})
    return load_importer(source)(request, lambda done: None)


def trades_of(tmp_path):
    rows = np.concatenate(list(Journal(tmp_path / "j").chunks()))
    return rows[rows["kind"] == EventKind.TRADE]


BINANCE = [depth(1), *(message for number in range(2, 42) for message in (trade(number), depth(number)))]
BYBIT = [made.book(0, made.SYMBOLS[0], 1, "snapshot", 3), *(made.trades(n, made.SYMBOLS[0]) for n in range(1, 30))]


@pytest.mark.parametrize(("source", "messages", "count"), [("binance", BINANCE, 40), ("bybit", BYBIT, 87)])
@pytest.mark.parametrize("late_ns", [0, 300_000, 70_000_000])
def test_overlapping_captures_tell_every_trade_once(tmp_path, source, messages, count, late_ns):
    alone = run(tmp_path, capture(stamped(messages)), source=source)
    ids = trades_of(tmp_path)[["aux", "order_id"]]
    cut, back = 2 * len(messages) // 3, len(messages) // 3
    parts = capture(stamped(messages[:cut])), capture(stamped(messages[back:], back, late_ns))
    both = run(tmp_path, *parts, source=source)
    assert alone.events["trade"] == both.events["trade"] == len(ids) == count
    assert sorted(trades_of(tmp_path)[["aux", "order_id"]].tolist()) == sorted(ids.tolist())
    told_twice = sum(b'"trade' in line or b"publicTrade" in line for line in stamped(messages)[back:cut])
    assert both.skipped == {"trade told twice": told_twice * count // (40 if source == "binance" else 29)}
    assert both.document()["skipped"] == both.skipped


@pytest.mark.parametrize(("source", "messages"), [("binance", BINANCE), ("bybit", BYBIT)])
def test_the_same_file_twice(tmp_path, source, messages):
    once = run(tmp_path, capture(stamped(messages)), source=source)
    rows = trades_of(tmp_path)
    twice = run(tmp_path, capture(stamped(messages)), capture(stamped(messages)), source=source)
    assert twice.events["trade"] == once.events["trade"] == twice.skipped["trade told twice"]
    same = ["ts_exchange_ns", "ts_receive_ns", "price_ticks", "qty_lots", "order_id", "aux", "side"]
    assert (trades_of(tmp_path)[same] == rows[same]).all()


OF_ONE_ID = {
    "same": {},
    "price": {"p": "60000.1"},
    "size": {"v": "0.002"},
    "time": {"T": T0_MS + 1},
}


@pytest.mark.parametrize("what", OF_ONE_ID)
@pytest.mark.parametrize("fast", [False, pytest.param(True, marks=COMPILED)])
def test_trades_that_share_an_id_are_told_apart_by_time_price_and_size(what, fast, tmp_path, monkeypatch):
    monkeypatch.setattr(run_module, "FAST_LANE_BYTES_MIN", 0 if fast else 1 << 40)
    other = bybit_trade("x")
    other["data"][0] |= OF_ONE_ID[what]
    messages = [made.book(0, made.SYMBOLS[0], 1, "snapshot", 3), bybit_trade("x"), other, other]
    found = run(tmp_path, capture(stamped(messages)), source="bybit")
    assert found.events["trade"] == (1 if what == "same" else 2)
    assert found.skipped["trade told twice"] == 3 - found.events["trade"]


BESIDE = [
    ([trade(1), trade(2), aggregate(9, 1, 2), trade(3), aggregate(10, 3, 3)], [1, 2, 3], "aggTrade beside trade", 2),
    ([aggregate(9, 1, 2), trade(1), trade(2), aggregate(10, 3, 3), trade(3)], [9, 10], "trade beside aggTrade", 3),
]


@pytest.mark.parametrize(("messages", "numbers", "what", "count"), BESIDE)
def test_the_first_stream_of_trades_is_the_symbols(tmp_path, messages, numbers, what, count):
    # Another symbol has a stream of its own.
    result = run(tmp_path, capture(stamped([depth(1), *messages, aggregate(1, 1, 1, "B")])))
    rows = trades_of(tmp_path)
    assert rows["aux"][rows["instrument_index"] == 0].tolist() == numbers
    assert rows["aux"][rows["instrument_index"] == 1].tolist() == [1]
    assert result.skipped == {what: count}
    # In two captures as well: the stream that begins first is the one.
    halves = [[m for m in messages if m["data"]["e"] == kind] for kind in ("trade", "aggTrade")]
    if what.startswith("trade"):
        halves.reverse()
    result = run(tmp_path, *(capture(stamped(half, place)) for place, half in enumerate(halves)))
    assert (result.events, result.skipped) == ({"trade": len(numbers)}, {what: count})


def test_real_trades_that_look_alike_stay(tmp_path):
    # One sequence, one price, one size, one side: only the id tells them apart.
    lines = stamped(
        [made.book(0, made.SYMBOLS[0], 1, "snapshot", 3), bybit_trade(*(str(uuid.uuid4()) for _ in range(5)))]
    )
    assert run(tmp_path, capture(lines), source="bybit").events["trade"] == 5
    rows = trades_of(tmp_path)
    assert len(np.unique(rows[["aux", "price_ticks", "qty_lots", "side"]])) == 1 and len(set(rows["order_id"])) == 5
    # Without an id nothing tells them apart, and nothing is dropped.
    lines = stamped([bybit_trade("", ""), bybit_trade("")])
    assert run(tmp_path, capture(lines), source="bybit").events["trade"] == 3
    assert set(trades_of(tmp_path)["order_id"].tolist()) == {NO_ORDER_ID}


def test_one_message_tells_some_trades_again(tmp_path):
    lines = stamped(
        [bybit_trade("1", "2"), bybit_trade("2", "3", "1", "4"), bybit_trade("4", "1"), bybit_trade("5", "5")]
    )
    result = run(tmp_path, capture(lines), source="bybit")
    assert trades_of(tmp_path)["order_id"].tolist() == [1, 2, 3, 4, 5] and result.skipped == {"trade told twice": 5}
    assert trades_of(tmp_path)["seq"].tolist() == [1, 2, 3, 4, 5]


def test_a_refused_message_tells_no_trade(tmp_path):
    # Its first trade is good, its second has no side: all or none, so the good one is new when it is told well.
    bad = bybit_trade("1", "2")
    bad["data"][1]["S"] = "Neither"
    result = run(tmp_path, capture(stamped([bad, bybit_trade("1")])), source="bybit")
    assert (result.rejected, result.events, result.skipped) == (1, {"trade": 1}, {})


IDS = [
    (UUID_TEXT, 0x3E600123456789AB),
    (UUID_TEXT.upper(), 0x3E600123456789AB),
    ("2290000000068683805", 2_290_000_000_068_683_805),
    ("0", 0),
    (str(told.TRADE_ID_MAX), told.TRADE_ID_MAX),
    (str(told.TRADE_ID_MAX + 1), None),
    ("007", None),
    ("x", None),
    ("a" * 36, None),
    (UUID_TEXT.replace("-", "_"), None),
    ("٣", None),
]


@pytest.mark.parametrize(("text", "trade_id"), IDS)
def test_ids(text, trade_id):
    found = told.trade_id_of(text)
    assert 0 <= found <= told.TRADE_ID_MAX and (trade_id is None or found == trade_id)
    if trade_id is None:
        assert found not in (told.trade_id_of(text + " "), told.trade_id_of("1" + text), 7)


@COMPILED
@pytest.mark.parametrize("text", [text for text, _ in IDS] + ["", "1 ", "-1", "4" * 20, UUID_TEXT[:-1] + "g"])
def test_both_lanes_read_the_same_id(text):
    table = {"ticks": made.TICKS, "lots": made.LOTS}
    lines = stamped([made.book(0, made.SYMBOLS[0], 1, "snapshot", 3), bybit_trade(text, "1"), bybit_trade(text)])
    lines = [line.replace(b'"AAAUSDT","b"', b'"AAAUSDT","b"') for line in lines]
    assert take("bybit", lines, "linear", True, table=table) == take("bybit", lines, "linear", False, table=table)


@COMPILED
@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("copies", [2, 5])
def test_both_lanes_drop_the_same(form, copies, monkeypatch):
    table = {"ticks": GRIDS["ticks"], "lots": GRIDS["lots"]}
    lines = made.frame_lines(made.messages(400), form)
    lines = [line for line in lines for _ in range(copies)]
    expected = take("bybit", lines, "linear", False, form, table)
    assert expected[1][2]["trade told twice"] == (copies - 1) * expected[1][1]["trade"]
    assert take("bybit", lines, "linear", True, form, table) == expected
    slow = note_slow_lines(monkeypatch)
    take("bybit", lines, "linear", True, form, table)
    assert len(slow) < 10 * copies


@COMPILED
def test_binances_lanes_drop_the_same(monkeypatch):
    mixed = [
        message for n in range(1, 60) for message in (trade(n), aggregate(n, n, n), trade(n), aggregate(n, n, n, "B"))
    ]
    for lines in (stamped(mixed), stamped(mixed[1:])):
        table = {"ticks": {"A": "0.1", "B": "0.1"}, "lots": {"A": "0.001", "B": "0.001"}}
        expected = take("binance", lines, "usdm", False, table=table)
        assert take("binance", lines, "usdm", True, table=table) == expected
        assert sum(expected[1][2].values()) > 100
        slow = note_slow_lines(monkeypatch)
        take("binance", lines, "usdm", True, table=table)
        assert len(slow) <= 3


@COMPILED
@pytest.mark.parametrize("forms", [(Form.STAMPED, Form.STAMPED), (Form.CAPTURE, Form.CRYPTOFEED, Form.STAMPED)])
def test_merged_files_are_the_same_on_both_lanes(tmp_path, forms, monkeypatch):
    messages = made.messages(1_500)
    files = []
    for place, form in enumerate(forms):
        lines = made.frame_lines(messages[place * 100 : 1_300 + place * 100], form)
        lines[500 + place] = b"odd"
        files.append(gzip.compress(b"".join(line + b"\n" for line in lines)))
    monkeypatch.setattr(run_module, "FAST_LANE_BYTES_MIN", 1 << 40)
    slow = run(tmp_path, *files, source="bybit")
    expected = (slow.document(), (tmp_path / "j.quarantine.jsonl").read_bytes())
    monkeypatch.setattr(run_module, "FAST_LANE_BYTES_MIN", 0)
    fast = run(tmp_path, *files, source="bybit")
    assert (fast.document(), (tmp_path / "j.quarantine.jsonl").read_bytes()) == expected
    assert fast.rejected == len(forms) and fast.skipped["trade told twice"] > 50


# The memory


def test_the_memory_is_bounded_and_exact_within_it(monkeypatch):
    count = 1 << 10
    monkeypatch.setattr(told, "TOLD_ID_COUNT", count)
    monkeypatch.setattr(told, "SLOT_COUNT", 2 * count)
    memory = told.no_trades()
    rng = np.random.default_rng(4)
    ids = rng.permutation(8 * count)

    def again(number, index=3):
        key = told.key_of_trade(index, np.int64(number), np.int64(T0_NS), np.int64(7), np.int64(9))
        return told.was_told(memory.keys, memory.place, key)

    for at, number in enumerate(ids.tolist()):
        assert not again(number)
        assert again(ids[max(0, at - count + 1)]), "one of the last is remembered"
    assert not again(ids[0]), "one of long ago is not"
    assert not again(ids[-1], index=4) and again(ids[-1], index=4), "every instrument has numbers of its own"
    assert (memory.keys != 0).sum() <= 2 * count
