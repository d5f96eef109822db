"""A small market and the venue's words for what happens in it; all made here."""

from typing import Any

import numpy as np
import orjson

from mmfold.adapters.venues.binance.public import BinanceParser
from mmfold.engine.codes import EventKind, Flag
from mmfold.engine.manifest import Instrument, Manifest
from mmfold.engine.records import NO_ORDER_ID, NO_PRICE_TICKS, NO_VALUE
from mmfold.journal.jsonl.fields import scales_of
from mmfold.journal.log.canonical import check_canonical

MANIFEST = Manifest(
    run_id="live-2026-11-20",
    instruments=(
        Instrument(symbol="A", venue="binance", tick_size="0.10", lot_size="0.001"),
        Instrument(symbol="B", venue="binance", tick_size="0.5", lot_size="10"),
    ),
)
TS = 1_700_000_000_000_000_000

Rows = list[tuple[str, int | None, int | None, int | None, int | None]]


def public() -> BinanceParser:
    return BinanceParser(MANIFEST)


def frame(stream: str, data: Any) -> bytes:
    """One frame of a combined stream, its keys in the venue's order."""
    return orjson.dumps({"stream": stream, "data": data})


def depth(
    first: int, last: int, previous: int, bids: Any = (), asks: Any = (), symbol: str = "A", **more: Any
) -> bytes:
    data = {"e": "depthUpdate", "E": 12, "T": 11, "s": symbol, "U": first, "u": last, "pu": previous}
    return frame(f"{symbol.lower()}@depth@100ms", data | {"b": bids, "a": asks} | more)


def trade(number: int, price: str = "100.1", qty: str = "0.002", **more: Any) -> bytes:
    data = {"e": "trade", "E": 12, "T": 11, "s": "A", "t": number, "p": price, "q": qty, "X": "MARKET", "m": True}
    return frame("a@trade", data | more)


def snapshot(number: int, bids: Any = (["100.0", "1"],), asks: Any = (["100.1", "2"],), **more: Any) -> bytes:
    return orjson.dumps({"lastUpdateId": number, "E": 12, "T": 11, "bids": bids, "asks": asks} | more)


def short(rows: Any) -> Rows:
    """(kind, price, qty, order_id, aux) of each row, absent fields as None; every row is checked as canonical."""
    assert isinstance(rows, np.ndarray), rows
    stamped = rows.copy()
    stamped["seq"] = np.cumsum([1, *(rows["flags"][:-1] & Flag.LAST)])
    check_canonical(stamped, scales_of(MANIFEST))
    absent = {NO_PRICE_TICKS: None, NO_ORDER_ID: None, NO_VALUE: None}
    names = ("price_ticks", "qty_lots", "order_id", "aux")
    return [
        (EventKind(row["kind"]).name, *(absent.get(int(row[name]), int(row[name])) for name in names))  # type: ignore[misc]
        for row in rows
    ]
