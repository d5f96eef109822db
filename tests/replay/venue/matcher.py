"""A matching engine of one side, order by order: what happens to a market's orders, told as recordings tell it.

Bids alone, the asks stand far away. The same script runs again with an own order among the others: what it trades with
is then what a queue model has to find from the recording alone.
"""

from collections import defaultdict
from dataclasses import dataclass
from random import Random

from mmfold.engine.codes import EventKind, Side
from tests.engine.rows import T0_NS
from tests.replay.venue.scenario import MS, Happening

OWN = -1
STEP_NS = 10 * MS
ASK = (Side.ASK, 120, 1)
PRICES = (99, 100, 100, 101)


@dataclass(frozen=True)
class Act:
    """What one order of the market does, or a seller: `lots` join, remain or are sold."""

    what: str  # add, set, sell
    number: int
    price: int
    lots: int


class Bids:
    """Orders by price, oldest first, each [number, lots]."""

    def __init__(self) -> None:
        self.lines: dict[int, list[list[int]]] = defaultdict(list)

    def total(self, price: int) -> int:
        return sum(lots for _, lots in self.lines[price])

    def take_out(self, number: int) -> None:
        for line in self.lines.values():
            line[:] = [one for one in line if one[0] != number]

    def add(self, number: int, price: int, lots: int) -> None:
        """Join the end of a line; who stands elsewhere leaves there."""
        self.take_out(number)
        self.lines[price].append([number, lots])

    def set(self, number: int, lots: int) -> None:
        """Leave an order so many lots, in its place; none: it goes."""
        for line in self.lines.values():
            for one in line:
                one[1] = lots if one[0] == number else one[1]
            line[:] = [one for one in line if one[1]]

    def sell(self, price: int, lots: int) -> list[tuple[int, int]]:
        """Sell at a price to its line, oldest first; returns (number, lots) in order."""
        sold = []
        for one in self.lines[price]:
            taken = min(lots, one[1])
            one[1] -= taken
            lots -= taken
            sold += [(one[0], taken)] if taken else []
        self.lines[price][:] = [one for one in self.lines[price] if one[1]]
        return sold


def random_act(random: Random, bids: Bids, number: int) -> Act:
    """Return what happens next: joins, cancels in part or whole, more size, another price, a seller at the best bid."""
    standing = [(price, *one) for price, line in bids.lines.items() for one in line]
    draw = random.random()
    if not standing or draw < 0.45:
        return Act("add", number, random.choice(PRICES), random.choice((2, 3, 5, 9, 20)))
    price, which, lots = random.choice(standing)
    if draw < 0.68:
        return Act("set", which, price, random.choice((0, 0, lots // 2)))
    if draw < 0.74:
        return Act("add", which, random.choice((price, random.choice(PRICES))), lots + random.choice((1, 4)))
    best = max(price for price, _, _ in standing)
    return Act("sell", 0, best, min(random.choice((1, 2, 3, 5, 5, 8, 99)), bids.total(best)))


class Recorder:
    """Plays a random market without us and records it; what each step was is kept as well."""

    def __init__(self, seed: int, count: int, untold: float = 0.0) -> None:
        self.random, self.untold = Random(seed), untold
        self.bids, self.seq, self.now_ns = Bids(), 1, T0_NS
        self.secret: set[int] = set()  # numbers that the recording never tells of
        self.events: list[Happening] = []
        self.acts: list[tuple[int, Act]] = []
        self.tell(EventKind.BOOK_SNAPSHOT, levels=(ASK,), seq=self.seq)
        for number in range(1, count):
            self.now_ns += STEP_NS
            act = random_act(self.random, self.bids, number)
            self.acts.append((self.now_ns, act))
            self.secret |= {act.number} if self.random.random() < self.untold and act.number == number else set()
            self.play(act)

    def tell(self, kind: EventKind, **fields: object) -> None:
        at = {"exchange_ns": self.now_ns, "receive_ns": self.now_ns + MS}
        self.events.append(Happening(kind=kind, **at, **fields))  # type: ignore[arg-type]

    def tell_order(self, number: int, price: int, lots: int) -> None:
        if number not in self.secret:
            self.tell(EventKind.BOOK_ORDER, aggressor=Side.BID, number=number, price=price, qty=lots, seq=self.seq + 1)

    def tell_level(self, price: int, lots: int) -> None:
        self.seq += 1
        levels = ((Side.BID, price, lots),)
        self.tell(EventKind.BOOK_DELTA, levels=levels, seq=self.seq, prev=self.seq - 1)

    def play(self, act: Act) -> None:
        """Do one act and tell it."""
        before = {number: (price, lots) for price, line in self.bids.lines.items() for number, lots in line}
        if act.what == "sell":
            self.play_sale(act, before)
            return
        self.bids.add(act.number, act.price, act.lots) if act.what == "add" else self.bids.set(act.number, act.lots)
        old_price = before.get(act.number, (act.price, 0))[0]
        if old_price != act.price:
            self.tell_order(act.number, old_price, 0)
            self.tell_level(old_price, self.bids.total(old_price))
        self.tell_order(act.number, act.price, act.lots)
        self.tell_level(act.price, self.bids.total(act.price))

    def play_sale(self, act: Act, before: dict[int, tuple[int, int]]) -> None:
        """Tell a sale: its trades at once or order by order, then each order and level, or all orders and one level."""
        total = self.bids.total(act.price)
        sold = self.bids.sell(act.price, act.lots)
        sizes = [lots for _, lots in sold] if self.random.random() < 0.5 else [act.lots]
        for lots in sizes:
            self.tell(EventKind.TRADE, aggressor=Side.ASK, price=act.price, qty=lots)
        each = self.random.random() < 0.5
        for number, lots in sold:
            total -= lots
            self.tell_order(number, act.price, before[number][1] - lots)
            if each or number == sold[-1][0]:
                self.tell_level(act.price, total)


def own_fills(recorder: Recorder, requests: list[tuple[int, int, int]]) -> list[tuple[int, int]]:
    """Return (time, lots) of an own order among the market's: (time, price, lots that remain) joins, or changes it.

    A sale at a worse price meets the order first: it takes what is sold, up to its size.
    """
    bids, fills = Bids(), []
    price, left = 0, 0
    steps = [(ts_ns, 0, act) for ts_ns, act in recorder.acts] + [(one[0], 1, one) for one in requests]
    for ts_ns, _, step in sorted(steps, key=lambda one: one[:2]):
        if isinstance(step, Act):
            if step.what == "sell":
                lots = (
                    dict(bids.sell(step.price, step.lots)).get(OWN, 0) if step.price >= price else min(step.lots, left)
                )
                fills += [(ts_ns, lots)] if lots else []
                left -= lots
                bids.set(OWN, left)
                if step.price < price:
                    bids.sell(step.price, step.lots)
            elif step.what == "add":
                bids.add(step.number, step.price, step.lots)
            else:
                bids.set(step.number, step.lots)
        elif not fills or left:
            if not (left and step[1] == price and step[2] <= left):
                bids.add(OWN, step[1], step[2])
            price, left = step[1], step[2]
            bids.set(OWN, left)
    return fills
