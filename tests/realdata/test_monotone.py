"""What must not help, on recorded feeds (../shared/data): higher fees, a worse queue, a later arrival.

Of a whole run only what its orders do not depend on can be asserted, which is fees: with fewer fills a strategy may
well earn more. Of one order alone all of it: PLACE decisions of a run are given anew to the same market, one by one.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil
from pathlib import Path

import numpy as np
import pytest

from mmfold.adapters.importers import load_importer
from mmfold.adapters.importers.outcome import ImportRequest
from mmfold.config.load import load_config
from mmfold.config.models import Config
from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.jit import entry
from mmfold.engine.limits import NS_PER_MS, NS_PER_S, PPM
from mmfold.engine.manifest import Manifest
from mmfold.engine.orders import SLOTS_PER_SIDE
from mmfold.engine.records import EVENT
from mmfold.engine.state import make_state
from mmfold.journal.log.writer import Writer
from mmfold.replay.assumptions import Assumptions, FeeTier
from mmfold.replay.backtest import Backtest, BacktestResult
from mmfold.replay.venue.exchange import apply_market
from mmfold.replay.venue.queue import QueueModel
from mmfold.replay.venue.records import NEVER_NS, SIM, make_venues
from mmfold.replay.venue.requests import accept_request
from mmfold.reports.tearsheet.fold import pnl_parts
from tests.replay.venue.market import rows_of

pytestmark = pytest.mark.realdata

CAPTURES = {
    "BTCUSDT": ("usdm_btcusdt_20240808", ("grid.half_spread=1", "grid.skew_per_unit=5000")),
    "ETHUSDT": ("usdm_ethusdt_20240808", ("grid.half_spread=0.05", "grid.skew_per_unit=50", "grid.qty=0.02")),
}
PESSIMISTIC = Assumptions(queue_model=QueueModel.RISK_AVERSE)
ALONE_COUNT = 220
HORIZON_NS = 10 * NS_PER_S  # of an order alone
DELAYS_NS = (NS_PER_MS, 50 * NS_PER_MS, NS_PER_S)
MORE_LOTS = 30  # every other order is as many times as large, so that it fills in parts
VENUE_KINDS = (EventKind.BOOK_SNAPSHOT, EventKind.BOOK_DELTA, EventKind.TRADE, EventKind.MARK, EventKind.FUNDING)
Filled = list[tuple[int, int]]  # (time, lots filled so far)


@dataclass(frozen=True)
class Recorded:
    """A capture, the grid's run on it, and the rows of that run's journal."""

    source: Path
    config: Config
    result: BacktestResult
    rows: np.ndarray


@pytest.fixture(scope="module", params=CAPTURES)
def recorded(request: pytest.FixtureRequest, shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Return the pessimistic run of the grid rule on a capture."""
    name, overrides = CAPTURES[request.param]
    directory = tmp_path_factory.mktemp(request.param)
    files = (shared_data / "binance_raw_ws" / f"{name}.gz",)
    load_importer("binance")(ImportRequest(files=files, out=directory / "feed", market="usdm"), lambda _: None)
    config = load_config(None, "grid", ["mode=sent", "strategy.quote_on_timer=true", *overrides])
    with Writer(directory / "bt") as writer:
        result = Backtest(directory / "feed", config, PESSIMISTIC, writer=writer).run()
    return Recorded(directory / "feed", config, result, rows_of(directory / "bt"))


# Fees


def exact_fees(recorded: Recorded, maker_ppm: int, taker_ppm: int) -> int:
    """Return what the run's fills cost at given rates, each rounded up, from the journal's rows alone."""
    instrument = recorded.result.manifest.instruments[0]
    value = Fraction(instrument.tick_size) * Fraction(instrument.lot_size)  # micros of 1 ppm of a ticklot
    fills = recorded.rows[recorded.rows["kind"] == EventKind.FILL]
    names = ("price_ticks", "qty_lots", "flags")
    return sum(
        ceil(price * lots * value * (maker_ppm if flags & Flag.MAKER else taker_ppm))
        for price, lots, flags in zip(*(fills[name].tolist() for name in names), strict=True)
    )


def test_higher_fees_cost_exactly_what_they_are_higher(recorded: Recorded) -> None:
    rates = [(-50, 300), (0, 500), (100, 500), (321, 900)]
    cases = [replace(PESSIMISTIC, fee_tiers=(FeeTier(0, *rate),)) for rate in rates]
    runs = [Backtest(recorded.source, recorded.config, case).run() for case in cases]
    parts = [pnl_parts(run.state, 0) for run in runs]
    assert recorded.result.fills > 20
    for run, part, rate in zip(runs, parts, rates, strict=True):
        assert (run.effects_digest, run.fills) == (recorded.result.effects_digest, recorded.result.fills)
        assert (part.spread, part.inventory) == (parts[0].spread, parts[0].inventory)
        assert part.fees == exact_fees(recorded, *rate)
        assert part.total - parts[0].total == parts[0].fees - part.fees
    assert [part.total for part in parts] == sorted((part.total for part in parts), reverse=True)
    assert len({part.total for part in parts}) == len(rates)


def test_toxic_fills_cost_the_takers_fee(recorded: Recorded) -> None:
    totals = []
    for toxic_ppm in (0, 100_000, 400_000, PPM):
        assumptions = replace(PESSIMISTIC, toxic_fill_ppm=toxic_ppm)
        run = Backtest(recorded.source, recorded.config, assumptions, seed=3).run()
        assert run.effects_digest == recorded.result.effects_digest
        totals.append(pnl_parts(run.state, 0).total)
    assert totals == sorted(totals, reverse=True) and len(set(totals)) == len(totals)


# One order alone


@entry
def fold_span(sims, venues, cells, rows, starts, times_ns, first, end):  # type: ignore[no-untyped-def]
    """Fold the market's events [first, end) at their times at the venue."""
    for at in range(first, end):
        sims[0]["ts_now_ns"] = times_ns[at]
        apply_market(sims[0], venues[0], cells[0], rows, starts[at], starts[at + 1])


@entry
def place_order(sims, venues, cells, rows, ts_ns):  # type: ignore[no-untyped-def]
    """Let one request reach the venue."""
    sims[0]["ts_now_ns"] = ts_ns
    accept_request(sims[0], venues[0], cells[0], rows[0], ts_ns)


class Market:
    """A recorded market in the order in which it happens, with the venue's book at one place of it."""

    def __init__(self, manifest: Manifest, rows: np.ndarray) -> None:
        market = rows[np.isin(rows["kind"], VENUE_KINDS)]
        firsts = np.flatnonzero(np.diff(market["seq"], prepend=-1))
        is_book = np.isin(market["kind"][firsts], VENUE_KINDS[:2])
        told_ns = market["ts_exchange_ns"][firsts]
        # Messages of one book never overtake each other (replay/window.py).
        times_ns = np.where(is_book, np.maximum.accumulate(np.where(is_book, told_ns, 0)), told_ns)
        order = np.argsort(times_ns, kind="stable")
        events = np.split(market, firsts[1:])
        self.rows = np.concatenate([events[at] for at in order])
        self.starts = np.concatenate([[0], np.cumsum([len(events[at]) for at in order])])
        self.times_ns = times_ns[order]
        self.sims = np.zeros(1, SIM)
        self.venues = make_venues(manifest.instruments)
        self.cells = make_state(manifest).cells
        self.instruments = manifest.instruments
        self.at = 0

    def place_of(self, ts_ns: int) -> int:
        """Return the first event that a request at a time is before: what happens at that instant comes first."""
        return int(np.searchsorted(self.times_ns, ts_ns, side="right"))

    def prepare(self, assumptions: Assumptions) -> None:
        """Set the venue's rules and forget its orders."""
        assumptions.apply(self.sims[0], 0)
        self.sims["ts_expiry_ns"] = self.sims["ts_outage_ns"] = NEVER_NS
        self.sims["response_count"] = 0
        self.venues[:] = make_venues(self.instruments)

    def advance(self, ts_ns: int) -> None:
        """Move the book to a time."""
        self.prepare(PESSIMISTIC)
        end = self.place_of(ts_ns)
        fold_span(self.sims, self.venues, self.cells, self.rows, self.starts, self.times_ns, self.at, end)
        self.at = end

    def filled(self, order: np.ndarray, model: QueueModel, ts_ns: int, until_ns: int) -> Filled | None:
        """Return what an order alone that arrives at a time is filled with, None when the venue does not take it."""
        self.prepare(Assumptions(queue_model=model, entry_latency_ns=0, response_latency_ns=0))
        cells, arrival, end = self.cells.copy(), self.place_of(ts_ns), self.place_of(until_ns)
        market = (self.rows, self.starts, self.times_ns)
        fold_span(self.sims, self.venues, cells, *market, self.at, arrival)
        place_order(self.sims, self.venues, cells, order, ts_ns)
        fold_span(self.sims, self.venues, cells, *market, arrival, end)
        answers = self.sims[0]["responses"]["row"][: self.sims[0]["response_count"]]
        if answers[0]["kind"] != EventKind.ACK:
            return None
        fills = answers[answers["kind"] == EventKind.FILL]
        times_ns, lots = fills["ts_exchange_ns"].tolist(), np.cumsum(fills["qty_lots"]).tolist()
        return list(zip(times_ns, lots, strict=True))


def never_more(less: Filled, more: Filled) -> bool:
    """Tell whether what was filled is at no time more than in another run."""
    return all(lots <= max((other for at, other in more if at <= ts), default=0) for ts, lots in less)


def placed_orders(rows: np.ndarray) -> np.ndarray:
    """Return about ALONE_COUNT of a run's PLACE decisions, evenly from all of it."""
    placed = rows[rows["kind"] == EventKind.PLACE]
    assert len(placed) >= ALONE_COUNT
    chosen = placed[np.linspace(0, len(placed) - 1, ALONE_COUNT).astype(int)]
    chosen["qty_lots"][::2] *= MORE_LOTS
    return chosen


def test_one_order_alone_is_never_better_off_later_or_further_back(recorded: Recorded) -> None:
    market = Market(recorded.result.manifest, recorded.rows)
    taken = filled = worse = later = 0
    for number, decision in enumerate(placed_orders(recorded.rows)):
        order = np.array([decision], EVENT)
        slot = 0 if decision["side"] == Side.BID else SLOTS_PER_SIDE
        order["order_id"] = (number + 1) << 16 | slot
        arrival_ns = int(decision["ts_receive_ns"]) + PESSIMISTIC.entry_latency_ns
        until_ns = arrival_ns + HORIZON_NS
        market.advance(arrival_ns)
        base = market.filled(order, QueueModel.RISK_AVERSE, arrival_ns, until_ns)
        if base is None:
            continue
        taken += 1
        filled += bool(base)
        for model in (QueueModel.POWER, QueueModel.LOG, QueueModel.QPOS):
            better = market.filled(order, model, arrival_ns, until_ns)
            assert better is not None and never_more(base, better), (number, model)
            worse += base != better
        for delay_ns in DELAYS_NS:
            late = market.filled(order, QueueModel.RISK_AVERSE, arrival_ns + delay_ns, until_ns)
            assert late is None or never_more(late, base), (number, delay_ns)
            later += late is not None and late != base
    assert taken >= 200 and filled >= 30 and worse >= 10 and later >= 5, (taken, filled, worse, later)
