"""Level cap: so many orders of one side may be open, leaving ones included (spec/core.md 11)."""

from mmfold.engine.codes import Reason, Unit
from mmfold.engine.gates.seam import refuse
from mmfold.engine.jit import kernel

REASON = Reason.LEVEL_CAP
SAYS = "open orders of the side, below `active_per_side_max`"


@kernel
def passes(clock, cell, ask):
    """Tell whether the side has room for another order."""
    count = cell["quote_sides"][ask["side"]]["open_order_count"]
    limit = cell["param"]["active_per_side_max"]
    return count < limit or refuse(ask, REASON, count, limit, Unit.COUNT)
