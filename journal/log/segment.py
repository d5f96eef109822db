"""One segment file: its header, its frames, and how they are read from a map; must never write.

Source: docs/data.md 4. A frame is one commit. The map's pages are given back behind the reader, so that resident memory
does not grow with the journal.
"""

import mmap
import os
import re
import struct
import zlib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmfold.engine.codes import EventKind, Flag
from mmfold.engine.limits import CHAIN_BLOCK_EVENT_COUNT, EVENT_ROW_COUNT_MAX, ROW_BYTES
from mmfold.engine.manifest import CODE_VERSION, SCHEMA_VERSION
from mmfold.engine.records import EVENT, I8, record
from mmfold.journal.errors import RECOVER_HINT, Corrupt, JournalError, NotAJournal, TornTail, WrongVersion
from mmfold.journal.files.plain_file import open_readable
from mmfold.journal.log.chain import DIGEST_BYTES, GENESIS_BASE
from mmfold.journal.log.upcast import is_readable

MAGIC = b"MMJRNL\r\n"
SEGMENT_HEADER_BYTES = 128
FRAME_BYTES = ROW_BYTES
FRAME_ROW_COUNT = 1 << 16  # a frame holds at most this many rows, or one event that is longer
DROP_BYTES = 32 << 20  # pages are given back in pieces of half of this, this far behind the reader
CHECKED_HEADER_BYTES = 96
CHECKED_FRAME_BYTES = 52
FRAME_MARK = bytes([EventKind.FRAME, 0, 0, 0, 0, 0, 0, 0])  # the last 8 bytes of every frame header
FRAME_MARK_AT = 56

SEGMENT_HEADER = record(
    SEGMENT_HEADER_BYTES,
    [
        ("magic", "S8"),
        ("schema_version", "<u4"),
        ("segment_index", "<u4"),
        ("seq_first", I8),
        ("base", "u1", (DIGEST_BYTES,)),
        ("day", I8),
        ("reserved", "u1", (32,)),
        ("check", "u1", (DIGEST_BYTES,)),
    ],
)
FRAME = record(
    FRAME_BYTES,
    [
        ("digest", "u1", (DIGEST_BYTES,)),
        ("seq_first", I8),
        ("seq_last", I8),
        ("row_count", "<u4"),
        ("check", "<u4"),
        ("kind", "u1"),
        ("reserved", "u1", (7,)),
    ],
)
# The same records for `struct`, which reads one header in 0.3 us where a NumPy record takes 2 us.
SEGMENT_STRUCT = struct.Struct("<8sIIq32sq32s")
FRAME_STRUCT = struct.Struct("<32sqqII8s")
FRAME_CHECKED_STRUCT = struct.Struct("<32sqqI")
FRAME_TAIL_STRUCT = struct.Struct("<I8s")

assert SEGMENT_HEADER.fields is not None and FRAME.fields is not None
assert SEGMENT_STRUCT.size == SEGMENT_HEADER.fields["check"][1] == CHECKED_HEADER_BYTES
assert FRAME_STRUCT.size == FRAME_BYTES and FRAME.fields["check"][1] == CHECKED_FRAME_BYTES
assert FRAME_CHECKED_STRUCT.size == CHECKED_FRAME_BYTES and FRAME_TAIL_STRUCT.size == FRAME_BYTES - CHECKED_FRAME_BYTES
assert FRAME.fields["kind"][1] == FRAME_MARK_AT
ROW_OF_BYTES = np.dtype((np.void, ROW_BYTES))  # NumPy copies a record field by field, at sixteen times the cost
assert EVENT_ROW_COUNT_MAX >= FRAME_ROW_COUNT
assert SEGMENT_HEADER_BYTES % ROW_BYTES == 0, "rows stay aligned"


class SegmentHeader(NamedTuple):
    """What a segment continues."""

    segment_index: int
    seq_first: int
    base: bytes
    day: int
    schema_version: int = SCHEMA_VERSION


class Mark(NamedTuple):
    """One commit as its frame header tells it; `offset` is the header's place in the file."""

    offset: int
    seq_first: int
    seq_last: int
    row_count: int
    digest: bytes

    @property
    def end(self) -> int:
        """Offset after the frame's last row."""
        return self.offset + FRAME_BYTES + self.row_count * ROW_BYTES


class Frame(NamedTuple):
    """One commit with its rows."""

    path: Path
    mark: Mark
    rows: np.ndarray


class Span(NamedTuple):
    """Consecutive whole frames of one segment and their rows without the headers."""

    path: Path
    schema_version: int
    marks: list[Mark]
    rows: np.ndarray


def segment_name(index: int) -> str:
    """Return the file name of a segment."""
    return f"{index:06d}.mmj"


def segment_paths(directory: Path) -> list[Path]:
    """Return a journal's segments in order.

    Raises: JournalError when the directory cannot be read, Corrupt when one in the row is missing.
    """
    try:
        names = [name for name in os.listdir(directory) if re.fullmatch(r"\d{6,}\.mmj", name)]
    except OSError as error:
        raise JournalError(directory, f"expected a readable directory: {error.strerror}") from error
    names.sort(key=lambda name: int(name.removesuffix(".mmj")))
    for index, name in enumerate(names):
        if name != segment_name(index):
            raise Corrupt(directory, f"expected segment {segment_name(index)}, found {name}", hint="restore it")
    return [directory / name for name in names]


def encode_segment_header(header: SegmentHeader) -> bytes:
    """Return a segment's first 128 bytes."""
    checked = SEGMENT_STRUCT.pack(
        MAGIC, header.schema_version, header.segment_index, header.seq_first, header.base, header.day, bytes(32)
    )
    return checked + sha256(checked).digest()


def parse_segment_header(data: bytes, path: Path) -> SegmentHeader:
    """Parse a segment's first 128 bytes.

    Raises: NotAJournal, TornTail (too short), WrongVersion, Corrupt.
    """
    if data[: len(MAGIC)] != MAGIC[: len(data)]:
        raise NotAJournal(path, f"expected a segment ({MAGIC!r}), found {bytes(data[:8])!r}", offset=0)
    if len(data) < SEGMENT_HEADER_BYTES:
        message = f"expected a header of {SEGMENT_HEADER_BYTES} bytes, found {len(data)}"
        raise TornTail(path, message, offset=0, hint=RECOVER_HINT)
    _, version, index, seq_first, base, day, reserved = SEGMENT_STRUCT.unpack_from(data)
    whole = sha256(data[:CHECKED_HEADER_BYTES]).digest() == data[CHECKED_HEADER_BYTES:SEGMENT_HEADER_BYTES]
    if not is_readable(version):
        also = "" if whole else " (the header's check fails as well)"
        this = f"expected a schema version that mm {CODE_VERSION} reads, up to {SCHEMA_VERSION}"
        message = f"{this}, found that of another build, {version}{also}"
        raise WrongVersion(path, message, offset=8, hint="read it with the build that wrote it")
    if not whole:
        raise Corrupt(path, "expected the header's check to be the sha256 of its first 96 bytes", offset=96)
    if seq_first % CHAIN_BLOCK_EVENT_COUNT or seq_first < 0 or any(reserved):
        raise Corrupt(path, f"expected a start at a block boundary, found seq {seq_first}", offset=16)
    if index == 0 and (seq_first != 0 or base != GENESIS_BASE):
        raise Corrupt(path, "expected segment 0 to start the chain", seq=seq_first, offset=16)
    return SegmentHeader(index, seq_first, base, day, version)


def encode_frame_header(digest: bytes, seq_first: int, seq_last: int, row_count: int) -> bytes:
    """Return the 64 bytes before a frame's rows."""
    checked = FRAME_CHECKED_STRUCT.pack(digest, seq_first, seq_last, row_count)
    return checked + FRAME_TAIL_STRUCT.pack(zlib.crc32(checked), FRAME_MARK)


def parse_frame_header(data: bytes | memoryview, at: int, offset: int, verify_check: bool = True) -> Mark | None:
    """Parse the frame header at `data[at]`, which stands at `offset` of its file; None when it is not one."""
    digest, seq_first, seq_last, row_count, check, mark = FRAME_STRUCT.unpack_from(data, at)
    if mark != FRAME_MARK or (verify_check and zlib.crc32(data[at : at + CHECKED_FRAME_BYTES]) != check):
        return None
    if not 0 <= seq_last - seq_first < row_count <= EVENT_ROW_COUNT_MAX:
        return None
    return Mark(offset, seq_first, seq_last, row_count, digest)


def find_frame_header(data: mmap.mmap | bytes, start: int) -> int | None:
    """Return the offset of the first whole frame header after `start`, at any byte: lost bytes shift what follows."""
    place = data.find(FRAME_MARK, start + FRAME_MARK_AT)
    while place >= 0:
        offset = place - FRAME_MARK_AT
        if parse_frame_header(data[offset : offset + FRAME_BYTES], 0, offset) is not None:
            return offset
        place = data.find(FRAME_MARK, place + 1)
    return None


def last_whole(flags: np.ndarray) -> int:
    """Return how many rows of a full frame are whole events: of one event, if it is longer than a frame."""
    for end in range(FRAME_ROW_COUNT, 0, -1):
        if flags.item(end - 1) & Flag.LAST:
            return end
    return int(np.argmax(flags[:EVENT_ROW_COUNT_MAX] & Flag.LAST)) + 1


class SegmentFile:
    """A mapped segment as it was when it was opened: bytes appended later are not seen.

    Raises: NotAJournal, TornTail, WrongVersion, Corrupt, JournalError.
    """

    def __init__(self, path: Path, *, is_last: bool = True) -> None:
        self.path = path
        self.is_last = is_last
        try:
            with open(open_readable(path), "rb") as file:
                self.size_bytes = os.fstat(file.fileno()).st_size
                if self.size_bytes:
                    self._map = mmap.mmap(file.fileno(), self.size_bytes, prot=mmap.PROT_READ)
        except OSError as error:
            raise JournalError(path, f"expected a readable segment: {error.strerror}") from error
        if not self.size_bytes:
            raise self._torn("expected a segment, found an empty file", seq=None, offset=0)
        self._view = memoryview(self._map)
        self._dropped_bytes = 0
        try:
            self.header = parse_segment_header(self._map[:SEGMENT_HEADER_BYTES], path)
        except TornTail as error:
            raise self._torn(error.message, seq=None, offset=0) from None

    def marks(self, verify_check: bool = True) -> Iterator[Mark]:
        """Walk the frame headers.

        Raises: Corrupt at a header that is not one, TornTail where the last segment ends inside a frame.
        """
        offset, seq_next, view = SEGMENT_HEADER_BYTES, self.header.seq_first, self._view
        while offset < self.size_bytes:
            if self.size_bytes - offset < FRAME_BYTES:
                found = f"found {self.size_bytes - offset} bytes"
                raise self._torn(f"expected a frame header of {FRAME_BYTES} bytes, {found}", seq_next, offset)
            mark = parse_frame_header(view, offset, offset, verify_check)
            if mark is None:
                raise self._torn("expected a frame header, found bytes that are not one", seq_next, offset)
            end = mark.end
            if end > self.size_bytes:
                count = (self.size_bytes - offset) // ROW_BYTES - 1
                raise self._torn(f"expected {mark.row_count} rows, found {count}", seq_next, offset)
            if mark.seq_first != seq_next:
                message = f"expected a frame from seq {seq_next}, found one from seq {mark.seq_first}"
                raise Corrupt(self.path, message, seq=seq_next, offset=offset)
            yield mark
            offset, seq_next = end, mark.seq_last + 1

    def rows(self, mark: Mark) -> np.ndarray:
        """Return a frame's rows: a read-only view of the map."""
        return np.frombuffer(self._map, EVENT, mark.row_count, mark.offset + FRAME_BYTES)

    def frames(self, seq_from: int = 0, verify_check: bool = True) -> Iterator[Frame]:
        """Yield the frames from the one that holds `seq_from` on."""
        for mark in self.marks(verify_check):
            if mark.seq_last >= seq_from:
                yield Frame(self.path, mark, self.rows(mark))
            self._drop_behind(mark.offset)

    def spans(self, row_count: int, seq_from: int = 0) -> Iterator[Span]:
        """Yield frames grouped to about `row_count` rows: small ones copied together, big ones as views."""
        held: list[Mark] = []
        held_count = 0
        try:
            for mark in self.marks():
                if mark.seq_last < seq_from:
                    continue
                if held and held_count + mark.row_count > row_count:
                    yield self._span(held)
                    held, held_count = [], 0
                held.append(mark)
                held_count += mark.row_count
                self._drop_behind(mark.offset)
        except JournalError:
            if held:
                yield self._span(held)
            raise
        if held:
            yield self._span(held)

    def _span(self, marks: list[Mark]) -> Span:
        if len(marks) == 1:
            return Span(self.path, self.header.schema_version, marks, self.rows(marks[0]))
        first, last = marks[0], marks[-1]
        block = np.frombuffer(self._map, ROW_OF_BYTES, (last.end - first.offset) // ROW_BYTES, first.offset)
        keep = np.ones(len(block), bool)
        keep[[(mark.offset - first.offset) // ROW_BYTES for mark in marks]] = False
        rows = block[keep].view(EVENT)
        rows.flags.writeable = False  # as the views are: one kind of array for the compiled kernels
        return Span(self.path, self.header.schema_version, marks, rows)

    def _drop_behind(self, offset: int) -> None:
        """Give pages back that lie well behind the reader; whoever still holds a view of them just reads them again."""
        if offset - self._dropped_bytes >= DROP_BYTES:
            end = (offset - DROP_BYTES // 2) // mmap.PAGESIZE * mmap.PAGESIZE
            self._map.madvise(mmap.MADV_DONTNEED, self._dropped_bytes, end - self._dropped_bytes)
            self._dropped_bytes = end

    def _torn(self, message: str, seq: int | None, offset: int) -> JournalError:
        """Return TornTail when nothing whole follows in the last segment, else Corrupt."""
        if not self.is_last:
            return Corrupt(self.path, message, seq=seq, offset=offset)
        later = find_frame_header(self._map, offset + 1) if self.size_bytes else None
        if later is None:
            return TornTail(self.path, message, seq=seq, offset=offset, hint=RECOVER_HINT)
        return Corrupt(self.path, f"{message}; a whole frame follows at byte {later}", seq=seq, offset=offset)
