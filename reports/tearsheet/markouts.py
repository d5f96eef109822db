"""The mids that fills are marked at, found when their time has come; must never look at a later mid."""

import numpy as np

from mmfold.engine.limits import NS_PER_MS
from mmfold.engine.records import NO_PRICE_TICKS

HORIZONS_MS = (100, 200, 500, 1_000, 5_000, 10_000, 60_000)
HORIZONS_NS = np.array(HORIZONS_MS, np.int64) * NS_PER_MS


class Markouts:
    """Fills that wait for the last mid at or before each of their horizons."""

    def __init__(self) -> None:
        self.fill_count = 0
        self.found: list[np.ndarray] = []  # rows of (fill, horizon, mid)
        self.waiting = np.zeros((0, 4), np.int64)  # rows of (due_ns, fill, horizon, instrument)

    def add(self, times_ns: np.ndarray, instruments: np.ndarray) -> None:
        """Take fills."""
        count, horizons = len(times_ns), len(HORIZONS_MS)
        numbers = np.arange(self.fill_count, self.fill_count + count)
        columns = (
            (times_ns[:, None] + HORIZONS_NS).ravel(),
            np.repeat(numbers, horizons),
            np.tile(np.arange(horizons), count),
            np.repeat(instruments, horizons),
        )
        self.waiting = np.concatenate([self.waiting, np.column_stack(columns)])
        self.fill_count += count

    def due(self, ts_ns: int) -> np.ndarray:
        """Return what is due before the clock reaches a time, and keep the rest waiting."""
        is_due = self.waiting[:, 0] < ts_ns
        due, self.waiting = self.waiting[is_due], self.waiting[~is_due]
        return due

    def resolve(self, due: np.ndarray, mids: np.ndarray) -> None:
        """Take over the mids of what was due."""
        self.found.append(np.column_stack([due[:, 1:3], mids]))

    def table(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the mids in half ticks and whether each horizon lies within the journal; shape (fills, horizons)."""
        mids = np.full((self.fill_count, len(HORIZONS_MS)), NO_PRICE_TICKS)
        within = np.zeros(mids.shape, bool)
        if self.found:
            fills, columns, values = np.concatenate(self.found).T
            mids[fills, columns], within[fills, columns] = values, True
        return mids, within
