"""The venue's side: its book at exchange time, own orders in its queues, acceptance and fills; must never see the
core.
"""

import numpy as np

from engine.book import key_of, level_qty_lots, set_level
from engine.codes import BookStatus, EventKind, Flag, Side
from engine.effects import clear_row
from engine.integrity import apply_delta, apply_joined, apply_snapshot, is_joining
from engine.jit import kernel
from engine.limits import ORDER_COUNT_MAX
from engine.orders import side_of_slot
from engine.state import NO_KEY
from replay.venue.queue import apply_queue_depth, apply_queue_trade, excess_lots, join_queue
from replay.venue.records import MESSAGE_COUNT_MAX


@kernel
def respond(sim, ts_ns, kind, cell, order_id):
    """Send an answer on its way to the core and return its row, to be filled in."""
    count = sim["response_count"]
    assert count < MESSAGE_COUNT_MAX
    message = sim["responses"][count]
    message["ts_ns"] = ts_ns + sim["response_latency_ns"]
    row = message["row"]
    clear_row(row, kind, cell["index"])
    row["seq"] = 0
    row["ts_exchange_ns"] = ts_ns
    row["ts_receive_ns"] = message["ts_ns"]
    row["order_id"] = order_id
    sim["response_count"] = count + 1
    return row


@kernel
def fill_order(sim, venue, cell, slot, qty_lots, ts_ns):
    """Fill a resting order at its price, as maker."""
    order = venue["orders"][slot]
    assert order["resting"] == 1 and 0 < qty_lots <= order["qty_lots"]
    side = side_of_slot(slot)
    row = respond(sim, ts_ns, EventKind.FILL, cell, order["order_id"])
    row["side"] = side
    row["price_ticks"] = order["price_ticks"]
    row["qty_lots"] = qty_lots
    row["aux"] = venue["execution_count"]
    row["flags"] = Flag.LAST | Flag.MAKER
    venue["execution_count"] += 1
    order["qty_lots"] -= qty_lots
    order["filled_lots"] += qty_lots
    if order["qty_lots"] == 0:
        order["resting"] = 0
        venue["resting_counts"][side] -= 1


@kernel
def fill_reached(sim, venue, cell, side, price_ticks, ts_ns):
    """Fill the resting orders of one side that the other side's best price has reached."""
    if venue["resting_counts"][side] == 0:
        return
    for slot in range(ORDER_COUNT_MAX):
        order = venue["orders"][slot]
        reached = key_of(side, order["price_ticks"]) <= key_of(side, price_ticks)
        if order["resting"] == 1 and side_of_slot(slot) == side and reached:
            fill_order(sim, venue, cell, slot, order["qty_lots"], ts_ns)


@kernel
def move_queue(sim, venue, cell, row, before_lots):
    """Tell the resting orders at a level's price that its displayed quantity changed."""
    side = np.int64(row["side"])
    lot_size = cell["instrument"]["lot_size_numerator"] / cell["instrument"]["lot_size_denominator"]
    for slot in range(ORDER_COUNT_MAX):
        order = venue["orders"][slot]
        if order["resting"] == 1 and order["price_ticks"] == row["price_ticks"] and side_of_slot(slot) == side:
            apply_queue_depth(order, sim["queue_model"], before_lots, row["qty_lots"], lot_size)


@kernel
def match_level(sim, venue, cell, row):
    """Apply one level of a delta with own orders resting: queues move, orders that the best price reaches are
    filled.
    """
    side = np.int64(row["side"])
    before_lots = level_qty_lots(cell, side, row["price_ticks"])
    room = set_level(cell, side, row["price_ticks"], row["qty_lots"])
    if venue["resting_counts"][side] > 0:
        move_queue(sim, venue, cell, row, before_lots)
    best_key = cell["sides"][side]["best_key"]
    if row["qty_lots"] > 0 and best_key == key_of(side, row["price_ticks"]):
        fill_reached(sim, venue, cell, 1 - side, row["price_ticks"], sim["ts_venue_ns"])
    return room


@kernel
def match_snapshot(sim, venue, cell, rows, start, end):
    """Rebuild the book with own orders resting: one change of every level's quantity, then a new best price.

    What the messages between the books were is not known; a snapshot older than the book changes nothing.
    """
    for slot in range(ORDER_COUNT_MAX):
        order = venue["orders"][slot]
        if order["resting"] == 1:
            order["displayed_lots"] = level_qty_lots(cell, np.int64(side_of_slot(slot)), order["price_ticks"])
    snapshot_count = cell["book"]["snapshot_count"]
    apply_snapshot(cell, rows, start, end)
    if cell["book"]["snapshot_count"] == snapshot_count:
        return
    lot_size = cell["instrument"]["lot_size_numerator"] / cell["instrument"]["lot_size_denominator"]
    for slot in range(ORDER_COUNT_MAX):
        order = venue["orders"][slot]
        if order["resting"] == 1:
            after_lots = level_qty_lots(cell, np.int64(side_of_slot(slot)), order["price_ticks"])
            apply_queue_depth(order, sim["queue_model"], order["displayed_lots"], after_lots, lot_size)
    for side in range(2):
        other = cell["sides"][1 - side]
        if other["best_key"] != NO_KEY:
            fill_reached(sim, venue, cell, side, other["best_price_ticks"], sim["ts_venue_ns"])


@kernel
def match_trade(sim, venue, cell, row):
    """Let a trade take the queue ahead of own orders at its price and fill those it reaches.

    Rules: an order that is better than the trade's price is filled; at its price when the queue ahead is gone; a block
    trade happens off the book.
    """
    side = Side.ASK if row["side"] == Side.BID else Side.BID
    if venue["resting_counts"][side] == 0 or row["flags"] & Flag.BLOCK != 0:
        return
    for slot in range(ORDER_COUNT_MAX):
        order = venue["orders"][slot]
        if order["resting"] == 0 or side_of_slot(slot) != side:
            continue
        own_key, trade_key = key_of(side, order["price_ticks"]), key_of(side, row["price_ticks"])
        if own_key < trade_key:
            fill_order(sim, venue, cell, slot, order["qty_lots"], sim["ts_venue_ns"])
        elif own_key == trade_key:
            apply_queue_trade(order, row["qty_lots"])
            qty_lots = excess_lots(order)
            if qty_lots > 0:
                filled_lots = min(qty_lots, order["qty_lots"]) if sim["partial_fills"] == 1 else order["qty_lots"]
                order["front_lots"] = 0.0
                fill_order(sim, venue, cell, slot, filled_lots, sim["ts_venue_ns"])


@kernel
def would_cross(cell, side, price_ticks):
    """Tell whether an order would take: its price reaches the other side's best."""
    best_key = cell["sides"][1 - side]["best_key"]
    return best_key != NO_KEY and key_of(side, price_ticks) <= -best_key


@kernel
def accept_place(sim, venue, cell, request, ts_ns):
    """Carry out a PLACE: post-only orders that would take expire, others join the queue.

    The core's ids in a slot grow: one that is not new repeats an order that was accepted before.
    """
    slot = np.int64(request["order_id"] & (ORDER_COUNT_MAX - 1))
    side = np.int64(request["side"])
    order = venue["orders"][slot]
    valid = cell["book"]["status"] == BookStatus.LIVE and request["qty_lots"] >= cell["instrument"]["min_qty_lots"]
    if order["resting"] == 1 or request["order_id"] <= order["order_id"] or not valid:
        venue["refused_count"] += 1
        respond(sim, ts_ns, EventKind.REJECT, cell, request["order_id"])
        return
    if would_cross(cell, side, request["price_ticks"]):
        respond(sim, ts_ns, EventKind.EXPIRED, cell, request["order_id"])
        return
    order["order_id"] = request["order_id"]
    order["resting"] = 1
    order["price_ticks"] = request["price_ticks"]
    order["qty_lots"] = request["qty_lots"]
    order["ts_accepted_ns"] = ts_ns
    order["filled_lots"] = 0
    join_queue(order, level_qty_lots(cell, side, request["price_ticks"]))
    venue["resting_counts"][side] += 1
    respond(sim, ts_ns, EventKind.ACK, cell, request["order_id"])


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
        respond(sim, ts_ns, EventKind.REJECT, cell, request["order_id"])
        return
    venue["orders"][slot]["resting"] = 0
    venue["resting_counts"][side_of_slot(slot)] -= 1
    respond(sim, ts_ns, EventKind.CANCELED, cell, request["order_id"])


@kernel
def accept_amend(sim, venue, cell, request, ts_ns):
    """Carry out an AMEND: a new price or a greater size goes to the end of the queue, a smaller size keeps its
    place.
    """
    slot = find_resting(venue, request["order_id"])
    side = np.int64(request["side"])
    # The request names the whole size: what was filled on its way does not add to it.
    qty_lots = request["aux"] + request["qty_lots"] - (venue["orders"][slot]["filled_lots"] if slot >= 0 else 0)
    valid = slot >= 0 and qty_lots > 0 and cell["book"]["status"] == BookStatus.LIVE
    if not valid or would_cross(cell, side, request["price_ticks"]):
        venue["refused_count"] += 1
        respond(sim, ts_ns, EventKind.REJECT, cell, request["order_id"])
        return
    order = venue["orders"][slot]
    if request["price_ticks"] != order["price_ticks"] or qty_lots > order["qty_lots"]:
        order["price_ticks"] = request["price_ticks"]
        join_queue(order, level_qty_lots(cell, side, request["price_ticks"]))
    order["qty_lots"] = qty_lots
    row = respond(sim, ts_ns, EventKind.AMENDED, cell, request["order_id"])
    row["price_ticks"] = request["price_ticks"]
    row["qty_lots"] = qty_lots


@kernel
def accept_request(sim, venue, cell, request, ts_ns):
    """Carry out a request that has reached the venue."""
    if request["kind"] == EventKind.PLACE:
        accept_place(sim, venue, cell, request, ts_ns)
    elif request["kind"] == EventKind.CANCEL:
        accept_cancel(sim, venue, cell, request, ts_ns)
    else:
        assert request["kind"] == EventKind.AMEND
        accept_amend(sim, venue, cell, request, ts_ns)


@kernel
def apply_market(sim, venue, cell, rows, start, end):
    """Fold one market event into the venue's book and match own orders against it."""
    kind = rows[start]["kind"]
    if kind == EventKind.BOOK_DELTA:
        resting = venue["resting_counts"][0] + venue["resting_counts"][1]
        if resting == 0 or not is_joining(cell, rows[start]):
            apply_delta(cell, rows, start, end)
            return
        room = True
        for i in range(start, end):
            if rows[i]["side"] != Side.NONE:
                room = match_level(sim, venue, cell, rows[i]) and room
        apply_joined(cell, rows[start], room)
    elif kind == EventKind.TRADE:
        match_trade(sim, venue, cell, rows[start])
    else:
        assert kind == EventKind.BOOK_SNAPSHOT
        match_snapshot(sim, venue, cell, rows, start, end)
