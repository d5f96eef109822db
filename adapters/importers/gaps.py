"""Gaps of an import, counted by the core's own kernels on the events as they are written; must never count by a rule
of its own.

Only the numbering is followed: of each book message the core is shown one row without a level.
"""

from collections.abc import Iterator

import numpy as np

from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.manifest import Manifest
from mmfold.engine.state import make_state

BOOK_KINDS = (EventKind.BOOK_SNAPSHOT, EventKind.BOOK_DELTA)


class GapCounter:
    """The books of one import, without their levels."""

    def __init__(self, manifest: Manifest) -> None:
        self.cells = make_state(manifest).cells

    def counted(self, parts: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield the same rows, whole events, after they were counted."""
        for rows in parts:
            self.count(rows)
            yield rows

    def count(self, rows: np.ndarray) -> None:
        """Follow the book messages among some rows."""
        from mmfold.adapters.importers.gaps_kernel import follow_books  # only here: it loads numba

        if not len(rows):
            return
        last = (rows["flags"] & Flag.LAST) != 0
        first = np.concatenate([[True], last[:-1]])
        heads = rows[first & np.isin(rows["kind"], BOOK_KINDS)]
        heads["side"], heads["flags"] = Side.NONE, Flag.LAST
        follow_books(self.cells, heads)

    @property
    def gap_count(self) -> int:
        """Gaps so far, of all books."""
        return int(self.cells["book"]["gap_count"].sum())
