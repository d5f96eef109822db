"""Spot holding: of a spot instrument only what is held is offered; a bigger quote is made smaller."""

from mmfold.engine.codes import Contract, Reason, Side, Unit
from mmfold.engine.gates.seam import refuse
from mmfold.engine.jit import kernel

REASON = Reason.RISK_LIMIT
SAYS = "size offered, at most what is held and not offered yet"


@kernel
def sellable_lots(cell, level):
    """Return what is held of a spot instrument and not offered by the levels before this one."""
    lots = cell["position"]["position_lots"]
    for i in range(level):
        lots -= cell["targets"][Side.ASK, i]["qty_lots"]
    return lots


@kernel
def passes(cell, ask):
    """Make an offer no bigger than what is held and tell whether anything of it is left."""
    if ask["side"] != Side.ASK or cell["instrument"]["contract"] != Contract.SPOT:
        return True
    lots = sellable_lots(cell, ask["level"])
    if lots <= 0:
        return refuse(ask, REASON, ask["qty_lots"], lots, Unit.LOTS)
    ask["qty_lots"] = min(ask["qty_lots"], lots)
    return True
