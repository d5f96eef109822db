"""The venue's clock: the machine's, plus a skew that a fault may set; must never be read by the matching."""

import time
from typing import NamedTuple

from mmfold.engine.limits import NS_PER_MS


class Now(NamedTuple):
    """One instant: as the venue tells it, and on a clock that never goes back, for intervals."""

    ts_ns: int
    pace_ns: int


class VenueClock:
    """Time as the venue tells it.

    Units: ns and ms since 1970-01-01 UTC.
    """

    def __init__(self) -> None:
        self.skew_ms = 0
        self._skew_until_ns = 0

    def skew(self, skew_ms: int, duration_ms: int) -> None:
        """Run ahead (or behind, if negative) for a while."""
        self.skew_ms = skew_ms
        self._skew_until_ns = time.monotonic_ns() + duration_ms * NS_PER_MS

    def now_ns(self) -> int:
        """Return the venue's time."""
        if self.skew_ms and time.monotonic_ns() >= self._skew_until_ns:
            self.skew_ms = 0
        return time.time_ns() + self.skew_ms * NS_PER_MS

    def now(self) -> Now:
        """Return this instant on both clocks."""
        return Now(self.now_ns(), time.monotonic_ns())

    def now_ms(self) -> int:
        """Return the venue's time in ms."""
        return self.now_ns() // NS_PER_MS
