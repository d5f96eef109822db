"""Unknown orders: while the venue has not said what became of an order, nothing new is sent beside it."""

from mmfold.engine.codes import Reason, Unit
from mmfold.engine.gates.seam import refuse
from mmfold.engine.jit import kernel

REASON = Reason.ORDER_UNKNOWN
SAYS = "orders of unknown state, at most 0"


@kernel
def passes(clock, cell, ask):
    """Tell whether the state of every own order is known."""
    count = cell["quoter"]["unknown_order_count"]
    return count <= 0 or refuse(ask, REASON, count, 0, Unit.COUNT)
