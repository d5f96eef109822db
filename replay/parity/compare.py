"""Two sessions on one market: the first decision or answer that differs, and which lots both had filled.

Everything is symmetric: exchanging the two exchanges the sides of what is found. Must never compare times.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile, zip_longest
from typing import NamedTuple

from mmfold.engine.codes import Side
from mmfold.replay.parity.session import Order, OwnEvent, Session, Stream


class Difference(NamedTuple):
    """A decision or answer that differs; None where one journal has none."""

    a: OwnEvent | None
    b: OwnEvent | None

    @property
    def at(self) -> tuple[int, int]:
        """The earlier of both places."""
        return min(event.at for event in self if event is not None)

    @property
    def event(self) -> OwnEvent:
        """The side that comes first in the market."""
        return min((event for event in self if event is not None), key=lambda event: event.at)


@dataclass(frozen=True, slots=True)
class Found:
    """The outcome of the walk over both sides' own events.

    `same_answer_count` counts answers alike up to where their streams part; `moved_answer_count` those of them that
    were told at another place in the market, `first_moved` the first: time alone, no difference by itself.
    """

    first: Difference | None
    first_moved: Difference | None
    same_answer_count: int
    moved_answer_count: int


@dataclass(slots=True)
class Matched:
    """What two sessions did alike in one instrument.

    Units: `latency_half_ticklots` = value of B's matched lots less that of A's, exact, in half ticks x lots.
    """

    same_order_count: int = 0  # the same decision
    moved_order_count: int = 0  # the same level's order at the same time, decided elsewhere or otherwise
    lots: int = 0  # filled in both
    latency_half_ticklots: int = 0


def as_decision(event: OwnEvent) -> tuple[int, ...]:
    """Return what of a decision must be alike; its reason may differ."""
    return (
        event.market_index,
        event.kind,
        event.order_number,
        event.price_ticks,
        event.qty_lots,
        event.flags,
    )


def as_answer(event: OwnEvent) -> tuple[int, ...]:
    """Return what of an answer must be alike: not when it is told, nor a venue's own codes."""
    return event.kind, event.side, event.price_ticks, event.qty_lots, event.flags


def first_mismatch(
    a: Sequence[OwnEvent], b: Sequence[OwnEvent], key: Callable[[OwnEvent], tuple[int, ...]]
) -> Difference | None:
    """Return the first pair of two sequences that is not alike."""
    for x, y in zip_longest(a, b):
        if x is None or y is None or key(x) != key(y):
            return Difference(x, y)
    return None


def same_orders(a: Session, b: Session, stream: Stream) -> Iterator[tuple[Order, Order]]:
    """Yield the n-th orders of a stream until a PLACE differs."""
    for x, y in zip(a.orders.get(stream, []), b.orders.get(stream, []), strict=False):
        if as_decision(x.placed) != as_decision(y.placed):
            return
        yield x, y


def find_differences(a: Session, b: Session) -> Found:
    """Compare decisions stream by stream, and the answers to the n-th order of each with each other's."""
    found: list[Difference | None] = []
    moved: list[Difference] = []
    same_count = 0
    for stream in sorted(a.decisions.keys() | b.decisions.keys()):
        found.append(first_mismatch(a.decisions.get(stream, []), b.decisions.get(stream, []), as_decision))
        for x, y in same_orders(a, b, stream):
            found.append(first_mismatch(x.answers, y.answers, as_answer))
            pairs = zip(x.answers, y.answers, strict=False)
            for one, other in takewhile(lambda both: as_answer(both[0]) == as_answer(both[1]), pairs):
                same_count += 1
                if one.market_index != other.market_index:
                    moved.append(Difference(one, other))
    for index in sorted(a.strays.keys() | b.strays.keys()):
        found.append(first_mismatch(a.strays.get(index, []), b.strays.get(index, []), as_answer))
    return Found(
        first=min((one for one in found if one is not None), key=lambda one: one.at, default=None),
        first_moved=min(moved, key=lambda one: one.at, default=None),
        same_answer_count=same_count,
        moved_answer_count=len(moved),
    )


def pair_by_decision(a: list[Order], b: list[Order]) -> tuple[list[tuple[Order, Order]], list[Order], list[Order]]:
    """Pair the orders of one stream that are the same decision, the n-th with the n-th; returns pairs and rests."""
    waiting: dict[tuple[int, ...], list[Order]] = defaultdict(list)
    for order in reversed(b):
        waiting[order.decision].append(order)
    pairs, rest = [], []
    for order in a:
        if waiting.get(order.decision):
            pairs.append((order, waiting[order.decision].pop()))
        else:
            rest.append(order)
    left = {id(order) for orders in waiting.values() for order in orders}
    return pairs, rest, [order for order in b if id(order) in left]


def pair_by_time(a: list[Order], b: list[Order]) -> list[tuple[Order, Order]]:
    """Pair the other orders of one level, in order, where both were wanted at one place in the market."""
    pairs, i, j = [], 0, 0
    while i < len(a) and j < len(b):
        x, y = a[i], b[j]
        before = x.end_index <= y.placed.market_index
        after = y.end_index <= x.placed.market_index
        if not before and not after:
            pairs.append((x, y))
        # Two orders that ended where they were placed may be both before and after: both go.
        i += before or not after
        j += after or not before
    return pairs


def match_sessions(a: Session, b: Session) -> list[Matched]:
    """Match the orders of two sessions and, lot by lot in order, their fills; one entry per instrument."""
    matched = [Matched() for _ in a.result.manifest.instruments]
    for stream in sorted(a.orders.keys() | b.orders.keys()):
        found, sign = matched[stream[0]], 1 if stream[1] == Side.BID else -1
        pairs, rest_a, rest_b = pair_by_decision(a.orders.get(stream, []), b.orders.get(stream, []))
        found.same_order_count += len(pairs)
        for level in sorted({order.level for order in rest_a}):
            levels = ([order for order in rest if order.level == level] for rest in (rest_a, rest_b))
            moved = pair_by_time(*levels)
            found.moved_order_count += len(moved)
            pairs += moved
        for x, y in pairs:
            for lots, price_a, price_b in shared_lots(x.fills(), y.fills()):
                found.lots += lots
                found.latency_half_ticklots += 2 * sign * lots * (price_a - price_b)
    return matched


def shared_lots(a: list[OwnEvent], b: list[OwnEvent]) -> Iterator[tuple[int, int, int]]:
    """Yield (lots, price in A, price in B) of what both orders had filled, first with first."""
    i = j = 0
    left_a = left_b = 0
    while (left_a or i < len(a)) and (left_b or j < len(b)):
        if not left_a:
            left_a, price_a, i = a[i].qty_lots, a[i].price_ticks, i + 1
        if not left_b:
            left_b, price_b, j = b[j].qty_lots, b[j].price_ticks, j + 1
        lots = min(left_a, left_b)
        yield lots, price_a, price_b
        left_a, left_b = left_a - lots, left_b - lots
