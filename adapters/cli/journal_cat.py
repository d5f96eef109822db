"""`mm journal cat`: events of a journal as JSONL lines on stdout; must never print one that was not verified."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from mmfold.adapters.cli.interpreted import choose_mode, events_bytes
from mmfold.adapters.cli.journal_path import READ_JOURNAL
from mmfold.adapters.cli.moments import parse_moment
from mmfold.adapters.cli.output import progress

if TYPE_CHECKING:
    import numpy as np

    from mmfold.engine.manifest import Manifest

CHUNK_ROW_COUNT = 4096
WAIT_S = 1.0  # in one call; a commit ends the wait at once
SEQ_MAX = TS_NS_MAX = 1 << 62
NO_TS_NS = -(1 << 62)  # as in engine/records.py, which --help does not load


class Selection(NamedTuple):
    """Which events to print; empty names mean all, both ends of the seqs count."""

    kinds: tuple[str, ...]
    symbols: tuple[str, ...]
    seq_from: int = 0
    seq_until: int = SEQ_MAX
    event_count_max: int = SEQ_MAX
    ts_from_ns: int = NO_TS_NS
    ts_until_ns: int = TS_NS_MAX

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out, so that the lines are a sealed journal themselves."""
        return self == Selection((), ())


def parse_names(ctx: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    """Return the names of a comma-separated list."""
    names = tuple(part.strip() for part in (value or "").split(",") if part.strip())
    if value is not None and not names:
        raise click.BadParameter("no name given", ctx, parameter)
    return names


@click.command(
    epilog="Example: mm journal cat out/b --kind place,cancel --symbol BTCUSDT --limit 10",
    short_help="Print events as JSONL, all or some, or as they come.",
)
@click.argument("path", type=READ_JOURNAL)
@click.option("--from", "first", metavar="SEQ|TIME", help="The first event; a time is ISO, or ns since 1970.")
@click.option("--until", "last", metavar="SEQ|TIME", help="The last event; a time is ISO, or ns since 1970.")
@click.option("--kind", "kinds", metavar="KIND,...", callback=parse_names, help="These only, such as place,cancel.")
@click.option("--symbol", "symbols", metavar="SYMBOL,...", callback=parse_names, help="Only events about these.")
@click.option("--limit", "limit", metavar="N", default=SEQ_MAX, type=click.IntRange(1), help="At most so many events.")
@click.option("--follow", is_flag=True, help="Go on with what a writer appends, until Ctrl-C.")
def cat(
    path: Path,
    kinds: tuple[str, ...],
    symbols: tuple[str, ...],
    follow: bool,
    first: str | None,
    last: str | None,
    limit: int,
) -> None:
    """Print events as JSONL, verified before they are printed.

    Everything from the start has prev and hash, as in the .jsonl form; a part of a journal has neither.
    """
    choose_mode(path, 1)
    selection = Selection(kinds, symbols, event_count_max=limit)
    selection = select_span(selection, parse_moment(first, "--from"), parse_moment(last, "--until"))
    if follow:
        for lines in follow_lines(path, selection):
            sys.stdout.buffer.write(lines)
            sys.stdout.buffer.flush()
        return
    total = events_bytes(path) // 64 if path.is_dir() else None
    with progress(None if sys.stdout.isatty() else total, "cat", "rows") as report:
        for lines in file_lines(path, selection, report if not sys.stdout.isatty() else lambda done: None):
            sys.stdout.buffer.write(lines)
    sys.stdout.buffer.flush()


def select_span(
    selection: Selection, first: tuple[int | None, int | None], last: tuple[int | None, int | None]
) -> Selection:
    """Return a selection between two moments, each (seq, time in ns), both of which count."""
    (seq_from, ts_from_ns), (seq_until, ts_until_ns) = first, last
    return selection._replace(
        seq_from=seq_from or 0,
        seq_until=SEQ_MAX if seq_until is None else seq_until,
        ts_from_ns=NO_TS_NS if ts_from_ns is None else ts_from_ns,
        ts_until_ns=TS_NS_MAX if ts_until_ns is None else ts_until_ns,
    )


def file_lines(path: Path, selection: Selection, report: Any) -> Iterator[bytes]:
    """Yield the lines of what a journal in any form holds.

    Raises: JournalError, JsonlError, after the lines before the fault.
    """
    from mmfold.journal.formats import Events
    from mmfold.journal.jsonl.notes import with_whole_notes

    source = Events(path)
    printer = Printer(path, source.manifest, selection)
    row_count = 0
    for rows in with_whole_notes(source.chunks(CHUNK_ROW_COUNT, selection.seq_from)):
        yield printer.lines(rows)
        row_count += len(rows)
        report(row_count)
        if printer.is_done(rows):
            return


def follow_lines(path: Path, selection: Selection) -> Iterator[bytes]:
    """Yield the lines of a journal and of what is appended to it.

    Raises: JournalError.
    """
    from mmfold.journal.log.follow import Follower
    from mmfold.journal.log.lock import is_locked
    from mmfold.journal.log.reader import Journal
    from mmfold.journal.log.segment import segment_paths

    if not (path.is_dir() and not segment_paths(path) and is_locked(path)):
        Journal(path)  # there has to be one, unless its writer is there and has not committed yet
    printer: Printer | None = None
    with Follower(path, selection.seq_from) as follower:
        while True:
            rows = follower.next_rows(WAIT_S)
            if not len(rows):
                continue
            if printer is None:
                printer = Printer(path, Journal(path).manifest(), selection)
            yield printer.lines(rows)
            if printer.is_done(rows):
                return


class Printer:
    """Spells the chosen events of one journal.

    Raises: click.BadParameter for a kind or symbol that does not exist, Corrupt for steps that text cannot hold.
    """

    def __init__(self, path: Path, manifest: "Manifest", selection: Selection) -> None:
        import numpy as np

        from mmfold.journal.errors import Corrupt
        from mmfold.journal.jsonl.decimals import FieldError
        from mmfold.journal.jsonl.fields import KINDS, WORDS
        from mmfold.journal.jsonl.lines import LineEncoder
        from mmfold.journal.log.chain import Chain

        known = manifest.symbol_index()
        check_known(selection.kinds, list(WORDS), "--kind")
        check_known(selection.symbols, list(known), "--symbol")
        self._path = path
        self._selection = selection
        try:
            self._encoder = LineEncoder(manifest)
        except FieldError as error:
            raise Corrupt(path, f"manifest: {error}", seq=0, hint=error.hint) from error
        self._chain = Chain() if selection.is_everything else None
        self._left = selection.event_count_max
        self._ts_ns = NO_TS_NS  # the latest receive time so far
        codes = [int(WORDS[word].kind) for word in selection.kinds] or list(KINDS)
        if selection.symbols:
            codes = [code for code in codes if KINDS[code].has_symbol]
        self._kinds = np.zeros(256, bool)
        self._kinds[codes] = True
        self._indexes = np.array([known[symbol] for symbol in selection.symbols], np.uint16)

    def is_done(self, rows: "np.ndarray") -> bool:
        """Tell whether nothing behind these rows can be chosen."""
        is_later = self._ts_ns > self._selection.ts_until_ns
        return self._left <= 0 or is_later or int(rows["seq"][-1]) >= self._selection.seq_until

    def lines(self, rows: "np.ndarray") -> bytes:
        """Return the lines of the chosen events among whole events.

        Raises: Corrupt for rows that text cannot hold.
        """
        from mmfold.journal.errors import Corrupt
        from mmfold.journal.log.canonical import RowError

        try:
            if self._chain is not None:
                prev = self._chain.head
                return self._encoder.encode(rows, self._chain.event_hashes(rows), prev)
            return self._chosen(rows)
        except RowError as error:
            hint = "its rows were not made by mm: text could not give them back"
            raise Corrupt(self._path, str(error), hint=hint) from error

    def _chosen(self, rows: "np.ndarray") -> bytes:
        """Return the lines of some events; those between the first and the last chosen one are spelled as well."""
        import numpy as np

        from mmfold.engine.codes import Flag

        ends = np.flatnonzero((rows["flags"] & Flag.LAST) != 0) + 1
        starts = np.concatenate((np.zeros(1, np.int64), ends[:-1]))
        keep = self._kinds[rows["kind"][starts]] & (rows["seq"][starts] <= self._selection.seq_until)
        keep &= self._in_time(rows[["kind", "ts_receive_ns"]][starts])
        if len(self._indexes):
            keep &= np.isin(rows["instrument_index"][starts], self._indexes)
        places = np.flatnonzero(keep)[: self._left]
        if not len(places):
            return b""
        self._left -= len(places)
        first, last = int(places[0]), int(places[-1])
        lines = self._encoder.encode(rows[starts[first] : ends[last]], None, b"")
        if len(places) == last + 1 - first:
            return lines
        all_lines = lines.split(b"\n")
        return b"".join(all_lines[place - first] + b"\n" for place in places.tolist())

    def _in_time(self, events: "np.ndarray") -> "np.ndarray":
        """Tell which events are within the span of time; the core's clock counts, which never goes back."""
        import numpy as np

        from mmfold.engine.codes import PAYLOAD_KINDS

        ts_ns = np.where(np.isin(events["kind"], PAYLOAD_KINDS), NO_TS_NS, events["ts_receive_ns"])
        clock_ns = np.maximum.accumulate(np.concatenate(([self._ts_ns], ts_ns)))[1:]
        self._ts_ns = int(clock_ns[-1])
        return (clock_ns >= self._selection.ts_from_ns) & (clock_ns <= self._selection.ts_until_ns)


def check_known(names: tuple[str, ...], known: list[str], option: str) -> None:
    """Check that all names exist.

    Raises: click.BadParameter with those that do.
    """
    for name in names:
        if name not in known:
            raise click.BadParameter(f'"{name}" is not one of {", ".join(known)}', param_hint=option)
