"""Whose a book snapshot is that does not say it, from the streams of the whole import; must never take the likeliest.

Binance's REST answers for spot and USD-M name no symbol, and the symbols of USD-M share their update ids. A snapshot is
a symbol's when the id stands in its stream and everything that the stream says about the book at that id is so: the
best prices, the sizes of the levels that were set before, the best prices later; and when that is true of no other.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from mmfold.adapters.importers.outcome import Place
from mmfold.adapters.importers.spool import Spool
from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.records import NO_PRICE_TICKS

SIDES = (Side.BID, Side.ASK)
PART_COUNT_MAX = 4  # of the stream, before and after the snapshot's id
LEVEL_COUNT_MAX = 1_000  # rows of deltas that are compared, before and after it
EVENT_COUNT_MAX = 20  # deltas after it that must not cross the book
TOP_COUNT_MAX = 5  # best prices after it that are compared

Book = tuple[dict[int, int], dict[int, int]]  # {price_ticks: qty_lots} of bids and asks


@dataclass(frozen=True, slots=True)
class Held:
    """A snapshot without its symbol, and the place in the spool that is kept for it."""

    place: Place
    message: bytes
    ts_receive_ns: int
    line: bytes
    seq: int
    hole: int


class Span(NamedTuple):
    """The update ids of one symbol in one part of the spool."""

    part: int
    first: int
    last: int


class Streams:
    """What the spool holds of each symbol's book stream, found by update id."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self.spans: dict[int, list[Span]] = {}
        for part in range(spool.part_count):
            rows = spool.part(part)
            rows = rows[(rows["kind"] == EventKind.BOOK_DELTA) | (rows["kind"] == EventKind.BBO)]
            for index in np.unique(rows["instrument_index"]).tolist():
                ids = rows["aux"][rows["instrument_index"] == index]
                self.spans.setdefault(index, []).append(Span(part, int(ids.min()), int(ids.max())))

    def around(self, index: int, update: int) -> tuple[np.ndarray, np.ndarray]:
        """Return a symbol's deltas and best prices around an update id, in order."""
        spans = self.spans.get(index, [])
        before = [span.part for span in spans if span.first <= update][-PART_COUNT_MAX:]
        after = [span.part for span in spans if span.last >= update][:PART_COUNT_MAX]
        parts = [self.spool.part(part) for part in sorted({*before, *after})]
        rows = np.concatenate(parts) if parts else self.spool.part(0)[:0]
        rows = rows[rows["instrument_index"] == index]
        return rows[rows["kind"] == EventKind.BOOK_DELTA], rows[rows["kind"] == EventKind.BBO]

    def fits(self, snapshot: np.ndarray) -> bool:
        """Tell whether a snapshot, in a symbol's own ticks and lots, is of that symbol's book."""
        update = int(snapshot["aux"][0])
        deltas, tops = self.around(int(snapshot["instrument_index"][0]), update)
        if len(deltas):
            start = chain_start(deltas, update)
            if start is None:
                return False
        elif len(tops) and tops["aux"].min() <= update <= tops["aux"].max():
            start = int(tops["aux"].min())
        else:
            return False
        book = book_of(snapshot)
        return (
            is_top_equal(book, tops[(tops["aux"] <= update) & (tops["aux"] >= start)])
            and are_levels_equal(book, deltas, start, update)
            and is_followed(book, deltas[deltas["aux"] > update], tops[tops["aux"] > update])
        )


def chain_start(deltas: np.ndarray, update: int) -> int | None:
    """Return from which update id on the stream has no gap up to a snapshot's; None where that is in no delta."""
    ends = deltas[(deltas["flags"] & Flag.LAST) != 0]
    bridges = np.flatnonzero((ends["order_id"] <= update) & (update <= ends["aux"]))
    if not len(bridges):
        return None
    first = int(bridges[0])
    while first and ends["order_id"][first] == ends["aux"][first - 1]:
        first -= 1
    return int(ends["order_id"][first])


def book_of(snapshot: np.ndarray) -> Book:
    """Return the levels of a snapshot."""
    rows = snapshot[snapshot["price_ticks"] != NO_PRICE_TICKS]
    bids, asks = (rows[rows["side"] == side] for side in SIDES)
    return (
        dict(zip(bids["price_ticks"].tolist(), bids["qty_lots"].tolist(), strict=True)),
        dict(zip(asks["price_ticks"].tolist(), asks["qty_lots"].tolist(), strict=True)),
    )


def top_of(book: Book) -> tuple[int | None, int | None]:
    """Return the best prices of a book."""
    return max(book[Side.BID], default=None), min(book[Side.ASK], default=None)


def is_top_equal(book: Book, tops: np.ndarray) -> bool:
    """Tell whether the best prices are those of the last ones that the stream said; true where it said none."""
    return len(tops) == 0 or top_of(book) == (int(tops["price_ticks"][-2]), int(tops["price_ticks"][-1]))


def are_levels_equal(book: Book, deltas: np.ndarray, start: int, update: int) -> bool:
    """Tell whether the levels set before the snapshot are in it as they were set, as far as it reaches.

    What a delta across the snapshot's id set may have been set before or after it.
    """
    crossing = deltas[(deltas["order_id"] < update) & (deltas["aux"] > update)]
    unsure = set(zip(crossing["side"].tolist(), crossing["price_ticks"].tolist(), strict=True))
    rows = deltas[(deltas["aux"] <= update) & (deltas["order_id"] >= start)][-LEVEL_COUNT_MAX:]
    columns = (rows["side"].tolist(), rows["price_ticks"].tolist(), rows["qty_lots"].tolist())
    levels = {(side, price): qty for side, price, qty in zip(*columns, strict=True) if price != NO_PRICE_TICKS}
    worst = (min(book[Side.BID], default=0), max(book[Side.ASK], default=0))
    for (side, price), qty in levels.items():
        is_shown = price >= worst[Side.BID] if side == Side.BID else price <= worst[Side.ASK]
        if is_shown and (side, price) not in unsure and book[side].get(price, 0) != qty:
            return False
    return True


def is_followed(book: Book, deltas: np.ndarray, tops: np.ndarray) -> bool:
    """Tell whether the book stays uncrossed as the stream goes on, with the best prices that the stream says."""
    levels = (dict(book[Side.BID]), dict(book[Side.ASK]))
    top_at = {int(bid["aux"]): (int(bid["price_ticks"]), int(ask["price_ticks"])) for bid, ask in pairs(tops)}
    event_count = top_count = 0
    for row in deltas[:LEVEL_COUNT_MAX]:
        if row["price_ticks"] != NO_PRICE_TICKS:
            levels[row["side"]][int(row["price_ticks"])] = int(row["qty_lots"])
            if not row["qty_lots"]:
                del levels[row["side"]][int(row["price_ticks"])]
        if not row["flags"] & Flag.LAST:
            continue
        event_count += 1
        said = top_at.get(int(row["aux"])) if top_count < TOP_COUNT_MAX else None
        if said is None and event_count > EVENT_COUNT_MAX:
            continue
        bid, ask = top_of(levels)
        if bid is not None and ask is not None and bid >= ask:
            return False
        if said is not None:
            top_count += 1
            if said != (bid, ask):
                return False
    return True


def pairs(tops: np.ndarray) -> list[tuple[np.void, np.void]]:
    """Return the two rows of each of the first best prices."""
    return [pair for index, pair in enumerate(pairwise(tops[: 2 * LEVEL_COUNT_MAX])) if index % 2 == 0]
