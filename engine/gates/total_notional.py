"""Total notional: |position| x last mid, summed over symbols, and what would add to it stay within the account's limit.

Source: spec/core.md 9. What makes a position smaller passes.
"""

from mmfold.engine.codes import Reason, Side, Unit
from mmfold.engine.gates.seam import refuse
from mmfold.engine.jit import kernel
from mmfold.engine.value import notional_micros

REASON = Reason.RISK_LIMIT
SAYS = "notional of all symbols and the order, at most `total_notional_micros_max`; 0 = no limit"


@kernel
def passes(clock, cell, ask):
    """Tell whether the account may hold so much more."""
    limit_micros = cell["param"]["total_notional_micros_max"]
    sign = 1 if ask["side"] == Side.BID else -1
    if limit_micros <= 0 or sign * cell["position"]["position_lots"] < 0:
        return True
    total_micros = clock["gross_micros"] + notional_micros(cell["instrument"], ask["price_ticks"], ask["qty_lots"])
    return total_micros <= limit_micros or refuse(ask, REASON, total_micros, limit_micros, Unit.MICROS)
