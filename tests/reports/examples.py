"""A small finished replay filled by hand: one symbol with a mid, quotes, fills and PnL, one that never had a book."""

import numpy as np

from mmfold.engine.codes import BookStatus, EventKind, Flag, Mode, Reason, Side
from mmfold.engine.limits import NS_PER_S
from mmfold.engine.manifest import Instrument, Manifest
from mmfold.engine.records import EVENT, NO_PRICE_TICKS, NO_TS_NS
from mmfold.engine.state import State, make_state
from mmfold.replay.result import SAMPLE, ReplayResult

START_NS = 1_723_161_257 * NS_PER_S  # 2024-08-08T23:54:17Z
MANIFEST = Manifest(
    run_id="demo",
    instruments=(
        Instrument(symbol="BTCUSDT", venue="bybit", tick_size="0.10", lot_size="0.001"),
        Instrument(symbol="ETHUSDT", venue="bybit", tick_size="0.01", lot_size="0.01"),
    ),
)


def example_state() -> State:
    """Return the state after 42 fills of BTCUSDT; ETHUSDT is untouched."""
    state = make_state(MANIFEST)
    state.clock["ts_now_ns"], state.clock["row_count"] = START_NS + 600 * NS_PER_S, 41_230
    state.kind_counts[EventKind.BOOK_DELTA] = 12_000
    state.params["mode"] = Mode.SHADOW
    for name, value in {"levels_per_side": 3, "k_vola_spread": 0.95, "min_time_in_book_ns": 500_000_000}.items():
        state.params[name] = value
    book, position, counters = state.books[0], state.positions[0], state.counters[0]
    book["status"], book["snapshot_count"], book["delta_count"], book["gap_count"] = BookStatus.LIVE, 2, 12_000, 1
    state.book_sides[0]["best_price_ticks"] = (617_404, 617_406)
    state.signals[0]["mid_half_ticks"] = 617_404 + 617_406
    for name, value in {"spread_bps": 0.00323936832, "imbalance": -0.25, "vola_bps": 1.23456789}.items():
        state.signals[0][name] = value
    position["position_lots"], position["cost_ticklots"], position["realized_ticklots"] = 6, 6 * 617_300, 25_430
    position["fees_micros"], position["turnover_ticklots"] = -120_501, 84 * 617_400
    position["fill_count"], position["maker_fill_count"] = 42, 42
    counters["placed_count"], counters["amended_count"], counters["cancelled_count"] = 1_204, 318, 1_170
    state.blocked_counts[0, Reason.LEVEL_CAP], state.blocked_counts[0, Reason.MIN_SPREAD] = 17, 3
    state.quote_sides[0]["open_order_count"] = (3, 2)
    return state


def example_samples(count: int = 600) -> np.ndarray:
    """Return a wave with own quotes around it, some of them absent, and a position that follows."""
    samples = np.zeros(count, SAMPLE)
    steps = np.arange(count, dtype=np.int64)
    wave = (steps * 37 % 101) // 6 + 120 - abs(steps % 240 - 120)
    mid_ticks = 617_300 + wave + steps // 12
    samples["ts_ns"] = START_NS + steps * (600 * NS_PER_S // count)
    samples["mid_half_ticks"] = 2 * mid_ticks + 1
    samples["quote_bid_ticks"] = np.where(steps % 97 < 9, NO_PRICE_TICKS, mid_ticks // 8 * 8 - 20)
    samples["quote_ask_ticks"] = mid_ticks // 8 * 8 + 30
    samples["position_lots"] = (steps // 23 * 7) % 19 - 8
    samples["pnl_micros"] = steps * 4_500 - (steps * 7_919 % 211) * 1_500
    return samples


def example_fills(samples: np.ndarray, every: int = 14) -> np.ndarray:
    """Return alternating fills at the quotes of every n-th sample."""
    picked = samples[::every]
    fills = np.zeros(len(picked), EVENT)
    buys = np.arange(len(picked)) % 2 == 0
    fills["kind"], fills["flags"] = EventKind.FILL, Flag.LAST | Flag.MAKER
    fills["side"] = np.where(buys, Side.BID, Side.ASK)
    fills["price_ticks"] = picked["mid_half_ticks"] // 2 + np.where(buys, -14, 14)
    fills["qty_lots"] = 2
    fills["ts_receive_ns"], fills["ts_exchange_ns"] = picked["ts_ns"], NO_TS_NS
    return fills


def example_result(with_fills: bool = True) -> ReplayResult:
    """Return a whole result."""
    samples = example_samples()
    state = example_state()
    if not with_fills:
        samples["position_lots"] = samples["pnl_micros"] = 0
        for name in state.positions.dtype.names or ():
            if name not in ("venue_position_lots", "ts_fill_ns", "price_fill_ticks"):
                state.positions[name] = 0
    return ReplayResult(
        manifest=MANIFEST,
        state=state,
        events=12_345,
        rows=41_230,
        head="9f3c" + "0123456789abcdef" * 3 + "00112233e1f0",
        sealed=True,
        state_digest="ab" * 32,
        effects_digest="cd" * 32,
        effect_counts={"place": 1_204, "amend": 318, "cancel": 1_170, "audit": 40, "alert": 2},
        fills=42 if with_fills else 0,
        witnessed_count=2_734 if with_fills else None,
        samples=samples,
        fill_rows=example_fills(samples) if with_fills else np.zeros(0, EVENT),
        params={"BTCUSDT": {"levels_per_side": 3, "skew_coeff": 0.3}},
        source="fixtures/demo",
        seconds=0.4,
    )
