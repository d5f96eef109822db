"""The events of several tables as one stream by receive time; must never reorder a table's own events.

The order is that of merge.py, which merges lines: by the greatest receive time that a table has told so far, at equal
times the table that begins first. A table is opened when the others have come to its first time.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from mmfold.adapters.importers.merge import JITTER_NS
from mmfold.engine.codes import Flag
from mmfold.engine.records import EVENT


class RowFeed:
    """One table's events that are read and not yet merged: at most one part and an event."""

    def __init__(self, first_ns: int, parts: Iterator[np.ndarray]) -> None:
        self.parts = parts
        self.opened = self.ended = False
        self.rows = np.empty(0, EVENT)
        self.times_ns = np.empty(0, np.int64)
        self.seen_ns = first_ns
        self.taken = 0  # rows of the part

    def fill(self) -> bool:
        """Read on where nothing is left; returns False at the end."""
        self.opened = True
        while self.taken == len(self.rows) and not self.ended:
            following = next(self.parts, None)
            self.ended = following is None
            self.rows, self.taken = np.empty(0, EVENT) if following is None else following, 0
            self.times_ns = np.maximum.accumulate(np.maximum(places_in_time(self.rows), self.seen_ns))
            self.seen_ns = int(self.times_ns[-1]) if len(self.times_ns) else self.seen_ns
        return self.taken < len(self.rows)

    def take(self, cut_ns: int, side: str) -> tuple[np.ndarray, np.ndarray]:
        """Take the events up to a time, or before it; returns their rows and times."""
        start = self.taken
        self.taken += int(np.searchsorted(self.times_ns[start:], cut_ns, side))  # type: ignore[call-overload]
        return self.rows[start : self.taken], self.times_ns[start : self.taken]


def places_in_time(rows: np.ndarray) -> np.ndarray:
    """Return the time of each row's event; one that is far ahead of the next event's is one wrong stamp and has that.

    The last event has nothing behind it to be judged by.
    """
    ends = np.flatnonzero(rows["flags"] & Flag.LAST)
    times_ns = rows["ts_receive_ns"][ends]
    times_ns[:-1] = np.where(times_ns[:-1] - JITTER_NS > times_ns[1:], times_ns[1:], times_ns[:-1])
    return np.repeat(times_ns, np.diff(ends, prepend=-1))


def merge_rows(feeds: Sequence[RowFeed]) -> Iterator[np.ndarray]:
    """Yield the events of all tables in order, as far as what is in hand decides it.

    An event's rows have one receive time, so no cut and no sort by it parts them.
    """
    while True:
        live = [feed for feed in feeds if not feed.opened or feed.fill()]
        if not live:
            return
        cut_ns = min(feed.seen_ns for feed in live)
        closed = [feed for feed in live if not feed.opened and feed.seen_ns <= cut_ns]
        if closed:
            closed[0].fill()
            continue
        spans, side = [], "right"
        for feed in live:
            if feed.opened:
                is_cut = feed.seen_ns == cut_ns
                spans.append(feed.take(cut_ns, side))
                side = "left" if is_cut else side
        rows = np.concatenate([rows for rows, _ in spans])
        if len(spans) > 1:
            rows = rows[np.argsort(np.concatenate([times_ns for _, times_ns in spans]), kind="stable")]
        yield rows
