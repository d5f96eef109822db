"""Orders that live from event to event under a fill rule; must never be taken for the simulated venue.

After every event, an order's own included, each active order is offered to the top of book. What a partial fill leaves:
keep    the remainder stays, now first in the queue: the rule
drop    the remainder is lost, the order counts as filled: as an older implementation's reports have it
shared  the same, and all orders share one queue position, so the first fill moves all of them to the front: that
        implementation's fault, kept to show what it was worth
Source: spec/core.md 24.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from enum import StrEnum
from typing import NamedTuple

from mmfold.engine.codes import Side
from mmfold.replay.ticks.load import Cancel, OrderEvent, Place, Replace, Top
from mmfold.replay.ticks.model import FillModel, match_order
from mmfold.replay.ticks.tally import EXACT, Figures, Tally

FRONT = Decimal(0)
NO_TOP = Top(0, Decimal(0), Decimal(0))


class RemainderRule(StrEnum):
    """What becomes of an order that was filled in part."""

    KEEP = "keep"
    DROP = "drop"
    SHARED = "shared"


@dataclass(slots=True)
class TickOrder:
    """An active order; `size` is what remains of it, `qpos` the share of that which waits behind others."""

    side: Side
    price: Decimal
    size: Decimal
    qpos: Decimal
    ts_ms_placed: int


class SimResult(NamedTuple):
    """The figures of the fills, and how often each thing happened to an order.

    Units: `ts_ms_max` is the greatest time of an event, 0 of none.
    """

    figures: Figures
    orders: dict[str, int]
    ts_ms_max: int


@dataclass(slots=True)
class Simulation:
    """The orders of one symbol, the top of its book and the time, which is the greatest seen and never goes back."""

    model: FillModel
    rule: RemainderRule
    top: Top = NO_TOP
    ts_ms: int = 0
    qpos_shared: Decimal = FRONT
    active: dict[str, TickOrder] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    tally: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        self.qpos_shared = self.model.initial_qpos_ratio

    def apply(self, event: OrderEvent) -> None:
        """Let one event happen, then offer every active order to the book."""
        self.ts_ms = max(self.ts_ms, event.ts_ms)
        match event:
            case Top():
                self.top = event
            case Place():
                self.apply_place(event)
            case Replace():
                self.apply_replace(event)
            case Cancel():
                done = self.active.pop(event.order_id, None)
                self.counts["refused" if done is None else "canceled"] += 1
        for order_id in sorted(self.active):
            self.offer(order_id)

    def apply_place(self, event: Place) -> None:
        """Take an order; an id is used once, also after its order's end."""
        if event.order_id in self.known:
            self.counts["refused"] += 1
            return
        self.counts["placed"] += 1
        self.known.add(event.order_id)
        self.active[event.order_id] = TickOrder(
            event.side, event.price, event.size, self.model.initial_qpos_ratio, self.ts_ms
        )

    def apply_replace(self, event: Replace) -> None:
        """Change an order, as often as wanted; a new price or a greater size goes to the end of the queue."""
        order = self.active.get(event.order_id)
        if order is None:
            self.counts["refused"] += 1
            return
        self.counts["replaced"] += 1
        price, size = event.price or order.price, event.size or order.size
        if price != order.price or size > order.size:
            order.qpos = self.model.initial_qpos_ratio
        order.price, order.size = price, size

    def offer(self, order_id: str) -> None:
        """Fill what the book gives to one active order."""
        order = self.active[order_id]
        is_shared = self.rule is RemainderRule.SHARED
        qpos = self.qpos_shared if is_shared else order.qpos
        fill = match_order(self.model, order.side, order.price, order.size, qpos, self.top)
        if fill is None:
            return
        self.tally.add(fill, self.ts_ms - order.ts_ms_placed)
        order.qpos = self.qpos_shared = FRONT
        order.size -= fill.qty
        assert order.size >= 0, (order_id, order.size)
        if order.size == 0 or self.rule is not RemainderRule.KEEP:
            del self.active[order_id]


def simulate(events: Iterable[OrderEvent], model: FillModel, rule: RemainderRule) -> SimResult:
    """Return what became of the orders of a file."""
    simulation = Simulation(model, rule)
    with localcontext(EXACT):
        for event in events:
            simulation.apply(event)
    counts = {key: simulation.counts[key] for key in ("placed", "replaced", "canceled", "refused")}
    return SimResult(simulation.tally.figures(), {**counts, "active": len(simulation.active)}, simulation.ts_ms)
