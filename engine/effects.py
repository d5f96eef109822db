"""What the core decides: effect rows in the driver's buffer; must never be dropped, a full buffer stops."""

from engine.codes import AuditKind, EventKind, Flag, Reason, Side
from engine.jit import kernel
from engine.limits import EFFECT_COUNT_MAX
from engine.records import NO_ORDER_ID, NO_PRICE_TICKS, NO_TS_NS, NO_VALUE


@kernel
def new_effect(state, effects, cursor, kind, instrument_index):
    """Append one effect row with everything absent and return it.

    seq = the cause's seq + 1 + its place among the cause's effects: its own seq where it is journaled as a witness.
    """
    clock = state.clock[0]
    index = cursor[0]["effect_count"]
    assert index < EFFECT_COUNT_MAX
    effect = effects[index]
    effect["seq"] = clock["seq_last"] + 1 + clock["effect_slot"]
    effect["ts_exchange_ns"] = NO_TS_NS
    effect["ts_receive_ns"] = clock["ts_now_ns"]
    effect["price_ticks"] = NO_PRICE_TICKS
    effect["qty_lots"] = 0
    effect["order_id"] = NO_ORDER_ID
    effect["aux"] = NO_VALUE
    effect["kind"] = kind
    effect["side"] = Side.NONE
    effect["flags"] = Flag.LAST
    effect["instrument_index"] = instrument_index
    effect["code"] = 0
    clock["effect_slot"] += 1
    clock["effect_count"] += 1
    cursor[0]["effect_count"] = index + 1
    return effect


@kernel
def emit_order(state, effects, cursor, kind, instrument_index, side):
    """Append a PLACE, AMEND or CANCEL; the caller writes its order id, price, quantity and reason."""
    effect = new_effect(state, effects, cursor, kind, instrument_index)
    effect["side"] = side
    if kind == EventKind.PLACE:
        effect["flags"] = Flag.LAST | Flag.POST_ONLY
    return effect


@kernel
def emit_audit(state, effects, cursor, instrument_index, code):
    """Append an AUDIT row; the caller writes before, after and reason."""
    effect = new_effect(state, effects, cursor, EventKind.AUDIT, instrument_index)
    effect["code"] = code
    state.cells[instrument_index]["counter"]["audit_count"] += 1
    return effect


@kernel
def emit_alert(state, effects, cursor, instrument_index, code, detail):
    """Append an ALERT row."""
    effect = new_effect(state, effects, cursor, EventKind.ALERT, instrument_index)
    effect["code"] = code
    effect["aux"] = detail
    state.cells[instrument_index]["counter"]["alert_count"] += 1


@kernel
def emit_guard(state, effects, cursor, instrument_index, before, after):
    """Append the AUDIT row of an instrument's quoting gate: the reason before and after, NONE = quoting."""
    effect = emit_audit(state, effects, cursor, instrument_index, AuditKind.GUARD)
    effect["price_ticks"] = before
    effect["qty_lots"] = after
    effect["aux"] = after


@kernel
def emit_pause(state, effects, cursor, instrument_index, side):
    """Append the AUDIT row of one side's pause that has just begun or ended."""
    paused = state.cells[instrument_index]["quote_sides"][side]["paused"]
    effect = emit_audit(state, effects, cursor, instrument_index, AuditKind.GUARD)
    effect["side"] = side
    effect["price_ticks"] = 1 - paused
    effect["qty_lots"] = paused
    effect["aux"] = Reason.IMBALANCE_GUARD
