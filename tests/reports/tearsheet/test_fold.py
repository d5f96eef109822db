"""One journal by hand, every figure computed by hand; and the laws of the fold on the bundled journal."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfold.engine.codes import EventKind
from mmfold.engine.limits import MICROS_PER_UNIT, NS_PER_MS
from mmfold.engine.manifest import encode_manifest
from mmfold.engine.payload import payload_rows
from mmfold.engine.records import NO_PRICE_TICKS
from mmfold.engine.state import make_state
from mmfold.journal.log.writer import Writer
from mmfold.replay.run import ReplayOptions, replay
from mmfold.reports.position import position_amounts
from mmfold.reports.tearsheet.fold import NotWitnessed, Tearsheet, fold_backtest, pnl_parts
from mmfold.reports.tearsheet.markouts import HORIZONS_MS
from mmfold.reports.tearsheet.metrics import drawdown_micros, tearsheet_document
from tests.engine.rows import make_manifest
from tests.reports.tearsheet.tape import SYMBOL, Tape

ROOT = Path(__file__).resolve().parents[3]
DEMO = ROOT / "fixtures" / "demo.mmj"

# Mid 10,000 until 150 ms, then 10,002, from 200 ms 10,004, from 551 ms 10,000 again. Quotes 10 ticks from the mid.
# #1 buys 5 at 9,990, #2 sells them at 10,010 a second later; #3 follows #1 and is refused,
# #4 follows #2, #5 follows #3.
ROUND_TRIP = """
       0 | book 9999x9 / 10001x9 @1
      10 | ack #1
      10 | ack #2
      50 | fill #1 9990x5 maker
     150 | delta 10001x9 / 10001x0 10003x9 @2<1
     200 | delta 10003x9 / 10003x0 10005x9 @3<2
     551 | delta 10003x0 10001x0 / 10001x9 10005x0 @4<3
    1050 | fill #2 10010x5 maker
    1100 | reject #3
    2500 | timer
"""
# The same life at a mid that never moves.
STILL_MARKET = "\n".join(line for line in ROUND_TRIP.splitlines() if "delta" not in line)


@pytest.fixture(scope="module")
def round_trip(tmp_path_factory: pytest.TempPathFactory) -> Tearsheet:
    return fold_backtest(Tape(tmp_path_factory.mktemp("tape") / "j").write(ROUND_TRIP))


@pytest.fixture(scope="module")
def demo() -> Tearsheet:
    return fold_backtest(DEMO)


def figures(sheet: Tearsheet) -> dict:
    return tearsheet_document(sheet)["figures"]["symbols"][SYMBOL]


def test_money_by_hand(round_trip: Tearsheet) -> None:
    found = figures(round_trip)
    # Each fill captures 5 x 10; fees are 1 bp of 9,990 x 5 and of 10,010 x 5; realised (10,010 - 9,990) x 5 = 100.
    assert found["pnl_micros"] == {
        "spread": 100_000_000, "inventory": 0, "fees": 10_000_000, "funding": 0, "total": 90_000_000
    }  # fmt: skip
    assert found["turnover"] == "100000" and found["net_bps"] == 9.0 and found["currency"] == "USDT"
    assert (found["fills"], found["maker_share"], found["closing_fills"], found["hit_rate"]) == (2, 1.0, 1, 1.0)
    told = round_trip.fill_notes[["mid_half_ticks", "realized_micros", "closing"]]
    assert told.tolist() == [(20_000, -4_995_000, 0), (20_000, 94_995_000, 1)]
    assert round_trip.fill_notes["position_lots"].tolist() == [5, 0]


def test_seconds_by_hand(round_trip: Tearsheet) -> None:
    # 45.005 at the end of the first second (5 lots bought 10 below the mid, less the fee), 90 at the end of the second.
    assert round_trip.periods.tolist() == [0, 1] and round_trip.period_count == 3
    assert round_trip.equity_micros[:, 0].tolist() == [45_005_000, 90_000_000]
    found = figures(round_trip)
    # Changes 45.005, 44.995, 0: mean 30, standard deviation 21.2132.
    assert found["sharpe"] == pytest.approx(30 / 21.2132, abs=1e-5)
    assert (found["seconds"], found["cvar95_micros"], found["max_drawdown_micros"]) == (3, 0, 0)


@pytest.mark.parametrize(
    ("horizon_ms", "first", "second"),
    [
        (100, 10_002, 10_000),  # an event at the horizon itself counts
        (200, 10_004, 10_000),
        (500, 10_004, 10_000),  # the mid falls back 1 ms after it
        (1_000, 10_000, 10_000),
        (5_000, None, None),  # the journal ends before
        (60_000, None, None),
    ],
)
def test_markouts_by_hand(round_trip: Tearsheet, horizon_ms: int, first: int | None, second: int | None) -> None:
    column = HORIZONS_MS.index(horizon_ms)
    expected = [NO_PRICE_TICKS if mid is None else 2 * mid for mid in (first, second)]
    assert round_trip.mids_half_ticks[:, column].tolist() == expected
    entry = figures(round_trip)["markouts"][column]
    if first is None or second is None:
        assert (entry["bps"], entry["fills"], entry["beyond_end"]) == (None, 0, 2)
    else:
        gain = (first - 9_990) * 5 + (10_010 - second) * 5
        assert entry["bps"] == pytest.approx(gain / 100_000 * 10_000, abs=1e-6)
        assert (entry["fills"], entry["beyond_end"], entry["without_mid"]) == (2, 0, 0)


def test_orders_by_hand(round_trip: Tearsheet) -> None:
    found = figures(round_trip)["orders"]
    assert (found["placed"], found["filled"], found["open_at_end"]) == (5, 2, 2)
    assert (found["fill_rate"], found["fill_rate_qty"]) == (0.4, 0.4)
    # #1 waited 40 ms and lived 50, #2 waited 1,040 and lived 1,050, #3 lived from 50 to 1,100.
    assert found["queue_wait_ms"] == {
        "count": 2,
        "p50": 40.0,
        "p75": 1040.0,
        "p90": 1040.0,
        "p95": 1040.0,
        "p99": 1040.0,
    }
    assert found["order_age_ms"] == {"count": 3, "p50": 1050.0, "p95": 1050.0, "p99": 1050.0}


def test_a_mid_that_stands_still_marks_out_the_spread_alone(tmp_path: Path) -> None:
    found = figures(fold_backtest(Tape(tmp_path / "j").write(STILL_MARKET + "\n70000 | timer")))
    assert [entry["bps"] for entry in found["markouts"]] == [10.0] * len(HORIZONS_MS)
    assert found["spread_bps"] == 10.0 and found["pnl_micros"]["inventory"] == 0


def test_a_horizon_without_a_mid_is_left_out(tmp_path: Path) -> None:
    found = figures(
        fold_backtest(Tape(tmp_path / "j").write(ROUND_TRIP.replace("2500 | timer", "1101 | gap\n2500 | timer")))
    )
    counted = {entry["horizon_ms"]: (entry["fills"], entry["without_mid"]) for entry in found["markouts"]}
    assert (counted[100], counted[500], counted[1_000]) == ((1, 1), (1, 1), (1, 1))


@pytest.mark.parametrize(
    ("equity", "fall"), [([], 0), ([5, 9], 0), ([-3], 3), ([-3, 4, 1], 3), ([4, -1, 9, 2], 7), ([4, -1, 9, 5], 5)]
)
def test_drawdown_is_below_the_highest_so_far_from_zero_on(round_trip: Tearsheet, equity: list[int], fall: int) -> None:
    sheet = replace(round_trip, equity_micros=np.array(equity, np.int64).reshape(-1, 1))
    assert drawdown_micros(sheet, [0]) == fall


@pytest.mark.parametrize(("end_ms", "counted"), [(1_149, 1), (1_150, 2)])
def test_a_horizon_at_the_very_end_counts(tmp_path: Path, end_ms: int, counted: int) -> None:
    found = figures(fold_backtest(Tape(tmp_path / "j").write(ROUND_TRIP.replace("2500", str(end_ms)))))
    assert (found["markouts"][0]["fills"], found["markouts"][0]["beyond_end"]) == (counted, 2 - counted)


@pytest.mark.parametrize("row_count", [1, 65_536])
def test_of_events_at_the_horizon_itself_the_last_counts(
    tmp_path: Path, row_count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmfold.replay.source.CHUNK_ROW_COUNT", row_count)
    sheet = fold_backtest(Tape(tmp_path / "j").write(ROUND_TRIP.replace("     200 |", "     150 |")))
    assert sheet.mids_half_ticks[0, 0] == 2 * 10_004


def test_funding_and_an_open_position(tmp_path: Path) -> None:
    text = """
           0 | book 9999x9 / 10001x9 @1
          50 | fill #1 9990x5 maker
        1500 | funding 100000 9000
        1600 | delta 9999x0 9989x9 / 9991x9 @2<1
    """
    found = figures(fold_backtest(Tape(tmp_path / "j", maker_fee_ppm=-10).write(text)))
    # Mid 9,990 at the end: the 50 captured are lost again; funding 5 x 9,000 x 0.01 %, rebate 0.1 bp of 49,950.
    assert found["pnl_micros"] == {
        "spread": 50_000_000, "inventory": -50_000_000, "fees": -499_500, "funding": 4_500_000, "total": -4_000_500
    }  # fmt: skip
    # 50.4995 after the first second, -4.0005 after the second: the fall from the peak.
    assert found["max_drawdown_micros"] == 54_500_000 and found["max_drawdown_ratio"] == 0.00545
    assert found["cvar95_micros"] == -54_500_000 and found["hit_rate"] is None


def test_a_journal_without_trading(tmp_path: Path) -> None:
    found = figures(fold_backtest(Tape(tmp_path / "j").write("0 | timer")))
    assert set(found["pnl_micros"].values()) == {0} and found["orders"]["placed"] == 0
    assert found["net_bps"] is found["spread_bps"] is found["maker_share"] is found["orders"]["fill_rate"] is None


def test_market_data_alone_is_refused(tmp_path: Path) -> None:
    with Writer(tmp_path / "market") as writer:
        writer.append(payload_rows(EventKind.MANIFEST, 0, encode_manifest(make_manifest())))
    with pytest.raises(NotWitnessed, match="market holds market data only"):
        fold_backtest(tmp_path / "market")


# Laws


def test_parts_add_up_to_the_cores_own_net(demo: Tearsheet) -> None:
    for index, parts in enumerate(demo.pnl):
        exact = position_amounts(demo.result.manifest, demo.result.state, index)
        assert exact.net is not None and exact.inventory is not None
        assert 0 <= exact.net * MICROS_PER_UNIT - parts.total < 1
        assert abs(exact.inventory * MICROS_PER_UNIT - parts.inventory) < 1
        assert parts.total == parts.spread + parts.inventory - parts.fees - parts.funding
    assert demo.equity_micros[-1].tolist() == [parts.total for parts in demo.pnl]


@given(
    lots=st.integers(-1000, 1000),
    cost=st.integers(-(10**9), 10**9),
    realized=st.integers(-(10**9), 10**9),
    spread=st.integers(-(10**9), 10**9),
    mid=st.integers(1, 10**6),
    sizes=st.sampled_from([("0.1", "0.001"), ("0.0001", "0.003"), ("7", "0.000001"), ("0.00000001", "0.01")]),
)
def test_rounding_takes_less_than_a_micro(
    lots: int, cost: int, realized: int, spread: int, mid: int, sizes: tuple[str, str]
) -> None:
    manifest = make_manifest(tick_size=sizes[0], lot_size=sizes[1])
    state = make_state(manifest)
    values = {
        "position_lots": lots,
        "cost_ticklots": cost,
        "realized_ticklots": realized,
        "spread_half_ticklots": spread,
    }
    for name, value in values.items():
        state.positions[0][name] = value
    state.signals[0]["mid_half_ticks"] = mid
    exact, parts = position_amounts(manifest, state, 0), pnl_parts(state, 0)
    assert exact.net is not None
    assert 0 <= exact.net * MICROS_PER_UNIT - parts.total < 1
    assert 0 <= exact.spread * MICROS_PER_UNIT - parts.spread < 1


def test_the_fold_agrees_with_the_core(demo: Tearsheet) -> None:
    state = demo.result.state
    assert [tally.placed_count for tally in demo.orders] == state.counters["placed_count"].tolist()
    assert [tally.fill_count for tally in demo.orders] == state.positions["fill_count"].tolist()
    traded = (state.positions["bought_lots"] + state.positions["sold_lots"]).tolist()
    assert [tally.filled_lots for tally in demo.orders] == traded
    assert list(demo.open_order_counts) == state.quote_sides["open_order_count"].sum(axis=1).tolist()
    assert (
        len(demo.fill_notes)
        == len(demo.mids_half_ticks)
        == len(demo.result.fill_rows)
        == int(state.positions["fill_count"].sum())
    )
    closed = Fraction(sum(demo.fill_notes["realized_micros"].tolist()), MICROS_PER_UNIT)
    amounts = [position_amounts(demo.result.manifest, state, index) for index in range(len(traded))]
    assert abs(closed - sum(one.realized - one.fees for one in amounts)) * MICROS_PER_UNIT <= len(demo.fill_notes)


@pytest.mark.parametrize("row_count", [1, 97])
def test_chunks_do_not_matter(demo: Tearsheet, row_count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmfold.replay.source.CHUNK_ROW_COUNT", row_count)
    again = fold_backtest(DEMO)
    assert tearsheet_document(again) == tearsheet_document(demo)
    assert np.array_equal(again.mids_half_ticks, demo.mids_half_ticks)


def test_the_mid_at_a_horizon_is_that_of_a_replay_until_then(demo: Tearsheet) -> None:
    for fill in (0, len(demo.fill_notes) // 2):
        row = demo.result.fill_rows[fill]
        for column, horizon_ms in enumerate(HORIZONS_MS[:4]):
            until_ns = int(row["ts_receive_ns"]) + horizon_ms * NS_PER_MS
            cut = replay(DEMO, ReplayOptions(until_ts_ns=until_ns, checkpoints=False))
            expected = int(cut.state.signals[int(row["instrument_index"])]["mid_half_ticks"])
            assert demo.mids_half_ticks[fill, column] == expected
