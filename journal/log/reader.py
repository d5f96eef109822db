"""Readers of a journal: frames, chunks, and chunks with the chain verified ahead; must never write.

Every array is read-only and holds whole events. Only committed frames are ever seen, also while a writer appends.
"""

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TypeVar

import numpy as np

from mmfold.engine.codes import EventKind, Flag
from mmfold.engine.limits import ROW_BYTES, SEQ_MAX
from mmfold.engine.manifest import Manifest, ManifestError, parse_manifest
from mmfold.engine.payload import PayloadError, payload_bytes
from mmfold.journal.errors import Corrupt, JournalError, NotAJournal, SealDiffers, TornTail
from mmfold.journal.files.plain_file import open_readable
from mmfold.journal.log.background import Ahead
from mmfold.journal.log.chain import GENESIS_BASE, Chain, RowFault, check_rows
from mmfold.journal.log.lock import is_locked
from mmfold.journal.log.seal import check_seal, read_seal, seal_bytes
from mmfold.journal.log.segment import (
    FRAME_BYTES,
    FRAME_ROW_COUNT,
    SEGMENT_HEADER_BYTES,
    Frame,
    Mark,
    SegmentFile,
    SegmentHeader,
    Span,
    parse_segment_header,
    segment_paths,
)
from mmfold.journal.log.upcast import upcast

T = TypeVar("T")


class Journal:
    """A journal directory or one segment file, as far as it is committed when reading gets there.

    `head`, `events` and `rows` count what the last `verified_chunks` verified, whole once it has ended. `sealed` is
    True once reading has come to the end and found there what the seal says; a segment on its own has no seal.
    `segments` are those to read where others are missing.
    Raises: NotAJournal, JournalError.
    """

    def __init__(self, path: Path | str, segments: list[Path] | None = None) -> None:
        self.path = Path(path)
        self.head = GENESIS_BASE
        self.events = 0
        self.rows = 0
        self.sealed = False
        if self.path.is_dir():
            self.segments = segment_paths(self.path) if segments is None else segments
            if not self.segments:
                raise NotAJournal(self.path, "expected segments (000000.mmj, ...), found none")
        elif self.path.exists():
            self.segments = [self.path]
        else:
            raise NotAJournal(self.path, "expected a journal, found nothing")

    def frames(self, seq_from: int = 0, verify_frame_check: bool = True) -> Iterator[Frame]:
        """Yield the frames from the one that holds `seq_from` on, rows as views of the map.

        Raises: TornTail, Corrupt, WrongVersion.
        """
        for file in self._files(seq_from):
            yield from self._committed(file, file.frames(seq_from, verify_frame_check))

    def chunks(self, row_count: int = FRAME_ROW_COUNT, seq_from: int = 0) -> Iterator[np.ndarray]:
        """Yield whole events from `seq_from` on, at most `row_count` rows at once unless one event is longer.

        Raises: TornTail, Corrupt, WrongVersion; SealDiffers after the last.
        """
        seal = self._seal_bytes()
        last: Mark | None = None
        for file in self._files(seq_from):
            for span in self._committed(file, file.spans(row_count, seq_from)):
                last = span.marks[-1]
                yield from pieces(span, row_count, seq_from)
        if last is not None:
            self._check_seal(seal, last.seq_last + 1, last.digest)

    def verified_chunks(
        self,
        row_count: int = FRAME_ROW_COUNT,
        seq_from: int = 0,
        base: bytes | None = None,
        pool: Executor | None = None,
    ) -> Iterator[np.ndarray]:
        """Yield the same chunks, each after its frame's digest was found right; hashing runs one step ahead in `pool`.

        With the chain's `base` at the block boundary `seq_from` (a checkpoint has it), nothing before is hashed;
        without, hashing starts where the segment that holds `seq_from` starts.
        Raises: TornTail and Corrupt with the first bad seq, after all frames before it; SealDiffers after the last;
            WrongVersion; ValueError for a base inside a block.
        """
        seal = self._seal_bytes()
        chain = None if base is None else Chain(base, seq_from)
        hash_from = 0 if chain is None else seq_from
        self.events = self.rows = 0
        held: list[Span] = []  # verified and not handed out yet, one at most
        try:
            with nullcontext(pool) if pool is not None else ThreadPoolExecutor(1, "verify") as pool:
                for place, file in enumerate(self._files(seq_from)):
                    if chain is None:
                        chain = Chain(file.header.base, file.header.seq_first)
                        self.head = chain.head
                    elif place or file.header.seq_first == chain.seq_next:
                        check_link(file.path, file.header, chain.seq_next, chain.head)
                    for untrimmed in self._committed(file, file.spans(row_count, hash_from)):
                        span = trimmed(untrimmed, hash_from)
                        ahead = Ahead(pool, advance, chain, span)
                        if held:
                            yield from pieces(held.pop(), row_count, seq_from)
                        fault: Corrupt | None = None
                        try:
                            after = ahead.result()
                        except Corrupt as error:
                            fault, span = error, before(span, error)
                            after = advance(chain, span) if span.marks else chain
                        self.events += after.seq_next - chain.seq_next
                        self.head = after.head
                        self.rows += len(span.rows)
                        chain = after
                        held.append(span)
                        if fault is not None:
                            raise fault
        except JournalError:
            if held:
                yield from pieces(held.pop(), row_count, seq_from)
            raise
        if held:
            yield from pieces(held.pop(), row_count, seq_from)
        if chain is not None:
            self._check_seal(seal, chain.seq_next, chain.head, None if hash_from or seq_from else self.rows)

    def check_end(self) -> None:
        """Compare the seal with the frame headers of the last segment, for a reader that does not come to the end.

        Raises: SealDiffers, TornTail, Corrupt, WrongVersion.
        """
        seal = self._seal_bytes()
        if seal is None:
            return
        seq_next, head = 0, GENESIS_BASE
        for file in self._files(SEQ_MAX):
            seq_next, head = file.header.seq_first, file.header.base
            for mark in self._committed(file, file.marks()):
                seq_next, head = mark.seq_last + 1, mark.digest
        self._check_seal(seal, seq_next, head)

    def _seal_bytes(self) -> bytes | None:
        """Return what the seal's file holds before reading begins; None without one, or with one that cannot be."""
        self.sealed = False
        if not self.path.is_dir():
            return None
        with suppress(SealDiffers):
            return seal_bytes(self.path)
        return b""

    def _check_seal(self, before: bytes | None, events: int, head: bytes, rows: int | None = None) -> None:
        """Compare the seal with what was read, unless a writer has opened the journal since.

        Raises: SealDiffers.
        """
        if before is None or (before and seal_bytes(self.path) != before):
            return
        seal = read_seal(self.path)
        if seal is not None:
            check_seal(self.path, seal, events=events, head=head, segments=len(self.segments), rows=rows)
            self.sealed = True

    def manifest(self) -> Manifest:
        """Return the journal's manifest, its first event.

        Raises: Corrupt when the first event is not one, TornTail, WrongVersion.
        """
        path = self.segments[0]
        for rows in self.chunks(1):
            if rows["kind"][0] != EventKind.MANIFEST or rows["seq"][0] != 0:
                found = f"found kind {rows['kind'][0]} at seq {rows['seq'][0]}"
                raise Corrupt(path, f"expected the manifest at seq 0, {found}", seq=int(rows["seq"][0]))
            try:
                return parse_manifest(payload_bytes(rows))
            except (ManifestError, PayloadError) as error:
                raise Corrupt(path, f"expected a manifest: {error}", seq=0) from error
        raise Corrupt(path, "expected the manifest at seq 0, found no event", seq=0)

    def seq_next(self) -> int:
        """Return the seq after the last committed event, by the frame headers of the last segment; a torn tail is none.

        Raises: Corrupt, WrongVersion.
        """
        seq = 0
        with suppress(TornTail):
            for file in self._files(SEQ_MAX):
                seq = file.header.seq_first
                for mark in file.marks():
                    seq = mark.seq_last + 1
        return seq

    def _files(self, seq_from: int) -> Iterator[SegmentFile]:
        """Open the segments from the one that holds `seq_from` on, each linked to the one before."""
        for index in range(index_of(self.segments, seq_from), len(self.segments)):
            path = self.segments[index]
            is_last = index + 1 == len(self.segments)
            if is_last and not is_started(path) and self._is_growing():
                return
            file = SegmentFile(path, is_last=is_last)
            if self.path.is_dir() and file.header.segment_index != index:
                message = f"expected segment {index}, found segment {file.header.segment_index}"
                raise Corrupt(path, message, seq=file.header.seq_first, offset=12)
            yield file

    def _committed(self, file: SegmentFile, items: Iterator[T]) -> Iterator[T]:
        """Pass items on; a last commit that its living writer has not finished is not there yet."""
        try:
            yield from items
        except TornTail:
            if not (file.is_last and self._is_growing()):
                raise

    def _is_growing(self) -> bool:
        return self.path.is_dir() and is_locked(self.path)


def is_started(path: Path) -> bool:
    """Tell whether a segment has its header: its writer makes the file, then writes header and first frame at once."""
    try:
        return path.stat().st_size >= SEGMENT_HEADER_BYTES
    except OSError:
        return False


def index_of(segments: list[Path], seq: int) -> int:
    """Return the index of the segment that holds a seq, or will."""
    index = len(segments) - 1
    while index and (not is_started(segments[index]) or first_seq(segments[index]) > seq):
        index -= 1
    return index


def first_seq(path: Path) -> int:
    """Return the seq that a segment starts with."""
    try:
        with open(open_readable(path), "rb") as file:
            return parse_segment_header(file.read(SEGMENT_HEADER_BYTES), path).seq_first
    except OSError as error:
        raise JournalError(path, f"expected a readable segment: {error.strerror}") from error


def check_link(path: Path, header: SegmentHeader, seq_next: int, head: bytes) -> None:
    """Check that a segment continues the chain.

    Raises: Corrupt.
    """
    if header.seq_first != seq_next:
        message = f"expected the segment to start at seq {seq_next}, found seq {header.seq_first}"
        raise Corrupt(path, message, seq=seq_next, offset=16)
    if header.base != head:
        message = f"expected base {head.hex()}, the head before it, found {header.base.hex()}"
        raise Corrupt(path, message, seq=seq_next, offset=24)


def advance(chain: Chain, span: Span, *, every_digest: bool = False) -> Chain:
    """Return the chain after a span; the last digest covers all rows before it, `every_digest` checks the others too.

    Raises: Corrupt at the row or the frame at fault.
    """
    after = chain.copy()
    try:
        check_rows(span.rows, chain.seq_next)
    except RowFault as fault:
        raise locate(chain, span, fault) from None
    if not every_digest:
        after.update(span.rows)
        if after.head != span.marks[-1].digest or after.seq_next != span.marks[-1].seq_last + 1:
            raise locate(chain, span, None)
        return after
    start = 0
    for mark in span.marks:
        after.update(span.rows[start : start + mark.row_count])
        start += mark.row_count
        if after.head != mark.digest or after.seq_next != mark.seq_last + 1:
            raise locate(chain, span, None)
    return after


def locate(chain: Chain, span: Span, fault: RowFault | None) -> Corrupt:
    """Return the first error of a span that is known to have one."""
    chain = chain.copy()
    start = 0
    for mark in span.marks:
        end = start + mark.row_count
        if fault is not None and fault.row < end:
            offset = mark.offset + FRAME_BYTES + (fault.row - start) * ROW_BYTES
            return Corrupt(span.path, f"{fault}", seq=fault.seq, offset=offset)
        chain.update(span.rows[start:end])
        if chain.head != mark.digest or chain.seq_next != mark.seq_last + 1:
            return frame_fault(span.path, mark, chain.head)
        start = end
    raise AssertionError("a span differs as a whole but not in any of its frames")


def frame_fault(path: Path, mark: Mark, found: bytes) -> Corrupt:
    """Return the error of a frame whose rows do not hash to its digest."""
    where = f"something between seq {mark.seq_first} and {mark.seq_last} was changed"
    message = f"expected digest {mark.digest.hex()[:16]}..., found {found.hex()[:16]}...: {where}"
    return Corrupt(path, message, seq=mark.seq_first, offset=mark.offset, hint="mm journal verify, mm journal recover")


def before(span: Span, fault: Corrupt) -> Span:
    """Return the frames of a span before the one at fault, which `locate` has found good."""
    marks = [mark for mark in span.marks if mark.end <= (fault.offset or 0)]
    return span._replace(marks=marks, rows=span.rows[: sum(mark.row_count for mark in marks)])


def trimmed(span: Span, seq_from: int) -> Span:
    """Return the span without the events before `seq_from`, for a chain that starts there."""
    if not span.marks or span.marks[0].seq_first >= seq_from:
        return span
    start = int(np.searchsorted(span.rows["seq"], seq_from))
    first = span.marks[0]
    cut = first._replace(offset=first.offset + start * ROW_BYTES, seq_first=seq_from, row_count=first.row_count - start)
    return span._replace(marks=[cut, *span.marks[1:]], rows=span.rows[start:])


def pieces(span: Span, row_count: int, seq_from: int) -> Iterator[np.ndarray]:
    """Yield a span's events from `seq_from` on, at most `row_count` rows at once unless one event is longer."""
    rows = trimmed(span, seq_from).rows
    while len(rows) > row_count:
        ends = np.flatnonzero(rows["flags"][:row_count] & Flag.LAST)
        end = int(ends[-1]) + 1 if len(ends) else int(np.argmax(rows["flags"] & Flag.LAST)) + 1
        yield upcast(rows[:end], span.schema_version)
        rows = rows[end:]
    if len(rows):
        yield upcast(rows, span.schema_version)
