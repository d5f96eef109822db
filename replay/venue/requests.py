"""The venue's desk: it takes, refuses or carries out PLACE, AMEND and CANCEL; must never look beyond its own book.

The checks stand in the order of a venue's: budget, id, book, filters, reduce-only, margin, then the match.
"""

import numpy as np

from mmfold.engine.book import key_of, level_qty_lots, next_key
from mmfold.engine.codes import BookStatus, EventKind, Flag, RequestOutcome, Side
from mmfold.engine.jit import kernel
from mmfold.engine.limits import NS_PER_S, ORDER_COUNT_MAX
from mmfold.engine.orders import side_of_slot
from mmfold.engine.records import NO_PRICE_TICKS
from mmfold.engine.state import NO_KEY
from mmfold.engine.value import notional_mid_micros
from mmfold.replay.venue.account import exceeds_margin, take_levels
from mmfold.replay.venue.answers import end_order, list_orders, mid_half_ticks, post_answer, refuse, respond
from mmfold.replay.venue.latency import entry_latency_ns, post_message
from mmfold.replay.venue.own_ticks import note_own
from mmfold.replay.venue.records import NEVER_NS, RejectCode
from mmfold.replay.venue.shown import enter_price

MARKET_KEY = np.int64(1 << 60)  # the limit of an order without a price


@kernel
def would_cross(cell, side, price_ticks):
    """Tell whether an order would take: its price reaches the other side's best."""
    best_key = cell["sides"][1 - side]["best_key"]
    return best_key != NO_KEY and key_of(side, price_ticks) <= -best_key


@kernel
def own_key(venue, side):
    """Return the key of the best own order that rests on a side, NO_KEY without one."""
    best_key = NO_KEY
    for slot in range(ORDER_COUNT_MAX):
        order = venue["orders"][slot]
        if order["resting"] == 1 and side_of_slot(slot) == side:
            best_key = min(best_key, key_of(side, order["price_ticks"]))
    return best_key


@kernel
def would_trade_own(venue, side, price_ticks):
    """Tell whether an order would meet an own resting order: self-trade prevention ends the newer one."""
    if venue["resting_counts"][1 - side] == 0:
        return False
    best_key = own_key(venue, 1 - side)
    return best_key != NO_KEY and key_of(side, price_ticks) <= -best_key


@kernel
def place_code(sim, venue, cell, request):
    """Return why a PLACE is refused, 0 if it is not.

    The core's ids in a slot grow: one that is not new repeats an order that was accepted before.
    """
    slot = np.int64(request["order_id"] & (ORDER_COUNT_MAX - 1))
    side, instrument = np.int64(request["side"]), cell["instrument"]
    order = venue["orders"][slot]
    if order["resting"] == 1 or request["order_id"] <= order["order_id"]:
        return RejectCode.DUPLICATE
    if cell["book"]["status"] != BookStatus.LIVE:
        return RejectCode.BOOK_INVALID
    is_market = request["price_ticks"] == NO_PRICE_TICKS
    if not is_market and request["price_ticks"] <= 0:
        return RejectCode.PRICE
    if request["qty_lots"] < instrument["min_qty_lots"]:
        return RejectCode.MIN_QTY
    half_ticks = mid_half_ticks(cell) if is_market else 2 * request["price_ticks"]
    reduces = request["flags"] & Flag.REDUCE_ONLY != 0
    filters = sim["rules"]["min_notional_filter"] == 1 and not reduces
    if filters and notional_mid_micros(instrument, half_ticks, request["qty_lots"]) < instrument["min_notional_micros"]:
        return RejectCode.MIN_NOTIONAL
    sign = 1 if side == Side.BID else -1
    if reduces:
        left_lots = -sign * cell["position"]["position_lots"] - venue["open_lots"][side]
        return RejectCode.REDUCE_ONLY if request["qty_lots"] > left_lots else 0
    if exceeds_margin(sim, venue, cell, side, half_ticks // 2, request["qty_lots"]):
        return RejectCode.MARGIN
    return 0


@kernel
def rest_order(sim, venue, cell, request, qty_lots, ts_ns):
    """Put what is left of a PLACE at the end of its price's queue."""
    slot = np.int64(request["order_id"] & (ORDER_COUNT_MAX - 1))
    side = np.int64(request["side"])
    order = venue["orders"][slot]
    order["resting"] = 1
    order["price_ticks"] = request["price_ticks"]
    order["qty_lots"] = qty_lots
    order["flags"] = request["flags"]
    order["ts_accepted_ns"] = ts_ns
    order["ts_expiry_ns"] = NEVER_NS
    order["was_hidden"] = 0
    order["filled_lots"] = request["qty_lots"] - qty_lots
    if sim["rules"]["order_lifetime_ns"] > 0:
        order["ts_expiry_ns"] = ts_ns + sim["rules"]["order_lifetime_ns"]
        sim["ts_expiry_ns"] = min(sim["ts_expiry_ns"], order["ts_expiry_ns"])
    venue["resting_counts"][side] += 1
    note_own(venue, side, order["price_ticks"], 1)
    enter_price(venue, cell, order, side)
    venue["open_lots"][side] += qty_lots


@kernel
def reachable_lots(cell, venue, side, limit_key, wanted_lots):
    """Return the displayed lots that an order may take: up to its price, and before an own resting order's."""
    other = 1 - side
    stop_key = own_key(venue, other) if venue["resting_counts"][other] > 0 else NO_KEY
    key = next_key(cell, other, cell["sides"][other]["best_key"])
    lots = np.int64(0)
    while key != NO_KEY and key <= limit_key and key < stop_key and lots < wanted_lots:
        lots += level_qty_lots(cell, other, key if other == Side.ASK else -key)
        key = next_key(cell, other, key + 1)
    return min(lots, wanted_lots)


@kernel
def accept_taker(sim, venue, cell, request, ts_ns):
    """Carry out a PLACE that may take: fill or kill, immediate or cancel, or rest what is left."""
    side, price_ticks = np.int64(request["side"]), request["price_ticks"]
    qty_lots, flags = request["qty_lots"], request["flags"]
    limit_key = MARKET_KEY if price_ticks == NO_PRICE_TICKS else -key_of(side, price_ticks)
    lots = reachable_lots(cell, venue, side, limit_key, qty_lots)
    if flags & Flag.FOK != 0 and lots < qty_lots:
        lots = np.int64(0)
    take_levels(sim, venue, cell, request["order_id"], side, lots, np.int64(0), ts_ns)
    if lots == qty_lots:
        return
    blocked = price_ticks == NO_PRICE_TICKS or would_trade_own(venue, side, price_ticks)
    if blocked or flags & (Flag.IOC | Flag.FOK) != 0:
        respond(sim, ts_ns, EventKind.EXPIRED, cell, request["order_id"])
    else:
        rest_order(sim, venue, cell, request, qty_lots - lots, ts_ns)


@kernel
def accept_place(sim, venue, cell, request, ts_ns):
    """Carry out a PLACE: post-only orders that would take expire, others match and rest."""
    code = place_code(sim, venue, cell, request)
    if code != 0:
        refuse(sim, venue, cell, request, code, ts_ns)
        return
    side, price_ticks = np.int64(request["side"]), request["price_ticks"]
    post_only = request["flags"] & Flag.POST_ONLY != 0
    if post_only and (would_cross(cell, side, price_ticks) or would_trade_own(venue, side, price_ticks)):
        respond(sim, ts_ns, EventKind.EXPIRED, cell, request["order_id"])
        return
    # Must succeed from here.
    venue["orders"][np.int64(request["order_id"] & (ORDER_COUNT_MAX - 1))]["order_id"] = request["order_id"]
    respond(sim, ts_ns, EventKind.ACK, cell, request["order_id"])
    if post_only:
        rest_order(sim, venue, cell, request, request["qty_lots"], ts_ns)
    else:
        accept_taker(sim, venue, cell, request, ts_ns)


@kernel
def find_resting(venue, order_id):
    """Return the slot of a resting order, -1 when it is gone."""
    slot = np.int64(order_id & (ORDER_COUNT_MAX - 1))
    order = venue["orders"][slot]
    return slot if order["resting"] == 1 and order["order_id"] == order_id else np.int64(-1)


@kernel
def accept_cancel(sim, venue, cell, request, ts_ns):
    """Carry out a CANCEL; an order that has ended before is refused."""
    slot = find_resting(venue, request["order_id"])
    if slot < 0:
        refuse(sim, venue, cell, request, RejectCode.UNKNOWN_ORDER, ts_ns)
        return
    end_order(sim, venue, slot)
    respond(sim, ts_ns, EventKind.CANCELED, cell, request["order_id"])


@kernel
def amend_code(sim, venue, cell, request, slot, qty_lots):
    """Return why an AMEND to a remaining quantity is refused, 0 if it is not."""
    if slot < 0:
        return RejectCode.UNKNOWN_ORDER
    if cell["book"]["status"] != BookStatus.LIVE:
        return RejectCode.BOOK_INVALID
    if request["price_ticks"] <= 0:
        return RejectCode.PRICE
    if qty_lots <= 0:
        return RejectCode.NOTHING_LEFT
    side, order = np.int64(request["side"]), venue["orders"][slot]
    if would_cross(cell, side, request["price_ticks"]) or would_trade_own(venue, side, request["price_ticks"]):
        return RejectCode.WOULD_TAKE
    added_lots = qty_lots - order["qty_lots"]
    if added_lots > 0 and order["flags"] & Flag.REDUCE_ONLY != 0:
        return RejectCode.REDUCE_ONLY
    if added_lots > 0 and exceeds_margin(sim, venue, cell, side, request["price_ticks"], added_lots):
        return RejectCode.MARGIN
    return 0


@kernel
def accept_amend(sim, venue, cell, request, ts_ns):
    """Carry out an AMEND: a new price or a greater size goes to the end of the queue, a smaller size keeps its
    place.
    """
    slot = find_resting(venue, request["order_id"])
    side = np.int64(request["side"])
    # The request names the whole size: what was filled on its way does not add to it.
    qty_lots = request["aux"] + request["qty_lots"] - (venue["orders"][slot]["filled_lots"] if slot >= 0 else 0)
    code = amend_code(sim, venue, cell, request, slot, qty_lots)
    if code != 0:
        refuse(sim, venue, cell, request, code, ts_ns)
        return
    order = venue["orders"][slot]
    if request["price_ticks"] != order["price_ticks"] or qty_lots > order["qty_lots"]:
        note_own(venue, side, order["price_ticks"], -1)
        note_own(venue, side, request["price_ticks"], 1)
        order["price_ticks"] = request["price_ticks"]
        enter_price(venue, cell, order, side)
    venue["open_lots"][side] += qty_lots - order["qty_lots"]
    order["qty_lots"] = qty_lots
    row = respond(sim, ts_ns, EventKind.AMENDED, cell, request["order_id"])
    row["price_ticks"] = request["price_ticks"]
    row["qty_lots"] = qty_lots


@kernel
def is_over_budget(sim, ts_ns):
    """Count a request in the second that it arrives in; tells whether that second's budget is spent."""
    second = ts_ns // NS_PER_S
    sim["request_second_count"] = sim["request_second_count"] + 1 if second == sim["request_second"] else 1
    sim["request_second"] = second
    budget = sim["rules"]["request_per_s_max"]
    return 0 < budget < sim["request_second_count"]


@kernel
def lose_request(sim, cell, request, ts_ns):
    """Let a request that meets a broken connection time out; a question for the open orders is asked again."""
    if request["kind"] == EventKind.ALERT:
        arrival_ns = sim["ts_outage_ns"] + entry_latency_ns(sim, request, sim["ts_outage_ns"])
        message = post_message(sim["requests"], sim["request_count"], arrival_ns)
        message["row"] = request
        sim["request_count"] += 1
        return
    timeout_ns = ts_ns + sim["rules"]["request_timeout_ns"]
    row = post_answer(sim, ts_ns, timeout_ns, EventKind.REQUEST_RESULT, cell, request["order_id"])
    row["code"] = RequestOutcome.TIMEOUT
    row["aux"] = sim["rules"]["request_timeout_ns"]


@kernel
def accept_request(sim, venue, cell, request, ts_ns):
    """Carry out a request that has reached the venue, or the broken connection to it.

    An ALERT is the core's of an order that it does not know the state of: the question for the open orders.
    """
    if sim["outage_down"] == 1:
        lose_request(sim, cell, request, ts_ns)
    elif request["kind"] == EventKind.ALERT:
        list_orders(sim, venue, cell, ts_ns)
    elif is_over_budget(sim, ts_ns):
        row = respond(sim, ts_ns, EventKind.REQUEST_RESULT, cell, request["order_id"])
        row["code"] = RequestOutcome.RATE_LIMITED
    elif request["kind"] == EventKind.PLACE:
        accept_place(sim, venue, cell, request, ts_ns)
    elif request["kind"] == EventKind.CANCEL:
        accept_cancel(sim, venue, cell, request, ts_ns)
    else:
        assert request["kind"] == EventKind.AMEND
        accept_amend(sim, venue, cell, request, ts_ns)
