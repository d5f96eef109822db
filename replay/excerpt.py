"""What of a journal goes into a bundle: all of it, its start up to an event, or a slice; must never cut in silence.

whole     every event: the head is the journal's own
until     from the first event up to one, with what that decided: a prefix of the same chain, the only exact cut of a
          session, whose orders and positions go back to its start
slice     a span of a market, which begins with the books as they stood (slice.py)
market    the same of a session's journal: without its settings, orders, fills and positions
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mmfold.engine.codes import PAYLOAD_KINDS, EventKind
from mmfold.engine.limits import ROW_BYTES, SEQ_MAX, TS_NS_MAX
from mmfold.engine.payload import payload_bytes
from mmfold.engine.policy.note import notes_in
from mmfold.engine.records import NO_TS_NS
from mmfold.engine.views import is_effect
from mmfold.journal.bundle import JOURNAL_BYTES_MAX
from mmfold.journal.errors import JournalError
from mmfold.journal.formats import Events
from mmfold.journal.jsonl.notes import with_whole_notes
from mmfold.journal.log.reader import Journal
from mmfold.journal.log.writer import Writer
from mmfold.replay.run import ReplayOptions, until_rows
from mmfold.replay.slice import Cut, NoSlice, slice_journal, split_events

WHOLE_ROW_COUNT_MAX = 1 << 20  # of a journal that is taken whole unless asked otherwise, and of the end of a longer one
ROW_COUNT_MAX = JOURNAL_BYTES_MAX // ROW_BYTES * 15 // 16  # of a span that was asked for: the frames need room too
SESSION_HINT = "leave --from out: --until SEQ takes all up to an event; or --market-only takes the market of the span"
ENDED_NOTE = "the journal has {:,} rows: of the last {:,} the market is here"
SESSION_NOTE = (
    "own orders, fills and positions are left out, they cannot be cut in the middle: --until SEQ takes all up to an "
    "event, mm minimize makes a small journal that fails alike"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What is asked for; nothing said means the journal whole, or the end of a long one."""

    seq_from: int | None = None
    seq_until: int | None = None
    ts_from_ns: int | None = None
    ts_until_ns: int | None = None
    market_only: bool = False

    @property
    def is_open(self) -> bool:
        """Whether neither end is said."""
        return self.has_no_start and self.seq_until is None and self.ts_until_ns is None

    @property
    def has_no_start(self) -> bool:
        """Whether it begins where the journal does."""
        return self.seq_from is None and self.ts_from_ns is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """What was taken; `seq_first` and `seq_last` are the parent's, `head` is that of what was written."""

    kind: str
    head: str
    events: int
    rows: int
    seq_first: int
    seq_last: int
    parent_run: str
    parent_head: str
    parent_events: int
    parent_rows: int
    parent_form: str
    notes: tuple[str, ...] = ()


def take_excerpt(path: Path, place: Path, span: Span, on_rows: Callable[[int], None] = lambda rows: None) -> Excerpt:
    """Write what is asked for of a journal in any form to a new directory; the journal is verified to its end.

    Raises: JournalError, JsonlError, NoSlice, ConfigError.
    """
    if not span.has_no_start or span.market_only:
        return take_slice(path, place, span, on_rows)
    taker = PrefixTaker(path, span, on_rows)
    found = taker.take(place)
    if found is not None:
        return found
    tail = replace(span, seq_from=taker.seq_of_end())
    note = ENDED_NOTE.format(taker.rows_read, WHOLE_ROW_COUNT_MAX)
    try:
        excerpt = take_slice(path, place, tail, on_rows)
        return replace(excerpt, notes=(note, *excerpt.notes))
    except NoSlice:
        excerpt = take_slice(path, place, replace(tail, market_only=True), on_rows)
        return replace(excerpt, notes=(note, *excerpt.notes))


class PrefixTaker:
    """Writes the start of a journal while it reads all of it."""

    def __init__(self, path: Path, span: Span, on_rows: Callable[[int], None]) -> None:
        self.path, self.span, self.on_rows = path, span, on_rows
        self.source = Events(path)
        self.options = ReplayOptions(until_seq=span.seq_until, until_ts_ns=span.ts_until_ns)
        self.rows_read = 0
        self.chunk_starts: list[tuple[int, int]] = []  # (rows before, first seq)

    def take(self, place: Path) -> Excerpt | None:
        """Return what was written, None where the journal is long and no end was asked for: nothing is left then."""
        row_count_max = WHOLE_ROW_COUNT_MAX if self.span.is_open else ROW_COUNT_MAX
        is_over, is_long, taken, last = False, False, 0, -1
        with Writer(place) as writer:
            for chunk in self.source.chunks():
                self.chunk_starts.append((self.rows_read, int(chunk[0]["seq"])))
                self.rows_read += len(chunk)
                self.on_rows(self.rows_read)
                if is_over:
                    continue
                rows, is_over = self.wanted(chunk, last)
                if len(rows):
                    writer.append(rows)
                    last, taken = int(rows[-1]["seq"]), taken + len(rows)
                is_long = taken > row_count_max
                if is_long and not self.span.is_open:
                    raise too_long(self.path)
                is_over |= is_long
            if last < 0:
                raise NoSlice(self.path, "holds no event of the span", hint="mm journal info shows the first and last")
            head = writer.commit().hex()
            events, row_count = writer.seq_next, writer.row_count
        counts = self.source.counts
        if is_long:
            for file in place.iterdir():
                file.unlink()
            return None
        return Excerpt(
            kind="whole" if events == counts.events else "until", head=head, events=events, rows=row_count, seq_first=0,
            seq_last=last, parent_run=self.source.manifest.run_id, parent_head=counts.head.hex(),
            parent_events=counts.events, parent_rows=counts.rows, parent_form=self.source.form.value,
        )  # fmt: skip

    def wanted(self, chunk: np.ndarray, last: int) -> tuple[np.ndarray, bool]:
        """Return the rows up to the end of the span and the decisions behind it, and whether that end is here."""
        rows, is_cut = until_rows(chunk, self.options)
        if not is_cut:
            return rows, False
        if not len(rows) and last < 0:
            return rows, True
        others = ~is_effect(chunk["kind"][len(rows) :])
        end = len(rows) + int(np.argmax(others)) if others.any() else len(chunk)
        return chunk[:end], bool(others.any())

    def seq_of_end(self) -> int:
        """Return the seq from which on at most WHOLE_ROW_COUNT_MAX rows are left."""
        left = (seq for before, seq in self.chunk_starts if self.rows_read - before <= WHOLE_ROW_COUNT_MAX)
        return next(left, self.chunk_starts[-1][1])


def take_slice(path: Path, place: Path, span: Span, on_rows: Callable[[int], None]) -> Excerpt:
    """Write a span that does not begin where the journal does, or its market alone.

    Raises: NoSlice, JournalError, JsonlError, ConfigError.
    """
    cut = Cut(
        seq_from=span.seq_from or 0,
        seq_until=SEQ_MAX if span.seq_until is None else span.seq_until,
        ts_from_ns=NO_TS_NS if span.ts_from_ns is None else span.ts_from_ns,
        ts_until_ns=TS_NS_MAX if span.ts_until_ns is None else span.ts_until_ns,
        market_only=span.market_only,
    )
    source = Events(path)
    try:
        found = slice_journal(path, place, cut, on_rows=on_rows)
    except NoSlice as error:
        if error.seq is not None:
            error.hint = SESSION_HINT
        raise
    if found.rows > ROW_COUNT_MAX:
        raise too_long(path)
    rows = sum(len(chunk) for chunk in source.chunks())
    return Excerpt(
        kind="market" if span.market_only else "slice", head=found.head, events=found.events, rows=found.rows,
        seq_first=found.seq_first, seq_last=found.seq_last, parent_run=found.parent_run, parent_head=found.parent_head,
        parent_events=source.counts.events, parent_rows=rows, parent_form=source.form.value,
        notes=(SESSION_NOTE,) if span.market_only and source.manifest.witnessed else (),
    )  # fmt: skip


def too_long(path: Path) -> JournalError:
    """Return the error of a span that no bundle has room for."""
    return JournalError(
        path, f"expected a span of at most {ROW_COUNT_MAX:,} rows, found more", hint="narrow it with --from and --until"
    )


def payloads(path: Path) -> Iterator[tuple[int, EventKind, bytes]]:
    """Yield (seq, kind, payload) of what carries text in a journal: events, and notes, whole or not."""
    for chunk in with_whole_notes(Events(path).chunks()):
        for event in split_events(chunk[np.isin(chunk["kind"], PAYLOAD_KINDS)]):
            yield int(event[0]["seq"]), EventKind(int(event[0]["kind"])), payload_bytes(event)
        for told in notes_in(chunk):
            yield told.seq, EventKind.NOTE, told.text


def segment_files(place: Path) -> list[Path]:
    """Return the segments of what was written."""
    return Journal(place).segments
