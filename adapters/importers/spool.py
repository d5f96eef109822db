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
        self._holes: list[tuple[int, np.ndarray]] = []  # the part that one stands before, and what fills it

    def __len__(self) -> int:
        filled = sum(len(rows) for _, rows in self._holes)
        return sum(self._file_row_counts) + self._parts_row_count + self.buffer_row_count + filled

    @property
    def part_count(self) -> int:
        """How many parts there are, the buffer included."""
        return len(self._file_row_counts) + len(self._parts) + 1

    def append(self, rows: np.ndarray) -> None:
        """Take the rows of whole events."""
        assert len(rows) <= BUFFER_ROW_COUNT
        if self.buffer_row_count + len(rows) > BUFFER_ROW_COUNT:
            self.turn()
        self.buffer[self.buffer_row_count : self.buffer_row_count + len(rows)] = rows
        self.buffer_row_count += len(rows)

    def turn(self) -> None:
        """Put the filled part of the buffer away and start a new buffer."""
        self._put_away(self.buffer[: self.buffer_row_count])
        self.buffer = np.empty(BUFFER_ROW_COUNT, EVENT)
        self.buffer_row_count = 0

    def open_hole(self) -> int:
        """Keep a place for rows that are known only later, and return its number."""
        if self.buffer_row_count:
            self._put_away(self.buffer[: self.buffer_row_count].copy())  # a few rows must not keep a whole buffer
            self.buffer_row_count = 0
        self._holes.append((self.part_count - 1, np.empty(0, EVENT)))
        return len(self._holes) - 1

    def fill_hole(self, number: int, rows: np.ndarray) -> None:
        """Put the rows of one event into their place."""
        self._holes[number] = (self._holes[number][0], rows)

    def _put_away(self, rows: np.ndarray) -> None:
        """Append a part, those before it to the file when they are too many."""
        if self._parts_row_count + BUFFER_ROW_COUNT > MEMORY_ROW_COUNT_MAX:
            with self.path.open("ab") as file:
                for part in self._parts:
                    file.write(part.view("u1").data)  # tofile would not say why it failed
            self._file_row_counts += [len(part) for part in self._parts]
            self._parts, self._parts_row_count = [], 0
        self._parts.append(rows)
        self._parts_row_count += len(rows)

    def clear(self) -> None:
        """Forget all rows."""
        self.path.unlink(missing_ok=True)
        self._parts, self._file_row_counts, self._holes = [], [], []
        self._parts_row_count = self.buffer_row_count = 0

    def part(self, index: int) -> np.ndarray:
        """Return the rows of one part, without what stands in holes."""
        if index < len(self._file_row_counts):
            start = sum(self._file_row_counts[:index]) * ROW_BYTES
            return np.fromfile(self.path, EVENT, self._file_row_counts[index], offset=start)
        index -= len(self._file_row_counts)
        return self._parts[index] if index < len(self._parts) else self.buffer[: self.buffer_row_count]

    def parts(self) -> Iterator[np.ndarray]:
        """Yield all rows in order, in writable arrays of whole events."""
        holes = iter(self._holes)
        hole = next(holes, None)
        for index in range(self.part_count):
            while hole is not None and hole[0] == index:
                if len(hole[1]):
                    yield hole[1]
                hole = next(holes, None)
            rows = self.part(index)
            if len(rows):
                yield rows
