"""What a person is told about a setting, and that it is true."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from mmfold.config.describe import STARTER_KEYS, describe, plain, starter_yaml, to_document, to_text
from mmfold.config.document import leaves, parse_document, read_document
from mmfold.config.errors import ConfigError
from mmfold.config.load import DEFAULTS, load_config

ALL = describe()
# Source: spec/core.md 27 and spec/control.md 24.
RUNTIME_MUTABLE = {
    "strategy.k_vola_spread",
    "strategy.min_spread_bps",
    "strategy.max_spread_bps",
    "strategy.skew_coeff",
    "strategy.imbalance_cutoff",
    "strategy.levels_per_side",
    "strategy.level_spacing_coeff",
    "strategy.min_time_in_book_ms",
    "strategy.replace_threshold_bps",
    "limits.max_active_per_side",
}


def test_every_default_is_described_and_every_setting_has_a_default() -> None:
    defaults = {".".join(path) for path, _ in leaves(read_document(DEFAULTS).values)}
    assert {one.key for one in ALL} - {"per_symbol", "user"} == defaults


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.key)
def test_a_setting_has_meaning_unit_and_range(one) -> None:
    assert len(one.meaning) >= 10
    assert one.unit
    assert one.range
    assert not one.meaning.endswith(".")


def test_the_hot_reload_list_of_the_specification_is_mutable() -> None:
    assert {one.key for one in ALL if one.runtime_mutable} >= RUNTIME_MUTABLE


@pytest.mark.parametrize("one", [one for one in ALL if one.range[0] in "[("], ids=lambda one: one.key)
def test_the_range_told_is_the_range_kept(one) -> None:
    low, high = (Decimal(bound) for bound in one.range.removesuffix(" or null").strip("[](").split(","))
    step = 1 if isinstance(one.default, int) and low == low.to_integral_value() else Decimal("0.000001")
    inside = ["strategy.max_spread_bps=1000"] if one.key == "strategy.min_spread_bps" else []
    inside += ["strategy.min_spread_bps=0"] if one.key == "strategy.max_spread_bps" else []
    for value in (low + step if one.range[0] == "(" else low, high):
        load_config(None, None, [*inside, f"{one.key}={value}"])
    for value in (low if one.range[0] == "(" else low - step, high + step):
        with pytest.raises(ConfigError, match=f"E_CFG_RANGE: {one.key}: "):
            load_config(None, None, [*inside, f"{one.key}={value}"])


def test_a_key_a_section_or_a_mistake() -> None:
    assert [one.key for one in describe("strategy.skew_coeff")] == ["strategy.skew_coeff"]
    assert len(describe("maker")) == 4
    assert [one.key for one in describe("allocator")] == [one.key for one in describe("allocator.smoothing")]
    with pytest.raises(
        ConfigError, match=r"^E_CFG_KEY: strategy\.skw: unknown key, did you mean strategy\.skew_coeff\?$"
    ):
        describe("strategy.skw")
    with pytest.raises(ConfigError, match=r"^E_CFG_KEY: straegy: unknown key, did you mean strategy\?$"):
        describe("straegy")


def test_a_setting_that_may_be_absent_says_so() -> None:
    absent = [one.key for one in ALL if one.range.endswith(" or null")]
    assert absent == ["risk.max_position_base", "alerts.webhook", "alerts.webhook_token"]
    assert load_config(None, None, ["risk.max_position_base=null"]).risk.max_position_base is None


def test_the_starter_is_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "mm.yaml"
    path.write_text(starter_yaml())
    assert load_config(path).model_dump() == load_config(None).model_dump()
    assert [".".join(key) for key, _ in leaves(parse_document(starter_yaml(), "x").values)] == list(STARTER_KEYS)
    path.write_text(starter_yaml().replace("# per_symbol", "per_symbol").replace("\n#   ", "\n  "))
    assert load_config(path).for_symbol("BTCUSDT").strategy.skew_coeff == Decimal("0.5")


@pytest.mark.parametrize("overrides", [[], ["strategy.skew_coeff=0.123456789012345"], ["per_symbol.X.grid.qty=1e-7"]])
def test_a_config_survives_json(tmp_path: Path, overrides: list[str]) -> None:
    config = load_config(None, None, overrides)
    path = tmp_path / "shown.yaml"
    path.write_text(json.dumps(to_document(config)))
    assert load_config(path).model_dump() == config.model_dump()


@pytest.mark.parametrize(
    ("value", "shown"),
    [(Decimal("2.0"), "2"), (Decimal("0.10"), "0.1"), (None, "null"), (True, "true"), ("grid", "grid"), ({}, "{}")],
)
def test_values_are_shown_as_yaml_writes_them(value: object, shown: str) -> None:
    assert to_text(plain(value)) == shown
