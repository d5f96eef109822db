"""Spot cover: open sell orders of a spot instrument never add up to more than is held."""

from mmfold.engine.codes import Contract, Reason, Side, Unit
from mmfold.engine.gates.seam import refuse
from mmfold.engine.jit import kernel

REASON = Reason.RISK_LIMIT
SAYS = "lots on offer, at most what is held"


@kernel
def passes(clock, cell, ask):
    """Tell whether what is held covers all open sell orders and the lots that are asked for."""
    if ask["side"] != Side.ASK or cell["instrument"]["contract"] != Contract.SPOT:
        return True
    offered_lots = cell["quote_sides"][Side.ASK]["open_lots"] + ask["qty_lots"]
    held_lots = cell["position"]["position_lots"]
    return offered_lots <= held_lots or refuse(ask, REASON, offered_lots, held_lots, Unit.LOTS)
