"""Raw venue captures to a journal; must never write anything before the last line is read.

Order of several files: by their first receive time, whatever the order on the command line. When one starts before the
one before it has ended (a websocket capture and the REST responses of the same minutes), all lines are merged by
receive time, each file keeping its own order and the earlier file going first at equal times.
"""

import heapq
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from mmfold.adapters.importers import binance, bybit
from mmfold.adapters.importers.frames import Sniffed, parse_frame, sniff
from mmfold.adapters.importers.lane import FastLane
from mmfold.adapters.importers.outcome import ImportFailedError, ImportRequest, ImportResult, Place, RefusedError
from mmfold.adapters.importers.output import check_out, publish, work_directory, write_journal
from mmfold.adapters.importers.quarantine import Quarantine
from mmfold.adapters.importers.session import LateListError, ParseMessage, Session
from mmfold.adapters.importers.spool import Spool
from mmfold.adapters.importers.streams import InputHash, read_ahead, read_lines
from mmfold.adapters.importers.table import Context, SymbolTable
from mmfold.engine.manifest import Instrument, Manifest

FAST_LANE_BYTES_MIN = 1 << 19  # a smaller import is done before the kernels are loaded, let alone compiled

OnProgress = Callable[[int], None]
ReadFile = Callable[[Path], Iterator[bytes]]  # a file as buffers of whole lines


@dataclass(frozen=True, slots=True)
class Venue:
    """What is particular to the captures of one venue."""

    name: str
    markets: tuple[str, ...]
    parse_message: ParseMessage
    scanner: str  # of its fast lane, `module:function`


BINANCE = Venue(
    "binance", binance.MARKETS, binance.parse_message, "mmfold.adapters.importers.binance_kernel:scan_lines"
)
BYBIT = Venue("bybit", bybit.MARKETS, bybit.parse_message, "mmfold.adapters.importers.bybit_kernel:scan_lines")


class _OverlapError(Exception):
    """Two files cover the same time: the lines must be merged."""


def import_binance(request: ImportRequest, on_progress: OnProgress) -> ImportResult:
    """Import captures of Binance spot, USD-M or COIN-M streams."""
    return import_captures(request, on_progress, BINANCE)


def import_bybit(request: ImportRequest, on_progress: OnProgress) -> ImportResult:
    """Import captures of Bybit v5 public streams."""
    return import_captures(request, on_progress, BYBIT)


def import_captures(request: ImportRequest, on_progress: OnProgress, venue: Venue) -> ImportResult:
    """Import captures, all or nothing; refused lines go to a quarantine file beside the output.

    Units:  on_progress gets the number of input bytes read so far.
    Raises: ImportFailedError.
    """
    check_out(request.out, request.force)
    if request.market and request.market not in venue.markets:
        raise ImportFailedError(f"--market {request.market}: {venue.name} has {', '.join(venue.markets)}")
    files = sorted((sniff(path) for path in request.files), key=lambda file: file.ts_receive_ns)
    quarantine = Quarantine.beside(request.out)
    with work_directory(request.out) as work:
        try:
            session, inputs = read_files(files, request, on_progress, venue, quarantine, Spool(work / "spool"))
            quarantine.sync()
            result = write_result(session, inputs, files, request, work)
        except ImportFailedError:
            if request.strict or not quarantine.count:
                quarantine.clear()
            else:
                quarantine.publish()
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
    venue: Venue,
    quarantine: Quarantine,
    spool: Spool,
) -> tuple[Session, InputHash]:
    """Read all files, one after the other if their times allow it, else merged; again if the list comes late.

    Raises: ImportFailedError.
    """
    input_bytes = sum(file.path.stat().st_size for file in files)
    read, offered = read_in_turn, dict[tuple[str, str], Instrument]()
    while True:
        spool.clear()
        quarantine.clear()
        session = Session(
            parse_message=venue.parse_message,
            context=Context(
                table=open_table(venue, request, offered), market=request.market, market_forced=bool(request.market)
            ),
            spool=spool,
            quarantine=quarantine,
            fast_lane=open_fast_lane(venue, input_bytes),
            strict=request.strict,
        )
        inputs = InputHash()

        def on_bytes(data: bytes, inputs: InputHash = inputs) -> None:
            inputs.update(data)
            on_progress(inputs.byte_count)

        cuts: list[str] = []
        on_cut = cuts.append if request.salvage else None
        try:
            read(files, session, partial(read_lines, on_bytes=on_bytes, on_cut=on_cut))
            session.finish()
            session.context.table.assumed.update(dict.fromkeys(cuts))
            return session, inputs
        except _OverlapError:
            assert read is read_in_turn, "merged files cannot overlap"
            read = read_merged
        except LateListError:
            assert offered.keys() < session.context.table.offered.keys(), "a list is late only once"
            offered = session.context.table.offered


def open_table(venue: Venue, request: ImportRequest, offered: dict[tuple[str, str], Instrument]) -> SymbolTable:
    """Return an empty table with what is said of instruments beforehand."""
    return SymbolTable(
        venue=venue.name,
        wanted=request.symbols,
        ticks=request.ticks,
        lots=request.lots,
        min_qtys=request.min_qtys,
        min_notionals=request.min_notionals,
        contract_values=request.contract_values,
        offered=dict(offered),
    )


def open_fast_lane(venue: Venue, input_bytes: int) -> FastLane | None:
    """Return the venue's fast lane, if the input is worth it and kernels are compiled here."""
    if input_bytes < FAST_LANE_BYTES_MIN:
        return None
    from mmfold.engine.jit import JIT_ENABLED  # only here: it loads numba

    return FastLane(venue.scanner) if JIT_ENABLED else None


def read_in_turn(files: list[Sniffed], session: Session, read_file: ReadFile) -> None:
    """Read files one after the other.

    Raises: _OverlapError, ImportFailedError.
    """
    for file in files:
        if file.ts_receive_ns < session.ts_receive_ns:
            raise _OverlapError
        line, byte = 1, 0
        with closing(read_ahead(read_file(file.path))) as buffers:
            for buffer in buffers:
                line = session.read_buffer(file.path, file.form, buffer, line, byte)
                byte += len(buffer)
                # Takes the GIL anew: a Ctrl-C that came while the reading thread held it waits for that (CPython 3.11).
                time.sleep(0)


def read_merged(files: list[Sniffed], session: Session, read_file: ReadFile) -> None:
    """Read files together, line by line, in the order of their receive times.

    Raises: ImportFailedError.
    """
    streams = [stamped_lines(file, read_file) for file in files]
    forms = {file.path: file.form for file in files}
    for _, place, line in heapq.merge(*streams, key=lambda item: item[0]):
        session.read_line(place, forms[place.path], line)


def stamped_lines(file: Sniffed, read_file: ReadFile) -> Iterator[tuple[int, Place, bytes]]:
    """Yield a file's lines with the latest receive time so far, which keeps the file's own order in a merge."""
    ts_receive_ns = file.ts_receive_ns
    line_number, byte = 1, 0
    for buffer in read_file(file.path):
        for line in buffer.split(b"\n")[:-1]:
            with suppress(RefusedError):  # the session refuses it, with its reason
                ts_receive_ns = max(ts_receive_ns, parse_frame(file.form, line.removesuffix(b"\r")).ts_receive_ns)
            yield ts_receive_ns, Place(file.path, line_number, byte), line
            line_number, byte = line_number + 1, byte + len(line) + 1


def write_result(
    session: Session, inputs: InputHash, files: list[Sniffed], request: ImportRequest, work: Path
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
        raise ImportFailedError(f"{names}: no market event to import in {session.message_count:,} messages", first)
    listings.sort(key=lambda listing: listing.symbol)
    manifest = Manifest(
        run_id=inputs.run_id(),
        instruments=tuple(listing.instrument for listing in listings),
        source=",".join(file.path.name for file in files),
    )
    index_of = np.zeros(len(table.listings), "<u2")
    for index, listing in enumerate(listings):
        index_of[listing.index] = index
    journal = work / "journal"
    head = write_journal(journal, manifest, renumber(session.spool, index_of, session.seqs_unused))
    publish(journal, out, work)
    return ImportResult(
        messages=session.message_count,
        events=dict(session.events),
        rows=len(session.spool),
        gaps=int(table.records["gap_count"].sum()),
        rejected=session.quarantine.count,
        skipped=dict(session.skipped),
        head=head,
        symbols=tuple(listing.symbol for listing in listings),
        out=str(out),
        notes=table_notes(table, request),
    )


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
