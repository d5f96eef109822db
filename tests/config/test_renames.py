"""Old keys of YAML and --set: taken with a warning, refused when said twice or dropped."""

from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from mmfold.config.aliases import Alias, AliasTable, Domain
from mmfold.config.document import parse_document
from mmfold.config.errors import ConfigError
from mmfold.config.load import load_config
from mmfold.config.renames import rename_keys


def row(old: str, new: str, **fields: Any) -> Alias:
    return Alias(**{"domain": Domain.CONFIG, "old": old, "new": new, "since": "0.2.0", "dropped": "0.4.0", **fields})


ROWS = (
    row("strategy.pause_s", "strategy.guard_pause_ms", factor=Fraction(1000)),
    row("strategy.stale_s", "market_data.stale_ms", factor=Fraction(1000)),
    row("inventory.usd.max", "risk.max_inv_usd_per_symbol"),
    row("orders", "limits"),
    row("limits.pause_ms", "limits.backoff_on_reject_ms"),
    row("target_usd", "strategy.target_usd"),
    row("target", "strategy.target_usd"),
)
NAMES = AliasTable(ROWS, "0.2.0")

RENAMES: list[tuple[str, dict[str, Any], int]] = [
    # the text | the values by their new names | how many were old
    ("mode: sent", {"mode": "sent"}, 0),
    ("strategy: {pause_s: 0.5, name: grid}", {"strategy": {"guard_pause_ms": 500, "name": "grid"}}, 1),
    ("strategy: {stale_s: 2}", {"market_data": {"stale_ms": 2000}}, 1),
    ("strategy: {stale_s: 2}\nmarket_data:", {"market_data": {"stale_ms": 2000}}, 1),
    ("inventory: {usd: {max: 5}}", {"risk": {"max_inv_usd_per_symbol": 5}}, 1),
    ("inventory: {usd: {max: 5}, x: 1}", {"inventory": {"x": 1}, "risk": {"max_inv_usd_per_symbol": 5}}, 1),
    ("orders: {a: 1, b: 2}", {"limits": {"a": 1, "b": 2}}, 1),
    ("orders: {a: 1, b: 2}\nlimits: {c: 3}", {"limits": {"a": 1, "b": 2, "c": 3}}, 2),
    ("orders: {pause_ms: 1}", {"limits": {"backoff_on_reject_ms": 1}}, 2),
    ("orders: 5", {"limits": 5}, 1),
    ("orders:", {"limits": None}, 1),
    ("strategy: 5", {"strategy": 5}, 0),
    ("per_symbol: {X: {target_usd: 9}}", {"per_symbol": {"X": {"strategy": {"target_usd": 9}}}}, 1),
    ("per_symbol: {X: 5}", {"per_symbol": {"X": 5}}, 0),
    ("per_symbol: {X: {inventory: {usd: {}}}}", {"per_symbol": {"X": {"inventory": {"usd": {}}}}}, 0),
]


@pytest.mark.parametrize(("text", "values", "count"), RENAMES)
def test_renames(text: str, values: dict[str, Any], count: int) -> None:
    layer = parse_document(text, "mm.yaml")
    before = repr(layer)
    renamed, found = rename_keys(layer, NAMES)
    assert (renamed.values, len(found)) == (values, count)
    assert repr(layer) == before
    assert rename_keys(renamed, NAMES) == (renamed, ())


TWICE = [
    # the text | the key that is there twice | its places
    ("strategy:\n  pause_s: 1\n  guard_pause_ms: 1", "strategy.guard_pause_ms", "line 2, m line 3"),
    ("target_usd: 1\ntarget: 2", "strategy.target_usd", "line 2, m line 1"),
    ("orders: {a: 1}\nlimits: {a: 1}", "limits.a", "line 1, m line 2"),
    ("orders: {a: 1}\nlimits: 5", "limits", "line 1, m line 2"),
    ("target: 1\nstrategy: 5", "strategy", "line 1, m line 2"),
    (
        "per_symbol:\n X: {target: 1,\n  strategy: {target_usd: 1}}",
        "per_symbol.X.strategy.target_usd",
        "line 2, m line 3",
    ),
]


@pytest.mark.parametrize(("text", "key", "places"), TWICE)
def test_a_setting_by_two_names_is_refused_with_both_places(text: str, key: str, places: str) -> None:
    with pytest.raises(ConfigError) as caught:
        rename_keys(parse_document(text, "m"), NAMES)
    assert str(caught.value).startswith(f"E_CFG_KEY: {key}: set twice, ")
    assert str(caught.value).endswith(f"(m {places})")
    assert caught.value.hint == "keep one of the two"


def write(folder: Path, text: str) -> Path:
    (folder / "mm.yaml").write_text(text)
    return folder / "mm.yaml"


def test_old_keys_load_with_a_warning_and_their_line(tmp_path: Path) -> None:
    path = write(tmp_path, "strategy:\n  pause_s: 0.5\nper_symbol:\n  ethusdt:\n    target_usd: 9\n")
    config = load_config(path, None, ["orders.max_active_per_side=2"], names=NAMES)
    assert (config.strategy.guard_pause_ms, config.limits.max_active_per_side) == (500, 2)
    assert config.for_symbol("ETHUSDT").strategy.target_usd == 9
    assert config.warnings == (
        "mm.yaml line 2: strategy.pause_s is now strategy.guard_pause_ms, times 1,000; 0.4.0 drops the old name",
        "mm.yaml line 5: per_symbol.ETHUSDT.target_usd is now per_symbol.ETHUSDT.strategy.target_usd;"
        " 0.4.0 drops the old name",
        "--set orders.max_active_per_side=2: orders is now limits; 0.4.0 drops the old name",
    )
    assert config.origins["strategy.guard_pause_ms"] == "mm.yaml line 2"
    assert config.origins["limits.max_active_per_side"] == "--set orders.max_active_per_side=2"


def test_an_old_key_in_a_section_given_as_one_value_is_told_by_its_place() -> None:
    config = load_config(None, None, ["strategy={pause_s: 0.5}"], names=NAMES)
    assert config.origins["strategy.guard_pause_ms"] == "--set strategy={pause_s: 0.5}"
    with pytest.raises(ConfigError, match=r"guard_pause_ms: must be a whole number, not 'x' \(--set str"):
        load_config(None, None, ["strategy={pause_s: x}"], names=NAMES)


def test_a_higher_layer_wins_whatever_name_it_uses(tmp_path: Path) -> None:
    old = write(tmp_path, "target_usd: 9\n")
    assert load_config(old, None, ["strategy.target_usd=8"], names=NAMES).strategy.target_usd == 8
    assert load_config(old, None, ["target_usd=8", "target_usd=7"], names=NAMES).strategy.target_usd == 7
    new = write(tmp_path, "strategy: {target_usd: 9}\n")
    assert load_config(new, "canary", ["target=8"], names=NAMES).strategy.target_usd == 8


def test_two_names_in_two_overrides_are_one_setting_said_twice() -> None:
    with pytest.raises(ConfigError, match=r"set twice.*\(--set target=1, --set strategy.target_usd=2\)"):
        load_config(None, None, ["target=1", "strategy.target_usd=2"], names=NAMES)


@pytest.mark.parametrize("release", ["0.4.0", "0.10.0"])
def test_a_dropped_key_is_refused_and_names_the_new_one(tmp_path: Path, release: str) -> None:
    path = write(tmp_path, "strategy:\n  pause_s: 0.5\ntarget: 1\n")
    names = AliasTable(ROWS, release)
    with pytest.raises(ConfigError) as caught:
        load_config(path, None, names=names)
    assert str(caught.value) == (
        "E_CFG_KEY: strategy.pause_s: dropped in 0.4.0, it is now strategy.guard_pause_ms, times 1,000;"
        " 1 more of the kind (mm.yaml line 2)"
    )
    assert caught.value.hint == f"mm config migrate {path} --in-place writes the new names"
    with pytest.raises(
        ConfigError, match=r"target: dropped in 0\.4\.0, it is now strategy\.target_usd \(--set target=1\)"
    ):
        load_config(None, None, ["target=1"], names=names)
    assert load_config(None, None, ["strategy.target_usd=1"], names=names).strategy.target_usd == Decimal(1)
