"""The hash chain over canonical rows and the structure of events; must never depend on batches, frames or segments.

Source: docs/data.md 3. One running sha256 serves a block of 1,024 events, so big batches hash at the speed of sha256.
"""

import struct
import sys
from collections.abc import Callable
from functools import cache
from hashlib import sha256

import numpy as np

from mmfold.engine.codes import EventKind, Flag
from mmfold.engine.limits import CHAIN_BLOCK_EVENT_COUNT, EVENT_ROW_COUNT_MAX, ROW_BYTES
from mmfold.engine.records import EVENT

GENESIS_BASE = sha256(b"mm/chain/1").digest()
DIGEST_BYTES = 32
LOAD_ROW_COUNT = 1 << 15  # from here on it pays to load the compiler for the check: 0.25 s, 0.3 us a row without
FEW_ROWS = 256
WORD_COUNT = ROW_BYTES // 8
NO_KIND = -1
ROW_STRUCT = struct.Struct("<q48xBxH4x")  # seq, kind, flags
LAST, FRAME = int(Flag.LAST), int(EventKind.FRAME)  # plain integers: a member costs ten times that

assert EVENT.fields is not None and ROW_STRUCT.size == ROW_BYTES
assert EVENT.fields["seq"][1] == 0


class RowFault(ValueError):
    """Rows that are not whole consecutive events: `row` is the index at fault, `seq` the one that belongs there."""

    def __init__(self, message: str, *, row: int, seq: int) -> None:
        super().__init__(message)
        self.row = row
        self.seq = seq


class Chain:
    """The running digest of a journal, from its start or from any block boundary.

    Raises: ValueError when the start is not a block boundary or the base is not 32 bytes.
    """

    __slots__ = ("_base", "_hasher", "_seq_next")

    def __init__(self, base: bytes = GENESIS_BASE, seq_next: int = 0) -> None:
        if seq_next % CHAIN_BLOCK_EVENT_COUNT or seq_next < 0 or len(base) != DIGEST_BYTES:
            raise ValueError(f"a chain starts at a block boundary from 32 bytes, not at seq {seq_next}")
        self._base = base
        self._hasher = sha256(base)
        self._seq_next = seq_next

    @property
    def head(self) -> bytes:
        """Hash of the last event, the base where there is none."""
        return self._base if self._seq_next % CHAIN_BLOCK_EVENT_COUNT == 0 else self._hasher.digest()

    @property
    def seq_next(self) -> int:
        """The seq that must come next."""
        return self._seq_next

    def copy(self) -> "Chain":
        """Return an independent chain at the same place."""
        return self.extended(b"", self._seq_next)

    def update(self, rows: np.ndarray) -> None:
        """Take whole consecutive events.

        Raises: ValueError when the first seq or a block's first seq is not where it must be; nothing is taken then.
        """
        if not len(rows):
            return
        seqs = rows["seq"]
        seq_first, seq_last = seqs.item(0), seqs.item(-1)
        if seq_first != self._seq_next or seq_last < seq_first:
            raise ValueError(f"seq {self._seq_next} must come next, found {seq_first} to {seq_last}")
        boundaries = range(next_block(seq_first), seq_last + 1, CHAIN_BLOCK_EVENT_COUNT)
        cuts = [int(seqs.searchsorted(seq)) for seq in boundaries]
        if any(seqs.item(cut) != seq for cut, seq in zip(cuts, boundaries, strict=True)):
            raise ValueError(f"a seq is missing between {seq_first} and {seq_last}")
        start = 0
        for cut, seq in zip(cuts, boundaries, strict=True):
            self._take(bytes_of(rows[start:cut]), seq)
            start = cut
        self._take(bytes_of(rows[start:]), seq_last + 1)

    def extended(self, data: bytes | memoryview, seq_next: int) -> "Chain":
        """Return the chain after whole events up to `seq_next`, whose bytes were checked and end no block."""
        twin = Chain.__new__(Chain)
        twin._base, twin._seq_next = self._base, seq_next
        twin._hasher = self._hasher.copy()
        twin._hasher.update(data)
        return twin

    def event_hashes(self, rows: np.ndarray) -> list[bytes]:
        """Take whole consecutive events and return the hash of each.

        Raises: RowFault when they are not.
        """
        check_rows(rows, self._seq_next)
        data = np.ascontiguousarray(rows).view(np.uint8).data
        hashes: list[bytes] = []
        start, seq_next, hasher = 0, self._seq_next, self._hasher
        # One flat loop: this is two thirds of the time that reading a sealed JSONL file takes.
        for end in ((np.flatnonzero(rows["flags"] & Flag.LAST) + 1) * ROW_BYTES).tolist():
            hasher.update(data[start:end])
            hashes.append(hasher.digest())
            start = end
            seq_next += 1
            if seq_next % CHAIN_BLOCK_EVENT_COUNT == 0:
                self._base = hashes[-1]
                hasher = sha256(self._base)
        self._seq_next, self._hasher = seq_next, hasher
        return hashes

    def _take(self, data: bytes | memoryview, seq_next: int) -> None:
        """Hash rows of one block; a block that ends becomes the base of the next."""
        self._hasher.update(data)
        self._seq_next = seq_next
        if seq_next % CHAIN_BLOCK_EVENT_COUNT == 0:
            self._base = self._hasher.digest()
            self._hasher = sha256(self._base)


def next_block(seq: int) -> int:
    """Return the first seq of the chain block after the one that `seq` is in."""
    return seq - seq % CHAIN_BLOCK_EVENT_COUNT + CHAIN_BLOCK_EVENT_COUNT


def bytes_of(rows: np.ndarray) -> bytes | memoryview:
    """Return the bytes of rows; of few rows a copy, which costs less than their view."""
    return rows.tobytes() if len(rows) <= FEW_ROWS else np.ascontiguousarray(rows).view(np.uint8).data


def check_rows(rows: np.ndarray, seq_next: int) -> bytes | memoryview:
    """Check that rows are whole consecutive events from `seq_next` on, each of one kind and of bounded length.

    Returns their bytes. Raises: RowFault with the first row at fault.
    """
    data = bytes_of(rows)
    if len(rows) <= LOAD_ROW_COUNT and "numba" not in sys.modules:
        check_each_row(rows, seq_next)
        return data
    words = np.frombuffer(data, "<i8")
    if words.flags.writeable:
        words.flags.writeable = False  # one kind of array, so that the check is compiled once
    if not load_check()(words, seq_next):
        check_each_row(rows, seq_next)
        raise AssertionError("the two checks of an event's structure disagree")
    return data


@cache
def load_check() -> Callable[[np.ndarray, int], bool]:
    """Return the compiled check; it loads the compiler."""
    from mmfold.journal.log.rows_kernel import are_whole_events

    return are_whole_events


def check_each_row(rows: np.ndarray, seq_next: int) -> None:
    """Check rows one by one: for few rows, and to find the one at fault among many.

    Raises: RowFault with the first row at fault.
    """
    seq, kind_event, start, row = seq_next, NO_KIND, 0, 0
    for row, (found, kind, flags) in enumerate(ROW_STRUCT.iter_unpack(rows.tobytes())):
        if found != seq:
            raise RowFault(f"expected seq {seq}, found {found}", row=row, seq=seq)
        if kind == FRAME or kind_event not in (NO_KIND, kind):
            raise RowFault(f"expected one kind of event per seq, found kind {kind}", row=row, seq=seq)
        if row - start >= EVENT_ROW_COUNT_MAX:
            raise RowFault(f"expected at most {EVENT_ROW_COUNT_MAX} rows in an event", row=row, seq=seq)
        kind_event = kind
        if flags & LAST:
            seq, kind_event, start = seq + 1, NO_KIND, row + 1
    if kind_event != NO_KIND:
        raise RowFault("expected the last row of the event, found the end", row=row, seq=seq)
