"""Synthetic markets as journals, and the configurations that trade on them."""

from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np

from mmfold.config.load import load_config
from mmfold.config.models import Config
from mmfold.engine.codes import EventKind
from mmfold.engine.limits import E8, ORDER_COUNT_MAX
from mmfold.engine.manifest import Instrument, Manifest, encode_manifest
from mmfold.engine.payload import payload_rows
from mmfold.journal.log.reader import Journal
from mmfold.journal.log.writer import Writer
from mmfold.replay.assumptions import Assumptions
from mmfold.replay.backtest import Backtest, BacktestResult
from mmfold.replay.venue.queue import QueueModel
from mmfold.replay.venue.records import NEVER_NS
from tests.engine.rows import T0_NS
from tests.replay.venue.scenario import MS, Happening, Walk

MID_TICKS = 10_000
SLOW = Assumptions(entry_latency_ns=37 * MS, response_latency_ns=13 * MS, queue_model=QueueModel.RISK_AVERSE)
CASES = [(name, kind) for name in ("ladder", "grid") for kind in ("faulty", "calm")]
LADDER = (
    "mode=sent",
    "strategy.levels_per_side=2",
    "strategy.quote_refresh_ms=50",
    "strategy.min_time_in_book_ms=100",
    "strategy.min_spread_bps=0.5",
    "strategy.k_vola_spread=0.01",
    "strategy.enable_adverse_guard=false",
    "strategy.target_usd=60",
    "strategy.replace_threshold_bps=2",
    "strategy.amend_price_threshold_bps=1",
    "maker.post_only_offset_bps=0",
    "autopolicy.enabled=true",
    "autopolicy.trigger_events_total=5",
)
GRID = ("mode=sent", "strategy.quote_on_timer=true", "grid.half_spread=0.1", "grid.skew_per_unit=10", "grid.qty=0.03")


def config_of(name: str) -> Config:
    """Return the configuration of `ladder` (quotes on every event, amends) or `grid` (on timers, cancels)."""
    return load_config(None, None, LADDER) if name == "ladder" else load_config(None, "grid", GRID)


def make_instruments(count: int, venue: str = "bybit") -> tuple[Instrument, ...]:
    """Return instruments whose orders are a few levels' size, with a maker fee that is no round sum."""
    return tuple(
        Instrument(symbol=f"{letter}USDT", venue=venue, tick_size="0.1", lot_size="0.001", maker_fee_ppm=101)
        for letter in "XY"[:count]
    )


def extra_rows(random: Random, happening: Happening) -> np.ndarray:
    """Return the event's rows; a MARK or GAP gets what makes it whole, now and then a FUNDING comes instead."""
    rows = happening.rows()
    if happening.kind == EventKind.MARK:
        rows["aux"] = MID_TICKS // 10 * E8
        if random.random() < 0.3:
            rows["kind"], rows["order_id"], rows["aux"] = (
                EventKind.FUNDING,
                rows["aux"],
                random.randrange(-(10**6), 10**6),
            )
    return rows


def market_events(
    seed: int, count: int, *, instruments: int = 1, behind_ns: int = 0, faults: bool = True, back: float = 0.02
) -> list[np.ndarray]:
    """Return a market's events: bursts and lulls, messages that are told late, and faults if wanted.

    `behind_ns` puts the receive clock behind the exchange's; `back` is how often a receive time steps back.
    """
    random = Random(seed)
    walks = [Walk(index, random, MID_TICKS, 200) for index in range(instruments)]
    events, exchange_ns, receive_ns = [], T0_NS, T0_NS
    while len(events) < count:
        exchange_ns += random.choice((0, 0, MS, 5 * MS, 20 * MS, 60 * MS))
        receive_ns = max(receive_ns, exchange_ns + random.randrange(1, 8) * MS)
        told_ns = receive_ns - behind_ns - (random.randrange(40) * MS if random.random() < back else 0)
        one = random.choice(walks).happening(exchange_ns - (random.random() < 0.02) * 3 * MS, told_ns)
        walks[one.instrument].gap = walks[one.instrument].gap or one.kind in (EventKind.BOOK_GAP, EventKind.BOOK_CLEAR)
        if faults or not is_fault(one, walks[one.instrument]):
            events.append(extra_rows(random, one))
    return events


def is_fault(one: Happening, walk: Walk) -> bool:
    """Repair a walk whose message would make a book invalid; tells whether the message has to be left out."""
    if one.kind in (EventKind.BOOK_GAP, EventKind.BOOK_CLEAR):
        walk.gap = False
        return True
    bids = [price for (side, price) in walk.book if side == 0]
    asks = [price for (side, price) in walk.book if side == 1]
    lost = one.kind == EventKind.BOOK_DELTA and (walk.gap or one.seq != walk.seq)
    if lost or not bids or not asks or max(bids) >= min(asks):
        walk.book = {}  # a snapshot comes next
        walk.gap = False
        return True
    return False


def write_market(path: Path, events: list[np.ndarray], instruments: tuple[Instrument, ...]) -> Path:
    """Write a recording: a manifest, then the events; returns its path."""
    manifest = Manifest(run_id="synthetic", instruments=instruments)
    with Writer(path) as writer:
        parts = [payload_rows(EventKind.MANIFEST, 0, encode_manifest(manifest)), *events]
        for seq, part in enumerate(parts):
            part["seq"] = seq
            writer.append(part)
        writer.commit()
    return path


@dataclass(frozen=True)
class Ran:
    """A finished backtest, what it ran on, and the journal it wrote."""

    name: str
    source: Path
    path: Path
    rows: np.ndarray
    result: BacktestResult
    assumptions: Assumptions


def run(source: Path, out: Path | None, name: str = "ladder", assumptions: Assumptions = SLOW) -> BacktestResult:
    """Run one backtest, with a journal if there is a place for it."""
    if out is None:
        return Backtest(source, config_of(name), assumptions).run()
    with Writer(out) as writer:
        return Backtest(source, config_of(name), assumptions, writer=writer).run()


def rows_of(path: Path) -> np.ndarray:
    """Return all rows of a journal."""
    return np.concatenate([chunk.copy() for chunk in Journal(path).chunks()])


def orders_of(path: Path, symbol: str, until_ns: int = NEVER_NS) -> list[tuple[int, ...]]:
    """Return the orders for a symbol, without what numbers them: seq, and the id but for its slot."""
    rows = rows_of(path)
    index = Journal(path).manifest().symbol_index()[symbol]
    is_ours = np.isin(rows["kind"], (EventKind.PLACE, EventKind.AMEND, EventKind.CANCEL))
    is_ours &= (rows["instrument_index"] == index) & (rows["ts_receive_ns"] <= until_ns)
    names = ("ts_receive_ns", "kind", "side", "flags", "code", "price_ticks", "qty_lots", "aux")
    columns = [rows[is_ours][name].tolist() for name in names]
    return list(zip(*columns, (rows[is_ours]["order_id"] % ORDER_COUNT_MAX).tolist(), strict=True))


def run_case(directory: Path, name: str, kind: str) -> Ran:
    """Return a backtest of a strategy on a `faulty` market of two instruments or on a `calm` one of one.

    Faulty: gaps, crossed books, a receive clock a second behind the venue's and steps back in it. Calm: always a mid.
    """
    count, calm = (1, True) if kind == "calm" else (2, False)
    behind_ns = 0 if calm else 1_000 * MS
    events = market_events(5 if calm else 3, 2_800, instruments=count, faults=not calm, behind_ns=behind_ns)
    source = write_market(directory / "market", events, make_instruments(count))
    assumptions = SLOW if name == "ladder" else Assumptions()
    result = run(source, directory / "journal", name, assumptions)
    return Ran(name, source, directory / "journal", rows_of(directory / "journal"), result, assumptions)
