"""The metric table: valid Prometheus text, exact figures, absent where the state has none."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mmfold.config.aliases import Alias, AliasTable, Domain
from mmfold.engine.codes import BookStatus
from mmfold.engine.manifest import Instrument, Manifest
from mmfold.engine.state import make_state
from mmfold.reports.metrics import METRICS, Snapshot, render_metrics
from tests.engine.rows import House
from tests.reports.examples import MANIFEST, example_state

SPEC_NAMES = {  # spec/core.md 2, 5, 8, 11, 20: those that the state has a source for
    *("spread_bps", "ob_imbalance", "vola_1m", "quotes_placed_total", "creates_total", "cancels_total"),
    *("replaces_total", "mm_orders_placed_total", "mm_orders_blocked_total", "mm_orders_rejected_total"),
    *("mm_orders_filled_total", "mm_post_only_adjustments_total", "mm_maker_only_enabled", "orders_active"),
    *("position_notional_usd", "gross_exposure_usd", "inventory_abs", "cfg_levels_per_side"),
    *("cfg_min_time_in_book_ms", "cfg_k_vola_spread", "cfg_skew_coeff", "cfg_imbalance_cutoff"),
    *("markout_up_total", "markout_down_total", "markout_avg_bps", "markout_samples_total"),  # 21
    *("turnover_usd", "rollout_latency_bucket_total", "rollout_latency_p95_ms", "rollout_latency_p99_ms"),  # 18
    "rollout_latency_samples_total",  # spec/control.md 7
    *("circuit_state", "circuit_open_total", "circuit_half_open_probes", "circuit_window_err_rate"),  # 15
    *("circuit_window_5xx_rate", "circuit_window_429_rate", "circuit_transitions_total", "circuit_breaker_state"),
}


def example() -> Snapshot:
    """Return the example, without policies."""
    return Snapshot(MANIFEST, example_state(), {})


def samples(state, manifest=MANIFEST) -> dict[str, float]:
    """Return {line's name and labels: value} through prometheus_client's own parser."""
    found = {}
    for family in text_string_to_metric_families(render_metrics(Snapshot(manifest, state, {}))):
        for sample in family.samples:
            labels = ",".join(sample.labels[key] for key in sorted(sample.labels))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


def test_names_are_unique_and_of_the_spec():
    names = [row.name for row in METRICS]
    assert len(names) == len(set(names))
    assert set(names) >= SPEC_NAMES


@pytest.mark.parametrize("row", METRICS, ids=lambda row: row.name)
def test_source_exists(row):
    array, *fields = row.source.split(".")
    if array in ("amounts", "policies"):
        return
    dtype = getattr(make_state(MANIFEST), array).dtype
    for field in fields:
        assert field in (dtype.names or ()), f"{row.source} is not in the state"
        dtype = dtype[field]


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("mm_rows_total{}", 41_230),
        ("mm_events_total{book_delta}", 12_000),
        ("mm_events_total{trade}", 0),
        ("spread_bps{BTCUSDT}", 0.003239),
        ("vola_1m{BTCUSDT}", 1.234568),
        ("mm_book_status{live,BTCUSDT}", 1),
        ("mm_book_status{stale,BTCUSDT}", 0),
        ("mm_book_gaps_total{BTCUSDT}", 1),
        ("quotes_placed_total{BTCUSDT}", 1_204),
        ("mm_orders_blocked_total{level_cap,BTCUSDT}", 17),
        ("orders_active{bid,BTCUSDT}", 3),
        ("orders_active{ask,BTCUSDT}", 2),
        ("inventory_abs{BTCUSDT}", 0.006),
        ("position_notional_usd{BTCUSDT}", 370.443),
        ("mm_pnl_realized_usd{BTCUSDT}", 2.543),
        ("mm_pnl_unrealized_usd{BTCUSDT}", 0.063),
        ("mm_fees_usd{BTCUSDT}", -0.120501),
        ("mm_pnl_net_usd{BTCUSDT}", 2.726501),
        ("mm_turnover_usd_total{BTCUSDT}", 5186.16),
        ("cfg_min_time_in_book_ms{BTCUSDT}", 500),
        ("cfg_k_vola_spread{ETHUSDT}", 0.95),
        ("mm_pnl_net_usd{ETHUSDT}", 0),
    ],
)
def test_value(line, value):
    assert samples(example_state())[line] == value


def test_absent_is_no_sample():
    found = samples(example_state())
    absent = {"spread_bps{ETHUSDT}", "vola_1m{ETHUSDT}", "mm_cash_usd{}", "mm_orders_blocked_total{qty_zero,BTCUSDT}"}
    assert not absent & set(found)


def test_open_position_without_a_mark_has_no_value():
    state = example_state()
    state.positions[1]["position_lots"] = 3
    assert "position_notional_usd{ETHUSDT}" not in samples(state)


def test_position_without_a_mid_is_valued_at_the_last_fill():
    state = example_state()
    state.positions[1]["position_lots"], state.positions[1]["price_fill_ticks"] = -3, 250_000
    found = samples(state)
    assert (found["position_notional_usd{ETHUSDT}"], found["gross_exposure_usd{ETHUSDT}"]) == (-75, 75)


def test_money_of_an_inverse_contract_is_no_usd():
    fields = {"contract": "inverse", "tick_size": "0.1", "lot_size": "1", "contract_value": "100"}
    manifest = Manifest(
        run_id="inverse",
        instruments=(
            Instrument(symbol="BTCUSDT", tick_size="0.1", lot_size="0.001"),
            Instrument(symbol="BTCUSD_PERP", **fields),
        ),
    )
    state = make_state(manifest)
    values = {"position_lots": 5, "cost_ticklots": -8_333_333, "bought_lots": 7, "sold_lots": 2, "fees_micros": 1_500}
    for name, value in values.items():
        state.positions[1][name] = value
    state.signals[1]["mid_half_ticks"] = 2 * 625_000
    found = samples(state, manifest)
    assert found["mm_pnl_unrealized_millibase{BTCUSD_PERP}"] == 0.333333  # 5 x 100 / 62,500 = 0.008 BTC to give back
    assert (found["mm_pnl_net_millibase{BTCUSD_PERP}"], found["mm_fees_millibase{BTCUSD_PERP}"]) == (0.331833, 0.0015)
    assert (found["position_notional_usd{BTCUSD_PERP}"], found["mm_turnover_usd_total{BTCUSD_PERP}"]) == (500, 900)
    assert {"mm_fees_usd{BTCUSDT}", "inventory_abs{BTCUSD_PERP}"} <= set(found)
    assert not {"mm_fees_usd{BTCUSD_PERP}", "mm_pnl_net_usd{BTCUSD_PERP}", "mm_fees_millibase{BTCUSDT}"} & set(found)


def test_one_status_at_a_time():
    for status in BookStatus:
        state = example_state()
        state.books["status"] = status
        assert sum(value for line, value in samples(state).items() if line.startswith("mm_book_status")) == 2


def test_text_is_stable():
    text = render_metrics(example())
    assert text == render_metrics(example())
    assert [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")] == [row.name for row in METRICS]
    assert text.isascii()


def test_a_renamed_metric_is_shown_by_its_old_name_until_it_is_dropped():
    alias = Alias(domain=Domain.METRIC, old="fees_usd", new="mm_fees_usd", since="0.2.0", dropped="0.3.0")
    text = render_metrics(example(), AliasTable((alias,), "0.2.9"))
    assert "# HELP fees_usd alias of mm_fees_usd, dropped in 0.3.0\n" in text
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")
    symbols = [line.removeprefix("mm_fees_usd") for line in values if line.startswith("mm_fees_usd{")]
    assert symbols and all(values[f"fees_usd{one}"] == values[f"mm_fees_usd{one}"] for one in symbols)
    assert render_metrics(example(), AliasTable((alias,), "0.3.0")) == render_metrics(example())


def test_the_circuit_breaker_shows_its_state_and_window():
    shares = {f"circuit_{kind}_ppm": 500_000 for kind in ("failed", "server_error", "rate_limited")}
    house = House(circuit_window_s=60, circuit_samples_min=5, circuit_probes_max=5, circuit_open_ns=10**10, **shares)
    house.play("rate #9 server_error\n+40000 rate #9 ok\nrate #9 ok\nrate #9 rate_limited\nrate #9 timeout")
    shown = samples(house.core.state, house.manifest)
    rates = [shown[f"circuit_window_{kind}_rate{{}}"] for kind in ("err", "5xx", "429")]
    assert (rates, shown["circuit_state{open}"], shown["circuit_breaker_state{}"]) == ([0.6, 0.2, 0.2], 1, 1)
    house.play("+21000 timer")
    shown = samples(house.core.state, house.manifest)
    rates = [shown[f"circuit_window_{kind}_rate{{}}"] for kind in ("err", "5xx", "429")]
    assert (rates, shown["circuit_state{half_open}"], shown["circuit_state{open}"]) == ([0.5, 0.0, 0.25], 1, 0)
    assert (shown["circuit_half_open_probes{}"], shown["circuit_open_total{}"]) == (5, 1)
    assert shown["circuit_transitions_total{}"] == 2
