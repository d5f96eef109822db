"""Least quantity: what is below the venue's minimum, padded, is not quoted (spec/core.md 8)."""

from mmfold.engine.codes import Reason, Unit
from mmfold.engine.gates.seam import refuse
from mmfold.engine.jit import kernel
from mmfold.engine.signals import ceil_ticks

REASON = Reason.MIN_QTY
SAYS = "size, at least the venue's minimum x `min_qty_pad`, rounded up"


@kernel
def qty_lots_min(cell):
    """Return the smallest quantity that may be placed: the venue's minimum times the pad, rounded up."""
    pad = cell["param"]["min_qty_pad"]
    return ceil_ticks(cell["instrument"]["min_qty_lots"] * pad)


@kernel
def passes(cell, ask):
    """Tell whether the venue takes so few lots."""
    lots_min = qty_lots_min(cell)
    return ask["qty_lots"] >= lots_min or refuse(ask, REASON, ask["qty_lots"], lots_min, Unit.LOTS)
