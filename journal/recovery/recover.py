"""What to do with a journal after a crash, by its bytes alone; must never destroy one of them.

| | the segments end with | and | then |
|---|---|---|---|
| A | no segment | a writer was here (`writer.lock`) or recovery set all aside | nothing to do: empty |
| B | a whole frame | the seal agrees | nothing to do |
| C | a whole frame or a segment header | no seal | nothing to do: closed by a crash |
| D | a segment of 0 bytes | | set the segment aside |
| E | a segment shorter than its header | | set the segment aside |
| F | a segment that is zeros where its header belongs | no whole frame in it | set the segment aside |
| G | fewer than 64 bytes after the last frame | | set them aside |
| H | a frame header with fewer rows than it says | no whole frame in them | set them aside |
| I | 64 bytes or more that are no frame header | no whole frame in them | set them aside |
| J | a frame whose rows do not hash to its digest | nothing or zeros after it, no seal | set it aside |
| K | less than, or other than, the seal says | | refuse: SealDiffers |
| L | bad bytes before whole frames, a missing or foreign segment, a wrong version | | refuse: Corrupt, WrongVersion |

In D to J a seal that agrees with what is kept stays valid. J without a seal is a commit whose pages did not all reach
the disk before a power cut, and what came after it: none was acknowledged with sync="commit". What is set aside goes to
`recovered/torn-<segment>-<offset>.bin` first, and is cut off only when it is durable there.
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from mmfold.engine.limits import ROW_BYTES
from mmfold.engine.records import KIND_AT
from mmfold.journal.errors import Corrupt, JournalError, Locked, NotAJournal, SealDiffers, TornTail
from mmfold.journal.files.plain_file import check_own_directory, open_plain, sync_directory
from mmfold.journal.files.work import replace_file
from mmfold.journal.log.chain import GENESIS_BASE
from mmfold.journal.log.lock import LOCK_NAME, Lock, is_locked
from mmfold.journal.log.seal import SEAL_NAME, check_seal, read_seal
from mmfold.journal.log.segment import (
    FRAME_BYTES,
    SEGMENT_HEADER_BYTES,
    find_frame_header,
    parse_frame_header,
    segment_paths,
)
from mmfold.journal.log.verify import SegmentScan, scan_journal

RECOVERED_NAME = "recovered"
PAGE_BYTES = 4096  # of the page cache: what a power cut loses, it loses in these


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """The row of the table that holds, what is kept and what is set aside; `head` is hex."""

    letter: str
    events: int
    rows: int
    head: str
    segment: Path | None  # the one with something to set aside
    offset: int  # from here on
    aside_bytes: int
    aside_path: Path | None  # where the bytes are, once applied
    applied: bool


def recover(path: Path | str, *, apply: bool) -> Recovery:
    """Decide what to do after a crash and, if asked, do it; a second time there is nothing to do.

    Raises: Locked (a living writer), SealDiffers (K), Corrupt and WrongVersion (L), NotAJournal, JournalError.
    """
    path = Path(path)
    if not path.is_dir():
        raise NotAJournal(path, "expected a journal directory to recover, found none")
    if not (segment_paths(path) or (path / LOCK_NAME).exists() or (path / RECOVERED_NAME).exists()):
        raise NotAJournal(path, "expected segments (000000.mmj, ...), found none")
    try:
        if apply:
            lock = Lock(path)
            try:
                return set_aside(path, decide(path))
            finally:
                lock.release()
        if is_locked(path):
            raise Locked(path, "expected no writer, found a living one", hint="stop it first")
        return decide(path)
    except OSError as error:
        raise JournalError(path, f"could not recover: {error.strerror}", hint="nothing was cut off") from error


def decide(directory: Path) -> Recovery:
    """Return the row of the table that a journal's bytes fall under.

    Raises: SealDiffers (K), Corrupt, WrongVersion, NotAJournal (L).
    """
    seal = read_seal(directory)
    paths = segment_paths(directory)
    if not paths:
        if seal is not None:
            raise SealDiffers(directory / SEAL_NAME, f"expected {seal.segments} segments as sealed, found none", seq=0)
        return Recovery(
            letter="A", events=0, rows=0, head=GENESIS_BASE.hex(), segment=None, offset=0, aside_bytes=0,
            aside_path=None, applied=False,
        )  # fmt: skip
    scan = scan_journal(directory)
    last = scan.scans[-1]
    if scan.fault is None:
        letter = "C" if seal is None else "B"
    elif last.path == paths[-1]:
        letter = letter_of(last, scan.fault)
    else:
        raise lost_pages(last, len(paths) - paths.index(last.path) - 1) or scan.fault
    drops_segment = letter in "DEF"
    if seal is not None:
        segments = len(scan.scans) - drops_segment
        try:
            check_seal(directory, seal, events=scan.events, head=scan.head, segments=segments, rows=scan.rows)
        except SealDiffers as error:
            if scan.fault is None:
                raise
            found = f"found {scan.events:,} whole ones, then in {scan.fault.path.name}: {scan.fault.message}"
            message = f"expected {seal.events:,} events as sealed, {found}"
            raise SealDiffers(
                error.path, message, seq=error.seq, hint="restore the segments from a copy"
            ) from scan.fault
    return Recovery(
        letter=letter,
        events=scan.events,
        rows=scan.rows,
        head=scan.head.hex(),
        segment=None if scan.fault is None else last.path,
        offset=last.good_bytes,
        aside_bytes=0 if scan.fault is None else last.size_bytes - last.good_bytes,
        aside_path=None,
        applied=False,
    )


def letter_of(last: SegmentScan, fault: JournalError) -> str:
    """Return D to J for a fault of the last segment that a crash leaves behind.

    Raises: the fault itself when a crash does not (L).
    """
    if last.size_bytes == 0:
        return "D"
    if last.header is None:
        is_zero = not any(read_bytes(last, 0)[:SEGMENT_HEADER_BYTES])
        if last.size_bytes < SEGMENT_HEADER_BYTES and (is_zero or isinstance(fault, TornTail)):
            return "E"
        if is_zero and find_frame_header(read_bytes(last, 0), 0) is None:
            return "F"
        raise fault
    tail = read_bytes(last, last.good_bytes)
    if isinstance(fault, TornTail):
        if len(tail) < FRAME_BYTES:
            return "G"
        return "I" if parse_frame_header(tail, 0, last.good_bytes) is None else "H"
    mark = parse_frame_header(tail, 0, last.good_bytes) if len(tail) >= FRAME_BYTES else None
    is_frame_fault = isinstance(fault, Corrupt) and (fault.offset or 0) >= last.good_bytes and fault is last.fault
    if is_frame_fault and mark is not None and mark.seq_first == last.seq_next:
        ends_here = mark.end == last.size_bytes
        if ends_here or zeros_from(tail, last.good_bytes) < mark.end:
            return "J"
    raise fault


def zeros_from(tail: bytes, offset: int) -> int:
    """Return the page boundary from which on a segment's tail is zeros, or its end where a page is not all lost.

    A power cut keeps the file's size and loses whole pages. The row before them is whole: its kind is not zero, so no
    more than the row's last bytes, which may be zero by themselves, stand between it and the boundary.
    """
    end = offset + len(tail)
    last = offset + len(tail.rstrip(b"\0"))
    boundary = -(-last // PAGE_BYTES) * PAGE_BYTES
    return boundary if boundary < end and boundary - last < ROW_BYTES - KIND_AT else end


def lost_pages(scan: SegmentScan, later_count: int) -> Corrupt | None:
    """Return the fault of an earlier segment that ends with zeros: with segments behind it, it is no torn tail."""
    start = zeros_from(read_bytes(scan, scan.good_bytes), scan.good_bytes)
    if start == scan.size_bytes:
        return None
    later = "another segment stands" if later_count == 1 else f"{later_count:,} more segments stand"
    message = f"zeros from here to the segment's end, yet {later} behind it: that is lost data, not a torn tail"
    return Corrupt(scan.path, message, seq=scan.seq_next, offset=start)


def set_aside(directory: Path, recovery: Recovery) -> Recovery:
    """Copy the bytes to set aside, then cut them off."""
    segment = recovery.segment
    if segment is None:
        return replace(recovery, applied=True)
    tail = segment.read_bytes()[recovery.offset :]
    target = aside_path(directory, segment, recovery.offset, tail)
    check_own_directory(target.parent)
    target.parent.mkdir(exist_ok=True)
    replace_file(target, tail)
    sync_directory(directory)
    # From here the bytes are in two places; a crash in between is recovered the same way again.
    if recovery.letter in "DEF":
        segment.unlink()
    else:
        with open(open_plain(segment, os.O_RDWR), "r+b") as file:
            file.truncate(recovery.offset)
            os.fsync(file.fileno())
    sync_directory(directory)
    return replace(recovery, aside_path=target, applied=True)


def aside_path(directory: Path, segment: Path, offset: int, tail: bytes) -> Path:
    """Return a place for the bytes: never over other ones that an earlier recovery put there."""
    stem = f"torn-{segment.stem}-{offset}"
    number = 0
    while True:
        path = directory / RECOVERED_NAME / f"{stem}{f'-{number}' if number else ''}.bin"
        if not path.exists() or path.read_bytes() == tail:
            return path
        number += 1


def read_bytes(scan: SegmentScan, offset: int) -> bytes:
    """Return a segment's bytes from an offset on."""
    with open(scan.path, "rb") as file:
        file.seek(offset)
        return file.read()
