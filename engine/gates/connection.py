"""Connection: while the venue cannot be reached nothing is quoted there; a shadow session quotes nowhere."""

from mmfold.engine.codes import ConnectionState, Mode, Reason, Unit
from mmfold.engine.gates.seam import refuse
from mmfold.engine.jit import kernel

REASON = Reason.CONNECTION_DOWN
SAYS = "`ConnectionState`, at least 1"


@kernel
def passes(clock, cell, ask):
    """Tell whether what is decided can be sent."""
    state = clock["connection_state"]
    down = cell["param"]["mode"] == Mode.SENT and state == ConnectionState.DOWN
    return not down or refuse(ask, REASON, state, ConnectionState.UP, Unit.CODE)
