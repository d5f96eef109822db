"""Frozen: an instrument that anyone holds is not quoted until he lets it go (docs/policies.md)."""

from mmfold.engine.codes import Reason, Unit
from mmfold.engine.gates.seam import refuse
from mmfold.engine.jit import kernel

REASON = Reason.FREEZE
SAYS = "the owners of freezes, a bit each, at most 0"


@kernel
def passes(clock, cell, ask):
    """Tell whether nobody has frozen the instrument."""
    frozen = cell["quoter"]["frozen"]
    return frozen == 0 or refuse(ask, REASON, frozen, 0, Unit.BITS)
