"""A folded book as the events that make it anew at a cut; must never make a book valid that was not.

A live book is a BOOK_SNAPSHOT and, where snapshots come beside the stream, the empty BOOK_DELTA that the stream had
come to. One that waits for a snapshot is a BOOK_GAP and the deltas that it holds; one that is crossed, or was and has
not been rebuilt since, is made crossed and then what it is.
Source: docs/data.md, book integrity.
"""

import numpy as np

from mmfold.engine.book import levels
from mmfold.engine.codes import BookStatus, Continuity, EventKind, Flag, Side
from mmfold.engine.limits import EVENT_ROW_COUNT_MAX
from mmfold.engine.records import EVENT, NO_ORDER_ID, NO_PRICE_TICKS, NO_SEQ, NO_TS_NS, NO_VALUE

Level = tuple[int, int, int]  # side, price in ticks, quantity in lots
INVALID = (BookStatus.CROSSED, BookStatus.LOCKED)


def opening_events(cell: np.void) -> list[np.ndarray]:
    """Return the events that make an instrument's book anew; none of a book that never was."""
    book = cell["book"]
    status = BookStatus(int(book["status"]))
    if status == BookStatus.EMPTY:
        return held_events(cell)
    if status == BookStatus.STALE:
        return [book_event(cell, EventKind.BOOK_GAP, [], NO_VALUE), *held_events(cell)]
    shown = [(side, *level) for side in (Side.BID, Side.ASK) for level in levels(cell, side)]
    ghosts = ghost_levels(cell) if status in INVALID and not is_crossed(cell) else []
    seq = int(book["venue_seq"])
    is_beside = cell["instrument"]["continuity"] == Continuity.BESIDE_STREAM
    if is_beside and book["bridging"]:
        # The snapshot is ahead of the stream, or where it is: what the stream had come to stands before it.
        stream_seq = int(book["stream_seq"])
        before = [] if stream_seq == NO_SEQ else [book_event(cell, EventKind.BOOK_DELTA, [], stream_seq)]
        return [*before, *spread(cell, [*ghosts, *shown], removed(ghosts), seq, is_two=bool(ghosts))]
    return spread(cell, [*ghosts, *shown], removed(ghosts), seq, is_two=is_beside or bool(ghosts))


def spread(cell: np.void, shown: list[Level], after: list[Level], seq: int, *, is_two: bool) -> list[np.ndarray]:
    """Return a snapshot and, where there have to be two, the delta behind it that comes to the book's number."""
    room = EVENT_ROW_COUNT_MAX
    if not is_two and len(shown) <= room:
        return [book_event(cell, EventKind.BOOK_SNAPSHOT, shown, seq)]
    prev = seq if seq == NO_VALUE else seq - 1
    return [
        book_event(cell, EventKind.BOOK_SNAPSHOT, shown[:room], prev),
        book_event(cell, EventKind.BOOK_DELTA, [*shown[room:], *after], seq, NO_ORDER_ID if prev == NO_VALUE else prev),
    ]


def is_crossed(cell: np.void) -> bool:
    """Tell whether a book's best prices reach each other."""
    bid, ask = (int(cell["sides"][side]["best_price_ticks"]) for side in (Side.BID, Side.ASK))
    return NO_PRICE_TICKS not in (bid, ask) and ask <= bid


def ghost_levels(cell: np.void) -> list[Level]:
    """Return levels that are none of the book's and lock it."""
    bid, ask = (int(cell["sides"][side]["best_price_ticks"]) for side in (Side.BID, Side.ASK))
    if bid != NO_PRICE_TICKS:
        return [(Side.ASK, bid, 1)]
    return [(Side.BID, ask, 1)] if ask != NO_PRICE_TICKS else [(Side.BID, 1, 1), (Side.ASK, 1, 1)]


def removed(shown: list[Level]) -> list[Level]:
    """Return what takes levels away again."""
    return [(side, price_ticks, 0) for side, price_ticks, _ in shown]


def held_events(cell: np.void) -> list[np.ndarray]:
    """Return the deltas that wait for a snapshot."""
    rows = cell["held_rows"][: int(cell["book"]["held_row_count"])]
    ends = np.flatnonzero(rows["flags"] & Flag.LAST) + 1
    return [part.copy() for part in np.split(rows, ends[:-1])] if len(rows) else []


def book_event(cell: np.void, kind: EventKind, shown: list[Level], seq: int, prev: int = NO_ORDER_ID) -> np.ndarray:
    """Return one event of a book, at the time when it last changed and the venue's of its stream."""
    rows = np.zeros(max(1, len(shown)), EVENT)
    rows["price_ticks"], rows["side"] = NO_PRICE_TICKS, Side.NONE
    for row, (side, price_ticks, qty_lots) in zip(rows, sorted(shown, key=lambda level: level[0]), strict=False):
        row["side"], row["price_ticks"], row["qty_lots"] = side, price_ticks, qty_lots
    book = cell["book"]
    stamped_ns = int(book["stream_ts_ns"])
    rows["ts_exchange_ns"] = stamped_ns if stamped_ns != NO_TS_NS else book["ts_exchange_ns"]
    rows["ts_receive_ns"], rows["kind"], rows["instrument_index"] = book["ts_receive_ns"], kind, cell["index"]
    rows["aux"], rows["order_id"] = seq, prev
    rows["flags"][-1] |= Flag.LAST
    return rows
