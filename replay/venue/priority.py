"""Own orders among each other: what reaches one of them is gone for the next; must never fill more than there was.

Lots go to the better price first, at one price to who joined its queue first.
"""

import numpy as np

from mmfold.engine.book import key_of
from mmfold.engine.jit import kernel
from mmfold.engine.orders import SLOTS_PER_SIDE
from mmfold.engine.state import NO_KEY
from mmfold.replay.venue.answers import fill_order
from mmfold.replay.venue.own_ticks import may_own
from mmfold.replay.venue.queue import apply_queue_trade, excess_lots

NO_SLOT = -1


@kernel
def first_slot(venue, side):
    """Return the slot of a side's first own order in price and time, NO_SLOT without one; notes the best key."""
    first, best_key = np.int64(NO_SLOT), np.int64(NO_KEY)
    if venue["resting_counts"][side] > 0:
        for slot in range(side * SLOTS_PER_SIDE, (side + 1) * SLOTS_PER_SIDE):
            order = venue["orders"][slot]
            if order["resting"] == 1:
                key = key_of(side, order["price_ticks"])
                earlier = key == best_key and order["joined"] < venue["orders"][first]["joined"]
                if key < best_key or earlier:
                    first, best_key = slot, key
    venue["best_keys"][side] = best_key
    return first


@kernel
def next_slot(venue, side, price_ticks, joined):
    """Return the slot of the own order at a price that joined first after another one, NO_SLOT without one."""
    found, first_joined = np.int64(NO_SLOT), venue["join_count"]
    if not may_own(venue, side, price_ticks):
        return found
    for slot in range(side * SLOTS_PER_SIDE, (side + 1) * SLOTS_PER_SIDE):
        order = venue["orders"][slot]
        if order["resting"] == 1 and order["price_ticks"] == price_ticks and joined < order["joined"] < first_joined:
            found, first_joined = slot, order["joined"]
    return found


@kernel
def keep_turns(venue, side, price_ticks):
    """Let no own order at a price have less ahead of it than one that joined before it.

    A queue model shares a decrease with each order by itself; the shares may cross.
    """
    front_lots = 0.0
    slot = next_slot(venue, side, price_ticks, np.int64(-1))
    while slot != NO_SLOT:
        order = venue["orders"][slot]
        front_lots = max(front_lots, order["front_lots"])
        order["front_lots"] = max(order["front_lots"], front_lots)
        slot = next_slot(venue, side, price_ticks, order["joined"])


@kernel
def deal_lots(sim, venue, cell, side, limit_key, lots):
    """Fill own orders up to a limit with lots that nothing stands ahead of any more; returns the lots that are left.

    With whole fills the first order is filled whole, however few the lots are, the next with what then remains.
    """
    is_whole = sim["rules"]["partial_fills"] == 0
    while lots > 0 and venue["best_keys"][side] <= limit_key:
        slot = first_slot(venue, side)
        if venue["best_keys"][side] > limit_key:
            break
        order = venue["orders"][slot]
        reached_lots = min(lots, order["qty_lots"])
        filled_lots = order["qty_lots"] if is_whole else reached_lots
        is_whole = False
        order["front_lots"] = 0.0
        fill_order(sim, venue, cell, slot, filled_lots, sim["ts_now_ns"])
        lots -= reached_lots
    return lots


@kernel
def deal_queued(sim, venue, cell, side, row, lots):
    """Let what a trade has left take the queue ahead of own orders at its price, and fill those that it reaches.

    The recorded queue lost the whole trade, so all of it explains the decrease that follows.
    """
    is_whole = sim["rules"]["partial_fills"] == 0 and lots == row["qty_lots"]
    slot = next_slot(venue, side, row["price_ticks"], np.int64(-1))
    while slot != NO_SLOT:
        order = venue["orders"][slot]
        apply_queue_trade(order, lots, row["qty_lots"])
        reached_lots = min(excess_lots(order), order["qty_lots"])
        if reached_lots > 0:
            filled_lots = order["qty_lots"] if is_whole else reached_lots
            is_whole = False
            order["front_lots"] = 0.0
            fill_order(sim, venue, cell, slot, filled_lots, sim["ts_now_ns"])
            lots -= reached_lots
        slot = next_slot(venue, side, row["price_ticks"], order["joined"])
