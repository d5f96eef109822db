"""The recorded market as windows of bounded size, in receive order and in exchange order; must never lose an event.

The receive clock of a recording may be behind the exchange's. A backtest needs feed latencies that are not negative, so
the whole recording's receive times are shifted by one constant; of a clock that made steps, and of wrong times,
replay/clock.py takes care before.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from mmfold.engine.codes import EventKind, Flag
from mmfold.engine.jit import entry, kernel
from mmfold.engine.limits import NS_PER_S
from mmfold.engine.records import EVENT, I8, NO_SEQ, NO_TS_NS, record
from mmfold.journal.log.background import Ahead
from mmfold.replay.venue.queue import QueueModel
from mmfold.replay.venue.records import NEVER_NS, WINDOW_ROW_COUNT

SPAN = record(
    112,
    [
        ("low_ns", I8),
        ("high_ns", I8),
        ("back_ns", I8),
        ("ts_low_ns", I8),  # least receive time
        ("ts_first_ns", I8),
        ("ts_seen_ns", I8),
        ("seq_untimed", I8),
        ("snapshot_count", I8),
        # Of all market events, those that only the core is told included; one without a receive time has its other.
        ("told_first_ns", I8),
        ("told_low_ns", I8),
        ("told_seen_ns", I8),  # greatest time
        ("told_back_ns", I8),  # how far times go back behind an earlier one
        ("told_last_ns", I8),
        ("told_jump_ns", I8),  # how far they go ahead from one to the next
    ],
)


# The market's kinds, with SCORE.
MARKET_KIND_FIRST, MARKET_KIND_LAST = int(EventKind.BOOK_SNAPSHOT), int(EventKind.BOOK_ORDER)


class NoMarket(Exception):
    """A journal without market events or without times."""

    hint = "import a capture first: mm import binance FILE --out DIR"


class NoMarketOrders(NoMarket):
    """A recording that does not tell the market's orders, for a queue model that stands among them."""

    hint = "another --queue-model needs only levels and trades: mm docs backtest says what each assumes"


@dataclass(frozen=True)
class FeedLatency:
    """The span of the recorded feed latencies, receive less exchange time, in ns; and the first exchange time.

    `back_ns` is how far receive times go back behind an earlier one, `ts_seen_ns` the greatest of them.
    """

    low_ns: int
    high_ns: int
    back_ns: int
    ts_first_ns: int
    ts_seen_ns: int

    @property
    def shift_ns(self) -> int:
        """What makes the lowest latency zero if it is negative."""
        return max(0, -self.low_ns)


@kernel
def is_book_kind(kind):
    """Tell whether an event is of a book's stream: a message, or what it says of single orders."""
    return kind == EventKind.BOOK_DELTA or kind == EventKind.BOOK_SNAPSHOT or kind == EventKind.BOOK_ORDER


@kernel
def is_venue_kind(kind):
    """Tell whether an event happens at the venue; other market events are only told to the core."""
    return is_book_kind(kind) or kind == EventKind.TRADE or kind == EventKind.MARK or kind == EventKind.FUNDING


@kernel
def is_market_kind(kind):
    """Tell whether an event is the market's; a SCORE, which an external model tells of it, counts as well."""
    return kind == EventKind.SCORE or MARKET_KIND_FIRST <= kind <= MARKET_KIND_LAST


@kernel
def is_account_row(row):
    """Tell whether a row of a FUNDING says what an account paid: the row before it is the market's word."""
    return row["kind"] == EventKind.FUNDING and row["flags"] & Flag.PAID != 0 and row["flags"] & Flag.LAST != 0


@kernel
def measure_told(span, told_ns):
    """Add the time of one market event to a SPAN."""
    if told_ns == NO_TS_NS:
        return
    if span["told_seen_ns"] == NO_TS_NS:
        span["told_first_ns"] = span["told_last_ns"] = span["told_seen_ns"] = told_ns
    span["told_back_ns"] = max(span["told_back_ns"], span["told_seen_ns"] - told_ns)
    span["told_jump_ns"] = max(span["told_jump_ns"], told_ns - span["told_last_ns"])
    span["told_last_ns"] = told_ns
    span["told_seen_ns"] = max(span["told_seen_ns"], told_ns)
    span["told_low_ns"] = min(span["told_low_ns"], told_ns)


@entry
def measure_chunk(chunk, spans):
    """Add a chunk's events, by their last rows, to a SPAN."""
    span = spans[0]
    for i in range(chunk.size):
        row = chunk[i]
        if row["flags"] & Flag.LAST == 0 or not is_market_kind(row["kind"]):
            continue
        measure_told(span, row["ts_receive_ns"] if row["ts_receive_ns"] != NO_TS_NS else row["ts_exchange_ns"])
        if not is_venue_kind(row["kind"]):
            continue
        exchange_ns, receive_ns = row["ts_exchange_ns"], row["ts_receive_ns"]
        if receive_ns == NO_TS_NS:
            must_be_timed = is_book_kind(row["kind"]) or row["kind"] == EventKind.TRADE
            if must_be_timed and span["seq_untimed"] == NO_SEQ:
                span["seq_untimed"] = row["seq"]
            continue
        span["snapshot_count"] += row["kind"] == EventKind.BOOK_SNAPSHOT
        span["ts_seen_ns"] = max(span["ts_seen_ns"], receive_ns)
        span["ts_low_ns"] = min(span["ts_low_ns"], receive_ns)
        span["back_ns"] = max(span["back_ns"], span["ts_seen_ns"] - receive_ns)
        if exchange_ns != NO_TS_NS:
            if span["ts_first_ns"] == NO_TS_NS:
                span["ts_first_ns"] = exchange_ns
            span["low_ns"] = min(span["low_ns"], receive_ns - exchange_ns)
            span["high_ns"] = max(span["high_ns"], receive_ns - exchange_ns)


def span_of(chunk: np.ndarray) -> np.void:
    """Return the SPAN of a chunk alone."""
    spans = np.zeros(1, SPAN)
    spans["ts_first_ns"] = spans["ts_seen_ns"] = NO_TS_NS
    spans["told_first_ns"] = spans["told_last_ns"] = spans["told_seen_ns"] = NO_TS_NS
    spans["seq_untimed"] = NO_SEQ
    spans["low_ns"] = spans["ts_low_ns"] = spans["told_low_ns"] = NEVER_NS
    spans["high_ns"] = -NEVER_NS
    measure_chunk(chunk, spans)
    span: np.void = spans[0]
    return span


def extend_span(span: np.void, later: np.void) -> None:
    """Add the SPAN of the rows that follow."""
    if span["ts_seen_ns"] != NO_TS_NS and later["ts_low_ns"] != NEVER_NS:
        span["back_ns"] = max(span["back_ns"], span["ts_seen_ns"] - later["ts_low_ns"])
    if span["told_seen_ns"] != NO_TS_NS and later["told_seen_ns"] != NO_TS_NS:
        span["told_back_ns"] = max(span["told_back_ns"], span["told_seen_ns"] - later["told_low_ns"])
        span["told_jump_ns"] = max(span["told_jump_ns"], later["told_first_ns"] - span["told_last_ns"])
    if later["told_seen_ns"] != NO_TS_NS:
        span["told_last_ns"] = later["told_last_ns"]
    for name in ("high_ns", "back_ns", "ts_seen_ns", "told_back_ns", "told_jump_ns", "told_seen_ns"):
        span[name] = max(span[name], later[name])
    for name in ("low_ns", "ts_low_ns", "told_low_ns"):
        span[name] = min(span[name], later[name])
    for name, unknown in (("ts_first_ns", NO_TS_NS), ("seq_untimed", NO_SEQ), ("told_first_ns", NO_TS_NS)):
        span[name] = later[name] if span[name] == unknown else span[name]
    span["snapshot_count"] += later["snapshot_count"]


def measure_span(chunks: Iterator[np.ndarray]) -> np.void:
    """Return the SPAN of a recording; a second thread measures every other chunk.

    Raises: NoMarket for a book message or trade without a receive time.
    """
    span = span_of(np.zeros(0, EVENT))
    with ThreadPoolExecutor(1, "measure") as pool:
        for chunk in chunks:
            ahead = Ahead(pool, span_of, chunk)
            following = next(chunks, None)
            later = None if following is None else span_of(following)
            extend_span(span, ahead.result())
            if later is not None:
                extend_span(span, later)
    if span["seq_untimed"] != NO_SEQ:
        raise NoMarket(f"seq {span['seq_untimed']:,}: a book message or trade without a receive time")
    return span


def feed_latency_of(span: np.void) -> FeedLatency:
    """Return the feed latencies of a SPAN.

    Raises: NoMarket when there is no market in it.
    """
    if span["ts_first_ns"] == NO_TS_NS:
        raise NoMarket("the journal holds no book or trade with an exchange time")
    if span["snapshot_count"] == 0:
        raise NoMarket("the journal holds no book snapshot: without one there is no book to quote on")
    return FeedLatency(*(int(span[name]) for name in FeedLatency.__dataclass_fields__))


def check_market_orders(chunks: Iterator[np.ndarray], symbols: dict[str, int]) -> None:
    """Check that a recording tells the market's orders of every one of some instruments that it has a book of.

    Raises: NoMarketOrders.
    """
    told: set[int] = set()
    booked: set[int] = set()
    for chunk in chunks:
        told |= set(chunk["instrument_index"][chunk["kind"] == EventKind.BOOK_ORDER].tolist())
        booked |= set(chunk["instrument_index"][chunk["kind"] == EventKind.BOOK_SNAPSHOT].tolist())
        if told.issuperset(symbols.values()):
            return
    names = ", ".join(sorted(symbol for symbol, index in symbols.items() if index in booked - told))
    if names:
        raise NoMarketOrders(
            f"the recording has no market-by-order data (book_order events) of {names}: "
            "the queue model fifo needs every order of the market"
        )


@kernel
def venue_time(sim, event):
    """Return when an event happens at the venue: at its exchange time, but the messages of one book never overtake
    each other.
    """
    rows, starts, order = sim["rows"], sim["starts"], sim["order"]
    row = rows[starts[event]]
    ts_ns = row["ts_exchange_ns"] - sim["venue_shift_ns"]
    if row["ts_exchange_ns"] == NO_TS_NS or sim["venue_shift_ns"] == NEVER_NS:
        ts_ns = row["ts_receive_ns"]
    if not is_book_kind(row["kind"]):
        return ts_ns
    place = sim["order_count"] - 1
    while place >= sim["event_venue"] and sim["times_ns"][order[place]] > ts_ns:
        before = rows[starts[order[place]]]
        if is_book_kind(before["kind"]) and before["instrument_index"] == row["instrument_index"]:
            return sim["times_ns"][order[place]]
        place -= 1
    return ts_ns


@kernel
def insert_event(sim, event):
    """Put a venue event in its place by time; a feed is nearly sorted, so the place is near the end."""
    order, times_ns = sim["order"], sim["times_ns"]
    ts_ns = venue_time(sim, event)
    times_ns[event] = ts_ns
    place = sim["order_count"]
    while place > sim["event_venue"] and times_ns[order[place - 1]] > ts_ns:
        order[place] = order[place - 1]
        place -= 1
    order[place] = event
    sim["order_count"] += 1


@kernel
def set_times(row, shift_ns):
    """Put the times of a market event on the exchange's clock."""
    if row["ts_receive_ns"] == NO_TS_NS:
        row["ts_receive_ns"] = row["ts_exchange_ns"]
    else:
        row["ts_receive_ns"] += shift_ns
    if row["ts_exchange_ns"] == NO_TS_NS:
        row["ts_exchange_ns"] = row["ts_receive_ns"]
    if not is_venue_kind(row["kind"]):
        # What is only told does not decide the shift: none of it was received before it happened either.
        row["ts_exchange_ns"] = min(row["ts_exchange_ns"], row["ts_receive_ns"])


@entry
def take_chunk(sims, chunk, shift_ns):
    """Append a chunk's market events to the window, on the exchange's clock, and find their place in its order.

    What else a recording holds (timers, a session's own answers, what its account paid as funding, decisions) is not
    market: the backtest makes its own. With `keeps_times` all is taken as it is but what an account paid.
    """
    sim = sims[0]
    keeps_times = sim["keeps_times"] == 1
    rows, starts = sim["rows"], sim["starts"]
    count = starts[sim["event_count"]]
    tells_orders = sim["rules"]["queue_model"] == QueueModel.FIFO
    for i in range(chunk.size):
        kind = chunk[i]["kind"]
        if not (keeps_times or is_market_kind(kind)) or is_account_row(chunk[i]):
            continue
        rows[count] = chunk[i]
        row = rows[count]
        if kind == EventKind.FUNDING:
            row["flags"] = Flag.LAST
        if not keeps_times:
            set_times(row, shift_ns)
        count += 1
        if row["flags"] & Flag.LAST != 0:
            event = sim["event_count"]
            starts[event + 1] = count
            sim["event_count"] = event + 1
            if is_venue_kind(kind) and (tells_orders or kind != EventKind.BOOK_ORDER):
                sim["ts_seen_ns"] = max(sim["ts_seen_ns"], row["ts_receive_ns"])
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
    for event in range(first, sim["event_count"]):
        sim["times_ns"][event - first] = sim["times_ns"][event]
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
        # What is still to come was received later than what was seen less `back`, and happened its latency before.
        sim["ts_stop_ns"] = sim["ts_seen_ns"] - self.feed.back_ns - self.feed.shift_ns - self.feed.high_ns
        return True
