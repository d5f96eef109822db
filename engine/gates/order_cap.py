"""Order cap: so many orders of one symbol may be open, leaving ones included (spec/core.md 11)."""

from mmfold.engine.codes import Reason, Side, Unit
from mmfold.engine.gates.seam import refuse
from mmfold.engine.jit import kernel

REASON = Reason.ORDER_CAP
SAYS = "open orders of the symbol, below `active_per_symbol_max`"


@kernel
def passes(clock, cell, ask):
    """Tell whether the symbol has room for another order."""
    sides = cell["quote_sides"]
    count = sides[Side.BID]["open_order_count"] + sides[Side.ASK]["open_order_count"]
    limit = cell["param"]["active_per_symbol_max"]
    return count < limit or refuse(ask, REASON, count, limit, Unit.COUNT)
