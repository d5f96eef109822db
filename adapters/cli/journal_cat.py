"""`mm journal cat`: events of a journal as JSONL lines on stdout; must never print one that was not verified."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmfold.adapters.cli.interpreted import choose_mode, events_bytes
from mmfold.adapters.cli.journal_path import READ_JOURNAL
from mmfold.adapters.cli.moments import parse_moment
from mmfold.adapters.cli.output import progress
from mmfold.journal.selection import NO_TS_NS, SEQ_MAX, TS_NS_MAX, Selection

if TYPE_CHECKING:
    import numpy as np

    from mmfold.engine.manifest import Manifest

CHUNK_ROW_COUNT = 4096
WAIT_S = 1.0  # in one call; a commit ends the wait at once


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
        from mmfold.journal.errors import Corrupt
        from mmfold.journal.jsonl.decimals import FieldError
        from mmfold.journal.jsonl.lines import LineEncoder
        from mmfold.journal.log.chain import Chain
        from mmfold.journal.selection import Chooser, UnknownName

        try:
            self._chooser = Chooser(manifest, selection)
        except UnknownName as error:
            raise click.BadParameter(str(error), param_hint=f"--{error.what}") from error
        self._path = path
        try:
            self._encoder = LineEncoder(manifest)
        except FieldError as error:
            raise Corrupt(path, f"manifest: {error}", seq=0, hint=error.hint) from error
        self._chain = Chain() if selection.is_everything else None
        self.is_done = self._chooser.is_done

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
        starts, ends = self._chooser.places(rows)
        if not len(starts):
            return b""
        span = rows[starts[0] : ends[-1]]
        lines = self._encoder.encode(span, None, b"")
        seqs = rows["seq"][starts] - rows["seq"][starts[0]]  # an event is a line, and seqs have no gaps
        if len(seqs) == int(span["seq"][-1] - span["seq"][0]) + 1:
            return lines
        all_lines = lines.split(b"\n")
        return b"".join(all_lines[place] + b"\n" for place in seqs.tolist())
