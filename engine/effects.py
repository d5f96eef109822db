"""What the core decides: effect rows in the buffer that the driver drains; must never be dropped, a full buffer
stops.
"""

from mmfold.engine.codes import AuditKind, EventKind, Flag, Reason, Side
from mmfold.engine.jit import kernel
from mmfold.engine.limits import EFFECT_COUNT_MAX
from mmfold.engine.records import NO_ORDER_ID, NO_PRICE_TICKS, NO_TS_NS, NO_VALUE
from mmfold.engine.throttle import count_request


@kernel
def clear_row(row, kind, instrument_index):
    """Write a one-row event with everything absent but its kind and instrument; its seq and times are the caller's."""
    row["price_ticks"] = NO_PRICE_TICKS
    row["qty_lots"] = 0
    row["order_id"] = NO_ORDER_ID
    row["aux"] = NO_VALUE
    row["kind"] = kind
    row["side"] = Side.NONE
    row["flags"] = Flag.LAST
    row["instrument_index"] = instrument_index
    row["code"] = 0


@kernel
def new_effect(clock, cell, out, kind):
    """Append one effect row with everything absent and return it.

    seq = the cause's seq + 1 + its place among the cause's effects: its own seq where it is journaled as a witness.
    """
    index = out["effect_count"]
    assert index < EFFECT_COUNT_MAX
    effect = out["effects"][index]
    effect["seq"] = clock["seq_last"] + 1 + clock["effect_slot"]
    effect["ts_exchange_ns"] = NO_TS_NS
    effect["ts_receive_ns"] = clock["ts_now_ns"]
    clear_row(effect, kind, cell["index"])
    clock["effect_slot"] += 1
    clock["effect_count"] += 1
    out["effect_count"] = index + 1
    return effect


@kernel
def emit_order(clock, cell, out, kind, side):
    """Append a PLACE, AMEND or CANCEL, counted for the throttle; the caller writes its order id, price, quantity and
    reason.
    """
    effect = new_effect(clock, cell, out, kind)
    count_request(clock, cell, kind)
    effect["side"] = side
    if kind == EventKind.PLACE:
        effect["flags"] = Flag.LAST | Flag.POST_ONLY
    return effect


@kernel
def emit_audit(clock, cell, out, code):
    """Append an AUDIT row; the caller writes before, after and reason."""
    effect = new_effect(clock, cell, out, EventKind.AUDIT)
    effect["code"] = code
    cell["counter"]["audit_count"] += 1
    return effect


@kernel
def emit_alert(clock, cell, out, code, detail):
    """Append an ALERT row."""
    effect = new_effect(clock, cell, out, EventKind.ALERT)
    effect["code"] = code
    effect["aux"] = detail
    cell["counter"]["alert_count"] += 1


@kernel
def emit_note(clock, cell, out, part):
    """Append a part of a policy's note, which is of no instrument; the caller writes its author and text."""
    effect = new_effect(clock, cell, out, EventKind.NOTE)
    effect["code"] = part


@kernel
def emit_guard(clock, cell, out, before, after):
    """Append the AUDIT row of an instrument's quoting gate: the reason before and after, NONE = quoting."""
    effect = emit_audit(clock, cell, out, AuditKind.GUARD)
    effect["price_ticks"] = before
    effect["qty_lots"] = after
    effect["aux"] = after


@kernel
def emit_pause(clock, cell, out, side):
    """Append the AUDIT row of one side's pause that has just begun or ended."""
    paused = cell["quote_sides"][side]["paused"]
    effect = emit_audit(clock, cell, out, AuditKind.GUARD)
    effect["side"] = side
    effect["price_ticks"] = 1 - paused
    effect["qty_lots"] = paused
    effect["aux"] = Reason.IMBALANCE_GUARD
