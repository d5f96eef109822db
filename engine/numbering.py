"""Where a book message stands in its venue's numbering: forward, told again, late, or of a numbering begun anew.

The newest message of the stream is remembered, whatever became of it; a snapshot beside the stream is never part of
it. Must never look at levels: engine/continuity.py does what follows.
Source: docs/data.md, book integrity.
"""

from enum import IntEnum

import numpy as np

from mmfold.engine.jit import entry, kernel
from mmfold.engine.limits import BOOK_LATE_RUN_COUNT, BOOK_LATE_RUN_NS, BOOK_STAMP_AHEAD_NS
from mmfold.engine.records import BOOK, NO_ORDER_ID, NO_SEQ, NO_TS_NS, NO_VALUE
from mmfold.engine.views import venue_seq_of, venue_seq_prev_of


class Place(IntEnum):
    """Where a message of a book's stream stands."""

    FORWARD = 0  # the newest so far
    BREAK = 1  # the newest so far, and messages before it are missing
    REPEAT = 2  # has the number of the newest
    LATE = 3  # older than the newest
    RESTART = 4  # the venue numbers this book anew


def new_stream() -> np.ndarray:
    """Return the numbering of a book that nothing was heard of.

    Shape: (1,) BOOK, of which the numbering alone is used.
    """
    stream = np.zeros(1, BOOK)
    stream["stream_seq"], stream["stream_ts_ns"] = NO_SEQ, NO_TS_NS
    return stream


@kernel
def stamp_of(row):
    """Return when the venue says that a message happened, or the sentinel where that is too far ahead of us."""
    ts_ns = row["ts_exchange_ns"]
    if row["ts_receive_ns"] != NO_TS_NS and ts_ns > row["ts_receive_ns"] + BOOK_STAMP_AHEAD_NS:
        return NO_TS_NS
    return ts_ns


@kernel
def is_later(book, row):
    """Tell whether a message is stamped later than the newest of the stream; an unknown time tells nothing."""
    return book["stream_ts_ns"] != NO_TS_NS and stamp_of(row) > book["stream_ts_ns"]


@kernel
def is_earlier(book, row):
    """Tell whether a message is not later than the newest of the stream, both times being known."""
    ts_ns = stamp_of(row)
    return ts_ns != NO_TS_NS and ts_ns <= book["stream_ts_ns"]


@kernel
def is_before(book, row):
    """Tell whether a message is stamped before the newest of the stream, both times being known."""
    ts_ns = stamp_of(row)
    return ts_ns != NO_TS_NS and ts_ns < book["stream_ts_ns"]


@kernel
def begin_stream(book, row):
    """Make a message the newest of the stream, whatever came before."""
    book["stream_seq"] = venue_seq_of(row)
    book["stream_ts_ns"] = stamp_of(row)
    book["late_run_count"] = 0


@kernel
def forget_stream(book):
    """Forget the stream: what comes next begins another one."""
    book["stream_seq"] = NO_SEQ
    book["stream_ts_ns"] = NO_TS_NS
    book["late_run_count"] = 0


@kernel
def is_run(book, row):
    """Count a late message and tell whether those in a row continue each other, as only a numbering of their own does.

    Those that are stamped before the newest may be of a second connection that was held up and now comes in one burst:
    they have to go on for a while as well.
    """
    seq, ts_ns = venue_seq_of(row), row["ts_receive_ns"]
    count = book["late_run_count"]
    if count > 0 and seq == book["late_seq"]:
        return False
    if count > 0 and venue_seq_prev_of(row) == book["late_seq"]:
        count += 1
    else:
        count = np.int64(1)
        book["late_run_ts_ns"] = ts_ns
    book["late_seq"] = seq
    book["late_run_count"] = count
    lasts = ts_ns == NO_TS_NS or ts_ns - book["late_run_ts_ns"] >= BOOK_LATE_RUN_NS
    return count >= BOOK_LATE_RUN_COUNT and (lasts or not is_earlier(book, row))


@kernel
def follow_stream(book, row):
    """Find a message's Place and remember it if it is the newest; one without a number is always forward."""
    seq, newest = venue_seq_of(row), book["stream_seq"]
    if seq == NO_VALUE:
        return Place.FORWARD
    if newest == NO_SEQ or seq > newest:
        begin_stream(book, row)
        prev = venue_seq_prev_of(row)
        joins = newest == NO_SEQ or prev == NO_ORDER_ID
        return Place.FORWARD if joins or prev == newest else Place.BREAK
    if seq == newest:
        book["stream_ts_ns"] = max(book["stream_ts_ns"], stamp_of(row))
        return Place.REPEAT
    if is_later(book, row) or is_run(book, row):
        begin_stream(book, row)
        return Place.RESTART
    return Place.LATE


@entry
def run_follow_stream(books, rows):
    """Find the Place of one message for a caller that keeps its own book.

    Shape: books (1,) BOOK, rows EVENT of one event.
    """
    return np.int64(follow_stream(books[0], rows[0]))


assert NO_SEQ == NO_VALUE, "a book that has no number yet is at the number of a message without one"
