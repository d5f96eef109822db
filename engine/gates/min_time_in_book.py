"""Least time in the book: an order that is younger rests on, however its target moved (spec/core.md 11)."""

from mmfold.engine.codes import Reason, Unit
from mmfold.engine.gates.seam import refuse
from mmfold.engine.jit import kernel

REASON = Reason.MIN_TIME_IN_BOOK
SAYS = "age of the order, at least `min_time_in_book_ns`"


@kernel
def passes(clock, cell, ask):
    """Tell whether the order in a slot has rested long enough to be changed."""
    age_ns = clock["ts_now_ns"] - cell["orders"][ask["slot"]]["ts_placed_ns"]
    limit_ns = cell["param"]["min_time_in_book_ns"]
    return age_ns >= limit_ns or refuse(ask, REASON, age_ns, limit_ns, Unit.NS)
