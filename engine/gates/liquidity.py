"""Liquidity by side: a quote is shown only where its own side of the book is deep enough (spec/core.md 10)."""

from mmfold.engine.codes import Reason, Unit
from mmfold.engine.gates.seam import refuse
from mmfold.engine.jit import kernel
from mmfold.engine.limits import PPM, QTY_LOTS_MAX
from mmfold.engine.signals import top_qty_lots

REASON = Reason.LIQUIDITY_INSUFFICIENT
SAYS = (
    "lots on the first `liquidity_levels` levels of the quote's own side, at least its size x `liquidity_alpha_ppm`, "
    "rounded up; 0 levels = no limit"
)


@kernel
def depth_lots_min(qty_lots, alpha_ppm):
    """Return the least depth that a size asks for, rounded up; the products stay in 64 bits."""
    lots = min(qty_lots, QTY_LOTS_MAX)
    return lots // PPM * alpha_ppm - (-(lots % PPM * alpha_ppm) // PPM)


@kernel
def passes(cell, ask):
    """Tell whether enough rests beside a quote, our own orders included where the venue's book shows them."""
    param = cell["param"]
    if param["liquidity_levels"] <= 0:
        return True
    depth_lots = top_qty_lots(cell, ask["side"], param["liquidity_levels"])
    least_lots = depth_lots_min(ask["qty_lots"], param["liquidity_alpha_ppm"])
    return depth_lots >= least_lots or refuse(ask, REASON, depth_lots, least_lots, Unit.LOTS)
