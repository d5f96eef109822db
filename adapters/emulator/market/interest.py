"""Open interest: what the accounts hold in a symbol, now and before; must never count whom the venue does not know.

Source: Bybit v5 open interest page (read 2026-11-30).
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

STEP_MS, HOUR_MS, DAY_MS = 300_000, 3_600_000, 86_400_000
STEP_COUNT_MAX = 10_080
LENGTHS_MS = {
    "5min": STEP_MS,
    "15min": 3 * STEP_MS,
    "30min": 6 * STEP_MS,
    "1h": HOUR_MS,
    "4h": 4 * HOUR_MS,
    "1d": DAY_MS,
}
assert all(DAY_MS % length_ms == 0 for length_ms in LENGTHS_MS.values())


@dataclass
class Interest:
    """The size of all positions in one symbol; each one's counterparty is the feed's market, so they add up.

    Units: lots; since_ms is when the venue began, or when what is still known begins.
    """

    since_ms: int = 0
    lots: int = 0
    forgotten_lots: int = 0
    steps: deque[tuple[int, int]] = field(default_factory=deque)  # (start of five minutes, what they left)

    def change(self, lots: int, now_ms: int) -> None:
        """Count what positions have grown by; where the clock goes back, it belongs to the latest five minutes."""
        self.lots += lots
        assert self.lots >= 0
        start_ms = now_ms - now_ms % STEP_MS
        if self.steps and start_ms <= self.steps[-1][0]:
            self.steps[-1] = (self.steps[-1][0], self.lots)
            return
        self.steps.append((start_ms, self.lots))
        if len(self.steps) > STEP_COUNT_MAX:
            gone_ms, self.forgotten_lots = self.steps.popleft()
            self.since_ms = (gone_ms // DAY_MS + 1) * DAY_MS

    def history(self, interval: str, start_ms: int, end_ms: int) -> Iterator[tuple[int, int]]:
        """Yield (time, lots) at an interval's starts, latest first, back to the one in which the venue began."""
        length_ms, steps = LENGTHS_MS[interval], list(self.steps)
        first_ms = max(start_ms, self.since_ms - self.since_ms % length_ms)
        ts_ms = end_ms - end_ms % length_ms
        while ts_ms >= first_ms:
            while steps and steps[-1][0] >= ts_ms:
                steps.pop()
            yield ts_ms, steps[-1][1] if steps else self.forgotten_lots
            ts_ms -= length_ms
