"""Enabled: an instrument that the operator has switched off is not quoted."""

from mmfold.engine.codes import Reason, Unit
from mmfold.engine.gates.seam import refuse
from mmfold.engine.jit import kernel

REASON = Reason.DISABLED
SAYS = "`enabled`, at least 1"


@kernel
def passes(clock, cell, ask):
    """Tell whether the instrument is switched on."""
    enabled = cell["param"]["enabled"]
    return enabled != 0 or refuse(ask, REASON, enabled, 1, Unit.COUNT)
