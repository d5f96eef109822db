"""Recorded answers and their orders: which rows carry an order's id, whether an answer fits; must never invent one.

An answer stays with its order: one for an order that the candidate's core does not hold open, or that could not be
that order's, is left out, unless it was so in the journal itself.
"""

from collections.abc import Callable

import numpy as np

from mmfold.engine.codes import EventKind, OrderStatus, Side
from mmfold.engine.core import Core
from mmfold.engine.limits import ORDER_COUNT_MAX
from mmfold.engine.records import NO_ORDER_ID

K = EventKind
ANSWERS = (K.ACK, K.REJECT, K.AMENDED, K.CANCELED, K.EXPIRED, K.FILL, K.RATE)
HAVE_ORDER_ID = (*ANSWERS, K.OPEN_ORDERS)
SIDE_SLOTS = ORDER_COUNT_MAX // 2


def move_orders(rows: np.ndarray, move: Callable[[int], int]) -> None:
    """Write other ids of orders into rows, in place; ids that are no order's stay."""
    places = np.flatnonzero(np.isin(rows["kind"], HAVE_ORDER_ID) & (rows["order_id"] >= 0))
    for place in places.tolist():
        rows["order_id"][place] = move(int(rows["order_id"][place]))


def fits(core: Core, row: np.void) -> bool:
    """Tell whether an answer is of an order that is open in the core, and a fill no worse than the order's price."""
    order_id = int(row["order_id"])
    if order_id == NO_ORDER_ID:
        return True  # a RATE of no order
    if order_id < 0:
        return False
    cell = core.state.cells[int(row["instrument_index"])]
    slot = order_id & (ORDER_COUNT_MAX - 1)
    order = cell["orders"][slot]
    if int(order["order_id"]) != order_id or not OrderStatus.NEW <= order["status"] <= OrderStatus.UNKNOWN:
        return False
    if row["kind"] != K.FILL:
        return True
    side = Side.BID if slot < SIDE_SLOTS else Side.ASK
    limits = [int(order["price_ticks"])]
    if order["pending_qty_lots"] > 0:
        limits.append(int(order["pending_price_ticks"]))  # of the amend under way
    is_no_worse = row["price_ticks"] <= max(limits) if side == Side.BID else row["price_ticks"] >= min(limits)
    exposed = max(int(order["qty_lots"]), int(order["pending_qty_lots"]))
    return bool(row["side"] == side and is_no_worse and row["qty_lots"] <= exposed)
