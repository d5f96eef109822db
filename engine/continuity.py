"""Book messages: which of them continue a book, which are old, wait for a snapshot, or show that one is missing.

Source: docs/data.md, book integrity. Must never decide anything: a fault of the world becomes the book's status.
"""

from enum import IntEnum

import numpy as np

from mmfold.engine.book import clear_side, set_level
from mmfold.engine.codes import BookStatus, Continuity, Flag, Side
from mmfold.engine.jit import kernel
from mmfold.engine.limits import BOOK_HELD_DROP_ROW_COUNT, BOOK_HELD_ROW_COUNT_MAX
from mmfold.engine.numbering import (
    Place,
    begin_stream,
    follow_stream,
    forget_stream,
    is_before,
    is_earlier,
    is_later,
)
from mmfold.engine.records import NO_ORDER_ID, NO_SEQ, NO_VALUE, SEQ_RESTARTED
from mmfold.engine.state import NO_KEY
from mmfold.engine.views import venue_seq_of, venue_seq_prev_of

BRIDGING = 1  # the next delta may begin before the book's snapshot
BRIDGING_ANY = 2  # the next delta joins: those between were dropped from the hold


class News(IntEnum):
    """What a message was to a book."""

    NONE = 0  # nothing: old, late, told again, or it waits; the book is not the younger for it
    FRESH = 1  # the book is as the message says
    STALE = 2  # a snapshot is missing from here on
    OVERFLOW = 3  # as FRESH, but for some changes that found no room: another snapshot would be better


@kernel
def set_levels(cell, rows, start, end):
    """Set the levels of one event's rows."""
    for i in range(start, end):
        row = rows[i]
        if row["side"] != Side.NONE:
            side = np.int64(row["side"])
            set_level(cell, side, row["price_ticks"], row["qty_lots"])


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
def drop_held(cell, row_count):
    """Drop the oldest held deltas, so many rows or more; the snapshot that comes joins what is left all the same."""
    book, rows = cell["book"], cell["held_rows"]
    count, cut = book["held_row_count"], np.int64(0)
    while cut < count and (cut < row_count or rows[cut - 1]["flags"] & Flag.LAST == 0):
        book["held_dropped_count"] += 1 if rows[cut]["flags"] & Flag.LAST != 0 else 0
        cut += 1
    for i in range(cut, count):
        rows[i - cut] = rows[i]
    book["held_row_count"] = count - cut
    book["held_is_cut"] = 1


@kernel
def empty_hold(book):
    """Forget the held deltas: none of them, nor of those dropped before, is of the book that comes."""
    book["held_row_count"] = 0
    book["held_is_cut"] = 0


@kernel
def hold_delta(cell, rows, start, end):
    """Keep a delta that came before the snapshot it continues; when there is no room, the oldest kept so far go.

    Source: docs/data.md, book integrity.
    """
    book = cell["book"]
    if book["held_row_count"] + (end - start) > BOOK_HELD_ROW_COUNT_MAX:
        drop_held(cell, max(end - start, BOOK_HELD_DROP_ROW_COUNT))
    if end - start > BOOK_HELD_ROW_COUNT_MAX:
        book["held_dropped_count"] += 1
        return
    for i in range(start, end):
        cell["held_rows"][book["held_row_count"]] = rows[i]
        book["held_row_count"] += 1


@kernel
def is_joining(cell, row):
    """Tell whether a delta that is newer than a valid book continues it; one without a predecessor always does."""
    book = cell["book"]
    prev = venue_seq_prev_of(row)
    bridges = book["bridging"] == BRIDGING_ANY or (book["bridging"] == BRIDGING and prev < book["venue_seq"])
    return prev == NO_ORDER_ID or prev == book["venue_seq"] or bridges


@kernel
def is_waiting(book):
    """Tell whether a book has no valid snapshot."""
    return book["status"] == BookStatus.EMPTY or book["status"] == BookStatus.STALE


@kernel
def keep_waiting(cell, rows, start, end):
    """Hold a delta for the snapshot that it may continue; one in the stream is not waited for with what came before."""
    if cell["instrument"]["continuity"] == Continuity.BESIDE_STREAM:
        hold_delta(cell, rows, start, end)
    else:
        cell["book"]["ignored_count"] += 1


@kernel
def apply_restart(book):
    """Give up the book of a numbering that has ended, and what was held for it.

    Returns News: a snapshot is missing, unless there never was a book.
    """
    book["restart_count"] += 1
    book["gap_count"] += 1
    empty_hold(book)
    if book["status"] == BookStatus.EMPTY:
        return News.NONE
    book["status"] = BookStatus.STALE
    return News.STALE


@kernel
def join_delta(cell, rows, start, end):
    """Find what becomes of a delta that is forward in its stream: old, held, joining, or not to be joined.

    Returns News; FRESH: its levels are to be set.
    """
    row, book = rows[start], cell["book"]
    if is_waiting(book):
        keep_waiting(cell, rows, start, end)
        return News.NONE
    if venue_seq_of(row) != NO_VALUE and venue_seq_of(row) <= book["venue_seq"]:
        book["ignored_count"] += 1
        return News.NONE
    if is_joining(cell, row):
        return News.FRESH
    book["status"] = BookStatus.STALE
    if cell["instrument"]["continuity"] == Continuity.BESIDE_STREAM:
        hold_delta(cell, rows, start, end)
    return News.STALE


@kernel
def admit_delta(cell, rows, start, end):
    """Follow the stream with one BOOK_DELTA and find what becomes of it.

    Source: docs/data.md, book integrity. Returns News; FRESH: its levels are to be set.
    """
    book = cell["book"]
    place = follow_stream(book, rows[start])
    if place == Place.REPEAT or place == Place.LATE:
        book["ignored_count"] += 1
        return News.NONE
    if place == Place.RESTART:
        news = apply_restart(book)
        keep_waiting(cell, rows, start, end)
        return news
    waits = is_waiting(book)
    news = join_delta(cell, rows, start, end)
    if news == News.STALE or (waits and place == Place.BREAK):
        book["gap_count"] += 1
    return news


@kernel
def apply_joined(cell, row):
    """Move the book to the place after a delta whose levels were set."""
    book = cell["book"]
    book["venue_seq"] = venue_seq_of(row)
    book["bridging"] = 0
    book["delta_count"] += 1
    check_crossed(cell)


@kernel
def apply_delta(cell, rows, start, end):
    """Apply one BOOK_DELTA, or find why it is not to be applied; returns News."""
    news = admit_delta(cell, rows, start, end)
    if news == News.FRESH:
        # Must succeed from here.
        set_levels(cell, rows, start, end)
        apply_joined(cell, rows[start])
    return news


@kernel
def apply_held(cell):
    """Apply the deltas that waited for the snapshot now in the book.

    Returns True when they do not join it. They were followed in the stream, and its breaks counted, when they came.
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
        news = join_delta(cell, rows, start, end)
        if news == News.FRESH:
            set_levels(cell, rows, start, end)
            apply_joined(cell, rows[start])
        elif news == News.STALE and start == 0:
            book["gap_count"] += 1  # the snapshot does not reach the first of them
        stale = stale or news == News.STALE
        start = end
    return stale


@kernel
def refuse_snapshot(cell, row):
    """Find whether a snapshot is of before the book that is there, or shows that the venue numbers anew.

    Returns News; FRESH: the book is to be rebuilt. A snapshot in its stream is followed in it.
    """
    book = cell["book"]
    seq, is_live = venue_seq_of(row), book["status"] == BookStatus.LIVE
    if cell["instrument"]["continuity"] == Continuity.BESIDE_STREAM:
        if book["stream_seq"] != NO_SEQ and seq > book["stream_seq"] and is_before(book, row):
            book["ignored_count"] += 1  # ahead of the stream by its number, behind it by its time: of another numbering
            return News.NONE
        if not is_live or seq > book["venue_seq"]:
            return News.FRESH
        if seq < book["venue_seq"] and is_later(book, row):
            forget_stream(book)
            return apply_restart(book)
        book["ignored_count"] += 1
        return News.NONE
    # Bybit: 1 follows a restart of the venue. One that a second connection told late is older than the stream.
    if is_live and SEQ_RESTARTED < seq < book["stream_seq"] and is_earlier(book, row):
        book["ignored_count"] += 1
        return News.NONE
    if seq < book["stream_seq"]:
        book["restart_count"] += 1
    begin_stream(book, row)
    return News.FRESH


@kernel
def bridge_snapshot(cell):
    """Lead from a snapshot beside the stream, now in the book, to the newest message of the stream.

    Returns News; OVERFLOW: some of what the hold had no room for is missing in between, and the book goes on without.
    """
    book = cell["book"]
    held_seq_prev = venue_seq_prev_of(cell["held_rows"][0]) if book["held_row_count"] > 0 else book["stream_seq"]
    is_holed = book["held_is_cut"] == 1 and book["venue_seq"] < held_seq_prev
    book["bridging"] = BRIDGING_ANY if is_holed else BRIDGING
    book["held_is_cut"] = 0
    stale = apply_held(cell)
    if (
        book["status"] == BookStatus.LIVE
        and book["bridging"] != BRIDGING_ANY
        and book["venue_seq"] < book["stream_seq"]
    ):
        book["status"] = BookStatus.STALE  # what is between them was not held: the next message would not join
    if stale or book["status"] == BookStatus.STALE:
        return News.STALE
    return News.OVERFLOW if is_holed else News.FRESH


@kernel
def apply_snapshot(cell, rows, start, end):
    """Rebuild one book from a BOOK_SNAPSHOT; returns News.

    Source: docs/data.md, book integrity.
    """
    row = rows[start]
    book = cell["book"]
    news = refuse_snapshot(cell, row)
    if news != News.FRESH:
        return news
    # Must succeed from here.
    for side in range(2):
        clear_side(cell, side)
    set_levels(cell, rows, start, end)
    book["venue_seq"] = venue_seq_of(row)
    book["snapshot_count"] += 1
    book["status"] = BookStatus.LIVE
    if cell["instrument"]["continuity"] == Continuity.BESIDE_STREAM:
        news = bridge_snapshot(cell)
    check_crossed(cell)
    return news


@kernel
def apply_clear(cell, is_gap):
    """Empty one book (BOOK_CLEAR) or mark it stale (BOOK_GAP): another stream begins; returns News."""
    book = cell["book"]
    if not is_gap:
        for side in range(2):
            clear_side(cell, side)
        book["clear_count"] += 1
    else:
        book["gap_count"] += 1
    forget_stream(book)
    empty_hold(book)
    book["status"] = BookStatus.STALE if is_gap else BookStatus.EMPTY
    return News.STALE if is_gap else News.FRESH
