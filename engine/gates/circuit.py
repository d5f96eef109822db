"""Circuit: while too many requests fail only cancels are sent, then a few probes (spec/core.md 15)."""

from mmfold.engine.circuit import probes_max
from mmfold.engine.codes import CircuitState, EventKind, Reason, Unit
from mmfold.engine.gates.seam import refuse
from mmfold.engine.jit import kernel

REASON = Reason.CIRCUIT_OPEN
SAYS = (
    "time until probes are sent, at most 0; then probes sent, below `circuit_probes_max`, and what is left of "
    "`circuit_probe_gap_ns` since the last one, at most 0; a cancel does not wait"
)


@kernel
def passes(clock, cell, ask):
    """Tell whether the account's circuit lets an order or an amend out."""
    circuit, param = clock["circuit"], cell["param"]
    state, now_ns = circuit["state"], clock["ts_now_ns"]
    if state == CircuitState.CLOSED or ask["kind"] == EventKind.CANCEL or param["circuit_window_s"] <= 0:
        return True
    if state == CircuitState.OPEN:
        return refuse(ask, REASON, circuit["ts_state_ns"] + param["circuit_open_ns"] - now_ns, 0, Unit.NS)
    sent, limit = circuit["probe_count"], probes_max(param)
    if sent >= limit:
        return refuse(ask, REASON, sent, limit, Unit.COUNT)
    left_ns = circuit["ts_probe_ns"] + param["circuit_probe_gap_ns"] - now_ns
    return left_ns <= 0 or refuse(ask, REASON, left_ns, 0, Unit.NS)
