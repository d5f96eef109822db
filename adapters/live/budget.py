"""What an account may still send in its rolling second, per operation; must never count a request out too early.

The venue counts a request when it arrives: after we sent it, before we had its answer. So it is in the way from its
sending until a second after its answer, whatever the network does in between, and no request of ours that keeps to
this is refused. What others send on the account is seen by the venue's own count in its answers.
Source: Bybit v5 docs, "Rate Limit Rules": a rolling second per UID, each operation has its own; a batch costs its
orders (read 2026-11-30).
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from mmfold.adapters.bybit.responses import RateLimit

ORDERS_PER_S = 10  # of an account that was not given more, until the venue has told
QUERIES_PER_S = 5  # the least of what the venue documents: the first answer tells
ORDER_PATH = "/v5/order/"
WINDOW_S = 1.0
LOST_S = 6.0  # after which a request without an answer cannot arrive any more
RECHECK_S = 0.05  # while all that was sent waits for its answers
NEVER_S = float("inf")


@dataclass(slots=True)
class Spent:
    """Requests of one operation that are in the way of others until a time."""

    count: int
    free_s: float = NEVER_S
    lost_s: float = NEVER_S


@dataclass
class Budget:
    """All operations of one account; `limits` are the venue's own words."""

    now_s: Callable[[], float] = time.monotonic
    limits: dict[str, int] = field(default_factory=dict)
    spent: dict[str, list[Spent]] = field(default_factory=dict)

    def limit_of(self, operation: str) -> int:
        """Return how many requests of an operation a second may see."""
        return self.limits.get(operation, ORDERS_PER_S if operation.startswith(ORDER_PATH) else QUERIES_PER_S)

    def room(self, operation: str) -> int:
        """Return how many requests of an operation may leave now."""
        spent = self.spent.get(operation)
        if not spent:
            return self.limit_of(operation)
        now_s = self.now_s()
        spent[:] = [one for one in spent if one.free_s > now_s and one.lost_s > now_s]
        return max(0, self.limit_of(operation) - sum(one.count for one in spent))

    def wait_s(self, operation: str) -> float:
        """Return when to look for room again."""
        ends = [min(one.free_s, one.lost_s) for one in self.spent.get(operation, ())]
        return max(0.0, min(min(ends, default=0.0) - self.now_s(), RECHECK_S))

    def spend(self, operation: str, count: int = 1) -> Spent:
        """Count requests that leave now."""
        one = Spent(count, lost_s=self.now_s() + LOST_S)
        self.spent.setdefault(operation, []).append(one)
        return one

    def settle(self, operation: str, one: Spent, limit: RateLimit | None) -> None:
        """Note the answer to requests, and what the venue says it has counted."""
        now_s = self.now_s()
        one.free_s = now_s + WINDOW_S
        if limit is None or limit.requests_max < 1:
            return
        self.limits[operation] = limit.requests_max
        foreign = self.room(operation) - limit.requests_left
        if foreign > 0:
            self.spent[operation].append(Spent(foreign, now_s + WINDOW_S))

    async def wait(self, operation: str) -> Spent:
        """Wait until one request of an operation may leave, and count it."""
        while not self.room(operation):
            await asyncio.sleep(self.wait_s(operation))
        return self.spend(operation)
