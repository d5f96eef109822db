"""Inventory: the position at its worst, all open orders of the side filled, stays within the symbol's limits.

Source: spec/core.md 9. Where nothing is set, 64 bits are the limit.
"""

from mmfold.engine.codes import Reason, Side, Unit
from mmfold.engine.gates.seam import refuse
from mmfold.engine.jit import kernel
from mmfold.engine.value import holding_lots_max, lots_worth

REASON = Reason.RISK_LIMIT
SAYS = "lots at the worst, at most those of `inventory_micros_max` and `position_lots_max`"


@kernel
def inventory_lots_max(cell, price_ticks):
    """Return the most lots that the symbol's limits, and 64 bits, allow, long or short."""
    param = cell["param"]
    lots = holding_lots_max(cell["instrument"], price_ticks)
    if param["inventory_micros_max"] > 0:
        lots = lots_worth(cell["instrument"], price_ticks, param["inventory_micros_max"])
    if param["position_lots_max"] > 0:
        lots = min(lots, param["position_lots_max"])
    return lots


@kernel
def passes(clock, cell, ask):
    """Tell whether a side may be exposed to more lots."""
    sign = 1 if ask["side"] == Side.BID else -1
    open_lots = cell["quote_sides"][ask["side"]]["open_lots"]
    worst_lots = sign * cell["position"]["position_lots"] + open_lots + ask["qty_lots"]
    limit_lots = inventory_lots_max(cell, ask["price_ticks"])
    return worst_lots <= limit_lots or refuse(ask, REASON, worst_lots, limit_lots, Unit.LOTS)
