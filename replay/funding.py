"""Settlements of a funding history among a recording's events; must never pay one that the recording tells as well."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.limits import NS_PER_S
from mmfold.engine.manifest import Manifest
from mmfold.engine.records import EVENT, NO_PRICE_TICKS, NO_TS_NS
from mmfold.replay.feeds import market_of, merge_times
from mmfold.replay.funding_file import FundingFileError, FundingHistory

SAME_NS = 60 * NS_PER_S  # settlements of one instrument are an hour apart at least


@dataclass
class FundingFeed:
    """A history's settlements of a recording's instruments, by time; the counts are of the last reading.

    Shape: rows EVENT, one a settlement.
    """

    history: FundingHistory
    rows: np.ndarray
    taken_count: int = 0
    told_twice_count: int = 0  # by the recording too: the history's word counts

    @property
    def word(self) -> str:
        """What a manifest says of it."""
        return f"{len(self.history.settlements)} settlements sha256 {self.history.digest}"

    @property
    def outside_count(self) -> int:
        """How many settlements of the recording's instruments are not within its time."""
        return len(self.rows) - self.taken_count

    @property
    def foreign_count(self) -> int:
        """How many settlements are of other instruments."""
        return len(self.history.settlements) - len(self.rows)

    def join(self, chunks: Iterator[np.ndarray], shift_ns: int) -> Iterator[np.ndarray]:
        """Yield the recording's market with each settlement before the first event received at its time or later.

        A settlement is known when it happens: `shift_ns`, which is added to all receive times later, is taken off.
        """
        self.taken_count = self.told_twice_count = 0
        due = self.rows.copy()
        due["ts_receive_ns"] -= shift_ns
        seen_ns, is_first = NO_TS_NS, True
        for chunk in chunks:
            rows = market_of(chunk)
            if not len(rows):
                continue
            times_ns = merge_times(rows, seen_ns)
            if is_first:
                due, is_first = due[due["ts_receive_ns"] >= times_ns[0]], False
            seen_ns = int(times_ns[-1])
            keep = self.is_news(rows)
            rows, times_ns = rows[keep], times_ns[keep]
            count = int(np.searchsorted(due["ts_receive_ns"], seen_ns, "right"))
            if count:
                rows = np.insert(rows, np.searchsorted(times_ns, due["ts_receive_ns"][:count], "left"), due[:count])
                due, self.taken_count = due[count:], self.taken_count + count
            if len(rows):
                yield rows

    def is_news(self, rows: np.ndarray) -> np.ndarray:
        """Tell which rows are no settlement that the history tells as well."""
        keep = np.ones(len(rows), bool)
        for place in np.flatnonzero(rows["kind"] == EventKind.FUNDING).tolist():
            row = rows[place]
            ts_ns = row["ts_exchange_ns"] if row["ts_exchange_ns"] != NO_TS_NS else row["ts_receive_ns"]
            same = self.rows["instrument_index"] == row["instrument_index"]
            if (np.abs(self.rows["ts_exchange_ns"][same] - ts_ns) <= SAME_NS).any():
                keep[place] = False
                self.told_twice_count += int(row["flags"] & Flag.LAST != 0)
        return keep


def make_feed(history: FundingHistory, manifest: Manifest) -> FundingFeed:
    """Return the settlements of a recording's instruments; a file that names no symbol is of the only derivative.

    Raises: FundingFileError where none fits, or for one of a spot instrument.
    """
    index_of = manifest.symbol_index()
    derivatives = [one.symbol for one in manifest.instruments if one.contract != "spot"]
    rows = np.zeros(len(history.settlements), EVENT)
    count = 0
    for told in history.settlements:
        symbol = told.symbol
        if not symbol:
            if len(derivatives) != 1:
                names = ", ".join(derivatives) or "none"
                raise FundingFileError(f"{history.path} names no symbol, and the recording's derivatives are: {names}")
            symbol = derivatives[0]
        if symbol not in index_of:
            continue
        if symbol not in derivatives:
            raise FundingFileError(f"{history.path}: {symbol} is spot in the recording, which has no funding")
        row = rows[count]
        row["ts_exchange_ns"] = row["ts_receive_ns"] = told.ts_ns
        row["price_ticks"], row["order_id"], row["aux"] = NO_PRICE_TICKS, told.mark_e8, told.rate_e9
        row["kind"], row["side"], row["flags"] = EventKind.FUNDING, Side.NONE, Flag.LAST
        row["instrument_index"] = index_of[symbol]
        count += 1
    if not count:
        found = sorted({told.symbol for told in history.settlements})
        raise FundingFileError(
            f"{history.path} is of {', '.join(found[:5])}, the recording of {', '.join(list(index_of)[:5])}: none fits"
        )
    return FundingFeed(history, rows[:count])
