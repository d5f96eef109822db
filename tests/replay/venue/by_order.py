"""A market's levels told order by order: what stands behind each level, with changes that are missing or make no sense.

Must never draw from anything but the random it is given.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from mmfold.engine.codes import EventKind, Side
from mmfold.engine.limits import NS_PER_MS

if TYPE_CHECKING:
    from tests.replay.venue.scenario import Happening

Queue = dict[int, int]  # number of an order: its lots


def tell_orders(random: Random, market: list[Happening]) -> list[Happening]:
    """Return the market with the changes of single orders before the messages that have their levels' totals."""
    queues: dict[tuple[int, int, int], Queue] = defaultdict(dict)
    told: list[Happening] = []
    number = 0
    for one in market:
        for side, price, qty in one.levels:
            queue = queues[one.instrument, side, price]
            changes = level_changes(random, queue, qty, number := number + 10)
            told += [row for change in changes if (row := told_of(random, one, (side, price), change))]
        told.append(one)
    return told


def level_changes(random: Random, queue: Queue, qty: int, number: int) -> list[tuple[int, int]]:
    """Bring a level's orders to its total; returns (number, what remains) in order. Some of it could be left out."""
    changes: list[tuple[int, int]] = []

    def change(which: int, lots: int) -> None:
        queue[which] = lots
        changes.append((which, lots))
        if lots == 0:
            del queue[which]

    if queue and random.random() < 0.2:
        change(random.choice(list(queue)), random.choice((0, 1, 3, 50)))
    while (left := sum(queue.values()) - qty) > 0:
        which = random.choice(list(queue))
        change(which, max(0, queue[which] - random.choice((1, left, left, 1000))))
    while (left := qty - sum(queue.values())) > 0:
        lots, number = random.choice((left, 1 + left // 2)), number + 1
        grown = random.choice(list(queue)) if queue and random.random() < 0.2 else None
        if grown is None:
            change(far_apart(number), lots)
        else:
            change(grown, queue[grown] + lots)
    if random.random() < 0.04:
        changes.append((far_apart(number + 5), 0))  # one that nobody told of
    return changes


def far_apart(number: int) -> int:
    """Return an order's number as venues give them: all over 62 bits."""
    return (number * 0x9E3779B97F4A7) % (1 << 62)


def told_of(random: Random, one: Happening, level: tuple[int, int], change: tuple[int, int]) -> Happening | None:
    """Return the event of one change: at its message's time or before, now and then missing or at another price."""
    if random.random() < 0.04:
        return None
    at = one.exchange_ns
    if at is not None and random.random() < 0.1:
        at -= random.randrange(3) * NS_PER_MS
    side, price = level[0], level[1] + (random.random() < 0.03)
    fields = {"aggressor": Side(side), "price": price, "number": change[0], "qty": change[1]}
    return replace(one, kind=EventKind.BOOK_ORDER, exchange_ns=at, levels=(), prev=None, **fields)  # type: ignore[arg-type]
