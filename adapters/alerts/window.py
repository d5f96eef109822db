"""Once per window: the first of a kind and symbol is told at once, its repeats are counted, told at the window's end.

While repeats keep coming, each window's end begins the next: one alert and then one count a window, however many come.
Must never read a clock.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from mmfold.adapters.alerts.document import Alert, Repeats

Key = tuple[str, str]  # kind and symbol


@dataclass
class Window:
    """An open window: since when, and what came since."""

    begun_s: float
    last: Alert
    count: int = 0


class Windows:
    """The open windows of a session; there are never more than kinds times symbols."""

    def __init__(self, window_s: float) -> None:
        self.window_s = window_s
        self.open: dict[Key, Window] = {}

    def is_first(self, alert: Alert, now_s: float) -> bool:
        """Tell whether an alert is to be told at once; else it is counted."""
        key = (alert.kind.name, alert.symbol)
        window = self.open.get(key)
        if window is None:
            self.open[key] = Window(now_s, alert)
            return True
        window.last = alert
        window.count += 1
        return False

    def close_due(self, now_s: float) -> Iterator[tuple[Alert, Repeats]]:
        """Yield the last alert and the count of every window that ends with repeats; it begins anew."""
        for key, window in list(self.open.items()):
            if now_s < window.begun_s + self.window_s:
                continue
            if window.count == 0:
                del self.open[key]
                continue
            yield window.last, Repeats(window.count, now_s - window.begun_s)
            self.open[key] = Window(now_s, window.last)

    def close_all(self, now_s: float) -> Iterator[tuple[Alert, Repeats]]:
        """Yield what the open windows have counted so far, for a session that ends."""
        for window in self.open.values():
            if window.count:
                yield window.last, Repeats(window.count, now_s - window.begun_s)
        self.open.clear()
