"""Whole books, one after the other, to a first snapshot and then what changed; must never do I/O.

ccxt hands out its own copy of a book after each message of the venue. As deltas of our own numbering a journal is a
tenth of what it is as snapshots, and an order's place in a queue survives the messages that are not about its level.
"""

import numpy as np

from mmfold.adapters.importers.rows import Row, finish_event
from mmfold.adapters.venues.ledger import as_rows
from mmfold.engine.codes import EventKind, Side
from mmfold.engine.records import NO_PRICE_TICKS

Levels = dict[tuple[int, int], int]  # (side, price_ticks): qty_lots


class BookDeltas:
    """The books of one connection as they were told last.

    A book's first number is beyond `number`, which has to be above those of any connection before: a numbering that
    begins anew is a restart of the venue.
    """

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self.levels: dict[int, Levels] = {}  # by instrument_index
        self.numbers: dict[int, int] = {}  # of each book's last message

    def news(self, snapshot: np.ndarray) -> np.ndarray:
        """Return a BOOK_SNAPSHOT's rows with our number, or the BOOK_DELTA from the book before; none without a change.

        After a crossed or locked book a snapshot follows: the core waits for one (docs/data.md, book integrity).
        """
        index = int(snapshot["instrument_index"][0])
        levels = levels_of(snapshot)
        before = self.levels.get(index)
        self.levels[index] = levels
        if before == levels:
            return as_rows([])
        number = self.numbers[index] = self.numbers.get(index, self.number) + 1
        if before is None or touches(before):
            snapshot["aux"] = number
            return snapshot
        return delta_rows(snapshot[0], before, levels, number)


def levels_of(snapshot: np.ndarray) -> Levels:
    """Return a snapshot's levels."""
    columns = (snapshot[name].tolist() for name in ("side", "price_ticks", "qty_lots"))
    return {(side, price): qty for side, price, qty in zip(*columns, strict=True) if price != NO_PRICE_TICKS}


def touches(levels: Levels) -> bool:
    """Tell whether a book is crossed or locked."""
    bids = [price for side, price in levels if side == Side.BID]
    asks = [price for side, price in levels if side == Side.ASK]
    return bool(bids and asks) and max(bids) >= min(asks)


def delta_rows(head: np.void, before: Levels, after: Levels, number: int) -> np.ndarray:
    """Return the BOOK_DELTA between two books: bids from the best down, then asks from the best up.

    A level that is beyond the depth that we are told is gone, for us.
    """
    changed = {key: after.get(key, 0) for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    keys = sorted(changed, key=lambda key: (key[0], -key[1] if key[0] == Side.BID else key[1]))
    times = (int(head["ts_exchange_ns"]), int(head["ts_receive_ns"]))
    kind, index = EventKind.BOOK_DELTA, int(head["instrument_index"])
    rows: list[Row] = [
        (0, *times, price, changed[side, price], number - 1, number, kind, side, 0, index, 0) for side, price in keys
    ]
    return finish_event(rows)
