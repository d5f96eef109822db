"""Warm-up: nothing is quoted before the market's averages have filled (spec/core.md 10)."""

from mmfold.engine.codes import ConnectionState, Reason, Unit
from mmfold.engine.gates.seam import refuse
from mmfold.engine.jit import kernel

REASON = Reason.WARMUP
SAYS = "`ConnectionState`, 1 wanted"


@kernel
def passes(clock, cell, ask):
    """Tell whether the session has warmed up."""
    state = clock["connection_state"]
    return state != ConnectionState.WARMING or refuse(ask, REASON, state, ConnectionState.UP, Unit.CODE)
