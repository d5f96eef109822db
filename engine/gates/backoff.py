"""Backoff: a side whose order or amend the venue refused rests from both for a while (spec/core.md 11)."""

from mmfold.engine.codes import EventKind, Reason, Unit
from mmfold.engine.gates.seam import refuse
from mmfold.engine.jit import kernel

REASON = Reason.BACKOFF
SAYS = "what is left of the pause, at most 0; a cancel does not wait"


@kernel
def passes(clock, cell, ask):
    """Tell whether the side may place and amend again."""
    left_ns = cell["quote_sides"][ask["side"]]["backoff_until_ns"] - clock["ts_now_ns"]
    return left_ns <= 0 or ask["kind"] == EventKind.CANCEL or refuse(ask, REASON, left_ns, 0, Unit.NS)
