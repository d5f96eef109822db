"""The oracle's book of one instrument by docs/data.md, section 7, and its account, as slow and plain as they can be."""

from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor, inf

from mmfold.engine.codes import BookStatus, Side
from tests.replay.venue.scenario import Happening

NO = -(1 << 62)
MILLION = 1_000_000


def away(side: Side, price: int) -> int:
    """Return what is smaller for a better price."""
    return -price if side == Side.BID else price


@dataclass
class Book:
    """A book by docs/data.md, section 7."""

    beside: bool
    levels: dict[Side, dict[int, int]] = field(default_factory=lambda: {Side.BID: {}, Side.ASK: {}})
    status: BookStatus = BookStatus.EMPTY
    seq: int = NO
    bridging: bool = False
    held: list[Happening] = field(default_factory=list)
    depth: int = 0  # levels of a side that the feed shows at most, 0: any number
    most: dict[Side, int] = field(default_factory=lambda: {Side.BID: 0, Side.ASK: 0})  # shown since the snapshot
    known: dict[Side, float] = field(default_factory=dict)  # how far a feed without that bound is known, as `away`

    def best(self, side: Side) -> int | None:
        prices = self.levels[side]
        return (max(prices) if side == Side.BID else min(prices)) if prices else None

    def shown(self, side: Side, price: int) -> int:
        return self.levels[side].get(price, 0)

    def set(self, side: Side, price: int, qty: int) -> None:
        self.levels[side][price] = qty
        if qty == 0:
            del self.levels[side][price]

    def edge(self, side: Side) -> float:
        """Return how far away a price may be to be known as empty when it shows nothing."""
        if not self.depth:
            return self.known.get(side, inf)
        shown = sorted(away(side, price) for price in self.levels[side])
        most = min(self.depth, self.most[side])
        return shown[most - 1] if most and len(shown) >= most else inf

    def look(self) -> None:
        """Learn from a delta: more levels than ever, or where the other side is, where nobody can be then."""
        for side, other in ((Side.BID, self.best(Side.ASK)), (Side.ASK, self.best(Side.BID))):
            self.most[side] = max(self.most[side], len(self.levels[side]))
            if other is not None and self.status == BookStatus.LIVE:
                self.known[side] = max(self.known.get(side, inf), away(side, other))

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
        for at in (Side.BID, Side.ASK):
            self.most[at] = len(self.levels[at])
            told = [away(at, price) for side, price, _ in snapshot.levels if side == at]
            self.known[at] = max(told, default=-inf) if self.beside else inf
        return True


@dataclass
class Account:
    """One instrument's position, cash and fees in exact numbers."""

    tick_value: Fraction
    lots: int = 0
    cash: Fraction = Fraction(0)
    fees: int = 0
    volume: int = 0
    mark: Fraction | None = None  # in ticks

    def fill(self, sign: int, price: int, lots: int, ppm: int) -> None:
        value = price * lots * self.tick_value
        self.lots += sign * lots
        self.cash -= sign * value
        self.fees += ceil(value * ppm / MILLION)
        self.volume += floor(value)
