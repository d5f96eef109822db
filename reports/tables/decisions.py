"""Decisions of a journal in words, and the state at one of its moments, as Arrow tables."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from mmfold.engine.book import best_levels
from mmfold.engine.codes import Side
from mmfold.engine.limits import BOOK_FAR_COUNT_MAX, BOOK_WINDOW_TICKS
from mmfold.engine.manifest import Manifest, canonical_json
from mmfold.engine.records import NO_TS_NS
from mmfold.engine.views import is_effect
from mmfold.journal.jsonl.notes import with_whole_notes
from mmfold.replay.debug.moment import Moment
from mmfold.reports.audit import audit_records
from mmfold.reports.money import instrument_units
from mmfold.reports.parameters import parameters_in_force
from mmfold.reports.tables.columns import UTC_NS, amounts, times, words

LEVEL_COUNT_MAX = BOOK_WINDOW_TICKS + BOOK_FAR_COUNT_MAX  # all of a side
WORDS = ("reason", "author", "side", "param", "alert", "event", "before", "after")
AUDIT = pa.schema(
    [
        ("seq", pa.int64()),
        ("ts", UTC_NS),
        ("kind", pa.string()),
        ("symbol", pa.string()),
        ("order_id", pa.int64()),
        *((name, pa.string()) for name in WORDS),
        ("value", pa.int64()),
        ("bound", pa.int64()),
        ("unit", pa.string()),
        ("detail", pa.int64()),
        ("fields", pa.string()),
    ]
)
IN_FORCE = pa.schema(
    [
        ("symbol", pa.string()),
        ("param", pa.string()),
        ("key", pa.string()),
        ("base", pa.float64()),
        ("effective", pa.float64()),
        ("by", pa.string()),
    ]
)


def audit_table(chunks: Iterable[np.ndarray], manifest: Manifest) -> pa.Table:
    """Return a row per decision that a journal holds: what `mm replay --audit` writes a line of.

    Units: `value` and what `bound` it met in `unit`; `before` and `after` as the audit log has them; `fields` is all of
    the record, as JSON.
    """
    found = list(audit_rows(chunks, manifest))
    return pa.table({field.name: pa.array([row[field.name] for row in found], field.type) for field in AUDIT})


def audit_rows(chunks: Iterable[np.ndarray], manifest: Manifest) -> Iterator[dict[str, Any]]:
    """Yield the rows of the audit table."""
    units = [instrument_units(instrument) for instrument in manifest.instruments]
    for rows in with_whole_notes(iter(chunks)):
        for row, record in audit_records(rows[is_effect(rows["kind"])], manifest, units):
            fields = record["fields"]
            ts_ns = row.ts_receive_ns if row.ts_receive_ns != NO_TS_NS else row.ts_exchange_ns
            yield {
                **{name: None if fields.get(name) is None else str(fields[name]) for name in WORDS},
                "seq": row.seq,
                "ts": None if ts_ns == NO_TS_NS else ts_ns,
                "kind": record["kind"].lower(),
                "symbol": None if record["symbol"] == "-" else record["symbol"],
                "order_id": int(fields["order_id"]) if "order_id" in fields else None,
                "value": fields.get("value"),
                "bound": fields.get("limit"),
                "unit": fields.get("unit"),
                "detail": fields.get("detail"),
                "fields": canonical_json(fields).decode(),
            }


def params_table(moment: Moment) -> pa.Table:
    """Return every PARAM of every symbol at a moment, in the unit of its name, and who had the last word."""
    found = [one._asdict() for one in parameters_in_force(moment.manifest, moment.state)]
    return pa.table({field.name: pa.array([row[field.name] for row in found], field.type) for field in IN_FORCE})


def book_table(moment: Moment, exact: bool) -> pa.Table:
    """Return the levels of every symbol's book at a moment, bids first, best first; `level` counts from 1.

    Units: price and qty as the venue has them, `quote` the currency of the price; `ts` the moment by the core's clock.
    """
    manifest, units = moment.manifest, [instrument_units(instrument) for instrument in moment.manifest.instruments]
    found = np.array(
        [
            (index, side, level, *priced)
            for index in range(len(units))
            for side in (Side.BID, Side.ASK)
            for level, priced in enumerate(best_levels(moment.state.cells[index], side, LEVEL_COUNT_MAX), 1)
        ],
        np.int64,
    ).reshape(-1, 5)
    index, side, level, ticks, lots = found.T
    columns = {
        "symbol": words(index, [one.symbol for one in manifest.instruments]),
        "side": words(side, ("bid", "ask")),
        "level": pa.array(level),
        "price": amounts(ticks, index, [one.tick for one in units], exact),
        "qty": amounts(lots, index, [one.lot for one in units], exact),
        "quote": words(index, [one.quote for one in units]),
        "ts": times(np.full(len(found), moment.ts_ns)),
    }
    return pa.table(columns)
