"""What an account may still send in its rolling second, per operation; must never count a request out too early.

The venue counts a request when it arrives: after we sent it, before we had its answer. So it is in the way from its
sending until a second after its answer, whatever the network does in between, and no request of ours that keeps to
this is refused. What others send on the account is seen by the venue's own count in its answers.
Source: Bybit v5 docs, "Rate Limit Rules": a rolling second per UID, each operation has its own; a batch costs its
orders (read 2026-11-30).
"""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from mmfold.adapters.venues.pending import RateLimit

ORDERS_PER_S = 10  # of an account that was not given more, until the venue has told
QUERIES_PER_S = 5  # the least of what the venue documents: the first answer tells
WINDOW_S = 1.0
LOST_S = 6.0  # after which a request without an answer cannot arrive any more
RECHECK_S = 0.05  # while all that was sent waits for its answers


@dataclass(slots=True)
class Spent:
    """Requests of one operation that are in the way of others until a time; `is_open` before their answer."""

    count: int
    until_s: float
    is_open: bool = True


@dataclass(slots=True)
class InTheWay:
    """What is in the way of one operation: `count` in all, unanswered and answered ones each by their times."""

    count: int = 0
    unanswered: deque[Spent] = field(default_factory=deque)  # until they cannot arrive any more; answered ones pass by
    answered: deque[Spent] = field(default_factory=deque)

    def add(self, count: int, now_s: float) -> Spent:
        """Count requests that leave now."""
        one = Spent(count, now_s + LOST_S)
        self.count += count
        self.unanswered.append(one)
        return one

    def leave(self, now_s: float) -> None:
        """Let go of what is not in the way any more: each is looked at once."""
        while self.answered and self.answered[0].until_s <= now_s:
            self.count -= self.answered.popleft().count
        while self.unanswered and (not self.unanswered[0].is_open or self.unanswered[0].until_s <= now_s):
            one = self.unanswered.popleft()
            if one.is_open:
                one.is_open = False
                self.count -= one.count

    def end_s(self) -> float:
        """Return when the first of them leaves."""
        ends = [queue[0].until_s for queue in (self.answered, self.unanswered) if queue]
        return min(ends, default=0.0)


@dataclass
class Budget:
    """All operations of one account; `limits` are the venue's own words.

    `order_path` begins the operations of order entry, `orders_per_s` and `queries_per_s` hold until the venue has told.
    """

    now_s: Callable[[], float] = time.monotonic
    order_path: str = ""
    orders_per_s: int = ORDERS_PER_S
    queries_per_s: int = QUERIES_PER_S
    limits: dict[str, int] = field(default_factory=dict)
    spent: defaultdict[str, InTheWay] = field(default_factory=lambda: defaultdict(InTheWay))

    def limit_of(self, operation: str) -> int:
        """Return how many requests of an operation a second may see."""
        known = self.limits.get(operation)
        if known is not None:
            return known
        return self.orders_per_s if self.order_path and operation.startswith(self.order_path) else self.queries_per_s

    def room(self, operation: str) -> int:
        """Return how many requests of an operation may leave now."""
        spent = self.spent[operation]
        spent.leave(self.now_s())
        return max(0, self.limit_of(operation) - spent.count)

    def wait_s(self, operation: str) -> float:
        """Return when to look for room again."""
        return max(0.0, min(self.spent[operation].end_s() - self.now_s(), RECHECK_S))

    def spend(self, operation: str, count: int = 1) -> Spent:
        """Count requests that leave now, whether there is room for them or not."""
        return self.spent[operation].add(count, self.now_s())

    def take(self, operation: str, count: int = 1, reserve: int = 0) -> Spent | None:
        """Count requests that leave now; None where the limit less a reserve has no room for them."""
        now_s, spent = self.now_s(), self.spent[operation]
        spent.leave(now_s)
        if self.limit_of(operation) - reserve - spent.count < count:
            return None
        return spent.add(count, now_s)

    def settle(self, operation: str, one: Spent, limit: RateLimit | None) -> None:
        """Note the answer to requests, and what the venue says it has counted."""
        free_s = self.now_s() + WINDOW_S
        if one.is_open:
            one.is_open, one.until_s = False, free_s
            self.spent[operation].answered.append(one)
        if limit is None or limit.requests_max < 1:
            return
        self.limits[operation] = limit.requests_max
        foreign = self.room(operation) - limit.requests_left
        if foreign > 0:
            self.spent[operation].count += foreign
            self.spent[operation].answered.append(Spent(foreign, free_s, is_open=False))

    async def wait(self, operation: str) -> Spent:
        """Wait until one request of an operation may leave, and count it."""
        while (one := self.take(operation)) is None:
            await asyncio.sleep(self.wait_s(operation))
        return one
