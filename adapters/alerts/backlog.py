"""What waits for one channel: a bounded queue, the most severe first; must never grow and never wait."""

from dataclasses import dataclass
from typing import Any

from mmfold.adapters.alerts.kinds import Severity

BACKLOG_COUNT_MAX = 64


@dataclass(frozen=True)
class Waiting:
    """A document on its way to a channel."""

    severity: Severity
    document: dict[str, Any]


class Backlog:
    """Alerts in the order they came; a full one loses the oldest of the least severe."""

    def __init__(self, count_max: int = BACKLOG_COUNT_MAX) -> None:
        assert count_max > 0
        self.count_max = count_max
        self.waiting: list[Waiting] = []

    def __len__(self) -> int:
        return len(self.waiting)

    def add(self, one: Waiting) -> Waiting | None:
        """Take one; returns what had to go for it, which may be itself."""
        self.waiting.append(one)
        if len(self.waiting) <= self.count_max:
            return None
        least = min(one.severity for one in self.waiting)
        return self.waiting.pop(self.place_of(least))

    def take(self) -> Waiting | None:
        """Return the oldest of the most severe and forget it; None when nothing waits."""
        if not self.waiting:
            return None
        worst = max(one.severity for one in self.waiting)
        return self.waiting.pop(self.place_of(worst))

    def place_of(self, severity: Severity) -> int:
        """Return where the oldest of a severity stands."""
        return next(place for place, one in enumerate(self.waiting) if one.severity is severity)

    def has_critical(self) -> bool:
        """Tell whether something waits that a session stays for at its end."""
        return any(one.severity is Severity.CRITICAL for one in self.waiting)

    def drop_all(self) -> list[Waiting]:
        """Forget what waits and return it."""
        dropped, self.waiting = self.waiting, []
        return dropped
