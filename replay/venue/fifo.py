"""Exact queue positions from market-by-order data: the market's orders by number, and when each joined its queue.

An order of the market that joined before an own order stands ahead of it. What the data does not tell is taken the
pessimistic way: an order that was never told of is one of those displayed when ours joined, and its decrease moves
nobody. Must never be touched under the other queue models.
"""

import numpy as np

from mmfold.engine.codes import EventKind
from mmfold.engine.jit import kernel
from mmfold.engine.limits import INSTRUMENT_COUNT_MAX, ORDER_COUNT_MAX
from mmfold.engine.orders import side_of_slot
from mmfold.engine.records import I8, record
from mmfold.replay.venue.chance import MASK_32, mix_32
from mmfold.replay.venue.own_ticks import may_own

QUEUED_PLACE_COUNT = 1 << 17  # places of the table, a ring for its searches
QUEUED_COUNT_MAX = QUEUED_PLACE_COUNT // 4 * 3  # orders of one instrument: the free places keep the searches short
PLACE_MASK = QUEUED_PLACE_COUNT - 1
assert QUEUED_PLACE_COUNT & PLACE_MASK == 0

QUEUED = record(
    40,
    [
        ("order_id", I8),  # the venue's number
        ("arrival", I8),  # when it joined its queue, among all orders of the instrument
        ("side", I8),
        ("price_ticks", I8),
        ("qty_lots", I8),  # what remains; 0: the place is free
    ],
)

QUEUES = record(
    24 + 40 * QUEUED_PLACE_COUNT,
    [
        ("count", I8),
        ("unknown_count", I8),  # orders that went without having been told of
        ("full_count", I8),  # orders that found no room: they count as displayed, never as ahead
        ("queued", QUEUED, (QUEUED_PLACE_COUNT,)),
    ],
)


def make_queues(count: int) -> np.ndarray:
    """Return the market's orders of so many instruments before the first event; 0 where no model asks for them.

    Shape: (count,) QUEUES. A place that was never used takes no memory.
    """
    assert count <= INSTRUMENT_COUNT_MAX
    return np.zeros(count, QUEUES)


@kernel
def home_place(order_id):
    """Return where the search for an order begins."""
    return mix_32((order_id & MASK_32) ^ mix_32((order_id >> 32) & MASK_32)) & PLACE_MASK


@kernel
def find_place(queues, order_id):
    """Return the place of an order, or the free one that it would get."""
    queued = queues["queued"]
    place = home_place(order_id)
    while queued[place]["qty_lots"] > 0 and queued[place]["order_id"] != order_id:
        place = (place + 1) & PLACE_MASK
    return place


@kernel
def free_place(queues, place):
    """Take an order out and close the gap: what a search would no longer reach moves up."""
    queued = queues["queued"]
    queued[place]["qty_lots"] = 0
    queues["count"] -= 1
    at = (place + 1) & PLACE_MASK
    while queued[at]["qty_lots"] > 0:
        home = home_place(queued[at]["order_id"])
        if ((at - home) & PLACE_MASK) >= ((at - place) & PLACE_MASK):
            queued[place] = queued[at]
            queued[at]["qty_lots"] = 0
            place = at
        at = (at + 1) & PLACE_MASK


@kernel
def leave_queue(venue, entry, lots):
    """Move own orders forward for lots that left from ahead of them; what trades explain is not counted twice."""
    if not may_own(venue, entry["side"], entry["price_ticks"]):
        return
    for slot in range(ORDER_COUNT_MAX):
        order = venue["orders"][slot]
        same = order["resting"] == 1 and order["price_ticks"] == entry["price_ticks"]
        if same and side_of_slot(slot) == entry["side"]:
            order["told_lots"] -= lots
            if entry["arrival"] < order["arrival"]:
                explained = min(order["traded_lots"], lots * 1.0)
                order["traded_lots"] -= explained
                # Only trades go past the order.
                order["front_lots"] = max(order["front_lots"] - (lots - explained), 0.0)


@kernel
def enter_queue(venue, row):
    """Tell own orders of lots that joined behind them."""
    side = np.int64(row["side"])
    if not may_own(venue, side, row["price_ticks"]):
        return
    for slot in range(ORDER_COUNT_MAX):
        order = venue["orders"][slot]
        same = order["resting"] == 1 and order["price_ticks"] == row["price_ticks"]
        if same and side_of_slot(slot) == side:
            order["told_lots"] += row["qty_lots"]


@kernel
def apply_book_order(venue, queues, row):
    """Fold one change of an order of the market.

    A smaller size keeps its place; a greater one, or another price, is a departure and a new arrival.
    Source: docs/data.md, BOOK_ORDER.
    """
    assert row["kind"] == EventKind.BOOK_ORDER and row["qty_lots"] >= 0
    qty_lots, side = row["qty_lots"], np.int64(row["side"])
    place = find_place(queues, row["order_id"])
    entry = queues["queued"][place]
    known = entry["qty_lots"] > 0
    if known:
        same = entry["side"] == side and entry["price_ticks"] == row["price_ticks"]
        keeps = same and 0 < qty_lots <= entry["qty_lots"]
        leave_queue(venue, entry, entry["qty_lots"] - (qty_lots if keeps else 0))
        if keeps:
            entry["qty_lots"] = qty_lots
            return
    if qty_lots == 0:
        if known:
            free_place(queues, place)
        else:
            queues["unknown_count"] += 1
        return
    enter_queue(venue, row)
    if not known and queues["count"] == QUEUED_COUNT_MAX:
        queues["full_count"] += 1
        return
    queues["count"] += 0 if known else 1
    entry["order_id"] = row["order_id"]
    entry["arrival"] = venue["arrival_count"]
    entry["side"] = side
    entry["price_ticks"] = row["price_ticks"]
    entry["qty_lots"] = qty_lots
    venue["arrival_count"] += 1


@kernel
def unshown_lots(venue, queues, side, price_ticks):
    """Return the lots that joined a price's queue since the book was last told: ahead of who joins now."""
    lots = np.int64(0)
    if venue["arrival_shown"] == venue["arrival_count"]:
        return lots
    for place in range(QUEUED_PLACE_COUNT):
        entry = queues["queued"][place]
        is_unshown = entry["qty_lots"] > 0 and entry["arrival"] >= venue["arrival_shown"]
        if is_unshown and entry["side"] == side and entry["price_ticks"] == price_ticks:
            lots += entry["qty_lots"]
    return lots


@kernel
def apply_fifo_depth(order, before_lots, after_lots):
    """Fold a change of the displayed quantity at an own order's price: it bounds what can be ahead.

    A decrease that no order was told of is the part of a trade that took such orders.
    """
    untold_lots = before_lots - after_lots + order["told_lots"]
    if untold_lots > 0:
        order["traded_lots"] = max(order["traded_lots"] - untold_lots, 0.0)
    order["told_lots"] = 0
    order["front_lots"] = min(order["front_lots"], after_lots * 1.0)
