"""What became of the orders of a journal, from its decisions and the venue's answers; must never keep an order that is
done.
"""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from mmfold.engine.codes import EventKind
from mmfold.engine.limits import NS_PER_MS
from mmfold.engine.records import NO_TS_NS

AGE_STEP_NS = NS_PER_MS // 10  # ages are counted, not listed: what is kept does not grow with the journal
ORDER_KINDS = (
    EventKind.PLACE,
    EventKind.ACK,
    EventKind.REJECT,
    EventKind.AMENDED,
    EventKind.CANCELED,
    EventKind.EXPIRED,
    EventKind.FILL,
)


@dataclass(slots=True)
class Life:
    """One order that is not done.

    Units: times in ns by the core's clock; `left_lots` remain to be filled.
    """

    ts_placed_ns: int
    left_lots: int
    ts_acked_ns: int = NO_TS_NS
    filled: bool = False


@dataclass(slots=True)
class OrderTally:
    """What the orders of one instrument came to.

    Units: `age_counts` {age in tenths of a ms: orders}, placed to done; `waits_ns` acknowledged to first fill.
    """

    placed_count: int = 0
    filled_count: int = 0  # orders with at least one fill
    fill_count: int = 0
    asked_lots: int = 0  # placed, and added by amends
    filled_lots: int = 0
    age_counts: Counter[int] = field(default_factory=Counter)
    waits_ns: list[int] = field(default_factory=list)


class OrderBook:
    """Follows every order of a journal from PLACE to its end."""

    def __init__(self, instrument_count: int) -> None:
        self.tallies = [OrderTally() for _ in range(instrument_count)]
        self.lives: dict[tuple[int, int], Life] = {}

    def take(self, rows: np.ndarray, times_ns: np.ndarray) -> None:
        """Fold the first rows of a journal's events, with the core's time at each."""
        wanted = np.isin(rows["kind"], ORDER_KINDS)
        columns = [rows[name][wanted].tolist() for name in ("kind", "instrument_index", "order_id", "qty_lots")]
        for kind, index, order_id, qty_lots, ts_ns in zip(*columns, times_ns[wanted].tolist(), strict=True):
            self.apply(kind, (index, order_id), qty_lots, ts_ns)

    def apply(self, kind: int, key: tuple[int, int], qty_lots: int, ts_ns: int) -> None:
        """Fold one event of one order; an answer for an order that is done or not ours changes only what was filled."""
        tally, life = self.tallies[key[0]], self.lives.get(key)
        match kind:
            case EventKind.PLACE:
                tally.placed_count += 1
                tally.asked_lots += qty_lots
                self.lives[key] = Life(ts_ns, qty_lots)
            case EventKind.FILL:
                tally.fill_count += 1
                tally.filled_lots += qty_lots
                if life is not None:
                    self.apply_fill(tally, key, life, qty_lots, ts_ns)
            case EventKind.ACK if life is not None and life.ts_acked_ns == NO_TS_NS:
                life.ts_acked_ns = ts_ns
            case EventKind.AMENDED if life is not None:
                tally.asked_lots += max(0, qty_lots - life.left_lots)
                life.left_lots = qty_lots
            case EventKind.CANCELED | EventKind.EXPIRED if life is not None:
                self.end(tally, key, life, ts_ns)
            case EventKind.REJECT if life is not None and life.ts_acked_ns == NO_TS_NS:
                # Of an order that was accepted, a refused amend or cancel does not end it.
                self.end(tally, key, life, ts_ns)

    def apply_fill(self, tally: OrderTally, key: tuple[int, int], life: Life, qty_lots: int, ts_ns: int) -> None:
        """Fold a fill of an order that is not done."""
        if not life.filled:
            life.filled = True
            tally.filled_count += 1
            if life.ts_acked_ns != NO_TS_NS:
                tally.waits_ns.append(ts_ns - life.ts_acked_ns)
        life.left_lots -= qty_lots
        if life.left_lots <= 0:
            self.end(tally, key, life, ts_ns)

    def end(self, tally: OrderTally, key: tuple[int, int], life: Life, ts_ns: int) -> None:
        """Count an order's age and forget the order."""
        tally.age_counts[(ts_ns - life.ts_placed_ns + AGE_STEP_NS // 2) // AGE_STEP_NS] += 1
        del self.lives[key]

    def open_count(self, instrument_index: int) -> int:
        """Return how many orders of an instrument are not done."""
        return sum(index == instrument_index for index, _ in self.lives)
