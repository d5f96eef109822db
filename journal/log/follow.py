"""Following a journal that another process writes: its commits as they come, verified; must never write.

A commit that is not whole is waited for, whoever left it: a writer at work finishes it, `mm journal recover` sets a
dead one's aside and the next writer goes on at the same byte. Bytes with a whole commit behind them are no such tail.
"""

import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from mmfold.engine.limits import EVENT_ROW_COUNT_MAX, ROW_BYTES
from mmfold.engine.records import EVENT
from mmfold.journal.errors import Corrupt, JournalError, NotAJournal, SealDiffers
from mmfold.journal.files.plain_file import open_readable
from mmfold.journal.log.chain import GENESIS_BASE, Chain
from mmfold.journal.log.reader import advance, before, check_link, index_of, is_started, pieces
from mmfold.journal.log.seal import SEAL_NAME, read_seal
from mmfold.journal.log.segment import (
    FRAME_BYTES,
    SEGMENT_HEADER_BYTES,
    Mark,
    SegmentHeader,
    Span,
    find_frame_header,
    parse_frame_header,
    parse_segment_header,
    segment_name,
    segment_paths,
)

WINDOW_BYTES = 4 << 20  # read at once, unless the next commit is longer
COMMIT_BYTES_MAX = FRAME_BYTES + EVENT_ROW_COUNT_MAX * ROW_BYTES
POLL_S = 0.01
NO_ROWS = np.zeros(0, EVENT)
NO_ROWS.flags.writeable = False


class Follower:
    """Reads a journal from `seq_from` on as far as it is committed, then what is appended, by whatever writer.

    The directory and its first segment may come later. Hashing starts where the segment that holds `seq_from` starts;
    where a `base` is given, the chain must come to it at `seq_from`. One file is open, one window is in memory.
    Raises: NotAJournal for a path that is a file.
    """

    def __init__(
        self, path: Path | str, seq_from: int = 0, base: bytes | None = None, *, window_bytes: int = WINDOW_BYTES
    ) -> None:
        self.path = Path(path)
        self._seq_from = seq_from
        self._base = base
        self._window_bytes = window_bytes
        self._index: int | None = None  # of the segment under way
        self._tail: Tail | None = None
        self._chain: Chain | None = None
        if self.path.exists() and not self.path.is_dir():
            raise NotAJournal(self.path, "expected a journal directory to follow, found a file")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def seq_next(self) -> int:
        """The seq after the last commit that was read."""
        return 0 if self._chain is None else self._chain.seq_next

    @property
    def head(self) -> bytes:
        """Hash of the last event that was read."""
        return GENESIS_BASE if self._chain is None else self._chain.head

    def bytes_left(self) -> int:
        """Return how many bytes stand behind what was read: commits to read, or a torn tail."""
        paths = segment_paths(self.path) if self.path.is_dir() else []
        if not paths:
            return 0
        index = index_of(paths, self._seq_from) if self._index is None else self._index
        here = 0 if self._tail is None else self._tail.offset
        return sum(path.stat().st_size for path in paths[index:]) - here

    def next_rows(self, timeout_s: float) -> np.ndarray:
        """Return the next committed events, as many as a window holds; none when nothing came in time.

        Raises: Corrupt and SealDiffers with the first bad seq, after all commits before it; WrongVersion, JournalError.
        """
        until_s = time.monotonic() + timeout_s
        while not len(rows := self._read()):
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                break
            time.sleep(min(POLL_S, left_s))
        return rows

    def close(self) -> None:
        """Let go of the open segment; there is no reading after that."""
        if self._tail is not None:
            self._tail.close()

    def _read(self) -> np.ndarray:
        """Return what is committed now, across rotations."""
        while self._tail is not None or self._open():
            assert self._tail is not None and self._index is not None
            # Both asked before reading: what was written before a seal or a next segment is read before that counts.
            seal = read_seal(self.path)
            is_ended = is_started(self.path / segment_name(self._index + 1))
            rows = self._read_segment(is_ended)
            if rows is None and is_ended:
                self._tail.close()
                self._tail = None
                self._index += 1
            elif rows is None:
                if seal is not None and seal.events > self.seq_next:
                    message = f"expected {seal.events:,} events as sealed, found {self.seq_next:,} whole ones"
                    raise SealDiffers(self.path / SEAL_NAME, message, seq=self.seq_next, hint="restore it from a copy")
                break
            elif len(rows):
                return rows
        return NO_ROWS

    def _open(self) -> bool:
        """Open the next segment, or the first that is wanted; False when it is not there yet."""
        if self._index is None:
            paths = segment_paths(self.path) if self.path.is_dir() else []
            if not paths:
                return False
            self._index = index_of(paths, self._seq_from)
        path = self.path / segment_name(self._index)
        if not is_started(path):
            return False
        tail = Tail(path)
        if tail.header is None:
            tail.close()
            return False
        try:
            self._link(path, tail.header)
        except JournalError:
            tail.close()
            raise
        self._tail = tail
        return True

    def _link(self, path: Path, header: SegmentHeader) -> None:
        """Start the chain at a segment, or check that the segment continues it.

        Raises: Corrupt.
        """
        if header.segment_index != self._index:
            message = f"expected segment {self._index}, found segment {header.segment_index}"
            raise Corrupt(path, message, seq=header.seq_first, offset=12)
        if self._chain is not None:
            check_link(path, header, self._chain.seq_next, self._chain.head)
            return
        self._chain = Chain(header.base, header.seq_first)
        self._check_base(self._chain, NO_ROWS)

    def _read_segment(self, is_ended: bool) -> np.ndarray | None:
        """Return the next events that are wanted of the open segment, None when no commit of it is whole.

        Raises: Corrupt for bytes that no writer will make whole any more.
        """
        assert self._tail is not None and self._chain is not None
        fault: Corrupt | None = None
        data = b""
        # Where a window shows no commit, a second look has room for the longest one and for the header behind it.
        for size_bytes in (self._window_bytes, COMMIT_BYTES_MAX + FRAME_BYTES):
            data = self._tail.window(size_bytes, self._chain.seq_next)
            if not data:
                return None
            span = self._tail.span(data, self._chain.seq_next)
            if span is not None:
                try:
                    span, after = whole_part(self._chain, span)
                except Corrupt as error:
                    fault = error
                    continue
                return self._take(span, after)
        if is_ended or find_frame_header(data, 1) is not None:
            seq_next = self._chain.seq_next
            raise fault or self._tail.fault(f"expected a frame from seq {seq_next}, found other bytes", seq_next)
        return None

    def _take(self, span: Span, after: Chain) -> np.ndarray:
        """Move on behind a verified span and return what is wanted of it."""
        assert self._tail is not None and self._chain is not None
        self._check_base(self._chain, span.rows)
        # Must succeed from here.
        self._chain = after
        self._tail.offset = span.marks[-1].end
        return next(pieces(span, len(span.rows), self._seq_from), NO_ROWS)

    def _check_base(self, chain: Chain, rows: np.ndarray) -> None:
        """Compare the chain at `seq_from`, where these rows reach it, with the base that the caller knows.

        Raises: Corrupt.
        """
        if self._base is None or chain.seq_next > self._seq_from:
            return
        at = chain.copy()
        at.update(rows[: int(np.searchsorted(rows["seq"], self._seq_from))])
        if at.seq_next == self._seq_from and at.head != self._base:
            message = f"expected base {self._base.hex()}, found {at.head.hex()}"
            raise Corrupt(self.path, message, seq=self._seq_from)


class Tail:
    """The growing end of one segment, read with pread: a map faults where a failing writer cut bytes off.

    `header` is None where zeros stand in its place, which only a lost write leaves (docs/journal.md, row F).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = SEGMENT_HEADER_BYTES
        try:
            self._fd = open_readable(path)
        except OSError as error:
            raise JournalError(path, f"expected a readable segment: {error.strerror}") from error
        try:
            data = os.pread(self._fd, SEGMENT_HEADER_BYTES, 0)
            self.header = parse_segment_header(data, path) if any(data) else None
        except JournalError:
            self.close()
            raise

    def window(self, size_bytes: int, seq_next: int) -> bytes:
        """Return the bytes from `offset` on, at most so many.

        Raises: Corrupt when committed bytes that were read before are gone.
        """
        found_bytes = os.fstat(self._fd).st_size
        if found_bytes < self.offset:
            message = f"expected the {self.offset:,} bytes that were read before, found {found_bytes:,}"
            raise Corrupt(self.path, message, seq=seq_next, offset=found_bytes)
        return os.pread(self._fd, size_bytes, self.offset)

    def span(self, data: bytes, seq_next: int) -> Span | None:
        """Return the whole frames that a window starts with, None where there is none.

        Raises: Corrupt for a frame that is whole and not the next.
        """
        assert self.header is not None
        marks: list[Mark] = []
        at = 0
        while at + FRAME_BYTES <= len(data):
            mark = parse_frame_header(data, at, self.offset + at)
            if mark is None or mark.end - self.offset > len(data):
                break
            if mark.seq_first != seq_next:
                if marks:
                    break
                raise self.fault(f"expected a frame from seq {seq_next}, found one from seq {mark.seq_first}", seq_next)
            marks.append(mark)
            at, seq_next = mark.end - self.offset, mark.seq_last + 1
        if not marks:
            return None
        block = np.frombuffer(data, EVENT, at // ROW_BYTES)
        keep = np.ones(len(block), bool)
        keep[[(mark.offset - self.offset) // ROW_BYTES for mark in marks]] = False
        rows = block[1:] if len(marks) == 1 else block[keep]
        rows.flags.writeable = False
        return Span(self.path, self.header.schema_version, marks, rows)

    def fault(self, message: str, seq_next: int) -> Corrupt:
        """Return the error of the bytes at `offset`."""
        return Corrupt(self.path, message, seq=seq_next, offset=self.offset)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


def whole_part(chain: Chain, span: Span) -> tuple[Span, Chain]:
    """Return the frames of a span before the first that is at fault, and the chain behind them.

    Raises: Corrupt when that is the first one.
    """
    try:
        return span, advance(chain, span)
    except Corrupt as fault:
        span = before(span, fault)
        if not span.marks:
            raise
        return span, advance(chain, span)
