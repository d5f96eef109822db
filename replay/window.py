"""The recorded market as windows of bounded size, in receive order and in exchange order; must never lose an event.

The receive clock of a recording may be behind the exchange's. A backtest needs feed latencies that are not negative, so
the whole recording's receive times are shifted by one constant.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from engine.codes import EventKind, Flag
from engine.jit import entry, kernel
from engine.limits import NS_PER_S
from engine.records import I8, NO_TS_NS, record
from replay.venue.loop import NEVER_NS
from replay.venue.records import WINDOW_ROW_COUNT

VENUE_KINDS = (EventKind.BOOK_SNAPSHOT, EventKind.BOOK_DELTA, EventKind.TRADE)


SPAN = record(40, [("count", I8), ("low_ns", I8), ("high_ns", I8), ("ts_first_ns", I8), ("ts_receive_first_ns", I8)])


class NoMarket(Exception):
    """A journal without market events or without times."""

    hint = "import a capture first: mm import binance FILE --out DIR"


@dataclass(frozen=True)
class FeedLatency:
    """The span of the recorded feed latencies, receive less exchange time, in ns; and the first exchange time."""

    low_ns: int
    high_ns: int
    ts_first_ns: int

    @property
    def shift_ns(self) -> int:
        """What makes the lowest latency zero if it is negative."""
        return max(0, -self.low_ns)


@entry
def scan_latency(spans, rows):
    """Fold the feed latencies and the first times of a chunk's books and trades into `spans`."""
    span = spans[0]
    for i in range(rows.size):
        row = rows[i]
        kind = row["kind"]
        is_venue = kind == EventKind.BOOK_DELTA or kind == EventKind.TRADE or kind == EventKind.BOOK_SNAPSHOT
        if is_venue and row["ts_exchange_ns"] != NO_TS_NS:
            latency_ns = row["ts_receive_ns"] - row["ts_exchange_ns"]
            if span["count"] == 0:
                span["low_ns"], span["high_ns"] = latency_ns, latency_ns
                span["ts_first_ns"], span["ts_receive_first_ns"] = row["ts_exchange_ns"], row["ts_receive_ns"]
            span["low_ns"] = min(span["low_ns"], latency_ns)
            span["high_ns"] = max(span["high_ns"], latency_ns)
            span["count"] += 1


def measure_feed_latency(chunks: Iterator[np.ndarray]) -> FeedLatency:
    """Return the span of the feed latencies of a recording.

    Raises: NoMarket.
    """
    spans = np.zeros(1, SPAN)
    for rows in chunks:
        scan_latency(spans, rows)
    span = spans[0]
    if not span["count"]:
        raise NoMarket("the journal holds no book or trade with an exchange time")
    first_ns = min(int(span["ts_first_ns"]), int(span["ts_receive_first_ns"]) + max(0, -int(span["low_ns"])))
    return FeedLatency(int(span["low_ns"]), int(span["high_ns"]), first_ns)


@kernel
def insert_event(sim, event):
    """Put a venue event in its place by exchange time; a feed is nearly sorted, so the place is near the end."""
    rows, starts, order = sim["rows"], sim["starts"], sim["order"]
    ts_ns = rows[starts[event]]["ts_exchange_ns"]
    place = sim["order_count"]
    while place > sim["event_venue"] and rows[starts[order[place - 1]]]["ts_exchange_ns"] > ts_ns:
        order[place] = order[place - 1]
        place -= 1
    order[place] = event
    sim["order_count"] += 1


@entry
def take_chunk(sims, chunk, shift_ns):
    """Append a chunk's market events to the window, on the exchange's clock, and find their place in its order."""
    sim = sims[0]
    rows, starts = sim["rows"], sim["starts"]
    count = starts[sim["event_count"]]
    for i in range(chunk.size):
        kind = chunk[i]["kind"]
        if kind <= EventKind.COMMAND or kind >= EventKind.PLACE:
            continue
        rows[count] = chunk[i]
        row = rows[count]
        row["ts_receive_ns"] += shift_ns
        if row["ts_exchange_ns"] == NO_TS_NS:
            row["ts_exchange_ns"] = row["ts_receive_ns"]
        count += 1
        if row["flags"] & Flag.LAST != 0:
            event = sim["event_count"]
            starts[event + 1] = count
            sim["event_count"] = event + 1
            if kind == EventKind.BOOK_DELTA or kind == EventKind.TRADE or kind == EventKind.BOOK_SNAPSHOT:
                insert_event(sim, event)


@entry
def drop_processed(sims):
    """Drop the events that both sides have processed from the window's start."""
    sim = sims[0]
    rows, starts, order = sim["rows"], sim["starts"], sim["order"]
    first = sim["event_local"]
    for place in range(sim["event_venue"], sim["order_count"]):
        first = min(first, order[place])
    start = starts[first]
    for i in range(start, starts[sim["event_count"]]):
        rows[i - start] = rows[i]
    for event in range(first, sim["event_count"] + 1):
        starts[event - first] = starts[event] - start
    for place in range(sim["event_venue"], sim["order_count"]):
        order[place - sim["event_venue"]] = order[place] - first
    sim["order_count"] -= sim["event_venue"]
    sim["event_venue"] = 0
    sim["event_count"] -= first
    sim["event_local"] -= first


class Windows:
    """Feeds a recording to the loop chunk by chunk and keeps what one side has still to process."""

    def __init__(self, chunks: Iterator[np.ndarray], feed: FeedLatency, sims: np.ndarray) -> None:
        self.chunks = chunks
        self.feed = feed
        self.sims = sims

    def advance(self) -> bool:
        """Take the next chunk; returns False after the last, when the window is complete for ever.

        Raises: NoMarket when the feed latency is so long that the window cannot hold what is on its way.
        """
        sim = self.sims[0]
        drop_processed(self.sims)
        chunk = next(self.chunks, None)
        if chunk is None:
            sim["ts_stop_ns"] = NEVER_NS
            return False
        if sim["starts"][sim["event_count"]] + len(chunk) > WINDOW_ROW_COUNT:
            raise NoMarket(f"a feed latency of {self.feed.high_ns / NS_PER_S:.1f} s keeps too many rows on their way")
        take_chunk(self.sims, chunk, self.feed.shift_ns)
        last_row = int(sim["starts"][sim["event_count"]]) - 1
        if last_row >= 0:
            ts_ns = int(sim["rows"][last_row]["ts_receive_ns"])
            sim["ts_stop_ns"] = ts_ns - self.feed.shift_ns - max(0, self.feed.high_ns)
        return True
