"""Events of a journal, and the trades of its market, as Arrow tables."""

import numpy as np
import pyarrow as pa

from mmfold.engine.codes import EventKind, Flag, Reason
from mmfold.engine.manifest import Manifest
from mmfold.engine.records import NO_ORDER_ID
from mmfold.journal.jsonl.fields import KINDS, WHY
from mmfold.journal.parquet import arrow_table
from mmfold.reports.money import instrument_units
from mmfold.reports.tables.columns import UTC_NS, amounts, times, words
from mmfold.reports.tables.orders import SIDE_WORDS

ORDER_KINDS = [code for code, entry in KINDS.items() if "order_id" in {one.key for one in (*entry.fields, *entry.each)}]
REASON_KINDS = [code for code, entry in KINDS.items() if WHY in entry.fields]
REASON_WORDS = [Reason(code).name.lower() if code in {*Reason} else str(code) for code in range(max(Reason) + 1)]


def events_table(rows: np.ndarray, manifest: Manifest, exact: bool) -> pa.Table:
    """Return a row per journal row: a book event has one per level.

    Units: price and qty as the venue has them; times UTC; `aux`, `code` and `flags` as docs/data.md says by kind.
    """
    as_kept = arrow_table(rows, manifest)
    units = [instrument_units(instrument) for instrument in manifest.instruments]
    price, qty = as_kept["price"], as_kept["qty"]
    if exact:
        held = [np.asarray(column.is_valid()) for column in (price, qty)]
        index = rows["instrument_index"]
        price = amounts(rows["price_ticks"], index, [one.tick for one in units], exact, held[0])
        qty = amounts(rows["qty_lots"], index, [one.lot for one in units], exact, held[1])
    has_reason = np.isin(rows["kind"], REASON_KINDS) & (rows["code"] < len(REASON_WORDS))
    columns = {
        **{name: as_kept[name] for name in ("seq", "kind", "symbol", "side")},
        "price": price,
        "qty": qty,
        "order_id": pa.array(rows["order_id"].astype(np.int64), mask=~np.isin(rows["kind"], ORDER_KINDS)),
        "reason": words(rows["code"], REASON_WORDS, ~has_reason),
        "ts_exchange": as_kept["ts_exchange_ns"].cast(UTC_NS),
        "ts_receive": as_kept["ts_receive_ns"].cast(UTC_NS),
        **{name: as_kept[name] for name in ("aux", "code", "flags", "payload")},
    }
    return pa.table(columns)


def trades_table(rows: np.ndarray, manifest: Manifest, exact: bool) -> pa.Table:
    """Return a row per trade of the market, by the side of who took.

    Units: price and qty as the venue has them, `quote` the currency of the price; times UTC.
    """
    rows = rows[rows["kind"] == EventKind.TRADE]
    index = rows["instrument_index"]
    units = [instrument_units(instrument) for instrument in manifest.instruments]
    columns = {
        "seq": pa.array(rows["seq"].astype(np.int64)),
        "symbol": words(index, [one.symbol for one in manifest.instruments]),
        "side": words(rows["side"], SIDE_WORDS),
        "price": amounts(rows["price_ticks"], index, [one.tick for one in units], exact),
        "qty": amounts(rows["qty_lots"], index, [one.lot for one in units], exact),
        "quote": words(index, [one.quote for one in units]),
        "block": pa.array((rows["flags"] & Flag.BLOCK) != 0),
        "trade_id": pa.array(rows["order_id"].astype(np.int64), mask=rows["order_id"] == NO_ORDER_ID),
        "ts_exchange": times(rows["ts_exchange_ns"]),
        "ts_receive": times(rows["ts_receive_ns"]),
    }
    return pa.table(columns)
