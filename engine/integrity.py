"""Book messages: which of them continue a book, which are old, wait for a snapshot, or show that one is missing.

Source: docs/data.md, book integrity. Must never decide anything: a fault of the world becomes the book's status.
"""

import numpy as np

from mmfold.engine.book import clear_side, set_level
from mmfold.engine.codes import BookStatus, Continuity, Flag, Side
from mmfold.engine.jit import kernel
from mmfold.engine.limits import BOOK_HELD_ROW_COUNT_MAX
from mmfold.engine.records import NO_ORDER_ID, NO_VALUE
from mmfold.engine.state import NO_KEY
from mmfold.engine.views import venue_seq_of, venue_seq_prev_of


@kernel
def set_levels(cell, rows, start, end):
    """Set the levels of one event's rows.

    Returns False when the far list overflows.
    """
    room = True
    for i in range(start, end):
        row = rows[i]
        if row["side"] != Side.NONE:
            side = np.int64(row["side"])
            room = set_level(cell, side, row["price_ticks"], row["qty_lots"]) and room
    return room


@kernel
def check_crossed(cell):
    """Give a live book that is crossed or locked its status; only a snapshot ends that (spec/core.md 2)."""
    book = cell["book"]
    bid_key = cell["sides"][Side.BID]["best_key"]
    ask_key = cell["sides"][Side.ASK]["best_key"]
    if book["status"] == BookStatus.LIVE and bid_key != NO_KEY and ask_key != NO_KEY and ask_key <= -bid_key:
        book["status"] = BookStatus.LOCKED if ask_key == -bid_key else BookStatus.CROSSED
        book["crossed_count"] += 1


@kernel
def hold_delta(cell, rows, start, end):
    """Keep a delta that came before the snapshot it continues; when there is no room, the ones kept so far go.

    Source: docs/data.md, book integrity; a later gap then asks for another snapshot.
    """
    book = cell["book"]
    if book["held_row_count"] + (end - start) > BOOK_HELD_ROW_COUNT_MAX:
        book["held_row_count"] = 0
    if end - start > BOOK_HELD_ROW_COUNT_MAX:
        return
    for i in range(start, end):
        cell["held_rows"][book["held_row_count"]] = rows[i]
        book["held_row_count"] += 1


@kernel
def is_joining(cell, row):
    """Tell whether a delta continues a book that has a snapshot; one without a predecessor always does."""
    book = cell["book"]
    if book["status"] == BookStatus.EMPTY or book["status"] == BookStatus.STALE:
        return False
    if venue_seq_of(row) != NO_VALUE and venue_seq_of(row) <= book["venue_seq"]:
        return False
    bridges = book["bridging"] == 1 and venue_seq_prev_of(row) < book["venue_seq"]
    return venue_seq_prev_of(row) == NO_ORDER_ID or venue_seq_prev_of(row) == book["venue_seq"] or bridges


@kernel
def apply_joined(cell, row, room):
    """Move the book to the place after a delta whose levels were set.

    Returns True when the far list had no room for them.
    """
    book = cell["book"]
    book["venue_seq"] = venue_seq_of(row)
    book["bridging"] = 0
    book["delta_count"] += 1
    if not room:
        book["status"] = BookStatus.STALE
        return True
    check_crossed(cell)
    return False


@kernel
def apply_delta(cell, rows, start, end):
    """Apply one BOOK_DELTA, or find that it is old, that it must wait for a snapshot, or that one is missing.

    Source: docs/data.md, book integrity. Returns True when the delta opened a gap or overflowed the book.
    """
    row = rows[start]
    book = cell["book"]
    if book["status"] == BookStatus.EMPTY or book["status"] == BookStatus.STALE:
        if cell["instrument"]["continuity"] == Continuity.BESIDE_STREAM:
            hold_delta(cell, rows, start, end)
        else:
            book["ignored_count"] += 1
        return False
    if venue_seq_of(row) != NO_VALUE and venue_seq_of(row) <= book["venue_seq"]:
        book["ignored_count"] += 1
        return False
    if not is_joining(cell, row):
        book["status"] = BookStatus.STALE
        book["gap_count"] += 1
        if cell["instrument"]["continuity"] == Continuity.BESIDE_STREAM:
            hold_delta(cell, rows, start, end)
        return True
    # Must succeed from here.
    room = set_levels(cell, rows, start, end)
    return apply_joined(cell, row, room)


@kernel
def apply_held(cell):
    """Apply the deltas that waited for the snapshot now in the book.

    Returns True when they do not join it.
    """
    book = cell["book"]
    count = book["held_row_count"]
    book["held_row_count"] = 0
    rows = cell["held_rows"]
    stale = False
    start = np.int64(0)  # not a literal, which would be compiled again
    while start < count:
        end = start + 1
        while end < count and rows[end - 1]["flags"] & Flag.LAST == 0:
            end += 1
        # What follows a gap is held again, in its old place or before it: the next snapshot may join it.
        stale = apply_delta(cell, rows, start, end) or stale
        start = end
    return stale


@kernel
def apply_snapshot(cell, rows, start, end):
    """Rebuild one book from a BOOK_SNAPSHOT.

    Source: docs/data.md, book integrity. Returns True when the book is stale all the same.
    """
    row = rows[start]
    book = cell["book"]
    beside = cell["instrument"]["continuity"] == Continuity.BESIDE_STREAM
    if beside and book["status"] == BookStatus.LIVE and venue_seq_of(row) <= book["venue_seq"]:
        book["ignored_count"] += 1
        return False
    # Must succeed from here.
    for side in range(2):
        clear_side(cell, side)
    room = set_levels(cell, rows, start, end)
    book["venue_seq"] = venue_seq_of(row)
    book["bridging"] = 1 if beside else 0
    book["snapshot_count"] += 1
    book["status"] = BookStatus.LIVE if room else BookStatus.STALE
    if room and beside and apply_held(cell):
        return True
    check_crossed(cell)
    return not room


@kernel
def apply_clear(cell, is_gap):
    """Empty one book (BOOK_CLEAR) or mark it stale (BOOK_GAP).

    Returns True when it is stale.
    """
    book = cell["book"]
    if not is_gap:
        for side in range(2):
            clear_side(cell, side)
        book["clear_count"] += 1
    else:
        book["gap_count"] += 1
    book["held_row_count"] = 0
    book["status"] = BookStatus.STALE if is_gap else BookStatus.EMPTY
    return is_gap
