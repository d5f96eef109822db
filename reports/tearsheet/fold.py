"""One pass over a backtest's journal with the core replaying: what every fill, order and second came to.

The journal is cut where something is to be looked up: after a fill, at a markout's due time, at a second's end. Between
two cuts the core runs on its own, so that the figures are those of its state. Must never decide or change anything.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mmfold.engine.codes import PAYLOAD_KINDS, EventKind, Flag
from mmfold.engine.core import merge_config
from mmfold.engine.limits import NS_PER_S
from mmfold.engine.payload import payload_bytes
from mmfold.engine.records import I8, NO_TS_NS, NO_VALUE, record
from mmfold.engine.state import State
from mmfold.replay.result import ReplayResult
from mmfold.replay.run import Replay, ReplayOptions
from mmfold.reports.position import mark_half_ticks, worth_half_ticklots
from mmfold.reports.tearsheet.markouts import Markouts
from mmfold.reports.tearsheet.orders import OrderBook, OrderTally

PERIOD_NS = NS_PER_S
FILL_NOTE = record(
    48,
    [
        ("mid_half_ticks", I8),  # at the fill, NO_PRICE_TICKS when there was none
        ("realized_micros", I8),  # what the fill realised less its fee, rounded down
        ("closing", I8),  # 1: it closed a part of the position
        ("realized_ticklots", I8),  # what it realised before its fee, exactly
        ("fee_micros", I8),  # positive = paid
        ("position_lots", I8),  # after it
    ],
)


class NotWitnessed(ValueError):
    """A journal without decisions: nobody traded in it."""


@dataclass(frozen=True, slots=True)
class PnlParts:
    """The net PnL of one instrument and what it is made of: total = spread + inventory - fees - funding, exactly.

    Units: micros of the quote currency, of inverse contracts of a thousandth of the base; fees and funding positive =
    paid. Spread and the total are each rounded down once, inventory is the rest and takes the residue of less than a
    micro.
    """

    spread: int = 0
    inventory: int = 0
    fees: int = 0
    funding: int = 0

    @property
    def total(self) -> int:
        """Net PnL in micros."""
        return self.spread + self.inventory - self.fees - self.funding


@dataclass(frozen=True)
class Tearsheet:
    """What one pass over a backtest's journal found.

    Shape: fill_notes, mids_half_ticks and within have one entry per row of `result.fill_rows`, the last two by horizon
        (`within`: the horizon lies inside the journal); periods (k,) and equity_micros (k, instruments) are the seconds
        in which the net PnL changed, and the net PnL at their ends.
    """

    result: ReplayResult
    pnl: tuple[PnlParts, ...]
    orders: tuple[OrderTally, ...]
    open_order_counts: tuple[int, ...]
    fill_notes: np.ndarray
    mids_half_ticks: np.ndarray
    within: np.ndarray
    ts_first_ns: int
    period_count: int
    periods: np.ndarray
    equity_micros: np.ndarray


def pnl_parts(state: State, index: int) -> PnlParts:
    """Return an instrument's PnL and its parts, the position valued as `position_amounts` does."""
    row, instrument = state.positions[index], state.instruments[index]
    numerator, denominator = int(instrument["tick_value_numerator"]), 2 * int(instrument["tick_value_denominator"])
    lots, mark = int(row["position_lots"]), mark_half_ticks(state, index)
    gross_half, gained = 2 * int(row["realized_ticklots"]), int(row["opening_unrealized_micros"])
    if gained == NO_VALUE:  # taken over, and no mid yet: what it gains until then is not this journal's
        gained = 0
    else:
        assert mark is not None or lots == 0, "a position comes from a fill, which has a price"
        gross_half += worth_half_ticklots(state, index, mark or 0) - 2 * int(row["cost_ticklots"])
    spread_micros = int(row["spread_half_ticklots"]) * numerator // denominator
    return PnlParts(
        spread=spread_micros,
        inventory=gross_half * numerator // denominator - spread_micros - gained,
        fees=int(row["fees_micros"]),
        funding=int(row["funding_micros"]),
    )


@dataclass(frozen=True)
class Events:
    """A chunk's events: first row, kind, and the core's clock when each is folded."""

    starts: np.ndarray
    kinds: np.ndarray
    times_ns: np.ndarray


def chunk_events(rows: np.ndarray, ts_before_ns: int) -> Events:
    """Return the events of a chunk; the clock stands at `ts_before_ns` and never goes back."""
    starts = np.flatnonzero(np.concatenate([[True], (rows["flags"][:-1] & Flag.LAST) != 0]))
    kinds = rows["kind"][starts]
    told_ns = np.where(np.isin(kinds, PAYLOAD_KINDS), NO_TS_NS, rows["ts_receive_ns"][starts])
    return Events(starts, kinds, np.maximum(np.maximum.accumulate(told_ns), ts_before_ns))


class TearsheetFold(Replay):
    """A replay that looks at the state after every fill, at every horizon's end and at every second's end."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, ReplayOptions(sample=True, checkpoints=False))
        count = len(self.manifest.instruments)
        self.orders = OrderBook(count)
        self.markouts = Markouts()
        self.config: dict[str, Any] = {}
        self.ts_first_ns = self.ts_now_ns = NO_TS_NS
        self.period = 0
        self.equity: list[tuple[int, ...]] = []  # (second, net PnL per instrument)
        self.before = [(0, 0, 0)] * count  # position, realised ticklots and fees after the fill before
        self.fill_notes: list[tuple[int, ...]] = []

    def feed(self, rows: np.ndarray) -> None:
        """Fold a chunk piece by piece."""
        events = chunk_events(rows, self.ts_now_ns)
        first_rows = rows[events.starts]
        self.take_config(rows, events)
        self.orders.take(first_rows, events.times_ns)
        fills = np.flatnonzero(events.kinds == EventKind.FILL)
        instruments = first_rows["instrument_index"][fills].astype(np.int64)
        self.markouts.add(events.times_ns[fills], instruments)
        due = self.markouts.due(int(events.times_ns[-1]))
        due_at = np.searchsorted(events.times_ns, due[:, 0], side="right")
        periods = self.periods(events.times_ns)
        turns = np.flatnonzero(np.diff(periods, prepend=self.period))
        filled = dict(zip((fills + 1).tolist(), instruments.tolist(), strict=True))
        turned = dict(zip(turns.tolist(), periods[turns].tolist(), strict=True))
        stops = np.unique(np.concatenate([fills + 1, due_at, turns]))
        mids = np.zeros((len(stops), len(self.manifest.instruments)), np.int64)
        bounds, piece_count, begin = np.append(events.starts, len(rows)), len(self.fill_rows), 0
        for place, stop in enumerate(stops.tolist()):
            begin = self.feed_to(rows, begin, int(bounds[stop]))
            mids[place] = self.core.state.signals["mid_half_ticks"]
            if stop in filled:
                self.note_fill(filled[stop])
            if stop in turned:
                self.end_period(turned[stop])
        self.feed_to(rows, begin, len(rows))
        self.markouts.resolve(due, mids[np.searchsorted(stops, due_at), due[:, 3]])
        self.fill_rows[piece_count:] = [part for part in self.fill_rows[piece_count:] if len(part)]
        self.ts_now_ns = int(events.times_ns[-1])

    def feed_to(self, rows: np.ndarray, begin: int, end: int) -> int:
        """Fold the rows up to a place and return it."""
        if end > begin:
            super().feed(rows[begin:end])
        return end

    def take_config(self, rows: np.ndarray, events: Events) -> None:
        """Keep what the journal's CONFIG events say, a later one laid over an earlier one."""
        bounds = np.append(events.starts, len(rows))
        for place in np.flatnonzero(events.kinds == EventKind.CONFIG):
            document = json.loads(payload_bytes(rows[bounds[place] : bounds[place + 1]]))
            self.config = merge_config(self.config, document)

    def periods(self, times_ns: np.ndarray) -> np.ndarray:
        """Return which second since the first timed event each event falls in."""
        timed = times_ns[times_ns != NO_TS_NS]
        if self.ts_first_ns == NO_TS_NS and len(timed):
            self.ts_first_ns = int(timed[0])
        return np.where(times_ns == NO_TS_NS, 0, (times_ns - self.ts_first_ns) // PERIOD_NS)

    def end_period(self, period_next: int) -> None:
        """Keep the net PnL at the end of a second, if it is not what it was."""
        state = self.core.state
        nets = tuple(pnl_parts(state, index).total for index in range(len(self.manifest.instruments)))
        if nets != (self.equity[-1][1:] if self.equity else (0,) * len(nets)):
            self.equity.append((self.period, *nets))
        self.period = period_next

    def note_fill(self, index: int) -> None:
        """Note what the fill just folded found and left behind."""
        state = self.core.state
        row, instrument = state.positions[index], state.instruments[index]
        lots, realized, fees = (int(row[name]) for name in ("position_lots", "realized_ticklots", "fees_micros"))
        lots_before, realized_before, fees_before = self.before[index]
        self.before[index] = (lots, realized, fees)
        numerator, denominator = int(instrument["tick_value_numerator"]), int(instrument["tick_value_denominator"])
        realized, fee, mid = realized - realized_before, fees - fees_before, int(state.signals[index]["mid_half_ticks"])
        realized_micros = realized * numerator // denominator - fee
        closing = int(lots_before * (lots - lots_before) < 0)
        self.fill_notes.append((mid, realized_micros, closing, realized, fee, lots))

    def tearsheet(self) -> Tearsheet:
        """Replay to the end and return what was found."""
        result = self.run()
        state, count = self.core.state, len(self.manifest.instruments)
        last = self.markouts.due(self.ts_now_ns + 1)
        self.markouts.resolve(last, state.signals["mid_half_ticks"][last[:, 3]])
        mids_half_ticks, within = self.markouts.table()
        timed = self.ts_first_ns != NO_TS_NS
        if timed:
            self.end_period(self.period + 1)
        equity = np.array(self.equity, np.int64).reshape(-1, 1 + count)
        return Tearsheet(
            result=replace(result, params=self.config.get("params", {})),
            pnl=tuple(pnl_parts(state, index) for index in range(count)),
            orders=tuple(self.orders.tallies),
            open_order_counts=tuple(self.orders.open_count(index) for index in range(count)),
            fill_notes=np.array(self.fill_notes, FILL_NOTE),
            mids_half_ticks=mids_half_ticks,
            within=within,
            ts_first_ns=self.ts_first_ns,
            period_count=self.period if timed else 0,
            periods=equity[:, 0],
            equity_micros=equity[:, 1:],
        )


def fold_backtest(path: Path) -> Tearsheet:
    """Return the tearsheet of a backtest's journal, whose decisions and digests the replay checks on the way.

    Raises: NotWitnessed, JournalError, WitnessDiffers, DigestDiffers.
    """
    fold = TearsheetFold(path)
    if not fold.manifest.witnessed:
        raise NotWitnessed(f"{path} holds market data only: a tearsheet is made of a backtest's journal")
    return fold.tearsheet()
