"""The structure of events, compiled: its check, 2 ns a row, and its numbering.

The check must never judge otherwise than `check_each_row`.
"""

import numpy as np

from mmfold.engine.codes import EventKind, Flag
from mmfold.engine.jit import entry
from mmfold.engine.limits import EVENT_ROW_COUNT_MAX
from mmfold.engine.records import EVENT
from mmfold.journal.log.chain import WORD_COUNT

TAIL = WORD_COUNT - 1  # the row's last word: kind, side, flags (u16), instrument_index, code
KIND_MASK = 0xFF
FLAGS_SHIFT = 16

assert EVENT.fields is not None and EVENT.fields["seq"][1] == 0
assert EVENT.fields["kind"][1] * 8 == TAIL * 64 and EVENT.fields["flags"][1] * 8 == TAIL * 64 + FLAGS_SHIFT


@entry
def are_whole_events(words, seq_next):
    """Tell whether rows, as the int64 of their bytes, are whole consecutive events from `seq_next` on."""
    seq = seq_next
    kind_event = np.int64(0)
    row_count = np.int64(0)  # of the event under way
    for start in range(0, words.size, WORD_COUNT):
        tail = words[start + TAIL]
        kind = tail & KIND_MASK
        if row_count == 0:
            kind_event = kind
        row_count += 1
        is_bad = (words[start] != seq) | (kind != kind_event) | (kind == EventKind.FRAME)
        if is_bad | (row_count > EVENT_ROW_COUNT_MAX):
            return False
        if (tail >> FLAGS_SHIFT) & Flag.LAST != 0:
            seq += 1
            row_count = np.int64(0)
    return row_count == 0


@entry
def number_event(rows, start, seq):
    """Number the event that starts at row `start` and return the row after it; without an end it goes to the last row.

    Shape:  rows EVENT, writable.
    """
    end = start
    while end < rows.size:
        row = rows[end]
        row["seq"] = seq
        end += 1
        if row["flags"] & Flag.LAST != 0:
            break
    return end
