"""A span of a journal as a journal of its own, which begins with what is in force at the cut; must never decide.

What is in force: every CONFIG and COMMAND before, each book as it stands (slice_books.py), the last MARK, BBO, SCORE
and CONNECTION. Own orders, fills and positions cannot be cut in the middle: a journal that holds any gives its market.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np

from mmfold.config.load import load_config
from mmfold.config.params import config_document
from mmfold.engine.codes import PAYLOAD_KINDS, EventKind, Flag
from mmfold.engine.core import Core
from mmfold.engine.limits import SEQ_MAX, TS_NS_MAX
from mmfold.engine.manifest import FIRST_RULES, Manifest, canonical_json, encode_manifest
from mmfold.engine.payload import payload_rows
from mmfold.engine.records import NO_TS_NS
from mmfold.journal.errors import JournalError
from mmfold.journal.files.outputs import check_apart, check_directory, check_parent
from mmfold.journal.files.publish import publishing
from mmfold.journal.formats import Events
from mmfold.journal.jsonl.fields import KINDS
from mmfold.journal.log.writer import Writer
from mmfold.replay.feeds import market_mask, utc_text
from mmfold.replay.slice_books import opening_events
from mmfold.replay.span import untraded

CONTROL = (EventKind.CONFIG, EventKind.COMMAND)
LAST_COUNTS = (EventKind.BBO, EventKind.MARK, EventKind.SCORE, EventKind.CONNECTION)
BESIDE_MARKET = (*CONTROL, EventKind.TIMER, EventKind.CONNECTION, EventKind.HEALTH)  # what goes with it into a slice


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Which events of a journal: by seq and by the core's clock, both ends included; no symbols mean all."""

    seq_from: int = 0
    seq_until: int = SEQ_MAX
    ts_from_ns: int = NO_TS_NS
    ts_until_ns: int = TS_NS_MAX
    symbols: tuple[str, ...] = ()
    market_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """What was written; `opening_events` of the events stand for what was before, seqs are the parent's."""

    events: int
    opening_events: int
    rows: int
    head: str
    run_id: str
    parent_run: str
    parent_head: str
    seq_first: int
    seq_last: int


class NoSlice(JournalError):
    """A journal that a span cannot be cut out of as it was asked for."""


def slice_journal(
    path: Path, out: Path, cut: Cut, *, force: bool = False, on_rows: Callable[[int], None] = lambda rows: None
) -> Slice:
    """Write a span of a journal to a new one; the parent is read to its end, which proves its head.

    Raises: OutputRefused, JournalError, JsonlError, ConfigError, NoSlice.
    """
    check_apart(out, [path])
    check_parent(out)
    check_directory(out, force=force)
    slicer = Slicer(path, cut)
    with publishing(out) as part:
        head, first, last = slicer.look(on_rows)
        with Writer(part) as writer:
            manifest = slicer.manifest(head, first, last)
            writer.append(payload_rows(EventKind.MANIFEST, 0, encode_manifest(manifest)))
            opening = slicer.opening()
            for rows in chain(opening, slicer.inside(first, last, on_rows)):
                writer.append(numbered(rows, writer.seq_next))
            written = writer.commit().hex()
            counts = {"events": writer.seq_next, "rows": writer.row_count}
    return Slice(
        **counts, opening_events=len(opening), head=written, run_id=manifest.run_id,
        parent_run=manifest.parent_run, parent_head=head, seq_first=first, seq_last=last,
    )  # fmt: skip


class Slicer:
    """One slice under way: looks through the parent, folding what is before the cut, then gives out what is inside.

    Raises: NoSlice, JournalError, ConfigError.
    """

    def __init__(self, path: Path, cut: Cut) -> None:
        self.path, self.cut = path, cut
        self.source = Events(path)
        parent = self.source.manifest
        known = parent.symbol_index()
        for symbol in cut.symbols:
            if symbol not in known:
                raise NoSlice(path, f"has no {symbol}", hint=f"it has {', '.join(known)}")
        self.symbols = [symbol for symbol in known if not cut.symbols or symbol in cut.symbols]
        self.index_of = np.full(len(known), -1, np.int64)
        self.index_of[[known[symbol] for symbol in self.symbols]] = np.arange(len(self.symbols))
        self.core = Core(replace(parent, witnessed=False, rules=FIRST_RULES))
        self.core.configure(untraded(config_document(load_config(None), parent)))
        self.control: list[np.ndarray] = []
        self.last: dict[tuple[int, int], np.ndarray] = {}  # the last event of a kind and an instrument
        self.row_count = 0  # read so far, in both passes

    def look(self, on_rows: Callable[[int], None]) -> tuple[str, int, int]:
        """Read the parent once, fold what is before the cut; returns its head and the first and last seq inside."""
        first, last, seen_ns = -1, -1, NO_TS_NS
        for chunk in self.source.chunks():
            starts, clock_ns = event_clock(chunk, seen_ns)
            seen_ns = int(clock_ns[-1])
            seqs = chunk["seq"][starts]
            is_before = (seqs < self.cut.seq_from) | (clock_ns < self.cut.ts_from_ns) | (seqs == 0)
            is_inside = ~is_before & (seqs <= self.cut.seq_until) & (clock_ns <= self.cut.ts_until_ns)
            if first < 0:
                self.fold(chunk[: row_of(chunk, starts, int(is_before.sum()))])
            if is_inside.any():
                first = int(seqs[is_inside][0]) if first < 0 else first
                last = int(seqs[is_inside][-1])
            self.row_count += len(chunk)
            on_rows(self.row_count)
        if first < 0:
            hint = f"its last event is seq {int(seqs[-1]):,} of {utc_text(max(seen_ns, 0))}"
            raise NoSlice(self.path, "holds no event of the span", hint=hint)
        return self.source.counts.head.hex(), first, last

    def fold(self, rows: np.ndarray) -> None:
        """Take events before the cut: books by the core, the rest as it is."""
        market = self.kept(rows)
        self.control += split_events(market[np.isin(market["kind"], CONTROL)])
        for kind in LAST_COUNTS:
            for event in last_events(market[market["kind"] == kind]):
                self.last[kind, int(event["instrument_index"][0])] = event
        is_folded = market_mask(rows["kind"]) & (rows["kind"] != EventKind.FUNDING) | (rows["kind"] == EventKind.TIMER)
        if is_folded.any():
            self.core.feed(rows[is_folded])

    def kept(self, rows: np.ndarray) -> np.ndarray:
        """Return a copy of those rows that a slice keeps, instruments numbered as its manifest has them.

        Raises: NoSlice for what cannot be cut in the middle.
        """
        is_paid = (rows["kind"] == EventKind.FUNDING) & (rows["flags"] & Flag.PAID != 0)
        is_market = market_mask(rows["kind"])
        is_beside = np.isin(rows["kind"], BESIDE_MARKET)
        if not self.cut.market_only:
            self.refuse(rows, ~(is_market | is_beside | (rows["kind"] == EventKind.MANIFEST)) | is_paid)
        if self.cut.symbols and not self.cut.market_only:
            self.refuse(rows, np.isin(rows["kind"], CONTROL))
        # Of an account's settlement the first row is the market's word.
        is_account = is_paid & (rows["flags"] & Flag.LAST != 0)
        keep = (is_market & ~is_account) if self.cut.market_only else (is_market | is_beside)
        has_symbol = np.isin(rows["kind"], [kind for kind, entry in KINDS.items() if entry.has_symbol])
        index = np.where(has_symbol, rows["instrument_index"], 0)
        keep &= ~has_symbol | (self.index_of[index] >= 0)
        found: np.ndarray = rows[keep]
        found["flags"][is_paid[keep]] = Flag.LAST
        indexes = self.index_of[np.where(has_symbol[keep], found["instrument_index"], 0)]
        found["instrument_index"] = np.where(has_symbol[keep], indexes, found["instrument_index"])
        return found

    def refuse(self, rows: np.ndarray, is_refused: np.ndarray) -> None:
        """Refuse the first of some rows.

        Raises: NoSlice.
        """
        if not is_refused.any():
            return
        row = rows[int(np.argmax(is_refused))]
        word = KINDS[int(row["kind"])].word
        what = "settings of all symbols, of which --symbols takes some" if row["kind"] in CONTROL else "a session's own"
        raise NoSlice(
            self.path, f"expected a market, found {word}: {what}, which is not cut in the middle", seq=int(row["seq"]),
            hint="--market-only takes the market alone; mm replay --until shows a session up to a time",
        )  # fmt: skip

    def manifest(self, head: str, first: int, last: int) -> Manifest:
        """Return the slice's manifest, which names its parent."""
        parent = self.source.manifest
        names = {"parent_head": head, "parent_seq_first": str(first), "parent_seq_last": str(last)}
        depends = {**names, "market_only": self.cut.market_only, "symbols": self.symbols}
        return replace(
            parent,
            run_id=f"slice-{hashlib.sha256(canonical_json(depends)).hexdigest()[:12]}",
            parent_run=parent.run_id,
            source="slice",
            instruments=tuple(one for one in parent.instruments if one.symbol in self.symbols),
            witnessed=False,
            rules=FIRST_RULES,
            layout="",
            extra=names,
        )

    def opening(self) -> list[np.ndarray]:
        """Return what is in force at the cut, one event each: settings, then by the times when it was told."""
        groups = [[event] for (kind, _), event in sorted(self.last.items())]
        for index in np.flatnonzero(self.index_of >= 0).tolist():
            events = opening_events(self.core.state.cells[index])
            for event in events:
                event["instrument_index"] = self.index_of[index]
            groups += [events] if events else []
        groups.sort(key=lambda events: int(events[-1]["ts_receive_ns"][-1]))
        return [*self.control, *(event for events in groups for event in events)]

    def inside(self, first: int, last: int, on_rows: Callable[[int], None]) -> Iterator[np.ndarray]:
        """Yield the events of the span, which were verified before."""
        for chunk in Events(self.path).chunks(seq_from=first):
            end = int(np.searchsorted(chunk["seq"], last, "right"))
            rows = self.kept(chunk[:end])
            self.row_count += len(chunk)
            on_rows(self.row_count)
            if len(rows):
                yield rows
            if int(chunk["seq"][-1]) >= last:
                return


def event_clock(rows: np.ndarray, seen_ns: int) -> tuple[np.ndarray, np.ndarray]:
    """Return where events start, and the core's clock at each, which never goes back."""
    ends = np.flatnonzero(rows["flags"] & Flag.LAST) + 1
    starts = np.concatenate((np.zeros(1, np.int64), ends[:-1]))
    told = rows[["kind", "ts_receive_ns"]][starts]
    ts_ns = np.where(np.isin(told["kind"], PAYLOAD_KINDS), NO_TS_NS, told["ts_receive_ns"])
    return starts, np.maximum.accumulate(np.concatenate(([seen_ns], ts_ns)))[1:]


def row_of(rows: np.ndarray, starts: np.ndarray, event: int) -> int:
    """Return the first row of an event of a chunk, the chunk's end for the one behind its last."""
    return int(starts[event]) if event < len(starts) else len(rows)


def split_events(rows: np.ndarray) -> list[np.ndarray]:
    """Return whole events, a copy each."""
    ends = np.flatnonzero(rows["flags"] & Flag.LAST) + 1
    return [part.copy() for part in np.split(rows, ends[:-1])] if len(rows) else []


def last_events(rows: np.ndarray) -> list[np.ndarray]:
    """Return the last event of each instrument among those of one kind, a copy each."""
    ends = np.flatnonzero(rows["flags"] & Flag.LAST) + 1
    starts = np.concatenate((np.zeros(1, np.int64), ends[:-1])) if len(ends) else ends
    _, places = np.unique(rows["instrument_index"][starts][::-1], return_index=True)
    return [rows[starts[place] : ends[place]].copy() for place in (len(ends) - 1 - places).tolist()]


def numbered(rows: np.ndarray, seq_next: int) -> np.ndarray:
    """Number whole events from a seq on."""
    is_last = rows["flags"] & Flag.LAST != 0
    rows["seq"] = seq_next + np.cumsum(is_last) - is_last
    return rows
