"""The one writer of a journal: append, commit, rotate, seal; must never leave half a frame that it knows of.

`append` takes whole events into memory, `commit` makes them one frame with one write call and returns the running
digest: what it acknowledged survives kill -9, with sync="commit" a power cut too. More than 65,536 rows become several
frames, and memory never holds more: it is written before, so that it does not grow with what is appended.
"""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Literal

import numpy as np

from mmfold.engine.codes import EventKind
from mmfold.engine.limits import CHAIN_BLOCK_EVENT_COUNT, ROW_BYTES
from mmfold.engine.manifest import SCHEMA_VERSION
from mmfold.engine.records import EVENT, NO_VALUE
from mmfold.journal.errors import RECOVER_HINT, Corrupt, Displaced, JournalError, JournalFull, SealDiffers, WrongVersion
from mmfold.journal.files.plain_file import open_plain, sync_directory
from mmfold.journal.log.chain import Chain, RowFault, bytes_of, check_rows, next_block
from mmfold.journal.log.checkpoints import drop_after
from mmfold.journal.log.days import day_of, first_day
from mmfold.journal.log.in_place import InPlace
from mmfold.journal.log.lock import Lock
from mmfold.journal.log.reader import advance
from mmfold.journal.log.seal import SEAL_NAME, Seal, check_seal, read_seal, remove_seal, write_seal
from mmfold.journal.log.segment import (
    FRAME_BYTES,
    FRAME_ROW_COUNT,
    SEGMENT_HEADER_BYTES,
    SegmentFile,
    SegmentHeader,
    encode_frame_header,
    encode_segment_header,
    last_whole,
    segment_name,
    segment_paths,
)

SEGMENT_BYTES_MAX = 256 << 20
BUFFER_ROW_COUNT = 256  # to begin with
DIRECT_ROW_COUNT = FRAME_ROW_COUNT // 2  # from here on rows are a frame of their own, without a copy
FLUSH_BYTES = 32 << 20
FULL_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Writer:
    """Appends to a journal directory, new or existing, alone.

    Raises: Locked, TornTail (recover first), Corrupt, SealDiffers, WrongVersion, JournalError.
    """

    def __init__(
        self,
        directory: Path | str,
        *,
        sync: Literal["none", "commit"] = "none",
        segment_bytes_max: int = SEGMENT_BYTES_MAX,
    ) -> None:
        self.directory = Path(directory)
        self._sync = sync
        self._segment_bytes_max = segment_bytes_max
        self._chain = Chain()
        self._head = self._chain.head
        self._buffer = np.empty(BUFFER_ROW_COUNT, EVENT)
        self._bytes = self._buffer.view(np.uint8).data
        self._buffered = 0
        self._fd: int | None = None  # of the last segment, None until a first frame makes one
        self._index = 0
        self._offset = 0
        self._flushing = 0  # up to here the system was asked to write to the disk
        self._day: int | None = None  # of the segment's first event whose receive time is known
        self._rows_here = 0  # committed rows of the last segment
        self._rows_before: int | None = 0  # of the segments before; None is not counted yet
        self._first_unsynced = 0
        self._failure: JournalError | None = None
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            self._place = InPlace(self.directory)
            self._lock: Lock | None = Lock(self.directory)
        except OSError as error:
            raise JournalError(self.directory, f"expected a writable directory: {error.strerror}") from error
        try:
            self._open()
        except BaseException as error:
            self._release()
            if isinstance(error, OSError):
                raise JournalError(self.directory, f"expected a writable journal: {error.strerror}") from error
            raise
        self.seq_next = self._chain.seq_next

    def __enter__(self) -> "Writer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._release()

    @property
    def head(self) -> bytes:
        """The running digest: hash of the last committed event."""
        return self._head

    @property
    def row_count(self) -> int:
        """Committed rows of the whole journal."""
        if self._rows_before is None:
            files = [SegmentFile(path, is_last=False) for path in segment_paths(self.directory)[: self._index]]
            self._rows_before = sum(mark.row_count for file in files for mark in file.marks())
        return self._rows_before + self._rows_here

    def append(self, rows: np.ndarray) -> None:
        """Take a copy of whole events, which must continue the journal; writes only when memory holds a frame.

        Raises: ValueError for rows that are not the next whole events, nothing is taken then; see `commit` for others.
        """
        self._check_usable()
        if (rows.dtype is not EVENT and rows.dtype != EVENT) or rows.ndim != 1:
            raise ValueError(f"expected a row of EVENT records, found {rows.dtype}")
        data, count = check_rows(rows, self.seq_next), len(rows)
        if not count:
            return
        if not self.seq_next and rows["kind"][0] != EventKind.MANIFEST:
            raise RowFault(f"expected the manifest at seq 0, found kind {rows['kind'][0]}", row=0, seq=0)
        self.seq_next = rows["seq"].item(-1) + 1
        if self._buffered + count > FRAME_ROW_COUNT:
            self._write_through(np.ascontiguousarray(rows))
        else:
            self._keep(data, count)

    def commit(self) -> bytes:
        """Write what was appended and return the running digest.

        Raises: JournalFull, JournalError; the frame at fault is taken back whole and stays in memory for another try.
        """
        self._check_usable()
        if self._fd is not None and self._is_inside_block():
            body = self._bytes[: self._buffered * ROW_BYTES]
            self._write_frame(body, self._chain.extended(body, self.seq_next), self._buffered)
            self._buffered = 0
        else:
            self._write()
        return self._head

    def check_in_place(self) -> None:
        """Check that directory, lock and segments are what was opened and written: nobody moved, replaced or cut them.

        Raises: Displaced, from then on at every use: what is written now would be lost, or harm what is there.
        """
        self._check_usable()
        assert self._lock is not None
        path = self.directory / segment_name(self._index)
        try:
            self._place.check(self._lock, path, self._fd, self._offset, self._chain.seq_next)
        except Displaced as error:
            self._failure = error
            raise

    def close(self, seal: bool = True) -> None:
        """Commit, make all durable, seal and give the lock free; a journal without events gets no seal."""
        if self._lock is None:
            return
        try:
            self.commit()
            if seal and self.seq_next:
                self.check_in_place()
                self._write_seal()
        except OSError as error:
            raise self._error(error, "seal the journal") from error
        finally:
            self._release()

    def _open(self) -> None:
        """Take up an existing journal: the last segment is verified, the ones before are not read."""
        paths = segment_paths(self.directory)
        seal = read_seal(self.directory)
        if not paths:
            if seal is not None:
                message = f"expected {seal.segments} segments as sealed, found none"
                raise SealDiffers(self.directory / SEAL_NAME, message, seq=0)
            return
        file = SegmentFile(paths[-1])
        if file.header.schema_version != SCHEMA_VERSION:
            message = f"expected schema version {SCHEMA_VERSION} to append to, found {file.header.schema_version}"
            raise WrongVersion(file.path, message, hint="start a new journal: an old one is only read")
        if file.header.segment_index != len(paths) - 1:
            raise Corrupt(file.path, f"expected segment {len(paths) - 1}, found {file.header.segment_index}", offset=12)
        chain = Chain(file.header.base, file.header.seq_first)
        for span in file.spans(FRAME_ROW_COUNT):
            chain = advance(chain, span)
            self._rows_here += len(span.rows)
            if self._day is None:
                self._day = first_day(span.rows)
        self._index, self._offset, self._chain, self._head = len(paths) - 1, file.size_bytes, chain, chain.head
        if self._index:
            self._rows_before = None
        if seal is not None:
            rows = self._rows_here if not self._index else None
            check_seal(self.directory, seal, events=chain.seq_next, head=chain.head, segments=len(paths), rows=rows)
            self._rows_before = seal.rows - self._rows_here
        self._first_unsynced = self._index
        for path in paths[:-1]:
            self._place.leave(path)
        self._fd = open_plain(paths[-1], os.O_RDWR)
        remove_seal(self.directory)
        drop_after(self.directory, chain.seq_next)  # a power cut may have lost events that one was made of

    def _keep(self, data: bytes | memoryview, count: int) -> None:
        """Take a copy of rows into memory."""
        end = self._buffered + count
        if end > len(self._buffer):
            grown = np.empty(max(end, 2 * len(self._buffer)), EVENT)
            grown[: self._buffered] = self._buffer[: self._buffered]
            self._buffer, self._bytes = grown, grown.view(np.uint8).data
        self._bytes[self._buffered * ROW_BYTES : end * ROW_BYTES] = data
        self._buffered = end

    def _write_through(self, rows: np.ndarray) -> None:
        """Write what is in memory, then many rows without a copy; few rows, and those of a failure, go into memory."""
        done = 0
        try:
            self._write()
            if len(rows) >= DIRECT_ROW_COUNT:
                for written in self._frames(rows):
                    done = written
        finally:
            self._keep(bytes_of(rows[done:]), len(rows) - done)

    def _write(self) -> None:
        """Write what is in memory."""
        start = 0
        try:
            for written in self._frames(self._buffer[: self._buffered]):
                start = written
        finally:
            if 0 < start < self._buffered:
                self._buffer[: self._buffered - start] = self._buffer[start : self._buffered].copy()
            self._buffered -= start

    def _frames(self, rows: np.ndarray) -> Iterator[int]:
        """Write rows frame by frame; yields how many are written after each."""
        start = 0
        while start < len(rows):
            if self._fd is not None and self._is_rotation_due(rows[start : start + 1], self._offset):
                self._rotate()
            part = rows[start : start + self._cut(rows[start:])]
            chain = self._chain.copy()
            chain.update(part)
            self._write_frame(bytes_of(part), chain, len(part))
            start += len(part)
            yield start

    def _cut(self, rows: np.ndarray) -> int:
        """Return how many rows the next frame takes: whole events, up to its limit or the segment's end."""
        end = len(rows)
        if end > FRAME_ROW_COUNT:
            end = last_whole(rows["flags"])
        offset = (self._offset or SEGMENT_HEADER_BYTES) + FRAME_BYTES
        day_last = day_of(rows, end - 1)
        if day_last is not None and day_last == self._day and offset + end * ROW_BYTES < self._segment_bytes_max:
            return end  # no event of it starts a new segment
        seqs = np.ascontiguousarray(rows["seq"][:end])
        for seq in range(next_block(int(seqs[0])), int(seqs[-1]) + 1, CHAIN_BLOCK_EVENT_COUNT):
            row = int(np.searchsorted(seqs, seq))
            if self._day is None:
                self._day = first_day(rows[:row])
            if self._is_rotation_due(rows[row : row + 1], offset + row * ROW_BYTES):
                return row
        return end

    def _is_inside_block(self) -> bool:
        """Tell whether something is buffered, all of it inside of one chain block: no segment and no block ends."""
        first = self._chain.seq_next
        return first % CHAIN_BLOCK_EVENT_COUNT > 0 and first < self.seq_next < next_block(first)

    def _is_rotation_due(self, row: np.ndarray, offset: int) -> bool:
        """Tell whether a row starts a new segment: at a block boundary, by the size so far or a later UTC day."""
        if row["seq"].item(0) % CHAIN_BLOCK_EVENT_COUNT or offset <= SEGMENT_HEADER_BYTES:
            return False
        if offset >= self._segment_bytes_max:
            return True
        day = day_of(row, 0)
        return self._day is not None and day is not None and day > self._day

    def _rotate(self) -> None:
        """End the segment; the next frame starts the next one."""
        assert self._fd is not None
        os.close(self._fd)
        self._place.leave(self.directory / segment_name(self._index))
        self._rows_before = self.row_count
        self._fd, self._index, self._offset, self._rows_here, self._day = None, self._index + 1, 0, 0, None
        self._flushing = 0

    def _write_frame(self, body: bytes | memoryview, chain: Chain, row_count: int) -> None:
        """Write one frame with one call, or nothing; `chain` is the one after it."""
        head, seq_first = chain.head, self._chain.seq_next
        data: list[bytes | memoryview] = [encode_frame_header(head, seq_first, chain.seq_next - 1, row_count), body]
        is_new = self._fd is None
        if self._fd is not None and os.lseek(self._fd, 0, os.SEEK_END) != self._offset:
            self.check_in_place()  # cut from outside: writing on would fill the hole with zeros and hide it
        try:
            if self._fd is None:
                flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                self._fd = os.open(self.directory / segment_name(self._index), flags, 0o644)
                day = day_of(np.frombuffer(body, EVENT, 1), 0)
                start = SegmentHeader(self._index, seq_first, self._chain.head, NO_VALUE if day is None else day)
                data.insert(0, encode_segment_header(start))
            end = write_all(self._fd, data, self._offset)
            if self._sync == "commit":
                os.fdatasync(self._fd)
                if is_new:
                    sync_directory(self.directory)
        except BaseException as error:
            # Also on Ctrl-C: a call that was cut short may have written a part.
            self._take_back(is_new)
            if isinstance(error, OSError):
                raise self._error(error, f"write {row_count:,} rows") from error
            raise
        # Must succeed from here.
        self._chain, self._head, self._offset = chain, head, end
        if end - self._flushing >= FLUSH_BYTES:
            # The system starts to write what is dirty there: sealing then waits for the last part only.
            os.posix_fadvise(self._fd, self._flushing, end - self._flushing, os.POSIX_FADV_DONTNEED)
            self._flushing = end
        self._rows_here += row_count
        if self._day is None:
            self._day = first_day(np.frombuffer(body, EVENT))

    def _take_back(self, is_new: bool) -> None:
        """Cut the file at its last whole frame, or remove one that was just made."""
        try:
            if is_new and self._fd is not None:
                os.close(self._fd)
                self._fd = None
                (self.directory / segment_name(self._index)).unlink(missing_ok=True)
            elif self._fd is not None:
                os.ftruncate(self._fd, self._offset)
        except OSError as error:
            message = f"could not take back a failed write: {error.strerror}"
            self._failure = JournalError(self.directory, message, seq=self._chain.seq_next, hint=RECOVER_HINT)
            raise self._failure from error

    def _error(self, error: OSError, what: str) -> JournalError:
        is_full = error.errno in FULL_ERRNOS
        message = f"could not {what}: {error.strerror}; the journal ends at its last commit"
        hint = "free some space" if is_full else ""
        kind = JournalFull if is_full else JournalError
        return kind(self.directory, message, seq=self._chain.seq_next, offset=self._offset, hint=hint)

    def _write_seal(self) -> None:
        """Make every segment of this session durable, then say so in the seal."""
        for index in range(self._first_unsynced, self._index + 1):
            fd = os.open(self.directory / segment_name(index), os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fdatasync(fd)
            finally:
                os.close(fd)
        events = self._chain.seq_next
        head = self._chain.head.hex()
        seal = Seal(events=events, head=head, rows=self.row_count, segments=self._index + 1, seq_last=events - 1)
        write_seal(self.directory, seal)

    def _check_usable(self) -> None:
        if self._lock is None:
            raise JournalError(self.directory, "expected an open writer, found a closed one")
        if self._failure is not None:
            raise self._failure

    def _release(self) -> None:
        """Let go of files and lock; what is not committed is dropped."""
        fd, lock = self._fd, self._lock
        self._fd = self._lock = None
        try:
            if fd is not None:
                os.close(fd)
        finally:
            if lock is not None:
                lock.release()


def write_all(fd: int, parts: list[bytes | memoryview], offset: int) -> int:
    """Write parts one after the other, in one call unless the system takes less, and return the offset after them."""
    end = offset + sum(map(len, parts))
    offset += os.pwritev(fd, parts, offset)
    if offset == end:
        return end
    rest = b"".join(parts)
    while offset < end:
        count = os.pwrite(fd, rest[offset - end :], offset)
        if not count:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        offset += count
    return end
