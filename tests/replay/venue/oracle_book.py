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
class Stream:
    """The numbering of a book's messages, whatever becomes of them."""

    seq: int = NO
    ts: int = NO
    late: list[Happening] = field(default_factory=list)  # each continues the one before

    def begin(self, one: Happening) -> None:
        self.seq, self.ts, self.late = one.seq, stamp(one), []

    def place(self, one: Happening) -> str:
        if one.seq > self.seq:
            self.begin(one)
            return "forward"
        if one.seq == self.seq:
            self.ts = max(self.ts, stamp(one))
            return "repeat"
        if NO < self.ts < stamp(one) or self.runs(one):
            self.begin(one)
            return "restart"
        return "late"

    def runs(self, one: Happening) -> bool:
        """Tell whether late messages go on by themselves: three, and for 200 ms where their stamps are not later."""
        if self.late and one.seq == self.late[-1].seq:
            return False
        self.late = [*self.late, one] if self.late and one.prev == self.late[-1].seq else [one]
        lasts = one.receive_ns - self.late[0].receive_ns >= 200 * 1_000_000
        return len(self.late) >= 3 and (lasts or not NO < stamp(one) <= self.ts)


def stamp(one: Happening) -> int:
    """Return the venue's time, NO where it has none or is more than a minute ahead."""
    ahead = one.exchange_ns is None or one.exchange_ns > one.receive_ns + 60 * 1_000_000_000
    return NO if ahead or one.exchange_ns is None else one.exchange_ns


@dataclass
class Book:
    """A book by docs/data.md, section 7."""

    beside: bool
    levels: dict[Side, dict[int, int]] = field(default_factory=lambda: {Side.BID: {}, Side.ASK: {}})
    status: BookStatus = BookStatus.EMPTY
    seq: int = NO
    bridging: bool = False
    held: list[Happening] = field(default_factory=list)
    stream: Stream = field(default_factory=Stream)
    restarts: int = 0  # of the venue's numbering: each drops all orders
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
        """Tell whether a delta joins, by its place in the stream first."""
        place = self.stream.place(delta)
        if place == "restart":
            self.end()
        return place in ("forward", "restart") and self.joins(delta)

    def end(self) -> None:
        """Give up the book of a numbering that has ended."""
        self.restarts += 1
        self.held = []
        if self.status != BookStatus.EMPTY:
            self.status = BookStatus.STALE

    def joins(self, delta: Happening) -> bool:
        """Tell whether a delta that is new joins; one that does not may leave the book stale or be held."""
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

    def refuses(self, one: Happening) -> bool:
        """Tell whether a snapshot is of before the book; it may show that the venue numbers anew."""
        live, stream = self.status == BookStatus.LIVE, self.stream
        if not self.beside:
            if live and 1 < one.seq < stream.seq and NO < stamp(one) <= stream.ts:
                return True
            self.restarts += one.seq < stream.seq
            stream.begin(one)
            return False
        if NO < stream.seq < one.seq and NO < stamp(one) < stream.ts:
            return True
        if live and one.seq < self.seq and NO < stream.ts < stamp(one):
            self.stream = Stream()
            self.end()
        return live and one.seq <= self.seq

    def restart(self, snapshot: Happening) -> bool:
        """Take a snapshot, then what was held for it; returns False for one that is not taken."""
        if self.refuses(snapshot):
            return False
        self.levels = {Side.BID: {}, Side.ASK: {}}
        for side, price, qty in snapshot.levels:
            self.set(Side(side), price, qty)
        self.seq, self.bridging, self.status = snapshot.seq, self.beside, BookStatus.LIVE
        held, self.held = self.held, []
        for delta in held:
            if self.joins(delta):
                for side, price, qty in delta.levels:
                    self.set(Side(side), price, qty) if qty else self.levels[Side(side)].pop(price, None)
                self.joined(delta)
        if self.beside and self.status == BookStatus.LIVE and self.seq < self.stream.seq:
            self.status = BookStatus.STALE
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
