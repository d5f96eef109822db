"""Order requests that the venue's limit has no room for yet, by kind; must never keep a cancel from leaving for good.

An order has one request of a kind at most under way, so what waits is bounded by the orders that the core may have. A
cancel of an order whose placing waits takes the placing back: neither leaves. Cancels for safety go first, and have
half of the limit to themselves; a place or an amend that has waited too long is not sent any more, its price is old.
"""

from dataclasses import dataclass, field

import numpy as np

from mmfold.engine.codes import EventKind, Reason
from mmfold.journal.log.rows import plain_rows

WAIT_S = 1.0  # after which a place or an amend is given up, and a cancel for a better price is as urgent as any
PLACE, AMEND, CANCEL = int(EventKind.PLACE), int(EventKind.AMEND), int(EventKind.CANCEL)
KINDS = (CANCEL, AMEND, PLACE)  # in the order in which they leave
UNHURRIED = (Reason.REPRICE, Reason.LEVEL_DROPPED)  # why a cancel may wait


def is_urgent(effect: np.void) -> bool:
    """Tell whether a cancel is for safety."""
    return effect["code"] not in UNHURRIED


@dataclass(slots=True)
class Waiter:
    """One request that waits."""

    effect: np.ndarray  # one row
    since_s: float
    is_urgent: bool


@dataclass
class Waiting:
    """What waits, the oldest first."""

    by_kind: dict[int, dict[int, Waiter]] = field(default_factory=lambda: {kind: {} for kind in KINDS})

    def __bool__(self) -> bool:
        """Tell whether anything waits."""
        return any(self.by_kind.values())

    def add(self, effects: np.ndarray, now_s: float) -> list[np.ndarray]:
        """Let requests wait; returns the PLACEs that a cancel among them takes back."""
        withdrawn = []
        for place, row in enumerate(plain_rows(effects)):
            effect = effects[place : place + 1]
            if row.kind == CANCEL:
                self.by_kind[AMEND].pop(row.order_id, None)
                if (placing := self.by_kind[PLACE].pop(row.order_id, None)) is not None:
                    withdrawn.append(placing.effect)
                    continue
            urgent = row.kind == CANCEL and is_urgent(effect[0])
            self.by_kind[row.kind][row.order_id] = Waiter(effect, now_s, urgent)
        return withdrawn

    def ready(self, kind: int, now_s: float) -> tuple[list[int], bool]:
        """Return the orders whose requests of a kind may leave next, and whether for safety."""
        waiters = self.by_kind[kind]
        if kind != CANCEL:
            return list(waiters), False
        urgent = [order_id for order_id, one in waiters.items() if one.is_urgent or now_s - one.since_s >= WAIT_S]
        return (urgent, True) if urgent else (list(waiters), False)

    def take(self, kind: int, order_ids: list[int]) -> np.ndarray:
        """Return the requests of some orders, which wait no longer."""
        return np.concatenate([self.by_kind[kind].pop(order_id).effect for order_id in order_ids])

    def overdue(self, now_s: float) -> list[Waiter]:
        """Return the places and amends that have waited too long, and forget them."""
        found = []
        for kind in (AMEND, PLACE):
            late = [order_id for order_id, one in self.by_kind[kind].items() if now_s - one.since_s >= WAIT_S]
            found += [self.by_kind[kind].pop(order_id) for order_id in late]
        return found

    def clear(self) -> None:
        """Forget all of it."""
        for waiters in self.by_kind.values():
            waiters.clear()
