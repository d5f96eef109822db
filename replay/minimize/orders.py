"""Recorded answers and their orders: which rows carry an order's id, whether an answer fits; must never invent one.

An answer stays with its order: one for an order that the candidate's core does not hold open, or that could not be
that order's, is left out, unless it was so in the journal itself.
"""

from collections.abc import Callable

import numpy as np

from mmfold.engine.codes import EventKind, Side
from mmfold.engine.core import Core
from mmfold.engine.limits import ORDER_COUNT_MAX
from mmfold.engine.orders import FIRST_OPEN, LAST_OPEN
from mmfold.engine.records import NO_ORDER_ID

K = EventKind
ANSWERS = (K.ACK, K.REJECT, K.AMENDED, K.CANCELED, K.EXPIRED, K.FILL, K.RATE)
HAVE_ORDER_ID = (*ANSWERS, K.OPEN_ORDERS)
SIDE_SLOTS = ORDER_COUNT_MAX // 2
FILL, BID, ASK = int(K.FILL), int(Side.BID), int(Side.ASK)


def move_orders(rows: np.ndarray, move: Callable[[int], int]) -> None:
    """Write other ids of orders into rows, in place; ids that are no order's stay."""
    places = np.flatnonzero(np.isin(rows["kind"], HAVE_ORDER_ID) & (rows["order_id"] >= 0))
    for place in places.tolist():
        rows["order_id"][place] = move(int(rows["order_id"][place]))


class OpenOrders:
    """What the core holds of orders, as columns: reading them one by one is what most of a short run is."""

    def __init__(self, core: Core) -> None:
        orders = core.state.cells["orders"]
        self.ids, self.statuses = orders["order_id"], orders["status"]
        self.prices, self.prices_pending = orders["price_ticks"], orders["pending_price_ticks"]
        self.lots, self.lots_pending = orders["qty_lots"], orders["pending_qty_lots"]

    def fits(self, row: np.void) -> bool:
        """Tell whether an answer is of an order that is open, and a fill no worse than the order's price."""
        order_id = int(row["order_id"])
        if order_id == NO_ORDER_ID:
            return True  # a RATE of no order
        if order_id < 0:
            return False
        at = (int(row["instrument_index"]), order_id & (ORDER_COUNT_MAX - 1))
        if self.ids.item(at) != order_id or not FIRST_OPEN <= self.statuses.item(at) <= LAST_OPEN:
            return False
        return row["kind"] != FILL or self.fits_fill(row, at)

    def fits_fill(self, row: np.void, at: tuple[int, int]) -> bool:
        """Tell whether a fill is on the order's side, no worse than its price and no larger than what is left."""
        side = BID if at[1] < SIDE_SLOTS else ASK
        limits = [self.prices.item(at)]
        pending = self.lots_pending.item(at)
        if pending > 0:
            limits.append(self.prices_pending.item(at))  # of the amend under way
        price = int(row["price_ticks"])
        is_no_worse = price <= max(limits) if side == BID else price >= min(limits)
        return bool(row["side"] == side and is_no_worse and row["qty_lots"] <= max(self.lots.item(at), pending))
