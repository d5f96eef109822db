"""Settlements of funding that a recording, or two that were merged, tells again, taken once.

Must never drop one of another time. Venues settle on whole hours; what tells it, an execution or a history, is stamped
then or a little later.
"""

from collections.abc import Iterator

import numpy as np

from mmfold.engine.codes import EventKind, Flag
from mmfold.engine.limits import NS_PER_S
from mmfold.engine.records import NO_TS_NS
from mmfold.replay.funding import SAME_NS

HOUR_NS = 3_600 * NS_PER_S


def settlement_ns(ts_ns: int) -> int:
    """Return the time of a settlement: the whole hour within a minute of its stamp, or the stamp itself."""
    hour_ns = (ts_ns + HOUR_NS // 2) // HOUR_NS * HOUR_NS
    return hour_ns if abs(ts_ns - hour_ns) <= SAME_NS else ts_ns


class SettlementsOnce:
    """One reading of a market; `count` is how many settlements it left out."""

    def __init__(self) -> None:
        self.told: set[tuple[int, int]] = set()  # instrument, time
        self.count = 0

    def keep_new(self, chunks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield the market without the settlements that were told before."""
        for chunk in chunks:
            places = np.flatnonzero(chunk["kind"] == EventKind.FUNDING)
            keep = self.are_new(chunk, places) if len(places) else None
            yield chunk if keep is None else chunk[keep]

    def are_new(self, rows: np.ndarray, places: np.ndarray) -> np.ndarray | None:
        """Tell which rows stay, the FUNDING rows at some places looked at; None: all."""
        keep = np.ones(len(rows), bool)
        for place in places.tolist():
            row = rows[place]
            if row["flags"] & Flag.PAID != 0 and row["flags"] & Flag.LAST != 0:
                keep[place] = keep[place - 1]  # what an account paid goes with the market's word before it
                continue
            ts_ns = int(row["ts_exchange_ns"] if row["ts_exchange_ns"] != NO_TS_NS else row["ts_receive_ns"])
            settlement = int(row["instrument_index"]), settlement_ns(ts_ns)
            keep[place] = settlement not in self.told
            self.count += not keep[place]
            self.told.add(settlement)
        return None if keep.all() else keep
