"""Trades that were told before, many at once, compiled; must never judge otherwise than journal/told.py."""

# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False

from mmfold.adapters.importers.kernel import key_of_trade, was_told
from mmfold.engine.jit import entry


@entry
def note_told(keys, place, rows, again):
    """Note of each row whether it was told before, and remember it.

    Shape: keys, place as in Told; rows EVENT of trades with an id in `order_id`; again bool, one per row.
    """
    for index in range(rows.size):
        row = rows[index]
        key = key_of_trade(
            row["instrument_index"], row["order_id"], row["ts_exchange_ns"], row["price_ticks"], row["qty_lots"]
        )
        again[index] = was_told(keys, place, key)
