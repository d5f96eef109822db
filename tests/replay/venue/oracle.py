"""The simulated venue, written again as slowly and plainly as it can be: dicts, lists, sorts.

What is meant, rule by rule; a comment stands where a rule is not obvious. Shares nothing with replay/ but the names
of the queue models.
"""

from dataclasses import dataclass, field
from math import log1p

from engine.codes import BookStatus, Continuity, EventKind, Flag, Side
from engine.limits import ORDER_COUNT_MAX
from engine.orders import SLOTS_PER_SIDE
from replay.venue.queue import QueueModel
from tests.replay.venue.scenario import BOOK, Happening, Request, Scenario

MARKET = (*BOOK, EventKind.TRADE)
# kind, time of the venue, time of the core, instrument, order id, side, price, qty, execution number, flags
Answer = tuple[int, int, int, int, int, int, int, int, int, int]
NO = -(1 << 62)


@dataclass
class Order:
    order_id: int
    side: Side
    price: int
    left: int
    accepted_ns: int
    front: float
    filled: int = 0
    traded: float = 0.0
    resting: bool = True


@dataclass
class Book:
    """A book by docs/data.md, section 7."""

    beside: bool
    levels: dict[Side, dict[int, int]] = field(default_factory=lambda: {Side.BID: {}, Side.ASK: {}})
    status: BookStatus = BookStatus.EMPTY
    seq: int = NO
    bridging: bool = False
    held: list[Happening] = field(default_factory=list)

    def best(self, side: Side) -> int | None:
        prices = self.levels[side]
        return (max(prices) if side == Side.BID else min(prices)) if prices else None

    def shown(self, side: Side, price: int) -> int:
        return self.levels[side].get(price, 0)

    def set(self, side: Side, price: int, qty: int) -> None:
        self.levels[side][price] = qty
        if qty == 0:
            del self.levels[side][price]

    def takes(self, delta: Happening) -> bool:
        """Tell whether a delta joins; one that does not may leave the book stale or be held."""
        if self.status in (BookStatus.EMPTY, BookStatus.STALE):
            if self.beside:
                self.held.append(delta)
            return False
        if delta.seq <= self.seq:
            return False
        if delta.prev == self.seq or (self.bridging and delta.prev is not None and delta.prev < self.seq):
            return True
        self.status = BookStatus.STALE
        if self.beside:
            self.held.append(delta)
        return False

    def joined(self, delta: Happening) -> None:
        self.seq, self.bridging = delta.seq, False
        self.check()

    def check(self) -> None:
        bid, ask = self.best(Side.BID), self.best(Side.ASK)
        if self.status == BookStatus.LIVE and bid is not None and ask is not None and bid >= ask:
            self.status = BookStatus.LOCKED if bid == ask else BookStatus.CROSSED

    def restart(self, snapshot: Happening) -> bool:
        """Take a snapshot, then what was held for it; returns False for one that is older than the live book."""
        if self.beside and self.status == BookStatus.LIVE and snapshot.seq <= self.seq:
            return False
        self.levels = {Side.BID: {}, Side.ASK: {}}
        for side, price, qty in snapshot.levels:
            self.set(Side(side), price, qty)
        self.seq, self.bridging, self.status = snapshot.seq, self.beside, BookStatus.LIVE
        held, self.held = self.held, []
        for delta in held:
            if self.takes(delta):
                for side, price, qty in delta.levels:
                    self.set(Side(side), price, qty) if qty else self.levels[Side(side)].pop(price, None)
                self.joined(delta)
        self.check()
        return True


class Oracle:
    """The venue's side of one instrument."""

    def __init__(self, scenario: Scenario, index: int, answers: list[Answer]) -> None:
        self.scenario, self.index, self.answers = scenario, index, answers
        self.instrument = scenario.manifest.instruments[index]
        self.lot = float(self.instrument.lot_size)
        self.book = Book(self.instrument.continuity == Continuity.BESIDE_STREAM)
        self.orders: dict[int, Order] = {}  # by slot, the last one that was accepted
        self.executions = self.refused = 0

    def resting(self, side: Side) -> list[Order]:
        return [order for _, order in sorted(self.orders.items()) if order.resting and order.side == side]

    def answer(self, kind: EventKind, ts_ns: int, order_id: int, **told: int) -> None:
        side, price, qty = told.get("side", Side.NONE), told.get("price", NO), told.get("qty", 0)
        flags = Flag.LAST | (Flag.MAKER if kind == EventKind.FILL else 0)
        local_ns = ts_ns + self.scenario.response_latency_ns
        aux = told.get("aux", NO)
        self.answers.append((kind, ts_ns, local_ns, self.index, order_id, side, price, qty, aux, flags))

    # The market

    def market(self, one: Happening, ts_ns: int) -> None:
        if one.kind == EventKind.TRADE and not one.block:  # a block trade happens off the book
            self.trade(one, ts_ns)
        elif one.kind == EventKind.BOOK_DELTA and self.book.takes(one):
            for at, price, qty in one.levels:
                self.level(Side(at), price, qty, ts_ns)
            self.book.joined(one)
        elif one.kind == EventKind.BOOK_SNAPSHOT:
            self.snapshot(one, ts_ns)

    def level(self, side: Side, price: int, qty: int, ts_ns: int) -> None:
        before = self.book.shown(side, price)
        self.book.set(side, price, qty)
        for order in self.resting(side):
            if order.price == price:
                self.requeue(order, before, qty)
        if qty > 0 and self.book.best(side) == price:
            self.reach(side, price, ts_ns)

    def snapshot(self, one: Happening, ts_ns: int) -> None:
        """Messages may be missing before it: it counts as one change of every level, then as a new best price."""
        own = [order for side in (Side.BID, Side.ASK) for order in self.resting(side)]
        before = [self.book.shown(order.side, order.price) for order in own]
        if not self.book.restart(one):
            return
        for order, lots in zip(own, before, strict=True):
            self.requeue(order, lots, self.book.shown(order.side, order.price))
        for side in (Side.ASK, Side.BID):
            best = self.book.best(side)
            if best is not None:
                self.reach(side, best, ts_ns)

    def reach(self, side: Side, price: int, ts_ns: int) -> None:
        """A best price of one side fills what rests on the other side at it or better, whole."""
        other = Side.ASK if side == Side.BID else Side.BID
        for order in self.resting(other):
            if order.price >= price if other == Side.BID else order.price <= price:
                self.fill(order, order.left, ts_ns)

    def trade(self, one: Happening, ts_ns: int) -> None:
        side = Side.ASK if one.aggressor == Side.BID else Side.BID
        for order in self.resting(side):
            if order.price == one.price:
                order.front -= one.qty
                order.traded += one.qty
                past = max(0, int(-order.front + 0.5)) if order.front < 0 else 0
                if past:
                    order.front = 0.0
                    self.fill(order, min(past, order.left) if self.scenario.partial_fills else order.left, ts_ns)
            elif (order.price > one.price) == (side == Side.BID):
                self.fill(order, order.left, ts_ns)

    def fill(self, order: Order, lots: int, ts_ns: int) -> None:
        assert 0 < lots <= order.left
        told = {"side": order.side, "price": order.price, "qty": lots, "aux": self.executions}
        self.answer(EventKind.FILL, ts_ns, order.order_id, **told)
        self.executions += 1
        order.left -= lots
        order.filled += lots
        order.resting = order.left > 0

    def requeue(self, order: Order, before: int, after: int) -> None:
        """What the trades at the price do not explain of a decrease happened ahead of the order or behind it."""
        decrease = before - after - order.traded
        order.traded = 0.0
        if decrease > 0:
            front, back = order.front, before - order.front
            behind = self.behind(front, back)
            order.front = front - (1.0 - behind) * decrease + min(back - behind * decrease, 0.0)
            order.front = max(order.front, 0.0)  # only trades fill
        order.front = min(order.front, float(after))

    def behind(self, front: float, back: float) -> float:
        match self.scenario.queue_model:
            case QueueModel.RISK_AVERSE:
                return 1.0
            case _ if back <= 0:
                return 0.0
            case _ if front <= 0:
                return 1.0
            case QueueModel.POWER:
                return back * back / (back * back + front * front)
            case QueueModel.QPOS:
                return back / (back + front)
        return log1p(back * self.lot) / (log1p(back * self.lot) + log1p(front * self.lot))

    # The requests

    def crosses(self, side: Side, price: int) -> bool:
        best = self.book.best(Side.ASK if side == Side.BID else Side.BID)
        return best is not None and (price >= best if side == Side.BID else price <= best)

    def request(self, one: Request) -> None:
        slot = one.order_id % ORDER_COUNT_MAX
        order = self.orders.get(slot)
        assert one.side == (Side.BID if slot < SLOTS_PER_SIDE else Side.ASK)
        if one.kind == EventKind.PLACE:
            self.place(one, slot, order)
        elif order is None or not order.resting or order.order_id != one.order_id:
            self.refused += one.kind == EventKind.AMEND
            self.answer(EventKind.REJECT, one.ts_ns, one.order_id)
        elif one.kind == EventKind.CANCEL:
            order.resting = False
            self.answer(EventKind.CANCELED, one.ts_ns, one.order_id)
        else:
            self.amend(one, order)

    def place(self, one: Request, slot: int, order: Order | None) -> None:
        # The core's ids in a slot grow: one that is not new repeats an order that was accepted before.
        taken = order is not None and (order.resting or one.order_id <= order.order_id)
        if taken or self.book.status != BookStatus.LIVE or one.qty < self.instrument.min_qty_lots:
            self.refused += 1
            self.answer(EventKind.REJECT, one.ts_ns, one.order_id)
        elif self.crosses(one.side, one.price):
            self.answer(EventKind.EXPIRED, one.ts_ns, one.order_id)
        else:
            shown = float(self.book.shown(one.side, one.price))
            self.orders[slot] = Order(one.order_id, one.side, one.price, one.qty, one.ts_ns, shown)
            self.answer(EventKind.ACK, one.ts_ns, one.order_id)

    def amend(self, one: Request, order: Order) -> None:
        left = one.filled + one.qty - order.filled
        if left <= 0 or self.book.status != BookStatus.LIVE or self.crosses(one.side, one.price):
            self.refused += 1
            self.answer(EventKind.REJECT, one.ts_ns, one.order_id)
            return
        if one.price != order.price or left > order.left:
            order.price, order.front, order.traded = one.price, float(self.book.shown(one.side, one.price)), 0.0
        order.left = left
        self.answer(EventKind.AMENDED, one.ts_ns, one.order_id, price=one.price, qty=left)


def shift_of(market: tuple[Happening, ...]) -> int:
    """Return what makes the lowest feed latency zero if it is negative."""
    low = min(one.receive_ns - one.exchange_ns for one in market if one.exchange_ns is not None and one.kind in MARKET)
    return max(0, -low)


def venue_times(market: tuple[Happening, ...], shift_ns: int) -> list[tuple[int, Happening]]:
    """Return the venue's events in its order: by exchange time, but one book's messages in their stream's order."""
    timed, book_ns = [], {}
    for one in market:
        if one.kind in MARKET:
            ts_ns = one.receive_ns + shift_ns if one.exchange_ns is None else one.exchange_ns
            if one.kind in BOOK:
                ts_ns = book_ns[one.instrument] = max(ts_ns, book_ns.get(one.instrument, ts_ns))
            timed.append((ts_ns, one))
    return sorted(timed, key=lambda pair: pair[0])


def run_oracle(scenario: Scenario) -> tuple[list[Oracle], list[Answer | Happening]]:
    """Return the venue's end and everything that the core receives, in order."""
    answers: list[Answer] = []
    venues = [Oracle(scenario, index, answers) for index in range(len(scenario.manifest.instruments))]
    shift_ns = shift_of(scenario.market)
    # At equal times the market comes first, as Python's sort keeps it.
    steps = [*venue_times(scenario.market, shift_ns), *((one.ts_ns, one) for one in scenario.requests)]
    for ts_ns, one in sorted(steps, key=lambda pair: pair[0]):
        if isinstance(one, Happening):
            venues[one.instrument].market(one, ts_ns)
        else:
            venues[one.instrument].request(one)
    local: list[tuple[int, Answer | Happening]] = []
    now_ns = NO
    for one in scenario.market:
        now_ns = max(now_ns, one.receive_ns + shift_ns)  # a receive clock that steps back does not turn time back
        local.append((now_ns, one))
    local += [(answer[2], answer) for answer in answers]
    return venues, [what for _, what in sorted(local, key=lambda pair: pair[0])]
