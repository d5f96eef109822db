"""Rows that wait for the end of an import, in memory and then on disk; must never reorder them.

The manifest is a journal's first event and names the symbols, which are known only when the last line is read.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mmfold.engine.limits import EVENT_ROW_COUNT_MAX, ROW_BYTES
from mmfold.engine.records import EVENT

BUFFER_ROW_COUNT = EVENT_ROW_COUNT_MAX
MEMORY_ROW_COUNT_MAX = (64 << 20) // ROW_BYTES
assert BUFFER_ROW_COUNT <= MEMORY_ROW_COUNT_MAX


class Spool:
    """A list of row arrays that moves to a file when it grows beyond 64 MB."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.buffer = np.empty(BUFFER_ROW_COUNT, EVENT)
        self.buffer_row_count = 0
        self._parts: list[np.ndarray] = []
        self._parts_row_count = 0
        self._file_row_counts: list[int] = []

    def __len__(self) -> int:
        return sum(self._file_row_counts) + self._parts_row_count + self.buffer_row_count

    def append(self, rows: np.ndarray) -> None:
        """Take the rows of whole events."""
        assert len(rows) <= BUFFER_ROW_COUNT
        if self.buffer_row_count + len(rows) > BUFFER_ROW_COUNT:
            self.turn()
        self.buffer[self.buffer_row_count : self.buffer_row_count + len(rows)] = rows
        self.buffer_row_count += len(rows)

    def turn(self) -> None:
        """Put the filled part of the buffer away and start a new buffer."""
        if self._parts_row_count + BUFFER_ROW_COUNT > MEMORY_ROW_COUNT_MAX:
            with self.path.open("ab") as file:
                for part in self._parts:
                    file.write(part.view("u1").data)  # tofile would not say why it failed
            self._file_row_counts += [len(part) for part in self._parts]
            self._parts, self._parts_row_count = [], 0
        self._parts.append(self.buffer[: self.buffer_row_count])
        self._parts_row_count += self.buffer_row_count
        self.buffer = np.empty(BUFFER_ROW_COUNT, EVENT)
        self.buffer_row_count = 0

    def clear(self) -> None:
        """Forget all rows."""
        self.path.unlink(missing_ok=True)
        self._parts, self._file_row_counts = [], []
        self._parts_row_count = self.buffer_row_count = 0

    def parts(self) -> Iterator[np.ndarray]:
        """Yield all rows in order, in writable arrays of whole events."""
        if self._file_row_counts:
            with self.path.open("rb") as file:
                for row_count in self._file_row_counts:
                    yield np.fromfile(file, EVENT, row_count)
        yield from self._parts
        if self.buffer_row_count:
            yield self.buffer[: self.buffer_row_count]
