"""Daily loss: an account that has lost its limit in a UTC day is quoted no more until it ends or a person lifts that.

Source: spec/core.md 17, intraday caps.
"""

from mmfold.engine.codes import Reason, Unit
from mmfold.engine.gates.seam import refuse
from mmfold.engine.jit import kernel

REASON = Reason.INTRADAY_CAPS
SAYS = "PnL of the account's UTC day, above -`daily_loss_micros_max` until it got there; 0 = no limit"


@kernel
def passes(clock, cell, ask):
    """Tell whether the account has not been stopped for the day."""
    if clock["day_stopped"] == 0:
        return True
    return refuse(ask, REASON, clock["day_pnl_micros"], -cell["param"]["daily_loss_micros_max"], Unit.MICROS)
