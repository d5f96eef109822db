"""Least spread: two quotes that rounding has brought together, or below the least spread, are not shown."""

from mmfold.engine.codes import Reason, Unit
from mmfold.engine.gates.seam import refuse
from mmfold.engine.jit import kernel
from mmfold.engine.signals import BPS

REASON = Reason.MIN_SPREAD
SAYS = "width of the pair, at least `min_spread_bps`; x 1e6"
SCALE = 1e6
TOLD_MAX = 1e15  # what is beyond is told as that


@kernel
def told(bps):
    """Return a width as an integer, beyond TOLD_MAX as that."""
    return int(min(max(bps * SCALE, -TOLD_MAX), TOLD_MAX))


@kernel
def passes(cell, ask):
    """Tell whether a level's bid at `price_ticks` and its ask at `far_price_ticks` are wide enough."""
    bid_ticks, ask_ticks = ask["price_ticks"], ask["far_price_ticks"]
    spread_bps = cell["param"]["min_spread_bps"]
    mid = cell["signal"]["mid_half_ticks"] * 0.5
    width_bps = (ask_ticks - bid_ticks) / mid * BPS
    wide = 0 < bid_ticks < ask_ticks and width_bps >= spread_bps
    return wide or refuse(ask, REASON, told(width_bps), told(spread_bps), Unit.BPS_E6)
