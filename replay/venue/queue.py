"""Queue models: where an own order stands among the displayed quantity; four verbs, integers and + - * / only.

new_order (join), trade, depth, is_filled. Every model may only move an order forward by trades and by decreases of the
displayed quantity: an increase joins behind.
"""

from enum import IntEnum

from mmfold.engine.jit import kernel
from mmfold.replay.venue.chance import log_of
from mmfold.replay.venue.fifo import apply_fifo_depth


class QueueModel(IntEnum):
    """Which estimate of the queue position a backtest uses."""

    RISK_AVERSE = 0  # only trades bring the order forward
    POWER = 1  # a decrease is shared: ahead with front^2 / (front^2 + back^2)
    QPOS = 2  # a decrease is shared in proportion (spec/core.md 24)
    LOG = 3  # a decrease is shared with ln(1 + back) / (ln(1 + back) + ln(1 + front)), in base units
    FIFO = 4  # exact: the data tells every order of the market (replay/venue/fifo.py)


@kernel
def join_queue(venue, order, displayed_lots):
    """Put a new order behind everything at its price: displayed, or told of since."""
    order["front_lots"] = (displayed_lots + venue["unshown_lots"]) * 1.0
    order["traded_lots"] = 0.0
    order["told_lots"] = 0
    order["arrival"] = venue["arrival_count"]
    order["joined"] = venue["join_count"]
    venue["join_count"] += 1


@kernel
def apply_queue_trade(order, lots, traded_lots):
    """Take a trade at the order's price off the queue ahead: the lots that own orders before it have left of it."""
    order["front_lots"] -= lots
    order["traded_lots"] += traded_lots


@kernel
def share_behind(queue_model, front, back):
    """Return the share of a decrease that happens behind the order."""
    if queue_model == QueueModel.RISK_AVERSE:
        return 1.0
    if back <= 0.0:
        return 0.0
    if front <= 0.0:
        return 1.0
    if queue_model == QueueModel.POWER:
        return back * back / (back * back + front * front)
    if queue_model == QueueModel.LOG:
        weight = log_of(1.0 + back)
        return weight / (weight + log_of(1.0 + front))
    return back / (back + front)


@kernel
def apply_queue_depth(order, queue_model, before_lots, after_lots, lot_size):
    """Move an order for a change of the displayed quantity at its price; what trades explain is not counted twice.

    Units: lots; lot_size in base units, for the model whose weights are not free of scale.
    """
    if queue_model == QueueModel.FIFO:
        apply_fifo_depth(order, before_lots, after_lots)
        return
    decrease = before_lots - after_lots - order["traded_lots"]
    order["traded_lots"] = 0.0
    front = order["front_lots"]
    if decrease > 0.0:
        back = before_lots - front
        scale = lot_size if queue_model == QueueModel.LOG else 1.0
        behind = share_behind(queue_model, front * scale, back * scale)
        # A share by squares or logarithms can take more than the queue ahead: only trades go past the order.
        front = max(front - (1.0 - behind) * decrease + min(back - behind * decrease, 0.0), 0.0)
    order["front_lots"] = min(front, after_lots * 1.0)


@kernel
def excess_lots(order):
    """Return the lots of trades that went past the queue ahead: what the order may have been filled with."""
    return 0 if order["front_lots"] > -0.5 else int(-order["front_lots"] + 0.5)
