"""Guard pause: a side that the adverse guard has paused shows no quote until the pause is over (spec/core.md 5)."""

from mmfold.engine.codes import Reason, Unit
from mmfold.engine.gates.seam import refuse
from mmfold.engine.jit import kernel

REASON = Reason.GUARD_PAUSED
SAYS = "what is left of the pause, at most 0"


@kernel
def passes(clock, cell, ask):
    """Tell whether the side is not paused."""
    quote_side = cell["quote_sides"][ask["side"]]
    left_ns = quote_side["pause_until_ns"] - clock["ts_now_ns"]
    return quote_side["paused"] != 1 or refuse(ask, REASON, left_ns, 0, Unit.NS)
