"""From targets to orders: keep, amend, cancel, place; the only file that decides order effects; must never cross a
gate.
"""

import numpy as np

from mmfold.engine.circuit import reserve_probe
from mmfold.engine.codes import EventKind, Mode, OrderEvent, OrderStatus, Reason, Side
from mmfold.engine.effects import emit_guard, emit_order
from mmfold.engine.gates import circuit, min_time_in_book
from mmfold.engine.gates.registry import may_expose, may_place, may_quote, may_request
from mmfold.engine.gates.seam import begin_ask, count_block
from mmfold.engine.jit import kernel
from mmfold.engine.limits import LEVEL_COUNT_MAX, ORDER_COUNT_MAX
from mmfold.engine.orders import (
    SLOTS_PER_LEVEL,
    SLOTS_PER_SIDE,
    apply_order_event,
    is_active,
    is_open,
    make_order_id,
    set_quantity,
    side_of_slot,
    slot_of,
)
from mmfold.engine.quoting.registry import decide_targets
from mmfold.engine.records import NO_PRICE_TICKS, NO_TS_NS
from mmfold.engine.signals import BPS, apply_top


@kernel
def decide_cancel(clock, cell, out, slot, reason):
    """Cancel one open order."""
    order = cell["orders"][slot]
    assert is_open(order["status"])
    side = Side.BID if slot < SLOTS_PER_SIDE else Side.ASK
    effect = emit_order(clock, cell, out, EventKind.CANCEL, side)
    effect["order_id"] = order["order_id"]
    effect["code"] = reason
    cell["counter"]["cancelled_count"] += 1
    apply_order_event(clock, cell, slot, OrderEvent.CANCEL)
    if cell["param"]["mode"] == Mode.SHADOW:
        apply_order_event(clock, cell, slot, OrderEvent.CANCELED)


@kernel
def decide_place(clock, cell, out, slot, target):
    """Place one order in a free slot, if the gates let it."""
    side = Side.BID if slot < SLOTS_PER_SIDE else Side.ASK
    price_ticks, qty_lots = target["price_ticks"], target["qty_lots"]
    ask = begin_ask(cell, side, price_ticks, qty_lots)
    ask["kind"] = EventKind.PLACE
    if not may_place(clock, cell, ask):
        count_block(cell)
        return
    # Must succeed from here.
    order = cell["orders"][slot]
    assert not is_open(order["status"])
    order["order_id"] = make_order_id(clock["seq_last"], cell["index"], slot)
    order["status"] = OrderStatus.CREATED
    order["price_ticks"] = price_ticks
    order["qty_lots"] = 0
    order["filled_lots"] = 0
    order["pending_price_ticks"] = NO_PRICE_TICKS
    order["ts_placed_ns"] = clock["ts_now_ns"]
    order["ts_changed_ns"] = clock["ts_now_ns"]
    order["mid_placed_half_ticks"] = cell["signal"]["mid_half_ticks"]
    order["amend_count"] = 0
    set_quantity(cell, slot, qty_lots, 0)
    cell["quote_sides"][side]["open_order_count"] += 1
    cell["counter"]["placed_count"] += 1
    effect = emit_order(clock, cell, out, EventKind.PLACE, side)
    effect["order_id"] = order["order_id"]
    effect["price_ticks"] = price_ticks
    effect["qty_lots"] = qty_lots
    effect["code"] = Reason.QUOTE
    reserve_probe(clock, cell, order["order_id"])
    if cell["param"]["mode"] == Mode.SHADOW:
        order["status"] = OrderStatus.ACCEPTED


@kernel
def decide_amend(clock, cell, out, slot, target):
    """Amend one live order to its target's price and quantity."""
    order = cell["orders"][slot]
    assert order["status"] == OrderStatus.ACCEPTED
    side = Side.BID if slot < SLOTS_PER_SIDE else Side.ASK
    effect = emit_order(clock, cell, out, EventKind.AMEND, side)
    effect["order_id"] = order["order_id"]
    effect["price_ticks"] = target["price_ticks"]
    effect["qty_lots"] = target["qty_lots"]
    effect["aux"] = order["filled_lots"]
    effect["code"] = Reason.REPRICE if target["price_ticks"] != order["price_ticks"] else Reason.RESIZE
    reserve_probe(clock, cell, order["order_id"])
    order["pending_price_ticks"] = target["price_ticks"]
    order["amend_count"] += 1
    set_quantity(cell, slot, order["qty_lots"], target["qty_lots"])
    cell["counter"]["amended_count"] += 1
    apply_order_event(clock, cell, slot, OrderEvent.AMEND)
    if cell["param"]["mode"] == Mode.SHADOW:
        order["price_ticks"] = target["price_ticks"]
        set_quantity(cell, slot, target["qty_lots"], 0)
        apply_order_event(clock, cell, slot, OrderEvent.AMENDED)


@kernel
def can_amend(clock, cell, slot, target):
    """Tell whether an order may be amended to its target: near enough in price and size, within limits, and the venue
    is taking amends.
    """
    param = cell["param"]
    order = cell["orders"][slot]
    price_bps = abs(target["price_ticks"] - order["price_ticks"]) * BPS / order["price_ticks"]
    size_change = abs(target["qty_lots"] - order["qty_lots"]) * 1.0 / order["qty_lots"]
    if price_bps > param["replace_threshold_bps"] or size_change > param["amend_size_threshold"]:
        return False
    side = Side.BID if slot < SLOTS_PER_SIDE else Side.ASK
    added_lots = max(0, target["qty_lots"] - order["qty_lots"])
    ask = begin_ask(cell, side, target["price_ticks"], added_lots)
    ask["kind"] = EventKind.AMEND
    is_accepted = order["status"] == OrderStatus.ACCEPTED
    return is_accepted and circuit.passes(clock, cell, ask) and may_expose(clock, cell, ask)


@kernel
def decide_level(clock, cell, out, side, level):
    """Bring one level's order to its target (spec/core.md 11, amend first)."""
    target = cell["targets"][side, level]
    free_slot = np.int64(-1)
    leaving = False
    active = False
    for place in range(SLOTS_PER_LEVEL):
        slot = slot_of(side, level, place)
        order = cell["orders"][slot]
        if is_active(order["status"]):
            if active:  # two orders rest where cancels were refused: one stays
                decide_cancel(clock, cell, out, slot, Reason.LEVEL_DROPPED)
            else:
                active = decide_kept(clock, cell, out, slot, target)
        if is_open(order["status"]):
            leaving = leaving or not is_active(order["status"])
        else:
            free_slot = slot
    overlap = cell["param"]["replace_overlap"] == 1
    if target["qty_lots"] > 0 and not active and free_slot >= 0 and (overlap or not leaving):
        decide_place(clock, cell, out, free_slot, target)


@kernel
def decide_kept(clock, cell, out, slot, target):
    """Keep, amend or cancel one active order for its target.

    Returns True when the order stays the level's order.
    """
    param = cell["param"]
    order = cell["orders"][slot]
    if target["qty_lots"] == 0:
        decide_cancel(clock, cell, out, slot, Reason.LEVEL_DROPPED)
        return False
    if order["status"] == OrderStatus.AMENDING:
        return True
    size_change = abs(target["qty_lots"] - order["qty_lots"])
    size_change_max = param["amend_size_threshold"] * order["qty_lots"]
    if target["price_ticks"] == order["price_ticks"] and size_change <= size_change_max:
        return True
    ask = begin_ask(cell, side_of_slot(slot), target["price_ticks"], target["qty_lots"])
    ask["slot"] = slot
    if not min_time_in_book.passes(clock, cell, ask):
        count_block(cell)
        return True
    amends = can_amend(clock, cell, slot, target)
    ask["kind"] = EventKind.AMEND if amends else EventKind.CANCEL
    if not may_request(clock, cell, ask):
        count_block(cell)
        return True
    if amends:
        decide_amend(clock, cell, out, slot, target)
        return True
    decide_cancel(clock, cell, out, slot, Reason.REPRICE)
    return False


@kernel
def decide_pull(clock, cell, out, reason):
    """Cancel every active order of an instrument."""
    for slot in range(ORDER_COUNT_MAX):
        if is_active(cell["orders"][slot]["status"]):
            decide_cancel(clock, cell, out, slot, reason)


@kernel
def is_requote_due(clock, cell):
    """Tell whether enough time or price has passed since the last decision (spec/core.md 5, last line)."""
    quoter = cell["quoter"]
    if cell["param"]["quote_on_timer"] == 1 and clock["kind_now"] != EventKind.TIMER:
        return False
    if quoter["requote_forced"] == 1 or quoter["ts_quote_ns"] == NO_TS_NS:
        return True
    param = cell["param"]
    if clock["ts_now_ns"] - quoter["ts_quote_ns"] >= param["quote_refresh_ns"]:
        return True
    quoted_half_ticks = quoter["mid_quote_half_ticks"]
    move_half_ticks = abs(cell["signal"]["mid_half_ticks"] - quoted_half_ticks)
    return move_half_ticks * BPS >= param["amend_price_threshold_bps"] * quoted_half_ticks


@kernel
def decide_quotes(clock, cell, out):
    """Decide one instrument's orders after an event: gates first, then targets, then each level.

    What was blocked for the first time is told behind all decisions of the event (audit_blocks).
    """
    quoter = cell["quoter"]
    ask = cell["ask"]
    reason = np.int64(Reason.NONE) if may_quote(clock, cell, ask) else ask["reason"]
    before = quoter["block_reason"]
    if reason != before:
        quoter["block_reason"] = reason
        quoter["requote_forced"] = 1
        emit_guard(clock, cell, out, before, reason)
    if reason != Reason.NONE:
        if quoter["requote_forced"] == 1:
            quoter["requote_forced"] = 0
            ask["side"] = Side.NONE
            count_block(cell)
            decide_pull(clock, cell, out, reason)
        return
    if not is_requote_due(clock, cell):
        return
    quoter["requote_forced"] = 0
    quoter["ts_quote_ns"] = clock["ts_now_ns"]
    quoter["mid_quote_half_ticks"] = cell["signal"]["mid_half_ticks"]
    quoter["quote_count"] += 1
    apply_top(cell)
    for side in range(2):
        for level in range(LEVEL_COUNT_MAX):
            cell["targets"][side, level]["price_ticks"] = 0
            cell["targets"][side, level]["qty_lots"] = 0
    decide_targets(clock, cell, out)
    for side in range(2):
        for level in range(LEVEL_COUNT_MAX):
            decide_level(clock, cell, out, side, level)
