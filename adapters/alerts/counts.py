"""What became of a session's alerts, for metrics; must never hold their text."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class AlertCounts:
    """Alerts raised by kind, and by channel what was sent, failed and dropped."""

    raised: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)

    def begin(self, channel: str) -> None:
        """Show a channel with zeros."""
        for count in (self.sent, self.failed, self.dropped):
            count[channel] += 0
