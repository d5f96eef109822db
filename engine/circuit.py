"""The circuit breaker of the account: too many requests fail, so only cancels are sent for a while, then a few probes.

Its state is the process's and is moved by results and by time; engine/gates/circuit.py keeps orders back. A result is
a REQUEST_RESULT, a REJECT (the venue's no), or the ACK of an order whose request nothing else has answered: a simulated
venue says yes by that alone. A refused cancel is none: mostly the order had ended before. Source: spec/core.md 15.
"""

import numpy as np

from mmfold.engine.clock_records import ALL, FAILED, RATE_LIMITED, RESULT_KIND_COUNT, SERVER_ERROR
from mmfold.engine.codes import AuditKind, CircuitState, EventKind, OrderStatus, Reason, RequestOutcome
from mmfold.engine.effects import emit_audit
from mmfold.engine.jit import kernel
from mmfold.engine.limits import CIRCUIT_PROBE_ROOM, CIRCUIT_SECOND_COUNT, NS_PER_S, PPM
from mmfold.engine.orders import find_slot
from mmfold.engine.records import NO_ORDER_ID, NO_TS_NS
from mmfold.engine.rings import window_count


@kernel
def kind_of(outcome):
    """Return how a result is counted beside ALL, which stands for none of the failures."""
    if outcome == RequestOutcome.OK:
        return ALL
    if outcome == RequestOutcome.SERVER_ERROR:
        return SERVER_ERROR
    return RATE_LIMITED if outcome == RequestOutcome.RATE_LIMITED else FAILED


@kernel
def result_count(circuit, kind, now_s, window_s):
    """Return how many results of a kind fall into the window that ends now."""
    return window_count(circuit["counts"][kind], circuit["second"], now_s, window_s)


@kernel
def count_result(circuit, now_s, kind):
    """Count a result in the bucket of its second."""
    for second in range(max(circuit["second"], now_s - CIRCUIT_SECOND_COUNT) + 1, now_s + 1):
        for each in range(RESULT_KIND_COUNT):
            circuit["counts"][each, second % CIRCUIT_SECOND_COUNT] = 0
    circuit["second"] = max(circuit["second"], now_s)
    place = circuit["second"] % CIRCUIT_SECOND_COUNT
    circuit["counts"][ALL, place] += 1
    circuit["counts"][FAILED, place] += (kind != ALL) * 1
    circuit["counts"][kind, place] += (kind > FAILED) * 1


@kernel
def is_failing(param, results, failed, server_errors, limited):
    """Tell whether some share of the results has reached its limit."""
    return (
        failed * PPM >= param["circuit_failed_ppm"] * results
        or server_errors * PPM >= param["circuit_server_error_ppm"] * results
        or limited * PPM >= param["circuit_rate_limited_ppm"] * results
    )


@kernel
def is_window_failing(clock, param):
    """Tell whether the window has enough results, and too many of them failed."""
    circuit, now_s, window_s = clock["circuit"], clock["ts_now_ns"] // NS_PER_S, param["circuit_window_s"]
    results = result_count(circuit, ALL, now_s, window_s)
    if results < max(param["circuit_samples_min"], 1):
        return False
    failed = result_count(circuit, FAILED, now_s, window_s)
    if failed == 0:
        return False
    server_errors = result_count(circuit, SERVER_ERROR, now_s, window_s)
    return is_failing(param, results, failed, server_errors, result_count(circuit, RATE_LIMITED, now_s, window_s))


@kernel
def probes_max(param):
    """Return how many probes are sent."""
    return max(param["circuit_probes_max"], 1)


@kernel
def set_state(clock, cell, out, state):
    """Change the state and say so; a closed one knows no results, a half-open one no probes."""
    circuit = clock["circuit"]
    effect = emit_audit(clock, cell, out, AuditKind.CIRCUIT)
    effect["price_ticks"], effect["qty_lots"], effect["aux"] = circuit["state"], state, Reason.CIRCUIT_OPEN
    circuit["state"] = state
    circuit["ts_state_ns"] = clock["ts_now_ns"]
    circuit["transition_count"] += 1
    circuit["open_count"] += (state == CircuitState.OPEN) * 1
    circuit["ts_probe_ns"] = NO_TS_NS
    circuit["probe_count"] = 0
    for i in range(CIRCUIT_PROBE_ROOM):
        circuit["probe_ids"][i] = NO_ORDER_ID
    for kind in range(RESULT_KIND_COUNT):
        circuit["probe_counts"][kind] = 0
        if state == CircuitState.CLOSED:
            for second in range(CIRCUIT_SECOND_COUNT):
                circuit["counts"][kind, second] = 0


@kernel
def find_probe(circuit, order_id):
    """Return the place of a probe that is not answered yet, -1 when an order is none."""
    if circuit["state"] != CircuitState.HALF_OPEN or order_id == NO_ORDER_ID:
        return -1
    for place in range(CIRCUIT_PROBE_ROOM):
        if circuit["probe_ids"][place] == order_id:
            return place
    return -1


@kernel
def reserve_probe(clock, cell, order_id):
    """Take a request that leaves while the circuit is half-open for a probe."""
    circuit = clock["circuit"]
    if cell["param"]["circuit_window_s"] <= 0 or circuit["state"] != CircuitState.HALF_OPEN:
        return
    assert circuit["probe_count"] < CIRCUIT_PROBE_ROOM
    circuit["probe_ids"][circuit["probe_count"]] = order_id
    circuit["probe_count"] += 1
    circuit["ts_probe_ns"] = clock["ts_now_ns"]


@kernel
def apply_result(clock, cell, out, order_id, outcome):
    """Fold a request's result: it opens the circuit, or as the last probe's closes or opens it again."""
    circuit, param, kind = clock["circuit"], cell["param"], kind_of(outcome)
    if param["circuit_window_s"] <= 0:
        return
    count_result(circuit, clock["ts_now_ns"] // NS_PER_S, kind)
    place = find_probe(circuit, order_id)
    if place >= 0:
        counts = circuit["probe_counts"]
        circuit["probe_ids"][place] = NO_ORDER_ID
        counts[ALL] += 1
        counts[FAILED] += (kind != ALL) * 1
        counts[kind] += (kind > FAILED) * 1
        if counts[ALL] >= probes_max(param):
            failing = is_failing(param, counts[ALL], counts[FAILED], counts[SERVER_ERROR], counts[RATE_LIMITED])
            set_state(clock, cell, out, CircuitState.OPEN if failing else CircuitState.CLOSED)
    elif circuit["state"] == CircuitState.CLOSED and is_window_failing(clock, param):
        set_state(clock, cell, out, CircuitState.OPEN)


@kernel
def apply_answer_result(clock, cell, out, event):
    """Fold an answer of the venue's stream where it is a request's result; asked before the order follows it."""
    if cell["param"]["circuit_window_s"] <= 0:
        return
    kind, order_id = event["kind"], event["order_id"]
    slot = find_slot(cell, order_id)
    status = cell["orders"][slot]["status"] if slot >= 0 else np.int64(OrderStatus.FREE)
    if kind == EventKind.REJECT:
        if status != OrderStatus.CANCELLING:
            apply_result(clock, cell, out, order_id, np.int64(RequestOutcome.REFUSED))
    elif (kind == EventKind.ACK and status == OrderStatus.CREATED) or find_probe(clock["circuit"], order_id) >= 0:
        apply_result(clock, cell, out, order_id, np.int64(RequestOutcome.OK))


@kernel
def turn_circuit(clock, cell, out):
    """Follow time: an open circuit lets probes out, one whose probes nobody answers opens again, a window moves on."""
    circuit, param = clock["circuit"], cell["param"]
    state, open_ns = circuit["state"], param["circuit_open_ns"]
    if param["circuit_window_s"] <= 0:
        if state != CircuitState.CLOSED:
            set_state(clock, cell, out, CircuitState.CLOSED)
    elif state == CircuitState.OPEN:
        if clock["ts_now_ns"] - circuit["ts_state_ns"] >= open_ns:
            set_state(clock, cell, out, CircuitState.HALF_OPEN)
    elif state == CircuitState.HALF_OPEN:
        all_sent = circuit["probe_count"] >= probes_max(param)
        if all_sent and clock["ts_now_ns"] - circuit["ts_probe_ns"] >= open_ns:
            set_state(clock, cell, out, CircuitState.OPEN)
    elif is_window_failing(clock, param):
        set_state(clock, cell, out, CircuitState.OPEN)
