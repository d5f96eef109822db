"""Own orders under any sequence of answers: counts are a recount, done is for ever, and no limit is ever passed."""

from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mmfold.engine.codes import EventKind, Flag, OrderStatus, RequestOutcome, Side
from mmfold.engine.limits import NS_PER_MS, ORDER_COUNT_MAX
from tests.engine.rows import House, book_event, check_counts, event

LOTS_MAX = 9
PARAMS: dict[str, Any] = {
    "mode": 1, "levels_per_side": 3, "level_spacing_coeff": 0.3, "position_lots_max": LOTS_MAX,
    "target_micros": 90_000_000_000, "amend_size_threshold": 0.6, "active_per_side_max": 5,
}  # fmt: skip
ANSWERS = ("ACK", "REJECT", "AMENDED", "CANCELED", "EXPIRED", "FILL", "REQUEST_RESULT")
seeds = st.integers(0, (1 << 32) - 1)


def market(house: House, random: Random, mid: int) -> tuple[int, list[np.void]]:
    """Feed a snapshot around a moved mid, sometimes other PARAMS or a silence; returns the mid and what was decided."""
    mid = max(9_000, mid + random.choice((-12, -3, -1, 0, 0, 1, 3, 12)))
    book = book_event(EventKind.BOOK_SNAPSHOT, [(mid, random.randint(1, 40))], [(mid + random.randint(1, 6), 9)], aux=1)
    decided = house.feed(book, random.choice((1, 1, 20, 700)))
    if random.random() < 0.1:
        target = random.choice((45, 60, 90, 120)) * 1_000_000_000
        house.core.configure({"params": {"X": {"target_micros": target}}})
        decided = decided + house.feed(event(EventKind.TIMER), random.choice((1, 4_000)))
    return mid, decided


def random_answer(random: Random, order_id: int) -> np.ndarray:
    """Return any answer to an order, as a venue gone wrong might give it."""
    kind = EventKind[random.choice(ANSWERS)]
    fields: dict[str, Any] = {"order_id": order_id}
    if kind in (EventKind.AMENDED, EventKind.FILL):
        fields |= {"price_ticks": random.randint(9_900, 10_100), "qty_lots": random.randint(1, 9)}
    if kind == EventKind.FILL:
        fields["side"] = Side.BID if order_id & (ORDER_COUNT_MAX - 1) < ORDER_COUNT_MAX // 2 else Side.ASK
    if kind == EventKind.REQUEST_RESULT:
        fields["code"] = random.choice(list(RequestOutcome))
    return event(kind, **fields)


def random_list(random: Random, house: House) -> np.ndarray:
    """Return an OPEN_ORDERS event with some of the orders that there ever were."""
    ids = random.sample(house.names, min(len(house.names), random.randint(0, 6)))
    rows = event(EventKind.OPEN_ORDERS, max(1, len(ids)))
    for row, order_id in zip(rows, ids, strict=False):
        row["order_id"], row["price_ticks"], row["qty_lots"] = (
            order_id,
            random.randint(9_900, 10_100),
            random.randint(0, 9),
        )
    return rows


@given(seeds, st.booleans())
def test_any_answers_leave_the_counts_a_recount(seed: int, overlap: bool) -> None:
    random, mid, done = Random(seed), 10_000, set()
    house = House(**{**PARAMS, "position_lots_max": 0, "replace_overlap": int(overlap)})
    for _ in range(60):
        if random.random() < 0.3 or not house.names:
            mid, _ = market(house, random, mid)
        elif random.random() < 0.15:
            house.feed(random_list(random, house))
        else:
            house.feed(random_answer(random, random.choice(house.names[-12:])))
        check_counts(house)
        ended = {int(o["order_id"]) for o in house.cell["orders"] if o["status"] == OrderStatus.DONE}
        alive = {
            int(o["order_id"]) for o in house.cell["orders"] if o["status"] not in (OrderStatus.DONE, OrderStatus.FREE)
        }
        assert not done & alive, "an order came back"
        done |= ended
        assert len(set(house.names)) == len(house.names), "an order id was given twice"
        assert not house.cell["quoter"]["unknown_order_count"] or all(e["kind"] != EventKind.PLACE for e in house.taken)


@dataclass
class Venue:
    """A small true venue: it rests, amends, fills and cancels, and its answers arrive later, in order."""

    random: Random
    house: House
    orders: dict[int, list[int]] = field(default_factory=dict)  # id -> [side, price, remaining, filled]
    answers: list[np.ndarray] = field(default_factory=list)
    traded_lots: int = 0

    def take(self, effects: list[np.void]) -> None:
        """Carry out what the core asked for; loses the answer to some requests, refuses some."""
        for effect in effects:
            order_id, luck = int(effect["order_id"]), self.random.random()
            if effect["kind"] == EventKind.PLACE:
                self.place(effect, order_id, luck)
            elif effect["kind"] == EventKind.AMEND:
                self.amend(effect, order_id, luck)
            elif effect["kind"] == EventKind.CANCEL:
                self.cancel(order_id, luck)

    def say(self, kind: EventKind, order_id: int, **fields: Any) -> None:
        """Queue an answer."""
        self.answers.append(event(kind, order_id=order_id, **fields))

    def place(self, effect: np.void, order_id: int, luck: float) -> None:
        """Rest an order, or refuse it; one answer in ten never comes."""
        if luck < 0.1:
            self.say(EventKind.REJECT, order_id)
            return
        self.orders[order_id] = [int(effect["side"]), int(effect["price_ticks"]), int(effect["qty_lots"]), 0]
        if luck < 0.2:
            self.say(EventKind.REQUEST_RESULT, order_id, code=RequestOutcome.TIMEOUT)
        else:
            self.say(EventKind.ACK, order_id)

    def amend(self, effect: np.void, order_id: int, luck: float) -> None:
        """Amend an order that still rests, or refuse; told the whole size, a venue takes off what was filled since."""
        known_filled = int(self.house.cell["orders"][order_id & (ORDER_COUNT_MAX - 1)]["filled_lots"])
        remaining = known_filled + int(effect["qty_lots"]) - self.orders.get(order_id, [0, 0, 0, 0])[3]
        if order_id not in self.orders or remaining <= 0 or luck < 0.15:
            self.say(EventKind.REJECT, order_id)
            return
        order = self.orders[order_id]
        order[1:3] = [int(effect["price_ticks"]), remaining]
        if luck < 0.3:
            self.say(EventKind.REQUEST_RESULT, order_id, code=RequestOutcome.TIMEOUT)
        else:
            self.say(EventKind.AMENDED, order_id, price_ticks=order[1], qty_lots=order[2])

    def cancel(self, order_id: int, luck: float) -> None:
        """Cancel an order that still rests, or refuse for want of request budget."""
        if order_id not in self.orders or luck < 0.15:
            self.say(EventKind.REQUEST_RESULT, order_id, code=RequestOutcome.RATE_LIMITED)
            return
        del self.orders[order_id]
        self.say(EventKind.CANCELED, order_id)

    def trade(self) -> None:
        """Fill some of one resting order."""
        if not self.orders:
            return
        order_id = self.random.choice(sorted(self.orders))
        order = self.orders[order_id]
        lots = self.random.randint(1, order[2])
        order[2] -= lots
        order[3] += lots
        if not order[2]:
            del self.orders[order_id]
        self.traded_lots += lots if order[0] == Side.BID else -lots
        fields = {"side": order[0], "price_ticks": order[1], "qty_lots": lots, "flags": Flag.MAKER}
        self.say(EventKind.FILL, order_id, **fields)

    def worst(self) -> int:
        """Return the greatest |position| that what rests may lead to."""
        bought, sold = (sum(o[2] for o in self.orders.values() if o[0] == side) for side in (Side.BID, Side.ASK))
        return max(self.traded_lots + bought, sold - self.traded_lots)

    def list_orders(self) -> np.ndarray:
        """Return the venue's own list of open orders, complete once all answers have arrived."""
        rows = event(EventKind.OPEN_ORDERS, max(1, len(self.orders)))
        for row, (order_id, (side, price, lots, _)) in zip(rows, self.orders.items(), strict=False):
            row["order_id"], row["side"], row["price_ticks"], row["qty_lots"] = order_id, side, price, lots
        return rows


@given(seeds, st.booleans())
def test_position_and_open_orders_never_pass_the_limit(seed: int, overlap: bool) -> None:
    random, mid = Random(seed), 10_000
    house = House(**PARAMS, replace_overlap=int(overlap), min_time_in_book_ns=5 * NS_PER_MS)
    venue = Venue(Random(seed), house)
    for _ in range(80):
        luck = random.random()
        if luck < 0.35 or not (venue.answers or venue.orders):
            mid, decided = market(house, random, mid)
            venue.take(decided)
        elif luck < 0.5:
            venue.trade()
        elif venue.answers:
            venue.take(house.feed(venue.answers.pop(0)))
        elif house.cell["quoter"]["unknown_order_count"]:
            venue.take(house.feed(venue.list_orders()))
        assert venue.worst() <= LOTS_MAX, "the venue may fill more than the limit"
        check_counts(house)
    while venue.answers or house.cell["quoter"]["unknown_order_count"]:
        venue.take(house.feed(venue.answers.pop(0) if venue.answers else venue.list_orders()))
    assert house.cell["position"]["position_lots"] == venue.traded_lots
    core_open = {
        int(o["order_id"]): int(o["qty_lots"]) for o in house.cell["orders"] if o["status"] == OrderStatus.ACCEPTED
    }
    assert core_open == {order_id: order[2] for order_id, order in venue.orders.items()}
