"""Warm-up: nothing is quoted before the market's averages have filled (spec/core.md 10)."""

from mmfold.engine.codes import ConnectionState, Reason, Strategy, Unit
from mmfold.engine.features.arrivals import MOVED_S_MIN
from mmfold.engine.gates.seam import refuse
from mmfold.engine.jit import kernel
from mmfold.engine.limits import NS_PER_S
from mmfold.engine.quoting.market import is_ready

REASON = Reason.WARMUP
SAYS = (
    "`ConnectionState`, 1 wanted; of a quoter that lacks sigma, A or k, the time for which mids are known, "
    "30 s and 30 trades wanted"
)
MOVED_NS_MIN = int(MOVED_S_MIN) * NS_PER_S


@kernel
def passes(clock, cell, ask):
    """Tell whether the session has warmed up, and the quoter knows what it needs."""
    state = clock["connection_state"]
    if state == ConnectionState.WARMING:
        return refuse(ask, REASON, state, ConnectionState.UP, Unit.CODE)
    strategy = cell["param"]["strategy"]
    if (strategy != Strategy.AVELLANEDA and strategy != Strategy.GLFT) or is_ready(cell):
        return True
    known_ns = int(min(cell["features"]["arrivals"]["moved_s"], MOVED_S_MIN) * NS_PER_S)
    return refuse(ask, REASON, known_ns, MOVED_NS_MIN, Unit.NS)
