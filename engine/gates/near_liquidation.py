"""Near liquidation: nothing is bought long whose liquidation price is too near to its entry for a stop-loss.

A long is liquidated at entry x (1 - 1/leverage + mmr). All that is compared is in parts of the entry, so the entry
itself cancels: that of a position and that of a quote give the same answer. Source: spec/core.md 10, addendum.md 1
(strictly below).
"""

from mmfold.engine.codes import Contract, Reason, Side, Unit
from mmfold.engine.gates.seam import refuse
from mmfold.engine.jit import kernel
from mmfold.engine.limits import PPM

REASON = Reason.NEAR_LIQUIDATION
SAYS = (
    "of a buy that opens a long, (entry - liquidation price) / entry; at least `assumed_sl_ppm` x `sl_buffer_ppm`, "
    "rounded up; `leverage_ppm` 0 = no limit"
)
PPM_E6 = 10_000  # millionths of a basis point in a millionth
WHOLE_E6 = PPM * PPM_E6  # the entry itself, in millionths of a basis point of it


@kernel
def opened_lots(cell, ask):
    """Return the position once a bid and those of the levels before it are filled."""
    lots = cell["position"]["position_lots"] + ask["qty_lots"]
    for i in range(ask["level"]):
        lots += cell["targets"][Side.BID, i]["qty_lots"]
    return lots


@kernel
def passes(cell, ask):
    """Tell whether a buy only closes a short, or opens a long that is liquidated far enough below its entry."""
    param = cell["param"]
    leverage_ppm = param["leverage_ppm"]
    if leverage_ppm <= 0 or ask["side"] != Side.BID or cell["instrument"]["contract"] == Contract.SPOT:
        return True
    if opened_lots(cell, ask) <= 0:
        return True
    # The margin is rounded down: liquidation is never taken to be farther than it is.
    liquidation_e6 = WHOLE_E6 - WHOLE_E6 * PPM // leverage_ppm + param["mmr_ppm"] * PPM_E6
    distance_e6 = WHOLE_E6 - liquidation_e6
    least_e6 = -(-(param["assumed_sl_ppm"] * param["sl_buffer_ppm"] * PPM_E6) // PPM)
    safe = 0 < liquidation_e6 < WHOLE_E6 and distance_e6 >= least_e6
    return safe or refuse(ask, REASON, distance_e6, least_e6, Unit.BPS_E6)
