"""Quantity zero: what is less than a lot is no quote (spec/core.md 10: dropped, never inflated)."""

from mmfold.engine.codes import Reason, Unit
from mmfold.engine.gates.seam import refuse
from mmfold.engine.jit import kernel

REASON = Reason.QTY_ZERO
SAYS = "size, at least a lot"


@kernel
def passes(cell, ask):
    """Tell whether there is anything to quote."""
    return ask["qty_lots"] > 0 or refuse(ask, REASON, ask["qty_lots"], 1, Unit.LOTS)
