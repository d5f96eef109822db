"""The part of a recording that a backtest trades in; what is before it is folded as market, what is after is not read.

Must never decide anything: before its beginning no instrument is enabled, as a CONFIG of the new journal says.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.records import EVENT, NO_ORDER_ID, NO_PRICE_TICKS, NO_TS_NS, NO_VALUE
from mmfold.replay.feeds import market_mask, utc_text
from mmfold.replay.window import FeedLatency, NoMarket


class OutsideOfRecording(NoMarket):
    """A span that the recording has nothing of."""

    hint = "times are of the recording's own clock, as mm journal cat shows them: ISO, UTC, or ns since 1970"


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when a backtest trades, both ends included; None: from the recording's start, to its end.

    Units: receive times of the recording, before the shift that makes no feed latency negative.
    """

    from_ns: int | None = None
    until_ns: int | None = None

    def words(self) -> dict[str, str]:
        """Return what a manifest says of it."""
        ends = {"span_from_ns": self.from_ns, "span_until_ns": self.until_ns}
        return {name: str(ts_ns) for name, ts_ns in ends.items() if ts_ns is not None}

    def check(self, feed: FeedLatency) -> None:
        """Check that the recording reaches into the span.

        Raises: OutsideOfRecording.
        """
        first_ns, last_ns = feed.ts_first_ns - feed.shift_ns, feed.ts_seen_ns
        recorded = f"the recording is of {utc_text(first_ns)} to {utc_text(last_ns)}"
        if self.from_ns is not None and self.from_ns > last_ns:
            raise OutsideOfRecording(f"--from {utc_text(self.from_ns)}: {recorded}")
        if self.until_ns is not None and self.until_ns < first_ns:
            raise OutsideOfRecording(f"--until {utc_text(self.until_ns)}: {recorded}")

    def cut(self, chunks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield the events up to the span's end, by the latest receive time so far of the market's events."""
        if self.until_ns is None:
            yield from chunks
            return
        seen_ns = NO_TS_NS
        for chunk in chunks:
            times_ns = np.maximum.accumulate(np.where(market_mask(chunk["kind"]), chunk["ts_receive_ns"], NO_TS_NS))
            end = int(np.searchsorted(np.maximum(times_ns, seen_ns), self.until_ns, "right"))
            if end < len(chunk):
                ends = np.flatnonzero(chunk["flags"][:end] & Flag.LAST)
                yield chunk[: int(ends[-1]) + 1 if len(ends) else 0]
                return
            seen_ns = max(seen_ns, int(times_ns[-1]))
            yield chunk


ALL = Span()


def untraded(document: dict[str, Any]) -> dict[str, Any]:
    """Return a CONFIG document by which nothing is quoted and no policy runs."""
    params = {symbol: {**values, "enabled": 0} for symbol, values in document["params"].items()}
    return {**document, "params": params, "policies": {}}


def timer_row(ts_ns: int) -> np.ndarray:
    """Return a TIMER."""
    times = (0, NO_TS_NS, ts_ns)
    row = (*times, NO_PRICE_TICKS, 0, NO_ORDER_ID, NO_VALUE, EventKind.TIMER, Side.NONE, Flag.LAST, 0, 0)
    return np.array([row], EVENT)
