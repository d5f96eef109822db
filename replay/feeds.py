"""Several recordings as one market: journals merged by receive time under one manifest; must never reorder a journal.

The merge has one order, whatever the chunks: by the greatest receive time that a journal has told so far, at equal
times by the order in which the journals are given, then by the journal's own order.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np

from mmfold.engine.codes import EventKind, Flag
from mmfold.engine.limits import NS_PER_S
from mmfold.engine.manifest import Instrument, Manifest
from mmfold.engine.records import EVENT, NO_TS_NS
from mmfold.journal.formats import CHUNK_ROW_COUNT
from mmfold.replay.clock import Clock, find_clock, needs_clock
from mmfold.replay.source import EventSource, read_ahead
from mmfold.replay.trades_once import TradesOnce
from mmfold.replay.venue.records import NEVER_NS
from mmfold.replay.window import MARKET_KIND_FIRST, MARKET_KIND_LAST, NoMarket, measure_span


class FeedsConflict(Exception):
    """Two journals that cannot be one market; the message names the symbol and both."""

    hint = "leave one of them out: an instrument is known by its symbol alone"


@dataclass
class Feed:
    """One of the merged recordings.

    Shape: one first and last time per instrument of its manifest, NEVER_NS and NO_TS_NS where it has no event of it.
    """

    source: EventSource
    indexes: np.ndarray  # instrument_index in the merged manifest, by its own
    first_ns: np.ndarray
    last_ns: np.ndarray
    clock: Clock | None  # how its times are put right before that; None: they are right
    shift_ns: int  # added to the receive times


class Feeds:
    """Several recordings behind the face of one EventSource, of which only market events are kept.

    Rows keep their own journal's seq; their receive times are shifted so that no feed latency is negative.
    Raises: FeedsConflict, NoMarket, ManifestError, JournalError, JsonlError.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        sources = [EventSource(path) for path in paths]
        self.manifest = merge_manifests(sources)
        symbol_index = self.manifest.symbol_index()
        self.feeds = [scan_feed(source, symbol_index) for source in sources]
        shift_together(self.feeds)
        self.once = TradesOnce(self.manifest, ())
        for instrument in self.manifest.instruments:
            check_continuation(instrument.symbol, self.feeds)

    @property
    def row_count(self) -> int | None:
        """About how many rows there are, None where a JSONL file does not tell."""
        counts = [feed.source.row_count for feed in self.feeds]
        return None if None in counts else sum(count or 0 for count in counts)

    def unverified_chunks(self) -> Iterator[np.ndarray]:
        """Yield the market for a first look, without a check of the chains; `chunks` verifies them later."""
        return self.merged([feed.source.unverified_chunks() for feed in self.feeds])

    def chunks(self, *, pool: Executor | None = None) -> Iterator[np.ndarray]:
        """Yield whole market events, each verified against its own journal's chain before it is handed out."""
        return read_ahead(self.merged([feed.source.chunks(pool=pool) for feed in self.feeds]))

    def merged(self, recordings: Sequence[Iterator[np.ndarray]]) -> Iterator[np.ndarray]:
        """Yield the recordings, each with its times put right, as one; trades that two of them tell come once."""
        pairs = zip(self.feeds, recordings, strict=True)
        self.once = TradesOnce(self.manifest, shared_indexes(self.feeds))
        return self.once.keep_new(
            merge([Pending(feed, feed.clock.correct(chunks) if feed.clock else chunks) for feed, chunks in pairs])
        )

    def check_end(self) -> None:
        """Compare each journal's seal with its end, for a reader that does not come to it.

        Raises: SealDiffers, TornTail, Corrupt.
        """
        for feed in self.feeds:
            feed.source.check_end()

    @property
    def told_twice_count(self) -> int:
        """How many trades the last reading left out, because two recordings told them."""
        return self.once.count


def open_market(paths: Sequence[Path]) -> EventSource | Feeds:
    """Return one recording as it is, several as one."""
    return EventSource(paths[0]) if len(paths) == 1 else Feeds(paths)


def clocks_of(source: EventSource | Feeds) -> tuple[Clock | None, ...]:
    """Return the clock of each merged recording, nothing of a recording that stands alone."""
    return tuple(feed.clock for feed in source.feeds) if isinstance(source, Feeds) else ()


def shifts_of(source: EventSource | Feeds) -> tuple[int, ...]:
    """Return what was added to each merged recording's receive times, nothing of a recording that stands alone."""
    return tuple(feed.shift_ns for feed in source.feeds) if isinstance(source, Feeds) else ()


def merge_manifests(sources: Sequence[EventSource]) -> Manifest:
    """Return the manifest of all instruments; its run id names every journal's.

    Raises: FeedsConflict, ManifestError.
    """
    found: dict[str, tuple[EventSource, Instrument]] = {}
    for source in sources:
        for instrument in source.manifest.instruments:
            owner, known = found.setdefault(instrument.symbol, (source, instrument))
            depth = min(filter(None, (known.book_depth, instrument.book_depth)), default=0)  # what both show
            known, instrument = replace(known, book_depth=depth), replace(instrument, book_depth=depth)
            found[instrument.symbol] = (owner, known)
            if instrument != known:
                raise FeedsConflict(
                    f"{instrument.symbol} is not the same instrument in {owner.path} and in {source.path}: "
                    f"{differences(known, instrument)}"
                )
    return replace(
        sources[0].manifest,
        run_id="+".join(source.manifest.run_id for source in sources),
        instruments=tuple(instrument for _, (_, instrument) in sorted(found.items())),
    )


def differences(one: Instrument, other: Instrument) -> str:
    """Return what two definitions differ in."""
    pairs = [(field.name, getattr(one, field.name), getattr(other, field.name)) for field in fields(Instrument)]
    return ", ".join(f"{name} {mine} and {theirs}" for name, mine, theirs in pairs if mine != theirs)


def market_mask(kinds: np.ndarray) -> np.ndarray:
    """Tell which events are the market's, by their kinds."""
    is_market: np.ndarray = ((kinds >= MARKET_KIND_FIRST) & (kinds <= MARKET_KIND_LAST)) | (kinds == EventKind.SCORE)
    return is_market


def market_of(chunk: np.ndarray) -> np.ndarray:
    """Return a copy of a chunk's market events."""
    market: np.ndarray = chunk.take(np.flatnonzero(market_mask(chunk["kind"])))
    return market


def merge_times(rows: np.ndarray, seen_ns: int) -> np.ndarray:
    """Return for each row the greatest receive time up to its event's end: a journal's own order never changes by it.

    An event without a receive time stays behind the one before it.
    """
    ends = np.flatnonzero(rows["flags"] & Flag.LAST)
    times_ns = np.maximum.accumulate(np.maximum(rows["ts_receive_ns"], seen_ns))
    repeated: np.ndarray = np.repeat(times_ns[ends], np.diff(ends, prepend=-1))
    return repeated


def shared_indexes(feeds: Sequence[Feed]) -> list[int]:
    """Return the instruments that several recordings tell of."""
    counts = np.bincount(np.concatenate([feed.indexes for feed in feeds]))
    return np.flatnonzero(counts > 1).tolist()


def scan_feed(source: EventSource, symbol_index: dict[str, int]) -> Feed:
    """Read a recording for its clock, its shift and the time that it covers of each instrument.

    Raises: NoMarket.
    """
    indexes = np.array([symbol_index[instrument.symbol] for instrument in source.manifest.instruments], np.uint16)
    try:
        span, first_ns, last_ns = scan_times(source, None)
        clock = find_clock(source.unverified_chunks) if needs_clock(span) else None
        if clock is not None:
            span, first_ns, last_ns = scan_times(source, clock)
    except NoMarket as error:
        raise NoMarket(f"{source.path}: {error}") from error
    return Feed(source, indexes, first_ns, last_ns, clock, max(0, -int(span["low_ns"])))


def scan_times(source: EventSource, clock: Clock | None) -> tuple[np.void, np.ndarray, np.ndarray]:
    """Return a recording's SPAN and the time that it covers of each instrument, its times put right by a clock.

    Raises: NoMarket.
    """
    count = len(source.manifest.instruments)
    first_ns, last_ns = np.full(count, NEVER_NS), np.full(count, NO_TS_NS)
    seen_ns = NO_TS_NS

    def looked_at() -> Iterator[np.ndarray]:
        nonlocal seen_ns
        chunks = source.unverified_chunks()
        for chunk in clock.correct(chunks) if clock else chunks:
            rows = market_of(chunk)
            if len(rows):
                times_ns = merge_times(rows, seen_ns)
                seen_ns = int(times_ns[-1])
                np.minimum.at(first_ns, rows["instrument_index"], times_ns)
                np.maximum.at(last_ns, rows["instrument_index"], times_ns)
            yield chunk

    return measure_span(looked_at()), first_ns, last_ns


def shift_together(feeds: Sequence[Feed]) -> None:
    """Give the journals that share a symbol, which are one recording by one clock, the greatest of their shifts."""
    changed = True
    while changed:
        changed = False
        for feed in feeds:
            for other in feeds:
                if feed.shift_ns < other.shift_ns and np.intersect1d(feed.indexes, other.indexes).size:
                    feed.shift_ns, changed = other.shift_ns, True


def check_continuation(symbol: str, feeds: Sequence[Feed]) -> None:
    """Check that the journals of one instrument follow each other in time.

    Raises: FeedsConflict.
    """
    spans = []
    for feed in feeds:
        index = feed.source.manifest.symbol_index().get(symbol)
        if index is not None and feed.first_ns[index] != NEVER_NS:
            spans.append((int(feed.first_ns[index]), int(feed.last_ns[index]), feed.source.path))
    spans.sort()
    for (_, end_ns, path), (start_ns, _, later) in pairwise(spans):
        if start_ns <= end_ns:
            raise FeedsConflict(
                f"{symbol} is in {path} until {utc_text(end_ns)} and in {later} from {utc_text(start_ns)} on: "
                "journals of one instrument must follow each other"
            )


def utc_text(ts_ns: int) -> str:
    """Return a time to the second."""
    return f"{datetime.fromtimestamp(ts_ns // NS_PER_S, UTC):%Y-%m-%dT%H:%M:%SZ}"


class Pending:
    """What was read of one recording and is not yet merged: at most one chunk."""

    def __init__(self, feed: Feed, chunks: Iterator[np.ndarray]) -> None:
        self.feed = feed
        self.chunks = chunks
        self.rows = np.zeros(0, EVENT)
        self.times_ns = np.zeros(0, np.int64)
        self.seen_ns = NO_TS_NS

    def fill(self) -> bool:
        """Read on where nothing is left; returns False at the end."""
        while not len(self.rows):
            chunk = next(self.chunks, None)
            if chunk is None:
                return False
            rows = market_of(chunk)
            if len(rows):
                rows["instrument_index"] = self.feed.indexes[rows["instrument_index"]]
                rows["ts_receive_ns"] += np.where(rows["ts_receive_ns"] == NO_TS_NS, 0, self.feed.shift_ns)
                self.times_ns = merge_times(rows, self.seen_ns)
                self.seen_ns = int(self.times_ns[-1])
                self.rows = rows
        return True

    def take(self, end: int) -> tuple[np.ndarray, np.ndarray]:
        """Take the first rows and their times."""
        taken = self.rows[:end], self.times_ns[:end]
        self.rows, self.times_ns = self.rows[end:], self.times_ns[end:]
        return taken


def merge(feeds: Sequence[Pending]) -> Iterator[np.ndarray]:
    """Yield the recordings as one stream of whole events, as far as each chunk in hand allows.

    What comes later in a journal is not earlier than the last row in hand, so everything before the least of the last
    rows is decided; at that time itself, only what the journals up to that one hold.
    """
    while live := [pending for pending in feeds if pending.fill()]:
        cut_ns = min(int(pending.times_ns[-1]) for pending in live)
        parts, side = [], "right"
        for pending in live:
            is_cut = int(pending.times_ns[-1]) == cut_ns
            parts.append(pending.take(int(np.searchsorted(pending.times_ns, cut_ns, side))))  # type: ignore[call-overload]
            if is_cut:
                side = "left"
        rows = np.concatenate([rows for rows, _ in parts])
        if sum(len(part) > 0 for part, _ in parts) > 1:
            rows = rows.take(np.argsort(np.concatenate([times_ns for _, times_ns in parts]), kind="stable"))
        yield from pieces(rows)


def pieces(rows: np.ndarray) -> Iterator[np.ndarray]:
    """Yield whole events, at most a chunk's rows at once unless one event is longer."""
    ends = np.flatnonzero(rows["flags"] & Flag.LAST) + 1
    start = 0
    while start < len(rows):
        place = max(
            int(np.searchsorted(ends, start + CHUNK_ROW_COUNT, "right")) - 1,
            int(np.searchsorted(ends, start, "right")),
        )
        yield rows[start : int(ends[place])]
        start = int(ends[place])
