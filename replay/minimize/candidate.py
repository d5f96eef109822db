"""A candidate: some events of a journal, each with its rows as they are or others; must never change a seq.

Events keep the seqs of the journal that they come from, so that ids of orders and recorded answers hold.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mmfold.engine.codes import PAYLOAD_KINDS, Flag
from mmfold.engine.limits import ROW_BYTES
from mmfold.engine.records import EVENT

ROW = np.dtype((np.void, ROW_BYTES))


@dataclass(frozen=True)
class Candidate:
    """Whole events in order.

    Shape: rows EVENT; bounds (n + 1,) i64, event i is rows[bounds[i]:bounds[i + 1]].
    """

    rows: np.ndarray
    bounds: np.ndarray

    def __len__(self) -> int:
        return len(self.bounds) - 1

    @cached_property
    def first(self) -> np.ndarray:
        """The first row of each event."""
        found: np.ndarray = self.rows[self.bounds[:-1]]
        return found

    @cached_property
    def lead(self) -> int:
        """How many events at its beginning are payloads: manifest and configuration."""
        is_other = ~np.isin(self.first["kind"], PAYLOAD_KINDS)
        return int(np.argmax(is_other)) if is_other.any() else len(self)

    def event(self, index: int) -> np.ndarray:
        """Return one event's rows."""
        return self.rows[self.bounds[index] : self.bounds[index + 1]]

    def events(self) -> list[np.ndarray]:
        """Return the rows of each event."""
        return [self.event(index) for index in range(len(self))]

    def kept(self, keep: np.ndarray) -> "Candidate":
        """Return the events that a mask keeps."""
        counts = np.diff(self.bounds)
        return Candidate(self.rows[np.repeat(keep, counts)], bounds_of(counts[keep]))

    def cut(self, count: int) -> "Candidate":
        """Return the first events."""
        return Candidate(self.rows[: self.bounds[count]], self.bounds[: count + 1])

    def replaced(self, others: dict[int, np.ndarray]) -> "Candidate":
        """Return the same events, some with other rows."""
        return from_events([others.get(index, rows) for index, rows in enumerate(self.events())])


def bounds_of(counts: np.ndarray) -> np.ndarray:
    """Return where events start and end from their row counts."""
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(counts)))


def from_rows(rows: np.ndarray) -> Candidate:
    """Return whole events as a candidate."""
    ends = np.flatnonzero(rows["flags"] & Flag.LAST) + 1
    return Candidate(rows, np.concatenate((np.zeros(1, np.int64), ends)))


def from_events(events: Sequence[np.ndarray]) -> Candidate:
    """Return events one after the other as a candidate."""
    return Candidate(joined_rows(events), bounds_of(np.array([len(rows) for rows in events])))


def joined_rows(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Return rows one after the other; as bytes, for NumPy would compare the fields of each part."""
    return np.concatenate([rows.view(ROW) for rows in parts]).view(EVENT)
