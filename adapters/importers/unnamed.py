"""Whose a book snapshot is that does not say it, from the streams of the whole import; must never take the likeliest.

Binance's REST answers for spot and USD-M name no symbol, and the symbols of USD-M share their update ids. A snapshot is
a symbol's when the id stands in its stream and everything that the stream says about the book at that id is so: the
best prices, the sizes of the levels that were set before (not asked where the whole input is of one symbol), the best
prices later; and when that is true of no other.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mmfold.adapters.importers.outcome import Place
from mmfold.adapters.importers.spool import Spool
from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.records import NO_PRICE_TICKS

SIDES = (Side.BID, Side.ASK)
PART_COUNT_MAX = 4  # of the stream, before and after the snapshot's id
ROW_COUNT_MAX = 4_096  # of one part, before and after the id
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
    exchange_unit_ns: int  # of the venue's times in its file
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
            chosen = np.flatnonzero(is_of_book(rows))  # columns alone: the rows are eight times as much to copy
            indices, ids = rows["instrument_index"][chosen], rows["aux"][chosen]
            for index in np.flatnonzero(np.bincount(indices)).tolist():
                of_symbol = ids[indices == index]
                self.spans.setdefault(index, []).append(Span(part, int(of_symbol.min()), int(of_symbol.max())))

    def around(self, index: int, update: int) -> tuple[np.ndarray, np.ndarray]:
        """Return a symbol's deltas and best prices around an update id, in order."""
        spans = self.spans.get(index, [])
        before = [span for span in spans if span.first <= update][-PART_COUNT_MAX:]
        after = [span for span in spans if span.last >= update][:PART_COUNT_MAX]
        found = [self.spool.part(0)[:0]]
        for span in sorted({*before, *after}):
            rows = self.spool.part(span.part)
            if not span.first <= update <= span.last:  # its end or its start is near
                rows = rows[-4 * ROW_COUNT_MAX :] if span.last < update else rows[: 4 * ROW_COUNT_MAX]
            chosen = np.flatnonzero(is_of_book(rows) & (rows["instrument_index"] == index))
            later = np.flatnonzero(rows["aux"][chosen] > update)
            pivot = int(later[0]) if len(later) else len(chosen)
            rows = rows[chosen[max(0, pivot - ROW_COUNT_MAX) : pivot + ROW_COUNT_MAX]]
            ends = np.flatnonzero(rows["flags"] & Flag.LAST)
            found.append(rows[: ends[-1] + 1 if len(ends) else 0])
        near = np.concatenate(found)
        return told_once(near[near["kind"] == EventKind.BOOK_DELTA]), told_once(near[near["kind"] == EventKind.BBO])

    def fits(self, snapshot: np.ndarray, *, is_alone: bool) -> bool:
        """Tell whether a snapshot, in a symbol's own ticks and lots, is of that symbol's book.

        Where the whole input is of one symbol, the sizes of single levels do not speak against it.
        """
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
            and (is_alone or are_levels_equal(book, deltas, start, update))
            and is_followed(book, deltas[deltas["aux"] > update], tops[tops["aux"] > update])
        )


def told_once(rows: np.ndarray) -> np.ndarray:
    """Return events by their update ids, each as it was told first: captures that overlap tell them again, and late."""
    is_end = (rows["flags"] & Flag.LAST) != 0
    _, firsts = np.unique(rows[is_end][["order_id", "aux"]], return_index=True)
    is_first = np.zeros(int(is_end.sum()), np.bool_)
    is_first[firsts] = True
    rows = rows[is_first[np.cumsum(is_end) - is_end]]
    return rows[np.argsort(rows["aux"], kind="stable")]


def is_of_book(rows: np.ndarray) -> np.ndarray:
    """Tell of each row whether it is of a symbol's book stream."""
    kinds = np.ascontiguousarray(rows["kind"])
    return (kinds == EventKind.BOOK_DELTA) | (kinds == EventKind.BBO)


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
    """Tell whether the book stays uncrossed as the stream goes on, up to a gap, with the best prices that it says."""
    levels = (dict(book[Side.BID]), dict(book[Side.ASK]))
    firsts = tops[: 2 * LEVEL_COUNT_MAX]
    prices = firsts["price_ticks"].tolist()
    top_at = dict(zip(firsts["aux"].tolist()[::2], zip(prices[::2], prices[1::2], strict=False), strict=False))
    event_count = top_count = 0
    rows = deltas[:LEVEL_COUNT_MAX]
    columns = [rows[name].tolist() for name in ("order_id", "aux", "side", "price_ticks", "qty_lots", "flags")]
    last = int(rows["order_id"][0]) if len(rows) else 0
    for previous, update, side, price_ticks, qty_lots, flags in zip(*columns, strict=True):
        if previous != last:
            return True  # nothing is known of the book behind a gap
        if qty_lots:
            levels[side][price_ticks] = qty_lots
        elif price_ticks != NO_PRICE_TICKS:
            levels[side].pop(price_ticks, None)
        if not flags & Flag.LAST:
            continue
        event_count, last = event_count + 1, update
        said = top_at.get(update) if top_count < TOP_COUNT_MAX else None
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
