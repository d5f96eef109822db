"""Full verification of a journal: what is whole, and where the first bad thing is; must never write.

Segments are verified from the bases in their headers, so several workers give the same answer as one (hashing releases
the interpreter lock, so they are threads).
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from mmfold.engine.codes import EventKind
from mmfold.journal.errors import Corrupt, JournalError, NotAJournal, SealDiffers, TornTail, WrongVersion
from mmfold.journal.log.chain import GENESIS_BASE, Chain
from mmfold.journal.log.lock import is_locked
from mmfold.journal.log.reader import advance, check_link, is_started
from mmfold.journal.log.seal import Seal, check_seal, read_seal
from mmfold.journal.log.segment import (
    FRAME_BYTES,
    FRAME_ROW_COUNT,
    SEGMENT_HEADER_BYTES,
    Mark,
    SegmentFile,
    SegmentHeader,
    segment_name,
    segment_paths,
)


class FirstBad(TypedDict):
    """The first thing that is not as it should be; `seq` is the first event that cannot be relied on."""

    seq: int
    reason: str
    file: str
    offset: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What a journal holds up to its first fault; `head` is hex."""

    ok: bool
    events: int
    rows: int
    head: str
    sealed: bool
    segments: int
    first_bad: FirstBad | None
    torn_bytes: int


@dataclass(slots=True)
class SegmentScan:
    """What a segment holds up to its first fault."""

    path: Path
    size_bytes: int = 0
    header: SegmentHeader | None = None
    seq_next: int = 0
    rows: int = 0
    head: bytes = GENESIS_BASE
    good_bytes: int = 0  # up to the end of the last good frame
    fault: JournalError | None = None


@dataclass(frozen=True, slots=True)
class JournalScan:
    """What the segments of a journal hold, linked, up to the first fault: `scans` ends with the segment that has it."""

    scans: list[SegmentScan]
    events: int
    rows: int
    head: bytes
    fault: JournalError | None


def verify(
    path: Path | str,
    *,
    workers: int = 1,
    expect_head: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Verification:
    """Check every byte of a journal directory or of one segment.

    `progress` is called with bytes done and bytes in all.
    Raises: NotAJournal, WrongVersion where not even its start can be read, JournalError where nothing can.
    """
    path = Path(path)
    is_growing = path.is_dir() and is_locked(path)
    scan = scan_journal(path, workers=workers, is_growing=is_growing, progress=progress)
    if scan.events == 0 and isinstance(scan.fault, NotAJournal | WrongVersion):
        raise scan.fault
    scan = check_manifest(scan)
    fault, last = scan.fault, scan.scans[-1] if scan.scans else SegmentScan(path)
    is_torn = isinstance(fault, TornTail)
    if is_torn and is_growing:
        fault, is_torn = None, False  # its living writer has not finished that commit
    seal: Seal | None = None
    try:
        seal = read_seal(path) if path.is_dir() else None
        if seal is not None and (fault is None or is_torn):
            segments = len(scan.scans)
            check_seal(path, seal, events=scan.events, head=scan.head, segments=segments, rows=scan.rows)
        if fault is None:
            check_head(last.path, expect_head, head=scan.head, events=scan.events, offset=last.good_bytes)
    except SealDiffers as error:
        fault = fault or error
    return Verification(
        ok=fault is None,
        events=scan.events,
        rows=scan.rows,
        head=scan.head.hex(),
        sealed=seal is not None,
        segments=len(scan.scans),
        first_bad=None if fault is None else first_bad(fault, scan.events),
        torn_bytes=last.size_bytes - last.good_bytes if is_torn else 0,
    )


def check_head(path: Path, expect_head: str | None, *, head: bytes, events: int, offset: int | None) -> None:
    """Compare a head that was kept outside, if any, with the one that was found.

    Raises: SealDiffers.
    """
    if expect_head is not None and head.hex() != expect_head.lower():
        message = f"expected head {expect_head}, found {head.hex()} after {events:,} events"
        raise SealDiffers(path, message, seq=events, offset=offset)


def check_manifest(scan: JournalScan) -> JournalScan:
    """Return a scan from seq 0 on as it is if its first event is a manifest, else with that as its first fault."""
    if not scan.events or scan.scans[0].header is None or scan.scans[0].header.seq_first:
        return scan
    first = next(SegmentFile(scan.scans[0].path).frames())
    kind = int(first.rows["kind"][0])
    if kind == EventKind.MANIFEST:
        return scan
    message = f"expected the manifest at seq 0, found kind {kind}"
    fault = Corrupt(first.path, message, seq=0, offset=first.mark.offset + FRAME_BYTES)
    return JournalScan(scan.scans, 0, 0, GENESIS_BASE, fault)


def first_bad(error: JournalError, seq: int) -> FirstBad:
    """Describe an error; `seq` stands in where it names none."""
    seq = seq if error.seq is None else error.seq
    return FirstBad(seq=seq, reason=error.message, file=str(error.path), offset=error.offset)


def scan_journal(
    path: Path, *, workers: int = 1, is_growing: bool = False, progress: Callable[[int, int], None] | None = None
) -> JournalScan:
    """Scan the segments and link them, up to the first fault; `is_growing` when a living writer holds the journal.

    Raises: NotAJournal, JournalError; a missing segment is a fault of the scan.
    """
    paths, missing = list_segments(path)
    if is_growing and len(paths) > 1 and not is_started(paths[-1]):
        paths.pop()  # its writer has just made it
    linked: list[SegmentScan] = []
    seq_first, seq_next, head, rows = 0, 0, GENESIS_BASE, 0
    fault: JournalError | None = None
    for index, scan in enumerate(scan_segments(paths, workers, progress)):
        linked.append(scan)
        if scan.header is not None:
            try:
                if index:
                    check_link(scan.path, scan.header, seq_next, head)
                if path.is_dir() and scan.header.segment_index != index:
                    message = f"expected segment {index}, found segment {scan.header.segment_index}"
                    raise Corrupt(scan.path, message, seq=seq_next, offset=12)
            except Corrupt as error:
                fault = error
                break
            seq_first = seq_first if index else scan.header.seq_first
            seq_next, head, rows = scan.seq_next, scan.head, rows + scan.rows
        fault = scan.fault
        if fault is not None:
            break
    if fault is None and missing is not None:
        missing.seq = seq_next
        fault = missing
    return JournalScan(linked, seq_next - seq_first, rows, head, fault)


def list_segments(path: Path) -> tuple[list[Path], Corrupt | None]:
    """Return the segments up to the first that is missing in the row, and the error that says so.

    Raises: NotAJournal, JournalError.
    """
    missing = None
    if not path.is_dir():
        paths = [path] if path.exists() else []
    else:
        try:
            paths = segment_paths(path)
        except Corrupt as error:
            missing = error
            paths = []
            while (segment := path / segment_name(len(paths))).exists():
                paths.append(segment)
    if not paths and missing is None:
        raise NotAJournal(path, "expected segments (000000.mmj, ...), found none")
    return paths, missing


def scan_segments(
    paths: list[Path], workers: int, progress: Callable[[int, int], None] | None
) -> Iterator[SegmentScan]:
    """Scan segments in order, `workers` at a time."""
    total_bytes = sum(path.stat().st_size for path in paths)
    done_bytes = 0
    lock = threading.Lock()

    def on_bytes(count: int) -> None:
        nonlocal done_bytes
        with lock:
            done_bytes += count
            if progress is not None:
                progress(done_bytes, total_bytes)

    last = len(paths) - 1
    if workers <= 1:
        yield from (scan_segment(path, index == last, on_bytes) for index, path in enumerate(paths))
        return
    with ThreadPoolExecutor(workers, "verify") as pool:
        futures = [pool.submit(scan_segment, path, index == last, on_bytes) for index, path in enumerate(paths)]
        try:
            yield from (future.result() for future in futures)
        finally:
            pool.shutdown(cancel_futures=True)


def scan_segment(path: Path, is_last: bool, on_bytes: Callable[[int], None]) -> SegmentScan:
    """Check one segment from its header on, up to its first fault.

    Raises: JournalError when it cannot be read.
    """
    scan = SegmentScan(path)
    try:
        scan.size_bytes = path.stat().st_size
        file = SegmentFile(path, is_last=is_last)
        scan.header = file.header
        scan.good_bytes = SEGMENT_HEADER_BYTES
        chain = Chain(file.header.base, file.header.seq_first)
        scan.seq_next, scan.head = chain.seq_next, chain.head
        for span in file.spans(FRAME_ROW_COUNT):
            try:
                chain = advance(chain, span, every_digest=True)
            except Corrupt as error:
                take_marks(scan, [mark for mark in span.marks if mark.end <= (error.offset or 0)])
                raise
            take_marks(scan, span.marks)
            on_bytes(span.marks[-1].end - span.marks[0].offset)
    except (Corrupt, TornTail, WrongVersion, NotAJournal) as error:
        scan.fault = error
    return scan


def take_marks(scan: SegmentScan, marks: list[Mark]) -> None:
    """Count frames that were found good."""
    if marks:
        scan.rows += sum(mark.row_count for mark in marks)
        scan.seq_next, scan.head, scan.good_bytes = marks[-1].seq_last + 1, marks[-1].digest, marks[-1].end
