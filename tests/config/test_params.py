"""Settings to PARAMS: every field, exact, or refused."""

import ast
import re
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfold.config.describe import describe
from mmfold.config.errors import ConfigError
from mmfold.config.load import load_config, profile_names
from mmfold.config.models import unread_keys
from mmfold.config.params import (
    GRID_REPLACES,
    LADDER_ALONE,
    OPTIMAL,
    config_digest,
    to_params,
    to_policies,
    unused_keys,
    unused_settings,
)
from mmfold.engine.codes import Mode, Strategy
from mmfold.engine.limits import QTY_LOTS_MAX
from mmfold.engine.manifest import Instrument, Manifest
from mmfold.engine.params import check_value
from mmfold.engine.policy.autopolicy import Settings
from mmfold.engine.policy.codec import decode
from mmfold.engine.records import PARAM
from mmfold.engine.schema import USER_PARAMS

REPO = Path(__file__).resolve().parents[2]
BTC = Instrument(symbol="BTCUSDT", tick_size="0.1", lot_size="0.001")
ETH = Instrument(symbol="ETHUSDT", tick_size="0.01", lot_size="0.01")
INVERSE = Instrument(symbol="BTCUSD_PERP", contract="inverse", tick_size="0.1", lot_size="1", contract_value="100")


def params_of(*overrides: str, instrument: Instrument = BTC, profile: str | None = None) -> dict:
    manifest = Manifest(run_id="r", instruments=(instrument,))
    return to_params(load_config(None, profile, overrides), manifest)[instrument.symbol]


@pytest.mark.parametrize("profile", [None, *profile_names()])
def test_every_param_is_set_with_the_kind_its_record_has(profile: str | None) -> None:
    params = params_of(profile=profile)
    assert set(params) == set(PARAM.names or ()) - set(USER_PARAMS)
    for name, value in params.items():
        assert type(value) is (float if PARAM[name].kind == "f" else int), name
        check_value(name, value)  # what the core checks of a CONFIG event


VALUES = [
    # key=value | PARAM | number
    ("mode=sent", "mode", Mode.SENT),
    ("enabled=false", "enabled", 0),
    ("maker.maker_only=false", "maker_only", 0),
    ("maker.post_only_mode=block", "post_only_block", 1),
    ("maker.post_only_offset_bps=0.7", "post_only_offset_bps", 0.7),
    ("maker.min_qty_pad=1.25", "min_qty_pad", 1.25),
    ("strategy.enable_dynamic_spread=false", "enable_dynamic_spread", 0),
    ("strategy.enable_inventory_skew=false", "enable_inventory_skew", 0),
    ("strategy.enable_adverse_guard=false", "enable_adverse_guard", 0),
    ("strategy.quote_on_timer=true", "quote_on_timer", 1),
    ("strategy.vola_half_life_s=12.5", "vola_half_life_ns", 12_500_000_000),
    ("strategy.guard_pause_ms=301", "guard_pause_ns", 301_000_000),
    ("strategy.min_time_in_book_ms=100", "min_time_in_book_ns", 100_000_000),
    ("strategy.quote_refresh_ms=1", "quote_refresh_ns", 1_000_000),
    ("strategy.target_usd=0.000001", "target_micros", 1),
    ("strategy.target_usd=1234.56", "target_micros", 1_234_560_000),
    ("strategy.levels_per_side=10", "levels_per_side", 10),
    ("strategy.imbalance_levels=7", "imbalance_levels", 7),
    ("strategy.k_vola_spread=1.5", "k_vola_spread", 1.5),
    ("strategy.min_spread_bps=0.1", "min_spread_bps", 0.1),
    ("strategy.max_spread_bps=30", "max_spread_bps", 30.0),
    ("strategy.skew_coeff=0.9", "skew_coeff", 0.9),
    ("strategy.imbalance_cutoff=0.8", "imbalance_cutoff", 0.8),
    ("strategy.level_spacing_coeff=0.6", "level_spacing_coeff", 0.6),
    ("strategy.microprice_drift_bps=4", "microprice_drift_bps", 4.0),
    ("strategy.replace_threshold_bps=5", "replace_threshold_bps", 5.0),
    ("strategy.amend_price_threshold_bps=6", "amend_price_threshold_bps", 6.0),
    ("strategy.amend_size_threshold=0.7", "amend_size_threshold", 0.7),
    ("market_data.stale_ms=5", "md_stale_ns", 5_000_000),
    ("limits.max_active_per_side=8", "active_per_side_max", 8),
    ("limits.max_active_orders_per_symbol=9", "active_per_symbol_max", 9),
    ("limits.backoff_on_reject_ms=7", "reject_backoff_ns", 7_000_000),
    ("throttle.backoff_base_ms=8", "backoff_base_ns", 8_000_000),
    ("throttle.backoff_max_ms=9", "backoff_ns_max", 9_000_000),
    ("throttle.window_sec=5", "throttle_window_s", 5),
    ("throttle.max_creates_per_sec=6", "create_per_s_max", 6),
    ("throttle.max_amends_per_sec=0", "amend_per_s_max", 0),
    ("throttle.max_cancels_per_sec=8", "cancel_per_s_max", 8),
    ("risk.max_inv_usd_per_symbol=9000000", "inventory_micros_max", 9_000_000_000_000),
    ("risk.max_total_notional_usd=0.5", "total_notional_micros_max", 500_000),
    ("risk.equity_usd=1", "equity_micros", 1_000_000),
    ("risk.max_position_base=0.015", "position_lots_max", 15),
    ("risk.max_position_base=null", "position_lots_max", QTY_LOTS_MAX),
    ("flip_cooldown.cooldown_ms=2000", "flip_cooldown_ns", 2_000_000_000),
    ("flip_cooldown.cooldown_ms=1", "flip_cooldown_ns", 1_200_000_000),  # a cancel may take so long
]


@pytest.mark.parametrize(("override", "name", "value"), VALUES)
def test_one_setting_moves_one_param(override: str, name: str, value: float) -> None:
    before, after = params_of(), params_of(override)
    assert after[name] == value
    assert {key for key in after if after[key] != before[key]} <= {name}


DEPTH = {"liquidity_levels": 3, "liquidity_alpha_ppm": 1_500_000}
LIQUIDATION = {"leverage_ppm": 10_000_000, "mmr_ppm": 4_000, "assumed_sl_ppm": 3_000, "sl_buffer_ppm": 1_500_000}
CIRCUIT = {
    "circuit_window_s": 60, "circuit_samples_min": 5, "circuit_failed_ppm": 500_000,
    "circuit_server_error_ppm": 200_000, "circuit_rate_limited_ppm": 200_000, "circuit_open_ns": 30_000_000_000,
    "circuit_probes_max": 5, "circuit_probe_gap_ns": 5_000_000_000,
}  # fmt: skip
# override | the PARAMS that it moves, from 0; spec/core.md 10 and 15
GATES: list[tuple[str, dict[str, int]]] = [
    ("liquidity_by_side.enabled=true", DEPTH),
    ("risk.near_liq_guard.enabled=true", LIQUIDATION),
    ("flip_cooldown.cancel_latency_p95_ms=9", {}),
    ("circuit.enabled=true", CIRCUIT),
    ("circuit.window_sec=9", {}),
]


@pytest.mark.parametrize(("override", "moved"), GATES, ids=[override for override, _ in GATES])
def test_a_gate_that_is_off_has_zeros(override: str, moved: dict[str, int]) -> None:
    before, after = params_of(), params_of(override)
    assert {key: after[key] for key in after if after[key] != before[key]} == moved
    assert {before[key] for key in moved} <= {0}


def test_the_grid_profile_is_the_peers_rule() -> None:
    params = params_of(profile="grid")
    expected = {
        "strategy": Strategy.GRID,
        "grid_half_spread_ticks_e6": 10_000_000,  # 1.0 at tick 0.1
        "grid_skew_ticks_per_lot_e6": 100_000,  # 10 x 0.001 = 0.01 of price a lot, a tenth of a tick
        "grid_qty_lots": 2,
        "grid_notional_micros_max": 1_000_000_000,
        "quote_refresh_ns": 100_000_000,
        "replace_overlap": 1,
        "levels_per_side": 1,
        "min_time_in_book_ns": 0,
        "post_only_offset_bps": 0.0,
        "replace_threshold_bps": 0.0,
    }
    assert {name: params[name] for name in expected} == expected
    # The rule's own stop binds before the account's limits do: 1000 plus quotes of 0.002 at any price up to 250,000.
    assert params["inventory_micros_max"] >= params["grid_notional_micros_max"] + 4 * 500_000_000
    assert params["amend_price_threshold_bps"] > 10_000  # no mid move makes a quote due between two steps


def test_the_grid_follows_the_instruments_units() -> None:
    params = params_of("grid.qty=0.05", "grid.half_spread=0.015", profile="grid", instrument=ETH)
    assert params["grid_half_spread_ticks_e6"] == 1_500_000
    assert params["grid_skew_ticks_per_lot_e6"] == 10_000_000
    assert params["grid_qty_lots"] == 5


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("grid.qty=0.0025", "grid.qty: 0.0025 is not a whole number of lots of BTCUSDT (lot 0.001)"),
        ("risk.max_position_base=0.0001", "risk.max_position_base: 0.0001 is not a whole number of lots of BTCUSDT"),
        ("grid.half_spread=0.00000001", "grid.half_spread: 0.00000001 is not a whole number of millionths of a tick"),
        ("grid.skew_per_unit=0.00001", "grid.skew_per_unit: 0.00001 is not a whole number of millionths of a tick"),
        ("strategy.target_usd=0.0000001", "strategy.target_usd: 0.0000001 is not a whole number of micros"),
        ("strategy.vola_half_life_s=10.00000000001", "strategy.vola_half_life_s: 10.00000000001 is not a whole number"),
    ],
)
def test_what_is_not_exact_is_refused(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match="^E_CFG_RANGE: " + re.escape(message)):
        params_of(override, profile="grid")


def test_what_does_not_fit_is_refused() -> None:
    tiny = Instrument(symbol="TINY", tick_size="0.00000001", lot_size="0.0000000001")
    with pytest.raises(ConfigError, match=r"risk\.max_position_base: 1000000000 is too large in lots of TINY"):
        params_of("risk.max_position_base=1000000000", instrument=tiny)
    with pytest.raises(ConfigError, match=r"grid\.half_spread: 1000000000 is too large in millionths of a tick"):
        params_of("grid.half_spread=1000000000", profile="grid", instrument=tiny)


def test_a_grid_quantity_off_the_lots_matters_only_to_the_grid() -> None:
    assert params_of(instrument=INVERSE)["grid_qty_lots"] == 0
    with pytest.raises(ConfigError, match=r"grid\.qty: 0\.002 is not a whole number of lots of BTCUSD_PERP") as refused:
        params_of(profile="grid", instrument=INVERSE)
    assert refused.value.hint == "give the symbol its own: --set per_symbol.BTCUSD_PERP.grid.qty=1"


@given(st.decimals("0.000001", "9000000", places=6))
def test_money_is_exact(amount: Decimal) -> None:
    params = params_of(f"strategy.target_usd={amount}")
    assert params["target_micros"] == int(amount.scaleb(6))


def test_the_digest_names_the_numbers() -> None:
    manifest = Manifest(run_id="r", instruments=(BTC, ETH))
    other_run = Manifest(run_id="s", instruments=(BTC, ETH))
    digest = config_digest(to_params(load_config(None), manifest))
    assert re.fullmatch("[0-9a-f]{12}", digest)
    assert digest == config_digest(to_params(load_config(None, None, ["strategy.min_spread_bps=2.0"]), other_run))
    assert digest != config_digest(to_params(load_config(None, None, ["strategy.min_spread_bps=2.1"]), manifest))
    assert config_digest({}) == "44136fa355b3"  # sha256 of {}


def test_symbols_get_their_own_numbers() -> None:
    manifest = Manifest(run_id="r", instruments=(BTC, ETH))
    params = to_params(load_config(None, None, ["per_symbol.ETHUSDT.strategy.levels_per_side=1"]), manifest)
    assert {symbol: values["levels_per_side"] for symbol, values in params.items()} == {"BTCUSDT": 3, "ETHUSDT": 1}


@pytest.mark.parametrize(
    ("overrides", "warnings"),
    [
        ([], []),
        (["strategy.name=grid", "grid.qty=0.01"], []),
        (["per_symbol.BTCUSDT.mode=sent"], []),
        (["per_symbol.SOLUSDT.mode=sent"], ["per_symbol.SOLUSDT is not used: no such instrument here (BTCUSDT)"]),
        (["grid.step_ms=50"], ["grid.step_ms (--set grid.step_ms=50) is not used by strategy ladder"]),
        (
            ["strategy.name=grid", "strategy.quote_refresh_ms=50"],
            ["strategy.quote_refresh_ms (--set strategy.quote_refresh_ms=50) is not used by strategy grid"],
        ),
        (
            ["per_symbol.BTCUSDT.strategy.name=grid", "per_symbol.BTCUSDT.strategy.levels_per_side=2", "grid.qty=0.01"],
            [
                "per_symbol.BTCUSDT.strategy.levels_per_side (--set per_symbol.BTCUSDT.strategy.levels_per_side=2)"
                " is not used by strategy grid"
            ],
        ),
        (
            ["per_symbol.BTCUSDT.grid.qty=0.01"],
            ["per_symbol.BTCUSDT.grid.qty (--set per_symbol.BTCUSDT.grid.qty=0.01) is not used by strategy ladder"],
        ),
        (
            ["allocator.smoothing.bias_cap_ratio=0.2"],
            [
                "allocator.smoothing.bias_cap_ratio (--set allocator.smoothing.bias_cap_ratio=0.2)"
                " is not used by anything in this build"
            ],
        ),
    ],
)
def test_settings_without_effect_are_told(overrides: list[str], warnings: list[str]) -> None:
    manifest, config = Manifest(run_id="r", instruments=(BTC,)), load_config(None, None, overrides)
    assert list(unused_settings(config, manifest)) == warnings
    assert list(unused_settings(config)) == [one for one in warnings if "no such instrument" not in one]


def test_where_no_instrument_is_known_the_strategy_of_any_symbol_counts() -> None:
    config = load_config(None, None, ["per_symbol.ETHUSDT.strategy.name=grid", "grid.qty=0.01"])
    assert unused_settings(config) == ()
    here = unused_settings(config, Manifest(run_id="r", instruments=(BTC,)))
    assert here[1:] == ("grid.qty (--set grid.qty=0.01) is not used by strategy ladder",)


def test_what_nothing_reads_is_said_to_be_unread_and_nothing_else_is() -> None:
    trees = [
        ast.parse(path.read_text(encoding="utf-8"))
        for folder in ("engine", "config", "journal", "replay", "reports", "adapters")
        for path in (REPO / folder).rglob("*.py")
        if path != REPO / "config" / "models.py"
    ]
    read = {node.attr for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    keys = {one.key for one in describe()}
    assert {key for key in keys if key.rpartition(".")[2] not in read} == set(unread_keys())


def test_keys_without_effect_are_marked_at_their_defaults_too() -> None:
    ladder = unused_keys(load_config(None))
    assert {key.partition(".")[0]: reader for key, reader in ladder.items()} == {
        "grid": "strategy ladder",
        "optimal": "strategy ladder",
        "allocator": "anything in this build",
    }
    grid = unused_keys(load_config(None, None, ["strategy.name=grid"]))
    assert {key for key in grid if not key.startswith(("allocator.", "optimal."))} == GRID_REPLACES
    for name in OPTIMAL:
        optimal = unused_keys(load_config(None, None, [f"strategy.name={name}"]))
        assert {key for key in optimal if not key.startswith(("allocator.", "grid."))} == LADDER_ALONE


def test_policies_take_their_settings() -> None:
    values = to_policies(load_config(None))["autopolicy"]
    assert set(values) == set(Settings.__dataclass_fields__)
    changed = to_policies(load_config(None, None, ["autopolicy.enabled=true", "autopolicy.step_ratio=0.2"]))
    configured = decode(Settings, changed["autopolicy"], "autopolicy")
    assert (configured.enabled, configured.step_ratio) == (1, 0.2)
