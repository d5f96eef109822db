"""Raw venue captures to a journal; must never write anything before the last line is read.

Order of several files: by their first receive time, at equal ones by their first lines, whatever the order on the
command line; their lines are merged by receive time (merge.py). The journal is made of the lines alone: no file's name,
packing or end is part of it. What overlapping captures tell twice is taken once where the venue numbers it: books by
the core, trades here (journal/told.py).
"""

import os
import signal
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np

from mmfold.adapters.importers.captures import Captures
from mmfold.adapters.importers.fast_path import FastLane
from mmfold.adapters.importers.frames import Sniffed, sniff
from mmfold.adapters.importers.gaps import GapCounter
from mmfold.adapters.importers.merge import LineFeed, Merged, StampLines, merge_lines, stamp_lines_slowly
from mmfold.adapters.importers.outcome import ImportFailedError, ImportRequest, ImportResult, Place
from mmfold.adapters.importers.output import check_out, work_directory, write_journal
from mmfold.adapters.importers.quarantine import Quarantine
from mmfold.adapters.importers.session import LateListError, Session
from mmfold.adapters.importers.spool import Spool
from mmfold.adapters.importers.streams import LinesHash, read_ahead, read_lines
from mmfold.adapters.importers.table import Context, SymbolTable
from mmfold.adapters.importers.units import Units
from mmfold.engine.codes import EventKind
from mmfold.engine.manifest import Instrument, Manifest
from mmfold.journal.files.publish import publish

FAST_LANE_BYTES_MIN = 1 << 19  # a smaller import is done before the kernels are loaded, let alone compiled

OnProgress = Callable[[int], None]


class InUnits(Protocol):
    """A file that was read and the units of its times."""

    @property
    def path(self) -> Path:
        """Its path."""
        ...

    @property
    def units(self) -> Units:
        """What its times are told in."""
        ...


def import_captures(request: ImportRequest, on_progress: OnProgress, captures: Captures) -> ImportResult:
    """Import captures, all or nothing; refused lines go to a quarantine file beside the output.

    Units:  on_progress gets the number of input bytes read so far.
    Raises: ImportFailedError.
    """
    check_out(request)
    if request.market and request.market not in captures.markets:
        raise ImportFailedError(f"--market {request.market}: {captures.venue} has {', '.join(captures.markets)}")
    files = sorted((sniff(path) for path in request.files), key=lambda file: (file.ts_receive_ns, file.start))

    def read(quarantine: Quarantine, spool: Spool) -> tuple[Session, str]:
        return read_files(files, request, on_progress, captures, quarantine, spool)

    return import_whole(request, files, read)


def import_whole(
    request: ImportRequest, files: Sequence[InUnits], read: Callable[[Quarantine, Spool], tuple[Session, str]]
) -> ImportResult:
    """Write the journal of what `read` returns, a finished session and a run id, all or nothing.

    Raises: ImportFailedError.
    """
    quarantine = Quarantine.beside(request.out)
    with work_directory(request.out) as work:
        try:
            session, run_id = read(quarantine, Spool(work / "spool"))
            quarantine.sync()
            result = write_result(session, run_id, files, request, work)
        except ImportFailedError as error:
            if request.strict or not quarantine.count:
                quarantine.clear()
            else:
                place = f"what it refused is in {quarantine.publish_failed()}"
                error.hint = f"{error.hint}; {place}" if error.hint else place
            raise
        except BaseException:
            quarantine.clear()
            raise
        quarantine.publish()
    return result


def read_files(
    files: list[Sniffed],
    request: ImportRequest,
    on_progress: OnProgress,
    captures: Captures,
    quarantine: Quarantine,
    spool: Spool,
) -> tuple[Session, str]:
    """Read all files into a session, again if the list comes late; returns the run id as well.

    Raises: ImportFailedError.
    """
    input_bytes = sum(file.path.stat().st_size for file in files)
    offered = dict[tuple[str, str], Instrument]()
    while True:
        spool.clear()
        quarantine.clear()
        table = open_table(captures, request, offered)
        session = Session(
            captures=captures,
            context=Context(table=table, market=request.market, market_forced=bool(request.market)),
            spool=spool,
            quarantine=quarantine,
            fast_lane=open_fast_lane(captures, input_bytes),
            strict=request.strict,
        )
        try:
            return session, read_session(files, session, on_progress, salvage=request.salvage)
        except LateListError:
            assert offered.keys() < table.offered.keys(), "a list is late only once"
            offered = table.offered


def open_table(captures: Captures, request: ImportRequest, offered: dict[tuple[str, str], Instrument]) -> SymbolTable:
    """Return an empty table with what is said of instruments beforehand."""
    return SymbolTable(
        venue=captures.venue,
        wanted=request.symbols,
        ticks=request.ticks,
        lots=request.lots,
        min_qtys=request.min_qtys,
        min_notionals=request.min_notionals,
        contract_values=request.contract_values,
        offered=dict(offered),
    )


def read_session(files: list[Sniffed], session: Session, on_progress: OnProgress, *, salvage: bool) -> str:
    """Read all files into a session to its end, and return the run id, made of every line as it was taken.

    Raises: ImportFailedError, LateListError.
    """
    byte_counts, cuts, lines = [0 for _ in files], list[str](), LinesHash()

    def reader(index: int) -> Generator[bytes, None, None]:
        def on_bytes(data: bytes) -> None:
            byte_counts[index] += len(data)
            on_progress(sum(byte_counts))

        buffers = read_lines(files[index].path, on_bytes, cuts.append if salvage else None)
        return read_ahead(lines.hashed(buffers) if len(files) == 1 else buffers)

    if len(files) == 1:
        read_alone(files[0], session, reader(0))
    else:
        read_merged(files, session, reader, lines)
    session.finish()
    session.context.table.assumed.update(dict.fromkeys(sorted(cuts)))
    return lines.run_id()


def open_fast_lane(captures: Captures, input_bytes: int) -> FastLane | None:
    """Return the venue's fast lane, if the input is worth it and kernels are compiled here."""
    if input_bytes < FAST_LANE_BYTES_MIN:
        return None
    from mmfold.engine.jit import JIT_ENABLED  # only here: it loads numba

    return FastLane(captures.scanner) if JIT_ENABLED else None


def read_alone(file: Sniffed, session: Session, buffers: Generator[bytes, None, None]) -> None:
    """Read one file.

    Raises: ImportFailedError.
    """
    session.units = file.units
    line, byte = 1, 0
    with closing(buffers):
        for buffer in buffers:
            line = session.read_buffer(file.path, file.form, buffer, line, byte)
            byte += len(buffer)
            look_for_signals()


def read_merged(
    files: list[Sniffed], session: Session, reader: Callable[[int], Generator[bytes, None, None]], lines: LinesHash
) -> None:
    """Read files together in the order of their receive times.

    Raises: ImportFailedError.
    """
    with ExitStack() as stack:
        readers = [stack.enter_context(closing(opened_late(reader, index))) for index in range(len(files))]
        stamp = open_stamper(session)
        for merged in merge_lines([LineFeed(*pair, stamp) for pair in zip(files, readers, strict=True)]):

            def place_of(index: int, _: int, merged: Merged = merged) -> Place:
                return merged.place(index)

            lines.update(merged.buffer)
            session.units = merged.source.units
            session.read_lines(merged.source.form, merged.buffer, 0, place_of)
            look_for_signals()


def look_for_signals() -> None:
    """Run the handler of a signal that came while a reading thread held the GIL: CPython 3.11 may have forgotten to."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ())


def opened_late(reader: Callable[[int], Generator[bytes, None, None]], index: int) -> Generator[bytes, None, None]:
    """Yield a file's buffers; its thread starts with the first."""
    with closing(reader(index)) as buffers:
        yield from buffers


def open_stamper(session: Session) -> StampLines:
    """Return what finds the receive times of lines: compiled where there is a fast lane."""
    if session.fast_lane is None:
        return stamp_lines_slowly
    from mmfold.adapters.importers.stamp_kernel import stamp_lines  # only here: it loads numba

    return stamp_lines


def write_result(
    session: Session, run_id: str, files: Sequence[InUnits], request: ImportRequest, work: Path
) -> ImportResult:
    """Write the journal of a finished session and put it in its place.

    Raises: ImportFailedError when there is nothing to write.
    """
    table, out = session.context.table, request.out
    listings = [listing for listing in table.listings.values() if table.records["event_count"][listing.index]]
    if not listings:
        names = ", ".join(file.path.name for file in files)
        skipped = ", ".join(f"{what} {count:,}" for what, count in sorted(session.skipped.items()))
        first = f"check --symbols; skipped: {skipped}" if skipped else "check --symbols"
        first = f"the first refusal: {session.quarantine.first}" if session.quarantine.count else first
        none = f"{names}: no market event to import in {session.message_count:,} messages"
        if foreign := session.context.foreign:
            none, first = f"{none}, which are of {foreign}", f"mm import {foreign} reads them"
        raise ImportFailedError(none, first)
    listings.sort(key=lambda listing: listing.symbol)
    manifest = Manifest(
        run_id=run_id,
        instruments=tuple(with_depth(listing.instrument, session) for listing in listings),
        source=f"{table.venue} {session.context.market}".strip(),
    )
    index_of = np.zeros(len(table.listings), "<u2")
    for index, listing in enumerate(listings):
        index_of[listing.index] = index
    journal = work / "journal"
    gaps = GapCounter(manifest)
    rows = renumber(session.spool, index_of, session.seqs_unused)
    head = write_journal(journal, manifest, gaps.counted(rows))
    publish(journal, Path(os.path.realpath(out)), work)
    return ImportResult(
        messages=session.message_count,
        events=dict(session.events),
        rows=len(session.spool),
        gaps=gaps.gap_count + session.events[EventKind.BOOK_GAP.name.lower()],
        rejected=session.quarantine.count,
        skipped=dict(session.skipped),
        units={file.path.name: file.units.names() for file in files},
        head=head,
        symbols=tuple(listing.symbol for listing in listings),
        out=str(out),
        notes=table_notes(table, request),
    )


def with_depth(instrument: Instrument, session: Session) -> Instrument:
    """Return an instrument with the depth that its topic names; a venue without such topics tells the whole book."""
    depth, shown_depth = session.context.book_depths.get(instrument.symbol), session.captures.shown_depth
    return instrument if depth is None or shown_depth is None else replace(instrument, book_depth=shown_depth(depth))


def table_notes(table: SymbolTable, request: ImportRequest) -> tuple[str, ...]:
    """Return what was left out of the capture's list, assumed of an instrument, or given for none."""
    notes = [f"left out: {reason}" for reason in table.odd.values()]
    notes += [f"{symbol} is listed twice, otherwise the second time: the first counts" for symbol in table.changed]
    notes += table.assumed
    given = [request.ticks, request.lots, request.min_qtys, request.min_notionals, request.contract_values]
    unused = sorted({symbol for values in given for symbol in values} - table.listings.keys())
    if unused:
        notes.append(f"flags for symbols that the capture does not have: {', '.join(unused)}")
    return tuple(notes)


def renumber(spool: Spool, index_of: np.ndarray, seqs_unused: list[int]) -> Iterator[np.ndarray]:
    """Yield the spooled rows with the manifest's instrument indices, and without the numbers that no event has."""
    changed = bool((index_of != np.arange(len(index_of))).any())
    unused = np.array(seqs_unused, np.int64)
    for rows in spool.parts():
        if changed:
            rows["instrument_index"] = index_of[rows["instrument_index"]]
        if unused.size:
            rows["seq"] -= np.searchsorted(unused, rows["seq"])
        yield rows
