"""The books of an import, followed by the kernels of the core; must never be told a level."""

import numpy as np

from mmfold.engine.codes import EventKind
from mmfold.engine.continuity import apply_delta, apply_snapshot
from mmfold.engine.jit import entry


@entry
def follow_books(cells, rows):
    """Follow BOOK_SNAPSHOT and BOOK_DELTA events of one row each."""
    for index in range(rows.size):
        row = rows[index]
        cell = cells[np.int64(row["instrument_index"])]
        if row["kind"] == EventKind.BOOK_SNAPSHOT:
            apply_snapshot(cell, rows, index, index + 1)
        else:
            assert row["kind"] == EventKind.BOOK_DELTA
            apply_delta(cell, rows, index, index + 1)
