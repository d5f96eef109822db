"""Trades that two merged recordings of one instrument both tell, taken once; must never drop a trade without an id.

Journals of one instrument follow each other by their receive times, but two recorders' clocks differ: the end of one
may tell what the start of the next tells as well.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from mmfold.engine.codes import EventKind
from mmfold.engine.jit import entry, kernel
from mmfold.engine.manifest import Manifest
from mmfold.engine.records import NO_ORDER_ID
from mmfold.journal import told

key_of_trade, was_told = kernel(told.key_of_trade), kernel(told.was_told)
NO_ID, BY_NUMBER, BY_ID = range(3)  # what tells an instrument's trades apart
ID_OF_VENUE = {"binance": BY_NUMBER, "bybit": BY_ID}


@entry
def mark_told(rows, kinds_of_id, keys, place, again):
    """Mark the trades that were told before.

    Shape: rows EVENT; kinds_of_id one NO_ID, BY_NUMBER or BY_ID per instrument; again (n,) bool.
    """
    for i in range(rows.size):
        row = rows[i]
        kind = kinds_of_id[row["instrument_index"]]
        if row["kind"] != EventKind.TRADE or kind == NO_ID:
            continue
        trade_id = row["aux"] if kind == BY_NUMBER else row["order_id"]
        if trade_id == NO_ORDER_ID:
            continue
        key = key_of_trade(
            row["instrument_index"], trade_id, row["ts_exchange_ns"], row["price_ticks"], row["qty_lots"]
        )
        again[i] = was_told(keys, place, key)


class TradesOnce:
    """One reading of merged recordings; `count` is how many trades it left out."""

    def __init__(self, manifest: Manifest, shared: Sequence[int]) -> None:
        self.kinds_of_id = np.zeros(len(manifest.instruments), np.int64)
        for index in shared:
            self.kinds_of_id[index] = ID_OF_VENUE.get(manifest.instruments[index].venue, NO_ID)
        self.count = 0

    def keep_new(self, chunks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield the recordings without the trades that were told before."""
        if not self.kinds_of_id.any():
            yield from chunks
            return
        memory = told.no_trades()
        for chunk in chunks:
            again = np.zeros(len(chunk), np.bool_)
            mark_told(chunk, self.kinds_of_id, memory.keys, memory.place, again)
            self.count += int(again.sum())
            rows = chunk[~again] if again.any() else chunk
            if len(rows):
                yield rows
