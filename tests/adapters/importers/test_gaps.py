"""Books whose venue restarts, tells late or tells again: import, core and backtest say the same (docs/data.md 7)."""

from typing import Any

import numpy as np
import orjson
import pytest

from mmfold.adapters.importers import load_importer
from mmfold.adapters.importers.outcome import ImportRequest, ImportResult
from mmfold.engine.codes import BookStatus, EventKind
from mmfold.engine.core import Core
from mmfold.journal.log.reader import Journal

T0_MS = 1_767_225_600_000
GRIDS = {"ticks": {"A": "0.1"}, "lots": {"A": "0.001"}}
OLD, NEW = (500.0, 500.1), (400.0, 400.1)


def bybit(number: int, update: int, kind: str = "delta", prices: tuple[float, float] = OLD, gone: Any = None) -> Any:
    sides = [[[f"{price:.1f}", "1.000"]] for price in prices]
    if gone:
        sides = [[*side, [f"{price:.1f}", "0"]] for side, price in zip(sides, gone, strict=True)]
    data = {"s": "A", "b": sides[0], "a": sides[1], "u": update, "seq": number}
    ts = T0_MS + 100 * number
    return {"topic": "orderbook.50.A", "type": kind, "ts": ts, "data": data, "cts": ts - 1}


def usdm(number: int, update: int, prev: int, prices: tuple[float, float] = OLD) -> Any:
    ts = T0_MS + 100 * number
    sides = [[[f"{price:.1f}", "1.000"]] for price in prices]
    data = {"e": "depthUpdate", "E": ts, "T": ts - 1, "s": "A", "U": prev + 1, "u": update, "pu": prev}
    return {"stream": "a@depth@100ms", "data": data | {"b": sides[0], "a": sides[1]}}


def rest(number: int, update: int, prices: tuple[float, float] = OLD) -> Any:
    ts = T0_MS + 100 * number
    bid, ask = ([[f"{price:.1f}", "1.000"]] for price in prices)
    return {"lastUpdateId": update, "E": ts, "T": ts - 1, "bids": bid, "asks": ask}


def run(tmp_path: Any, source: str, messages: list[Any]) -> tuple[ImportResult, Core, np.ndarray]:
    """Return the import's result, the core after it and the rows."""
    lines = [b"%d %s" % ((T0_MS + 100 * at + 5) * 1_000_000, orjson.dumps(one)) for at, one in enumerate(messages)]
    path = tmp_path / "capture.txt"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    request = ImportRequest(files=(path,), out=tmp_path / "j", force=True, symbols=frozenset("A"), **GRIDS)
    result = load_importer(source)(request, lambda done: None)
    journal = Journal(tmp_path / "j")
    core, rows = Core(journal.manifest()), np.concatenate(list(journal.chunks()))
    core.feed(rows)
    return result, core, rows


BYBIT = [bybit(0, 1000, "snapshot"), *(bybit(n, 1000 + n) for n in range(1, 5))]
USDM = [rest(0, 5000), usdm(1, 5003, 5000), usdm(2, 5006, 5003)]
AGAIN = [usdm(n, 1003 + 3 * n, 1000 + 3 * n, NEW) for n in range(3, 8)]
CASES = {
    "a delta with u = 1 is the new book": (
        "bybit", [*BYBIT, bybit(5, 1, gone=OLD, prices=NEW), bybit(6, 2, prices=NEW)], 0, BookStatus.LIVE, 1, 4000),
    "u = 1 as a snapshot, sizes 0 in it": (
        "bybit", [*BYBIT, bybit(5, 1, "snapshot", gone=OLD, prices=NEW), bybit(6, 2, prices=NEW)], 0,
        BookStatus.LIVE, 1, 4000),
    "the message with u = 1 is missing": (
        "bybit", [*BYBIT, *(bybit(n, n, prices=NEW) for n in range(5, 9))], 1, BookStatus.STALE, 1, 5000),
    "deltas told again and late": (
        "bybit", [*BYBIT, BYBIT[4], BYBIT[2], BYBIT[3], bybit(8, 1005)], 0, BookStatus.LIVE, 0, 5000),
    "a missing delta": ("bybit", [*BYBIT, bybit(6, 1006), bybit(7, 1007)], 1, BookStatus.STALE, 0, 5000),
    "futures number anew, no snapshot": ("binance", [*USDM, *AGAIN], 1, BookStatus.STALE, 1, 5000),
    "futures number anew, a snapshot comes": (
        "binance", [*USDM, *AGAIN[:3], rest(5, 1015, NEW), *AGAIN[3:]], 1, BookStatus.LIVE, 1, 4000),
    "the snapshot of the new numbering comes first": (
        "binance", [*USDM, rest(3, 1011, NEW), *AGAIN[:2]], 1, BookStatus.STALE, 1, 5000),
    "deltas up to the snapshot, whatever their pu": (
        "binance", [rest(0, 5000), usdm(1, 4990, 4985), usdm(2, 4995, 4993), usdm(3, 5003, 4998)], 0,
        BookStatus.LIVE, 0, 5000),
    "a stream without a snapshot": ("binance", [USDM[1], USDM[2], usdm(3, 5010, 5008)], 1, BookStatus.EMPTY, 0, None),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_import_and_core_agree(tmp_path: Any, name: str) -> None:
    source, messages, gaps, status, restarts, bid = CASES[name]
    result, core, rows = run(tmp_path, source, messages)
    book = core.state.books[0]
    assert (result.rejected, result.gaps, book["gap_count"]) == (0, gaps, gaps)
    assert (book["status"], book["restart_count"]) == (status, restarts)
    assert bid is None or core.state.book_sides[0, 0]["best_price_ticks"] == bid
    restarted = rows[(rows["kind"] == EventKind.BOOK_SNAPSHOT) & (rows["aux"] == 1)]
    assert not len(restarted) or (restarted["qty_lots"] > 0).all()


def trade(number: int, price: float, side: str = "Sell") -> Any:
    ts = T0_MS + 100 * number
    data = {"T": ts, "s": "A", "S": side, "v": "1.000", "p": f"{price:.1f}", "i": f"t{number}", "BT": False, "seq": ts}
    return {"topic": "publicTrade.A", "type": "snapshot", "ts": ts, "data": [data]}


@pytest.mark.parametrize("first", [1, 5], ids=["u = 1", "u = 1 is missing"])
def test_a_restart_drops_what_rested_at_a_simulated_venue(tmp_path: Any, first: int) -> None:
    from mmfold.engine.codes import Side
    from mmfold.replay.venue.desk import Desk

    quiet = [*BYBIT, *(bybit(n, 1000 + n) for n in range(5, 9))]
    _, _, rows = run(tmp_path, "bybit", [*quiet, bybit(9, first, gone=OLD, prices=NEW), trade(9, 400.0)])
    desk = Desk(Journal(tmp_path / "j").manifest())
    ends = np.flatnonzero(rows["flags"] & 1) + 1
    events = [event for event in np.split(rows, ends[:-1]) if event["kind"][0] >= EventKind.BOOK_SNAPSHOT]
    for event in events[:-2]:
        desk.apply_market(event, int(event["ts_exchange_ns"][0]))
    order = np.zeros(1, rows.dtype)
    order["kind"], order["side"], order["price_ticks"], order["qty_lots"] = EventKind.PLACE, Side.BID, 4999, 10
    order["order_id"], order["flags"], order["aux"] = 1 << 16, 1 | 16, -(1 << 62)
    answers = desk.request(order[0], int(events[-3]["ts_exchange_ns"][0]))
    assert [EventKind(int(kind)) for kind in answers["kind"]] == [EventKind.ACK]
    told = [desk.apply_market(event, int(event["ts_exchange_ns"][0])) for event in events[-2:]]
    assert [EventKind(int(kind)).name for part in told for kind in part["kind"]] == ["CANCELED"]
