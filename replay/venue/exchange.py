"""The venue's market: its book at exchange time, own orders in its queues, what fills them; must never see the core."""

import numpy as np

from mmfold.engine.book import key_of, level_qty_lots, next_key, set_level
from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.continuity import News, admit_delta, apply_joined, apply_snapshot, set_levels
from mmfold.engine.funding import pay_computed
from mmfold.engine.jit import kernel
from mmfold.engine.limits import ORDER_COUNT_MAX
from mmfold.engine.orders import SLOTS_PER_SIDE, side_of_slot
from mmfold.engine.state import NO_KEY
from mmfold.replay.venue.account import cancel_all, check_margin
from mmfold.replay.venue.own_ticks import may_own
from mmfold.replay.venue.priority import NO_SLOT, deal_lots, deal_queued, first_slot, keep_turns
from mmfold.replay.venue.shown import hide_order, note_delta, note_snapshot, settle_hidden, show_order


@kernel
def move_queue(sim, venue, cell, row, before_lots):
    """Tell the resting orders at a level's price that its displayed quantity changed.

    A level that a feed of so many levels deletes may only be shown no more.
    """
    side = np.int64(row["side"])
    hides = venue["book_depth"] > 0 and row["qty_lots"] == 0
    count = 0
    for slot in range(side * SLOTS_PER_SIDE, (side + 1) * SLOTS_PER_SIDE):
        order = venue["orders"][slot]
        if order["resting"] == 1 and order["price_ticks"] == row["price_ticks"]:
            if hides:
                hide_order(venue, order, before_lots)
            else:
                show_order(sim, cell, order, before_lots, row["qty_lots"])
            count += 1
    if count > 1:
        keep_turns(venue, side, row["price_ticks"])


@kernel
def match_level(sim, venue, cell, row):
    """Apply one level of a delta with own orders resting: queues move, and what is new at a price that reaches orders
    of the other side fills them.
    """
    side = np.int64(row["side"])
    key = key_of(side, row["price_ticks"])
    before_lots = level_qty_lots(cell, side, row["price_ticks"])
    set_level(cell, side, row["price_ticks"], row["qty_lots"])
    if key >= venue["best_keys"][side] and may_own(venue, side, row["price_ticks"]):
        move_queue(sim, venue, cell, row, before_lots)
    if row["qty_lots"] > before_lots and venue["resting_counts"][1 - side] > 0:
        deal_lots(sim, venue, cell, 1 - side, -key, row["qty_lots"] - before_lots)


@kernel
def displayed_within(cell, side, limit_key):
    """Return the lots that a side displays up to a limit."""
    lots = np.int64(0)
    key = next_key(cell, side, cell["sides"][side]["best_key"])
    while key != NO_KEY and key <= limit_key:
        lots += level_qty_lots(cell, side, key_of(side, key))
        key = next_key(cell, side, key + 1)
    return lots


@kernel
def deal_displayed(sim, venue, cell, side, seen_lots):
    """Fill own orders with what a new book displays on the other side of them, but for the lots that reached them
    before.
    """
    key = next_key(cell, side, cell["sides"][side]["best_key"])
    while key != NO_KEY and venue["resting_counts"][1 - side] > 0 and venue["best_keys"][1 - side] <= -key:
        lots = level_qty_lots(cell, side, key_of(side, key))
        deal_lots(sim, venue, cell, 1 - side, -key, lots - min(lots, seen_lots))
        seen_lots -= min(lots, seen_lots)
        key = next_key(cell, side, key + 1)


@kernel
def note_displayed(venue, cell, side):
    """Note what is displayed at the own orders of a side; returns what reaches the first of them already."""
    for slot in range(side * SLOTS_PER_SIDE, (side + 1) * SLOTS_PER_SIDE):
        order = venue["orders"][slot]
        if order["resting"] == 1 and order["hidden"] == 0:
            order["displayed_lots"] = level_qty_lots(cell, side, order["price_ticks"])
    if first_slot(venue, side) == NO_SLOT:
        return np.int64(0)
    return displayed_within(cell, 1 - side, -venue["best_keys"][side])


@kernel
def drop_orders(sim, venue, cell, restart_count):
    """Drop all own orders when the venue began to number this book anew: it restarted, and what rested is gone."""
    if cell["book"]["restart_count"] != restart_count:
        cancel_all(sim, venue, cell, EventKind.CANCELED, sim["ts_now_ns"])


@kernel
def match_snapshot(sim, venue, cell, rows, start, end):
    """Rebuild the book with own orders resting: one change of every level's quantity, then what is new at prices that
    reach them.

    What the messages between the books were is not known; a snapshot older than the book changes nothing.
    """
    bid_seen_lots = note_displayed(venue, cell, np.int64(Side.BID))
    ask_seen_lots = note_displayed(venue, cell, np.int64(Side.ASK))
    snapshot_count, restart_count = cell["book"]["snapshot_count"], cell["book"]["restart_count"]
    apply_snapshot(cell, rows, start, end)
    drop_orders(sim, venue, cell, restart_count)
    if cell["book"]["snapshot_count"] == snapshot_count:
        return
    note_snapshot(venue, cell, rows, start, end)
    for slot in range(ORDER_COUNT_MAX):
        order = venue["orders"][slot]
        if order["resting"] == 1:
            after_lots = level_qty_lots(cell, np.int64(side_of_slot(slot)), order["price_ticks"])
            if after_lots > 0:
                show_order(sim, cell, order, order["displayed_lots"], after_lots)
            else:
                hide_order(venue, order, order["displayed_lots"])
    settle_hidden(sim, venue, cell)
    for slot in range(ORDER_COUNT_MAX):
        if venue["orders"][slot]["resting"] == 1:
            keep_turns(venue, np.int64(side_of_slot(slot)), venue["orders"][slot]["price_ticks"])
    deal_displayed(sim, venue, cell, np.int64(Side.BID), ask_seen_lots)
    deal_displayed(sim, venue, cell, np.int64(Side.ASK), bid_seen_lots)


@kernel
def match_trade(sim, venue, cell, row):
    """Deal a trade's lots to the own orders that it meets: those at better prices first, then the queues at its price.

    Rules: a trade beyond an order's price has nothing ahead of the order any more; a block trade happens off the book.
    """
    side = np.int64(Side.ASK if row["side"] == Side.BID else Side.BID)
    if venue["resting_counts"][side] == 0 or row["flags"] & Flag.BLOCK != 0:
        return
    key = key_of(side, row["price_ticks"])
    lots = deal_lots(sim, venue, cell, side, key - 1, row["qty_lots"])
    deal_queued(sim, venue, cell, side, row, lots)


@kernel
def match_delta(sim, venue, cell, rows, start, end):
    """Apply a delta that continues the book, with own orders resting level by level."""
    resting = venue["resting_counts"][0] + venue["resting_counts"][1]
    restart_count = cell["book"]["restart_count"]
    news = admit_delta(cell, rows, start, end)
    drop_orders(sim, venue, cell, restart_count)
    if news != News.FRESH:
        return
    if resting == 0:
        set_levels(cell, rows, start, end)
    else:
        for i in range(start, end):
            if rows[i]["side"] != Side.NONE:
                match_level(sim, venue, cell, rows[i])
    apply_joined(cell, rows[start])
    note_delta(venue, cell)
    if resting > 0:
        settle_hidden(sim, venue, cell)


@kernel
def apply_market(sim, venue, cell, rows, start, end):
    """Fold one market event into the venue's book and match own orders against it."""
    kind = rows[start]["kind"]
    if kind == EventKind.BOOK_DELTA:
        venue["arrival_shown"] = venue["arrival_count"]
        match_delta(sim, venue, cell, rows, start, end)
    elif kind == EventKind.TRADE:
        match_trade(sim, venue, cell, rows[start])
    elif kind == EventKind.BOOK_SNAPSHOT:
        venue["arrival_shown"] = venue["arrival_count"]
        match_snapshot(sim, venue, cell, rows, start, end)
    elif kind == EventKind.MARK:
        cell["book"]["mark_price_e8"] = rows[start]["aux"]
    else:
        assert kind == EventKind.FUNDING
        pay_computed(cell, rows[start])
    if sim["rules"]["equity_micros"] > 0:
        check_margin(sim, venue, cell, sim["ts_now_ns"])
