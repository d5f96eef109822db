"""Request budgets per account: a rolling second per group of requests; must never delay, only count and refuse.

Source: Bybit v5 rate limit page (read 2026-11-20).
"""

from collections import deque
from dataclasses import dataclass, field

from mmfold.adapters.emulator.market.clock import Now
from mmfold.engine.limits import NS_PER_MS, NS_PER_S

ORDERS_PER_S_DEFAULT = 10
QUERIES_PER_S = 50
BATCH_SIZE_MAX = 10  # editions of the page say 10 or 20 of linear: who keeps to 10 keeps to both


@dataclass(frozen=True)
class Allowance:
    """How a request stands to its budget.

    Units: reset_ms is the venue's time at which the next request is let through.
    """

    limit: int
    left: int
    reset_ms: int
    allowed: bool

    def headers(self) -> dict[str, str]:
        """Return what the venue tells about it."""
        return {
            "X-Bapi-Limit": str(self.limit),
            "X-Bapi-Limit-Status": str(self.left),
            "X-Bapi-Limit-Reset-Timestamp": str(self.reset_ms),
        }


@dataclass
class Budget:
    """The budgets of one account."""

    orders_per_s: int = ORDERS_PER_S_DEFAULT
    sent_ns: dict[str, deque[int]] = field(default_factory=dict)  # on the clock that never goes back

    def limit_of(self, group: str) -> int:
        """Return how many requests of a group a second may see."""
        return self.orders_per_s if group.startswith("order") else QUERIES_PER_S

    def spend(self, group: str, now: Now, count: int = 1) -> Allowance:
        """Count requests of a group, unless they are too many."""
        limit = self.limit_of(group)
        sent = self.sent_ns.setdefault(group, deque())
        now_ms = now.ts_ns // NS_PER_MS
        while sent and sent[0] <= now.pace_ns - NS_PER_S:
            sent.popleft()
        if len(sent) + count > limit:
            wait_ns = (sent[0] if sent else now.pace_ns) + NS_PER_S - now.pace_ns
            return Allowance(limit, max(0, limit - len(sent)), now_ms - -wait_ns // NS_PER_MS, False)
        sent.extend([now.pace_ns] * count)
        return Allowance(limit, limit - len(sent), now_ms, True)
