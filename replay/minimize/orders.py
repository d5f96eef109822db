"""Recorded answers and their orders: which rows carry an order's id, whether an answer fits; must never invent one.

An answer stays with its order: one for an order that the candidate's core does not hold open is left out, a fill worse
than its order's price or larger than what is left is made what the order allows. The answer that the failure is at may
be of any order of its side instead. What the journal itself has stays.
"""

from collections.abc import Callable

import numpy as np

from mmfold.engine.codes import EventKind, Side
from mmfold.engine.core import Core
from mmfold.engine.limits import ORDER_COUNT_MAX
from mmfold.engine.orders import FIRST_OPEN, LAST_OPEN
from mmfold.engine.records import NO_ORDER_ID

K = EventKind
ANSWERS = (K.ACK, K.REJECT, K.AMENDED, K.CANCELED, K.EXPIRED, K.FILL, K.REQUEST_RESULT)
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
        """Tell whether an answer is of an order that is open, and a fill one that the order allows."""
        at = self.place_of(row)
        return at is None or (self.is_open(row, at) and (row["kind"] != FILL or self.allowed(row, at) == terms_of(row)))

    def mended(self, row: np.void) -> tuple[int, int] | None:
        """Return price and lots of a fill as the order allows them, None where there is no such order open."""
        at = self.place_of(row)
        is_fill_of_open = at is not None and row["kind"] == FILL and self.is_open(row, at)
        return self.allowed(row, at) if is_fill_of_open and at is not None else None

    def stand_in(self, row: np.void) -> int | None:
        """Return the open order of an answer's side that is in the lowest slot, None where there is none."""
        at = self.place_of(row)
        if at is None:
            return None
        index, start = at[0], at[1] - at[1] % SIDE_SLOTS
        statuses = self.statuses[index, start : start + SIDE_SLOTS]
        is_open = (statuses >= FIRST_OPEN) & (statuses <= LAST_OPEN)
        return int(self.ids[index, start + np.argmax(is_open)]) if is_open.any() else None

    def place_of(self, row: np.void) -> tuple[int, int] | None:
        """Return where the order of an answer would be, None for a REQUEST_RESULT of no order."""
        order_id = int(row["order_id"])
        return None if order_id == NO_ORDER_ID else (int(row["instrument_index"]), order_id & (ORDER_COUNT_MAX - 1))

    def is_open(self, row: np.void, at: tuple[int, int]) -> bool:
        """Tell whether a place holds the order of an answer, open, and a fill is on its side."""
        is_there = self.ids.item(at) == row["order_id"] >= 0 and FIRST_OPEN <= self.statuses.item(at) <= LAST_OPEN
        return bool(is_there and (row["kind"] != FILL or row["side"] == (BID if at[1] < SIDE_SLOTS else ASK)))

    def allowed(self, row: np.void, at: tuple[int, int]) -> tuple[int, int]:
        """Return a fill's price, no worse than the order's, and its lots, no more than are left."""
        limits = [self.prices.item(at)]
        pending = self.lots_pending.item(at)
        if pending > 0:
            limits.append(self.prices_pending.item(at))  # of the amend under way
        price, lots = terms_of(row)
        price = min(price, max(limits)) if at[1] < SIDE_SLOTS else max(price, min(limits))
        return price, min(lots, max(self.lots.item(at), pending))


def terms_of(row: np.void) -> tuple[int, int]:
    """Return a fill's price and lots."""
    return int(row["price_ticks"]), int(row["qty_lots"])
