"""Own orders in the middle of a journal, as a venue is to have them; must never ask what the journal tells later.

    an order that the venue has told of                     rests, behind all that is displayed at its price
    an order that it has not told of                        its request is on its way
    an amend or a cancel without an answer                  is on its way
    an order of unknown state                               as above, and the open orders are asked for anew

A request on its way reaches the venue when the assumed latency says, counted from its decision, not before the fork.
"""

from dataclasses import dataclass, field

import numpy as np

from mmfold.engine.codes import AlertCode, EventKind, Flag, OrderStatus
from mmfold.engine.limits import ORDER_COUNT_MAX
from mmfold.engine.orders import FIRST_OPEN, LAST_OPEN
from mmfold.engine.records import EVENT, NO_ORDER_ID, NO_TS_NS
from mmfold.engine.state import State

CHANGES = (EventKind.AMEND, EventKind.CANCEL)
TOLD = (EventKind.ACK, EventKind.AMENDED, EventKind.FILL, EventKind.OPEN_ORDERS)
RESTS = (OrderStatus.ACCEPTED, OrderStatus.AMENDING)
Slot = tuple[int, int]  # instrument_index, slot


@dataclass(frozen=True)
class Standing:
    """What is at the venue, or on its way there.

    Shape: `resting` and `requests` as `enter_orders` takes them, requests in the order in which they were decided.
    """

    resting: np.ndarray
    requests: np.ndarray


@dataclass
class KnownOrders:
    """The last request of each kind and the last order that was told of, by slot: ids in a slot grow."""

    placed: dict[Slot, np.void] = field(default_factory=dict)
    changed: dict[Slot, np.void] = field(default_factory=dict)
    told: dict[Slot, int] = field(default_factory=dict)

    def take(self, rows: np.ndarray) -> None:
        """Take rows of a journal, in its order."""
        for kinds, found in (((EventKind.PLACE,), self.placed), (CHANGES, self.changed)):
            for slot, row in last_rows(rows, kinds):
                found[slot] = row
        for slot, row in last_rows(rows, TOLD, by_id=True):
            self.told[slot] = max(self.told.get(slot, NO_ORDER_ID), int(row["order_id"]))

    def standing(self, state: State, ts_ns: int) -> Standing:
        """Return what the core's open orders are at the venue."""
        resting: list[np.void] = []
        requests: list[np.void] = []
        status = state.orders["status"]
        for index, slot in zip(*np.nonzero((status >= FIRST_OPEN) & (status <= LAST_OPEN)), strict=True):
            self.add((int(index), int(slot)), state.orders[index, slot], resting, requests)
        requests += [question(index, ts_ns) for index in np.flatnonzero(state.quoters["unknown_order_count"]).tolist()]
        requests.sort(key=lambda row: int(row["seq"]))
        return Standing(np.array(resting, EVENT), np.array(requests, EVENT))

    def add(self, slot: Slot, order: np.void, resting: list[np.void], requests: list[np.void]) -> None:
        """Add one open order to what rests, or to what is on its way."""
        order_id, status = order["order_id"], order["status"]
        place = self.placed[slot].copy()
        assert place["order_id"] == order_id, "an order that the journal did not place"
        if status in RESTS or self.told.get(slot) == order_id:
            place["price_ticks"], place["aux"] = order["price_ticks"], order["qty_lots"]
            place["qty_lots"] = order["qty_lots"] + order["filled_lots"]
            resting += [place] if order["qty_lots"] > 0 else []
        else:
            requests.append(place)
        change = self.changed.get(slot)
        if status in (OrderStatus.AMENDING, OrderStatus.CANCELLING) and change is not None:
            assert change["order_id"] == order_id, "a change that the journal did not ask for"
            requests.append(change)


def last_rows(rows: np.ndarray, kinds: tuple[EventKind, ...], *, by_id: bool = False) -> list[tuple[Slot, np.void]]:
    """Return the last row of some kinds for each slot, with `by_id` that of the greatest order id."""
    found = rows[np.isin(rows["kind"], kinds) & (rows["order_id"] >= 0)]
    if by_id:
        found = found[np.argsort(found["order_id"], kind="stable")]
    slots = found["instrument_index"].astype(np.int64) * ORDER_COUNT_MAX + found["order_id"] % ORDER_COUNT_MAX
    _, places = np.unique(slots[::-1], return_index=True)
    last = found[len(found) - 1 - places]
    return [((int(row["instrument_index"]), int(row["order_id"]) % ORDER_COUNT_MAX), row) for row in last]


def question(index: int, ts_ns: int) -> np.void:
    """Return the request for an instrument's open orders: the core's alert of an order that it does not know."""
    row = np.zeros(1, EVENT)
    row["seq"], row["kind"], row["code"] = np.iinfo(np.int64).max, EventKind.ALERT, AlertCode.ORDER_UNKNOWN
    row["ts_exchange_ns"], row["ts_receive_ns"] = NO_TS_NS, ts_ns
    row["order_id"], row["flags"], row["instrument_index"] = NO_ORDER_ID, Flag.LAST, index
    found: np.void = row[0]
    return found
