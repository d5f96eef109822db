"""Layers, aliases and the one line that a mistake gets."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfold.config.errors import ConfigError
from mmfold.config.load import PROFILES, key_names, load_config, profile_names
from mmfold.config.models import Layers


def write(path: Path, text: str) -> Path:
    (path / "mm.yaml").write_text(text)
    return path / "mm.yaml"


def test_defaults_are_those_of_the_specification() -> None:
    config = load_config(None)
    strategy = config.strategy
    assert (config.mode, config.enabled, strategy.name) == ("shadow", True, "ladder")
    assert (strategy.k_vola_spread, strategy.min_spread_bps, strategy.max_spread_bps) == (Decimal("0.95"), 2, 25)
    assert (strategy.skew_coeff, strategy.imbalance_cutoff) == (Decimal("0.3"), Decimal("0.65"))
    assert (strategy.guard_pause_ms, strategy.min_time_in_book_ms, strategy.quote_refresh_ms) == (300, 500, 800)
    assert (config.maker.post_only_offset_bps, config.maker.min_qty_pad) == (Decimal("1.5"), Decimal("1.1"))
    assert (config.risk.max_inv_usd_per_symbol, config.risk.max_total_notional_usd) == (500, 2000)
    assert (config.limits.max_active_per_side, config.limits.max_active_orders_per_symbol) == (3, 30)
    assert set(config.origins.values()) == {"default"}


def test_each_layer_wins_over_the_one_below(tmp_path: Path) -> None:
    path = write(tmp_path, "maker:\n  min_qty_pad: 1.3\nstrategy:\n  levels_per_side: 4\n  skew_coeff: 0.4\n")
    config = load_config(path, "canary", ["strategy.skew_coeff=0.5", "strategy.skew_coeff=0.6"])
    assert config.maker.post_only_offset_bps == 2  # the profile over the default
    assert config.maker.min_qty_pad == Decimal("1.3")  # the file over the profile
    assert config.strategy.levels_per_side == 4
    assert config.strategy.skew_coeff == Decimal("0.6")  # the last --set over all
    assert config.origins["maker.post_only_offset_bps"] == "canary.yaml line 5"
    assert config.origins["maker.min_qty_pad"] == "mm.yaml line 2"
    assert config.origins["strategy.skew_coeff"] == "--set strategy.skew_coeff=0.6"
    assert config.origins["strategy.k_vola_spread"] == "default"


@pytest.mark.parametrize("name", profile_names())
def test_a_profile_is_a_file_like_any_other(name: str) -> None:
    assert load_config(PROFILES / f"{name}.yaml").model_dump() == load_config(None, name).model_dump()


def test_profiles_are_what_they_are_named_after() -> None:
    assert profile_names() == ["canary", "grid", "shadow"]
    assert load_config(None, "shadow", ["mode=shadow"]).mode == "shadow"
    canary = load_config(None, "canary")
    assert (canary.mode, canary.maker.post_only_offset_bps) == ("sent", 2)
    assert canary.maker.min_qty_pad == Decimal("1.2")
    assert canary.liquidity_by_side.enabled and canary.risk.near_liq_guard.enabled and canary.circuit.enabled
    assert load_config(None, "grid").strategy.name == "grid"


def test_symbols_differ_only_where_they_say_so(tmp_path: Path) -> None:
    path = write(tmp_path, "strategy: {skew_coeff: 0.4}\nper_symbol:\n  ethusdt:\n    strategy: {levels_per_side: 1}\n")
    config = load_config(path, None, ["per_symbol.ETHUSDT.mode=sent"])
    eth, btc = config.for_symbol("ETHUSDT"), config.for_symbol("BTCUSDT")
    assert (eth.mode, eth.strategy.levels_per_side, eth.strategy.skew_coeff) == ("sent", 1, Decimal("0.4"))
    assert (btc.mode, btc.strategy.levels_per_side, btc.strategy.skew_coeff) == ("shadow", 3, Decimal("0.4"))
    assert config.origins["per_symbol.ETHUSDT.strategy.levels_per_side"] == "mm.yaml line 4"


MISTAKES = [
    # key=value | the line
    ("strategy.skew_cofef=1", "E_CFG_KEY: strategy.skew_cofef: unknown key, did you mean strategy.skew_coeff?"),
    ("strategy.skw=1", "E_CFG_KEY: strategy.skw: unknown key, did you mean strategy.skew_coeff?"),
    ("skew_coeff=1", "E_CFG_KEY: skew_coeff: unknown key, did you mean strategy.skew_coeff?"),
    ("zzz=1", "E_CFG_KEY: zzz: unknown key ("),
    ("origins=1", "E_CFG_KEY: origins: unknown key ("),
    ("mode=snet", "E_CFG_RANGE: mode: 'snet' is not one of: shadow or sent"),
    ("strategy.skew_coeff=7", "E_CFG_RANGE: strategy.skew_coeff: 7 is out of range [0, 1]"),
    ("strategy.skew_coeff=-0.01", "E_CFG_RANGE: strategy.skew_coeff: -0.01 is out of range [0, 1]"),
    ("strategy.k_vola_spread=0", "E_CFG_RANGE: strategy.k_vola_spread: 0 is out of range (0, 2]"),
    ("strategy.imbalance_cutoff=.4", "E_CFG_RANGE: strategy.imbalance_cutoff: 0.4 is out of range [0.5, 0.9]"),
    ("strategy.levels_per_side=11", "E_CFG_RANGE: strategy.levels_per_side: 11 is out of range [1, 10]"),
    ("risk.max_inv_usd_per_symbol=0", "E_CFG_RANGE: risk.max_inv_usd_per_symbol: 0 is out of range (0, 9000000]"),
    ("risk.max_position_base=-1", "E_CFG_RANGE: risk.max_position_base: -1 is out of range (0, 1000000000]"),
    ("grid.qty=0.1234567890123456", "E_CFG_RANGE: grid.qty: 0.1234567890123456 has more than 15 digits"),
    ("strategy.skew_coeff=.nan", "E_CFG_TYPE: strategy.skew_coeff: must be a number, not '.nan'"),
    ("strategy.skew_coeff=true", "E_CFG_TYPE: strategy.skew_coeff: must be a number, not true"),
    ("strategy.skew_coeff=", "E_CFG_TYPE: strategy.skew_coeff: must be a number, not nothing"),
    ("grid.qty='1e-3'", "E_CFG_TYPE: grid.qty: must be a number, not '1e-3'"),
    ("strategy.levels_per_side=3.0", "E_CFG_TYPE: strategy.levels_per_side: must be a whole number, not 3.0"),
    ("enabled=1", "E_CFG_TYPE: enabled: must be true or false, not 1"),
    ("enabled=yes", "E_CFG_TYPE: enabled: must be true or false, not 'yes'"),
    ("strategy=5", "E_CFG_TYPE: strategy: must be a section of `key: value` lines, not 5"),
    ("per_symbol=5", "E_CFG_TYPE: per_symbol: must be a section of `key: value` lines, not 5"),
    ("per_symbol.X=5", "E_CFG_TYPE: per_symbol.X: must be a section of `key: value` lines, not 5"),
    ("per_symbol.x.mode=off", "E_CFG_RANGE: per_symbol.X.mode: 'off' is not one of: shadow or sent"),
    ("per_symbol.X.mod=sent", "E_CFG_KEY: per_symbol.X.mod: unknown key, did you mean per_symbol.X.mode?"),
    ("per_symbol.X.autopolicy.interval_s=5", "E_CFG_KEY: per_symbol.X.autopolicy: cannot differ by symbol"),
    ("alerts.exec=notify", "E_CFG_TYPE: alerts.exec: must be a list of texts, such as [a, b], not 'notify'"),
    ("alerts.exec=[a, 1]", "E_CFG_TYPE: alerts.exec.1: must be text, not 1"),
    ("alerts.exec=['']", "E_CFG_INVARIANT: alerts.exec: the program's name is empty"),
    ("alerts.webhook=http://a.example/", "E_CFG_INVARIANT: alerts.webhook: is neither https nor http on this machine"),
    ("alerts.webhook=https://a.example/?k=v", "E_CFG_INVARIANT: alerts.webhook: a login, a query or a fragment of"),
    ("alerts.webhook=https://u:p@a.example/", "E_CFG_INVARIANT: alerts.webhook: a login, a query or a fragment of"),
    ("alerts.webhook=env:9", "E_CFG_INVARIANT: alerts.webhook: is neither env:NAME nor file:PATH"),
    ("alerts.webhook_token=value", "E_CFG_INVARIANT: alerts.webhook_token: is neither env:NAME nor file:PATH"),
    ("alerts.webhook_token=env:T", "E_CFG_INVARIANT: alerts: webhook_token without a webhook"),
    ("alerts.min_severity=low", "E_CFG_RANGE: alerts.min_severity: 'low' is not one of: info, warning or critical"),
    ("per_symbol.X.alerts.window_s=5", "E_CFG_KEY: per_symbol.X.alerts: cannot differ by symbol"),
    ("strategy.min_spread_bps=30", "E_CFG_INVARIANT: strategy: min_spread_bps 30 is above max_spread_bps 25"),
]


@pytest.mark.parametrize(("override", "line"), MISTAKES)
def test_mistakes(override: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(None, None, [override])
    assert str(caught.value).startswith(line)
    assert f"--set {override}" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("override", ["strategy.skew_coeff", "=1", "strategy..skew_coeff=1"])
def test_an_override_must_be_key_and_value(override: str) -> None:
    with pytest.raises(ConfigError, match=r"^E_CFG_KEY: .* is not key=value, as in strategy\.skew_coeff=0\.5"):
        load_config(None, None, [override])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("strategy:\n  skew_coeff: 7\n", "E_CFG_RANGE: strategy.skew_coeff: 7 is out of range [0, 1] (mm.yaml line 2)"),
        (
            "mode: sent\nstrategy:\n  levels: 3\n  skew_coeff: 7\n",
            "E_CFG_KEY: strategy.levels: unknown key, did you mean strategy.levels_per_side?; 1 more to mend"
            " (mm.yaml line 3)",
        ),
        (
            "strategy.skew_coeff: 1",
            "E_CFG_KEY: strategy.skew_coeff: unknown key, write strategy: {skew_coeff: ...} (mm.yaml line 1)",
        ),
        ("strategy:\n  min_spread_bps: 30", "E_CFG_INVARIANT: strategy: min_spread_bps 30 is above max_spread_bps 25"),
        (
            "per_symbol:\n  x: {mode: sent}\n  X: {mode: sent}",
            "E_CFG_KEY: per_symbol.X: set twice (mm.yaml line 3)",
        ),
    ],
)
def test_a_mistake_in_a_file_names_its_line(tmp_path: Path, text: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, text))
    assert str(caught.value).startswith(line)


@pytest.mark.parametrize(
    ("old", "new", "value"),
    [
        ("bias_cap: 0.3", "bias_cap_ratio", "0.3"),
        ("fee_bias_cap: 0.02", "fee_bias_cap_ratio", "0.02"),
        ("fee_bias_cap_bps: 200", "fee_bias_cap_ratio", "0.02"),
    ],
)
def test_old_names_are_taken_with_a_warning(tmp_path: Path, old: str, new: str, value: str) -> None:
    config = load_config(write(tmp_path, f"allocator:\n  smoothing: {{{old}}}\n"))
    assert getattr(config.allocator.smoothing, new) == Decimal(value)
    assert len(config.warnings) == 1
    assert config.warnings[0].startswith(f"mm.yaml line 2: allocator.smoothing.{old.partition(':')[0]} is now ")


def test_an_old_name_with_a_bad_value_is_told_by_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"must be a number, not 'x' \(mm.yaml line 2\)"):
        load_config(write(tmp_path, "allocator:\n  smoothing: {fee_bias_cap_bps: x}\n"))


def test_an_unknown_profile_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="unknown profile 'cannary', did you mean canary"):
        load_config(None, "cannary")
    with pytest.raises(ConfigError, match=r"unknown profile '\.\./defaults', known are canary, grid, shadow"):
        load_config(None, "../defaults")


@given(st.sampled_from(key_names(Layers)), st.text(max_size=12))
def test_any_override_is_a_config_or_one_line(key: str, value: str) -> None:
    try:
        load_config(None, None, [f"{key}={value}"])
    except ConfigError as error:
        assert str(error).startswith(error.code)
        assert str(error).isprintable()  # neither a second line nor a terminal's control codes
