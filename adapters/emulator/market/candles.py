"""A symbol's candles, made of its trades: minutes are kept, longer ones are sums of them; must never invent a price.

Source: Bybit v5 kline page (read 2026-11-30).
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

MINUTE_MS, DAY_MS = 60_000, 86_400_000
FIRST_MONDAY_MS = 4 * DAY_MS  # of the epoch
MINUTE_COUNT_MAX = 10_080
WEEK, MONTH = "W", "M"
LENGTHS_MS = {
    **{str(minutes): minutes * MINUTE_MS for minutes in (1, 3, 5, 15, 30, 60, 120, 240, 360, 720)},
    "D": DAY_MS,
    WEEK: 7 * DAY_MS,
    MONTH: 32 * DAY_MS,  # beyond any month's end
}


@dataclass(slots=True)
class Candle:
    """What traded in a span of time.

    Units: prices in ticks, volume in lots, turnover in ticks x lots.
    """

    start_ms: int
    open: int
    high: int
    low: int
    close: int
    volume: int = 0
    turnover: int = 0

    def add(self, later: "Candle") -> None:
        """Take in what followed."""
        self.high, self.low, self.close = max(self.high, later.high), min(self.low, later.low), later.close
        self.volume += later.volume
        self.turnover += later.turnover


def start_of(ts_ms: int, interval: str) -> int:
    """Return when the candle of a time begins, in UTC; weeks begin on Monday."""
    if interval == MONTH:
        first = datetime.fromtimestamp(ts_ms // 1_000, UTC).replace(day=1, hour=0, minute=0, second=0)
        return int(first.timestamp()) * 1_000
    origin_ms = FIRST_MONDAY_MS if interval == WEEK else 0
    return ts_ms - (ts_ms - origin_ms) % LENGTHS_MS[interval]


def end_of(start_ms: int, interval: str) -> int:
    """Return when the next candle begins."""
    return start_of(start_ms + LENGTHS_MS[interval], interval)


@dataclass
class Candles:
    """The last minutes in which something traded."""

    minutes: deque[Candle] = field(default_factory=lambda: deque(maxlen=MINUTE_COUNT_MAX))

    def add(self, ts_ms: int, price_ticks: int, qty_lots: int) -> None:
        """Count a trade; where the clock goes back, it belongs to the latest minute."""
        start_ms = start_of(ts_ms, "1")
        told = Candle(start_ms, price_ticks, price_ticks, price_ticks, price_ticks, qty_lots, price_ticks * qty_lots)
        if self.minutes and start_ms <= self.minutes[-1].start_ms:
            self.minutes[-1].add(told)
        else:
            self.minutes.append(told)

    def spans(self, interval: str, now_ms: int, since_ms: int = 0) -> Iterator[Candle]:
        """Yield an interval's candles from the first trade since a time; those without one stand at the last price."""
        current: Candle | None = None
        for minute in self.minutes:
            if minute.start_ms < since_ms:
                continue
            start_ms = start_of(minute.start_ms, interval)
            if current is not None and start_ms == current.start_ms:
                current.add(minute)
                continue
            if current is not None:
                yield current
                yield from still(current, start_ms, interval)
            current = replace(minute, start_ms=start_ms)
        if current is not None:
            yield current
            yield from still(current, start_of(now_ms, interval) + 1, interval)


def still(last: Candle, until_ms: int, interval: str) -> Iterator[Candle]:
    """Yield the candles without a trade that follow one, to a time."""
    start_ms = end_of(last.start_ms, interval)
    while start_ms < until_ms:
        yield Candle(start_ms, last.close, last.close, last.close, last.close)
        start_ms = end_of(start_ms, interval)
