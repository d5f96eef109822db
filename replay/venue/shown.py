"""What the recording shows of the book, and own orders outside of it: what stands ahead there is not known.

A feed of the best N levels deletes a level that N better ones push out, and brings it back later: in between it is not
shown, which is not gone. A book without that bound is known as far as its snapshot beside the stream went, and further
where the other side has been since. Must never put an order to the front of a queue that nobody has seen.
"""

import numpy as np

from mmfold.engine.book import key_of, level_qty_lots, next_key
from mmfold.engine.codes import BookStatus, Continuity, Side
from mmfold.engine.jit import kernel
from mmfold.engine.limits import QTY_LOTS_MAX
from mmfold.engine.orders import SLOTS_PER_SIDE
from mmfold.engine.state import NO_KEY
from mmfold.replay.venue.priority import keep_turns
from mmfold.replay.venue.queue import apply_queue_depth, join_queue

UNKNOWN_LOTS = float(2 * QTY_LOTS_MAX)  # ahead of an order in a queue that was never shown: more than any level has


@kernel
def level_count(cell, side):
    """Return how many levels a side displays."""
    return cell["sides"][side]["window_level_count"] + cell["sides"][side]["far_level_count"]


@kernel
def edge_key(venue, cell, side):
    """Return the key up to which a side is shown: a price without a level up to it has none, beyond it who knows.

    A feed of N levels that never showed more than fewer than N may be a thin book or one cut short: what it showed at
    most counts as its depth.
    """
    depth = min(venue["book_depth"], venue["shown_counts"][side])
    if venue["book_depth"] == 0:
        return venue["span_keys"][side]
    if level_count(cell, side) < depth or depth == 0:
        return np.int64(NO_KEY)
    key = next_key(cell, side, cell["sides"][side]["best_key"])
    for _ in range(depth - 1):
        key = next_key(cell, side, key + 1)
    return key


@kernel
def note_snapshot(venue, cell, rows, start, end):
    """Note how far a snapshot shows each side; a snapshot in its stream that has no bound is the whole book."""
    beside = cell["instrument"]["continuity"] == Continuity.BESIDE_STREAM
    for side in range(2):
        venue["shown_counts"][side] = level_count(cell, side)
        if beside:
            venue["span_keys"][side] = -NO_KEY
    for i in range(start, end):
        if beside and rows[i]["side"] != Side.NONE:
            side = np.int64(rows[i]["side"])
            venue["span_keys"][side] = max(venue["span_keys"][side], key_of(side, rows[i]["price_ticks"]))


@kernel
def note_delta(venue, cell):
    """Note what a delta has shown beyond: more levels than ever, or the other side at prices that then had none."""
    for side in range(2):
        venue["shown_counts"][side] = max(venue["shown_counts"][side], level_count(cell, side))
        other_key = cell["sides"][1 - side]["best_key"]
        if cell["book"]["status"] == BookStatus.LIVE and other_key != NO_KEY:
            venue["span_keys"][side] = max(venue["span_keys"][side], -other_key)


@kernel
def count_hidden(venue, order):
    """Count an order that rests outside of what is shown, once in its life."""
    venue["hidden_count"] += 1
    if order["was_hidden"] == 0:
        order["was_hidden"] = 1
        venue["outside_count"] += 1


@kernel
def enter_price(venue, cell, order, side):
    """Put a resting order at the end of its price's queue: behind what is displayed, or may be, and own orders."""
    key, displayed_lots = key_of(side, order["price_ticks"]), level_qty_lots(cell, side, order["price_ticks"])
    join_queue(venue, order, displayed_lots)
    order["hidden"] = 0
    if displayed_lots == 0 and key > edge_key(venue, cell, side):
        order["hidden"] = 1
        order["displayed_lots"] = 0
        order["front_lots"] = UNKNOWN_LOTS
        count_hidden(venue, order)
    venue["best_keys"][side] = min(venue["best_keys"][side], key)
    keep_turns(venue, side, order["price_ticks"])


@kernel
def hide_order(venue, order, before_lots):
    """Set an order's level aside: whether it is gone or only not shown is known when its message is over."""
    if order["hidden"] == 0:
        order["hidden"] = 1
        order["displayed_lots"] = before_lots
        venue["hidden_count"] += 1


@kernel
def show_order(sim, cell, order, before_lots, after_lots):
    """Move an order for what its level displays now; one that was hidden for the change since it was last shown."""
    lot_size = cell["instrument"]["lot_size_numerator"] / cell["instrument"]["lot_size_denominator"]
    if order["hidden"] == 1:
        before_lots = order["displayed_lots"]
        order["hidden"] = 0
    apply_queue_depth(order, sim["rules"]["queue_model"], before_lots, after_lots, lot_size)


@kernel
def settle_hidden(sim, venue, cell):
    """Look again at the hidden orders after a message: a price that is shown and has no level has none ahead."""
    if venue["hidden_count"] == 0:
        return
    venue["hidden_count"] = 0
    for side in range(2):
        edge = edge_key(venue, cell, side)
        for slot in range(side * SLOTS_PER_SIDE, (side + 1) * SLOTS_PER_SIDE):
            order = venue["orders"][slot]
            if order["resting"] == 1 and order["hidden"] == 1:
                if key_of(side, order["price_ticks"]) <= edge:
                    show_order(sim, cell, order, np.int64(0), np.int64(0))
                else:
                    count_hidden(venue, order)
