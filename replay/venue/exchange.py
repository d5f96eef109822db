"""The venue's market: its book at exchange time, own orders in its queues, what fills them; must never see the core."""

import numpy as np

from mmfold.engine.book import key_of, level_qty_lots, set_level
from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.integrity import apply_delta, apply_joined, apply_snapshot, is_joining
from mmfold.engine.jit import kernel
from mmfold.engine.limits import ORDER_COUNT_MAX
from mmfold.engine.orders import side_of_slot
from mmfold.engine.position import apply_funding
from mmfold.engine.state import NO_KEY
from mmfold.replay.venue.account import check_margin
from mmfold.replay.venue.answers import fill_order
from mmfold.replay.venue.queue import apply_queue_depth, apply_queue_trade, excess_lots


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
            apply_queue_depth(order, sim["rules"]["queue_model"], before_lots, row["qty_lots"], lot_size)


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
        fill_reached(sim, venue, cell, 1 - side, row["price_ticks"], sim["ts_now_ns"])
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
            apply_queue_depth(order, sim["rules"]["queue_model"], order["displayed_lots"], after_lots, lot_size)
    for side in range(2):
        other = cell["sides"][1 - side]
        if other["best_key"] != NO_KEY:
            fill_reached(sim, venue, cell, side, other["best_price_ticks"], sim["ts_now_ns"])


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
            fill_order(sim, venue, cell, slot, order["qty_lots"], sim["ts_now_ns"])
        elif own_key == trade_key:
            apply_queue_trade(order, row["qty_lots"])
            qty_lots = excess_lots(order)
            if qty_lots > 0:
                filled_lots = (
                    min(qty_lots, order["qty_lots"]) if sim["rules"]["partial_fills"] == 1 else order["qty_lots"]
                )
                order["front_lots"] = 0.0
                fill_order(sim, venue, cell, slot, filled_lots, sim["ts_now_ns"])


@kernel
def apply_market(sim, venue, cell, rows, start, end):
    """Fold one market event into the venue's book and match own orders against it."""
    kind = rows[start]["kind"]
    if kind == EventKind.BOOK_DELTA:
        venue["arrival_shown"] = venue["arrival_count"]
        resting = venue["resting_counts"][0] + venue["resting_counts"][1]
        if resting == 0 or not is_joining(cell, rows[start]):
            apply_delta(cell, rows, start, end)
        else:
            room = True
            for i in range(start, end):
                if rows[i]["side"] != Side.NONE:
                    room = match_level(sim, venue, cell, rows[i]) and room
            apply_joined(cell, rows[start], room)
    elif kind == EventKind.TRADE:
        match_trade(sim, venue, cell, rows[start])
    elif kind == EventKind.BOOK_SNAPSHOT:
        venue["arrival_shown"] = venue["arrival_count"]
        match_snapshot(sim, venue, cell, rows, start, end)
    elif kind == EventKind.MARK:
        cell["book"]["mark_price_e8"] = rows[start]["aux"]
    else:
        assert kind == EventKind.FUNDING
        apply_funding(cell, rows[start])
    if sim["rules"]["equity_micros"] > 0:
        check_margin(sim, venue, cell, sim["ts_now_ns"])
