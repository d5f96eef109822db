"""Own orders as a state machine: one table, status x event; must never forget an order whose end the venue has not
told.

An order's slot is side x 32 + level x 2 + k: a level has two places, so that a new order can be placed while the old
one is still being cancelled.
"""

import numpy as np

from mmfold.engine.codes import AlertCode, EventKind, OrderEvent, OrderStatus, RequestOutcome, Side
from mmfold.engine.effects import emit_alert
from mmfold.engine.features.registry import features_on_order
from mmfold.engine.jit import kernel
from mmfold.engine.limits import (
    LEVEL_COUNT_MAX,
    ORDER_COUNT_MAX,
    ORDER_ID_INSTRUMENT_SHIFT,
    ORDER_ID_SEQ_SHIFT,
    SEQ_MAX,
)
from mmfold.engine.position import apply_fill
from mmfold.engine.throttle import back_off_requests, end_backoff

SLOTS_PER_LEVEL = 2
SLOTS_PER_SIDE = ORDER_COUNT_MAX // 2
assert LEVEL_COUNT_MAX * SLOTS_PER_LEVEL <= SLOTS_PER_SIDE
STATUS_COUNT = len(OrderStatus)
ORDER_EVENT_COUNT = len(OrderEvent)
FIRST_OPEN, LAST_ACTIVE, LAST_OPEN = int(OrderStatus.CREATED), int(OrderStatus.AMENDING), int(OrderStatus.UNKNOWN)
assert list(OrderStatus)[FIRST_OPEN : LAST_ACTIVE + 1] == [
    OrderStatus.CREATED, OrderStatus.SUBMITTED, OrderStatus.ACCEPTED, OrderStatus.AMENDING
]  # fmt: skip
assert list(OrderStatus)[LAST_ACTIVE + 1 : LAST_OPEN + 1] == [OrderStatus.CANCELLING, OrderStatus.UNKNOWN]
S = OrderStatus
# Rows: status. Columns: SENT ACK REJECT AMEND AMENDED CANCEL CANCELED EXPIRED FILL_PARTIAL FILL_FULL TIMEOUT SEEN_OPEN
# SEEN_ABSENT. An event that means nothing in a status leaves it; a slot that is free or done stays so.
# fmt: off
TRANSITIONS = np.array([
    [S.FREE] * ORDER_EVENT_COUNT,
    [S.SUBMITTED, S.ACCEPTED, S.DONE, S.CREATED, S.CREATED, S.CANCELLING, S.DONE, S.DONE, S.ACCEPTED, S.DONE,
     S.UNKNOWN, S.ACCEPTED, S.CREATED],
    [S.SUBMITTED, S.ACCEPTED, S.DONE, S.SUBMITTED, S.SUBMITTED, S.CANCELLING, S.DONE, S.DONE, S.ACCEPTED, S.DONE,
     S.UNKNOWN, S.ACCEPTED, S.SUBMITTED],
    # The venue does not list an order that we believe live: its fill or cancel may be on the way.
    [S.ACCEPTED, S.ACCEPTED, S.ACCEPTED, S.AMENDING, S.ACCEPTED, S.CANCELLING, S.DONE, S.DONE, S.ACCEPTED, S.DONE,
     S.ACCEPTED, S.ACCEPTED, S.UNKNOWN],
    [S.AMENDING, S.AMENDING, S.ACCEPTED, S.AMENDING, S.ACCEPTED, S.CANCELLING, S.DONE, S.DONE, S.AMENDING, S.DONE,
     S.UNKNOWN, S.AMENDING, S.UNKNOWN],
    # A refused cancel mostly means that the order ended before: only the venue's word tells how.
    [S.CANCELLING, S.CANCELLING, S.UNKNOWN, S.CANCELLING, S.CANCELLING, S.CANCELLING, S.DONE, S.DONE, S.CANCELLING,
     S.DONE, S.UNKNOWN, S.CANCELLING, S.DONE],
    # A refusal does not say of which request: the order itself may rest all the same.
    [S.UNKNOWN, S.ACCEPTED, S.UNKNOWN, S.UNKNOWN, S.ACCEPTED, S.UNKNOWN, S.DONE, S.DONE, S.ACCEPTED, S.DONE,
     S.UNKNOWN, S.ACCEPTED, S.DONE],
    [S.DONE] * ORDER_EVENT_COUNT,
], dtype=np.int64)
# fmt: on
assert TRANSITIONS.shape == (STATUS_COUNT, ORDER_EVENT_COUNT)


@kernel
def slot_of(side, level, place):
    """Return the slot of a level's first or second place."""
    assert 0 <= level < LEVEL_COUNT_MAX
    return side * SLOTS_PER_SIDE + level * SLOTS_PER_LEVEL + place


@kernel
def side_of_slot(slot):
    """Return the side that a slot's order is on."""
    return Side.BID if slot < SLOTS_PER_SIDE else Side.ASK


@kernel
def make_order_id(seq, instrument_index, slot):
    """Return the client order id: a function of the deciding event and the slot, so a duplicate is impossible."""
    assert 0 <= seq < SEQ_MAX
    return (seq << ORDER_ID_SEQ_SHIFT) | (instrument_index << ORDER_ID_INSTRUMENT_SHIFT) | slot


@kernel
def is_active(status):
    """Tell whether an order is, or may soon be, resting and is not on its way out."""
    return FIRST_OPEN <= status <= LAST_ACTIVE


@kernel
def is_open(status):
    """Tell whether an order may still be filled."""
    return FIRST_OPEN <= status <= LAST_OPEN


@kernel
def exposed_lots(order):
    """Return the lots that an order may still fill: the greater of before and after an amend under way."""
    return max(order["qty_lots"], order["pending_qty_lots"])


@kernel
def apply_order_event(clock, cell, slot, order_event):
    """Move one order along the table and keep its side's open lots and counts in step."""
    order = cell["orders"][slot]
    side = cell["quote_sides"][side_of_slot(slot)]
    before = order["status"]
    assert 0 <= before < STATUS_COUNT
    after = TRANSITIONS[before, order_event]
    # A fill or a late ack does not tell how an amend ended: AMENDED and the venue's list do and clear the pending size.
    if before == OrderStatus.UNKNOWN and after == OrderStatus.ACCEPTED and order["pending_qty_lots"] > 0:
        after = np.int64(OrderStatus.UNKNOWN)
    order["status"] = after
    order["ts_changed_ns"] = clock["ts_now_ns"]
    if is_open(before) and not is_open(after):
        side["open_lots"] -= exposed_lots(order)
        side["open_order_count"] -= 1
        order["pending_qty_lots"] = 0
    quoter = cell["quoter"]
    quoter["unknown_order_count"] += (after == OrderStatus.UNKNOWN) * 1 - (before == OrderStatus.UNKNOWN) * 1
    assert side["open_lots"] >= 0 and side["open_order_count"] >= 0
    features_on_order(clock, cell, slot, order_event, before)
    return after


@kernel
def set_quantity(cell, slot, qty_lots, pending_qty_lots):
    """Write an open order's remaining and amended-to quantity; the side's open lots follow."""
    order = cell["orders"][slot]
    side = cell["quote_sides"][side_of_slot(slot)]
    before = exposed_lots(order)
    order["qty_lots"] = qty_lots
    order["pending_qty_lots"] = pending_qty_lots
    side["open_lots"] += exposed_lots(order) - before


@kernel
def find_slot(cell, order_id):
    """Return the slot that holds an order, -1 when it is not (or no longer) known."""
    if order_id < 0:
        return -1
    slot = order_id & (ORDER_COUNT_MAX - 1)
    order = cell["orders"][slot]
    known = order["order_id"] == order_id and order["status"] != OrderStatus.FREE
    return slot if known else -1


@kernel
def apply_amended(cell, event, slot, pending_qty_lots):
    """Write the price and remaining quantity that the venue now has for an open order, and what an amend may give."""
    cell["orders"][slot]["price_ticks"] = event["price_ticks"]
    set_quantity(cell, slot, event["qty_lots"], pending_qty_lots)


@kernel
def apply_settled(clock, cell, slot, order_event):
    """Move an order whose size the venue has just told; one with nothing left, now or by an amend, is filled."""
    empty = exposed_lots(cell["orders"][slot]) == 0
    apply_order_event(clock, cell, slot, OrderEvent.FILL_FULL if empty else order_event)


@kernel
def back_off(clock, cell, slot):
    """Keep a side from placing and amending for a while when the venue did not take an order or an amend of it."""
    status, side = cell["orders"][slot]["status"], cell["quote_sides"][side_of_slot(slot)]
    if status == OrderStatus.CREATED or status == OrderStatus.SUBMITTED or status == OrderStatus.AMENDING:
        side["backoff_until_ns"] = clock["ts_now_ns"] + cell["param"]["reject_backoff_ns"]


@kernel
def alert_unknown(clock, cell, out, slot, unknown_before):
    """Tell that an order has become one of unknown state: the driver has to ask the venue."""
    if cell["quoter"]["unknown_order_count"] > unknown_before:
        emit_alert(clock, cell, out, AlertCode.ORDER_UNKNOWN, cell["orders"][slot]["order_id"])


@kernel
def apply_reject(clock, cell, slot):
    """Fold a refused request: an amend that was refused leaves the order as it was."""
    order = cell["orders"][slot]
    back_off(clock, cell, slot)
    if order["status"] == OrderStatus.AMENDING:
        set_quantity(cell, slot, order["qty_lots"], 0)
    apply_settled(clock, cell, slot, OrderEvent.REJECT)


@kernel
def apply_order_fill(clock, cell, out, event):
    """Fold one FILL: the position always moves, the order moves if it is still known."""
    apply_fill(clock, cell, event)
    slot = find_slot(cell, event["order_id"])
    cell["quoter"]["requote_forced"] = 1
    if slot < 0 or not is_open(cell["orders"][slot]["status"]):
        # The venue's word is the truth about the position, whatever we believed of the order.
        cell["counter"]["late_event_count"] += 1
        emit_alert(clock, cell, out, AlertCode.FILL_UNKNOWN_ORDER, event["qty_lots"])
        return
    order = cell["orders"][slot]
    filled_lots = event["qty_lots"]
    order["filled_lots"] += filled_lots
    remaining_lots = max(0, order["qty_lots"] - filled_lots)
    pending_lots = max(0, order["pending_qty_lots"] - filled_lots)
    set_quantity(cell, slot, remaining_lots, pending_lots)
    full = remaining_lots == 0 and pending_lots == 0
    apply_order_event(clock, cell, slot, OrderEvent.FILL_FULL if full else OrderEvent.FILL_PARTIAL)


@kernel
def order_event_of(kind):
    """Return the order event of a venue's answer."""
    if kind == EventKind.ACK:
        return OrderEvent.ACK
    if kind == EventKind.REJECT:
        return OrderEvent.REJECT
    if kind == EventKind.AMENDED:
        return OrderEvent.AMENDED
    if kind == EventKind.CANCELED:
        return OrderEvent.CANCELED
    assert kind == EventKind.EXPIRED
    return OrderEvent.EXPIRED


@kernel
def apply_answer(clock, cell, out, event):
    """Fold an ACK, REJECT, AMENDED, CANCELED or EXPIRED; one for an order that is gone is only counted."""
    counter = cell["counter"]
    cell["quoter"]["requote_forced"] = 1
    order_event = order_event_of(event["kind"])
    counter["acked_count"] += (order_event == OrderEvent.ACK) * 1
    counter["rejected_count"] += (order_event == OrderEvent.REJECT) * 1
    counter["expired_count"] += (order_event == OrderEvent.EXPIRED) * 1
    slot = find_slot(cell, event["order_id"])
    if slot < 0 or not is_open(cell["orders"][slot]["status"]):
        counter["late_event_count"] += 1
        return
    unknown_before = cell["quoter"]["unknown_order_count"]
    if order_event == OrderEvent.REJECT:
        apply_reject(clock, cell, slot)
        alert_unknown(clock, cell, out, slot, unknown_before)
        return
    if order_event == OrderEvent.EXPIRED:
        back_off(clock, cell, slot)
    if order_event == OrderEvent.AMENDED:
        apply_amended(cell, event, slot, 0)
    apply_settled(clock, cell, slot, order_event)


@kernel
def apply_rate(clock, cell, out, event):
    """Fold a request's outcome: sent, or not known (then only the venue's word ends it)."""
    slot = find_slot(cell, event["order_id"])
    if slot < 0:
        return
    cell["quoter"]["requote_forced"] = 1
    unknown_before = cell["quoter"]["unknown_order_count"]
    outcome = event["code"]
    if outcome == RequestOutcome.OK:
        apply_order_event(clock, cell, slot, OrderEvent.SENT)
        end_backoff(clock, cell)
    elif outcome == RequestOutcome.TIMEOUT or outcome == RequestOutcome.SERVER_ERROR:
        cell["counter"]["request_timeout_count"] += 1
        apply_order_event(clock, cell, slot, OrderEvent.TIMEOUT)
    else:
        if outcome == RequestOutcome.RATE_LIMITED:
            back_off_requests(clock, cell)
        apply_reject(clock, cell, slot)
    alert_unknown(clock, cell, out, slot, unknown_before)


@kernel
def apply_open_orders(clock, cell, out, rows, start, end):
    """Reconcile one instrument's open orders with the venue's list."""
    cell["quoter"]["requote_forced"] = 1
    for slot in range(ORDER_COUNT_MAX):
        order = cell["orders"][slot]
        if not is_open(order["status"]):
            continue
        seen = False
        for i in range(start, end):
            if rows[i]["order_id"] == order["order_id"]:
                seen = True
                # The list may be older than an amend under way: what that may make of the order stays counted.
                known = order["status"] == OrderStatus.UNKNOWN
                apply_amended(cell, rows[i], slot, 0 if known else order["pending_qty_lots"])
        if seen:
            apply_settled(clock, cell, slot, OrderEvent.SEEN_OPEN)
        else:
            unknown_before = cell["quoter"]["unknown_order_count"]
            apply_order_event(clock, cell, slot, OrderEvent.SEEN_ABSENT)
            alert_unknown(clock, cell, out, slot, unknown_before)
