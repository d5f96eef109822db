"""The keys that a person reads for the PARAMS are keys of the configuration, and the ones they come from."""

from decimal import Decimal

import pytest

from mmfold.config import own
from mmfold.config.describe import describe
from mmfold.config.keys import KEY_OF_PARAM, key_text
from mmfold.config.load import load_config
from mmfold.config.params import to_params
from mmfold.engine.manifest import Instrument, Manifest
from mmfold.engine.records import PARAM
from mmfold.engine.schema import USER_PARAMS

# What moves each setting from its default; the rest are numbers that are doubled.
OTHERS = {
    "strategy.name": "grid",
    "mode": "shadow",
    "maker.post_only_mode": "block",
    "risk.max_position_base": "1",
    "strategy.imbalance_cutoff": "0.6",
    "maker.min_qty_pad": "2",
    "circuit.window_sec": "30",
}


# What the PARAMS of a prefix need, which are 0 when another strategy runs or their gate is off.
NEAR = "risk.near_liq_guard.enabled=true"
OWNERS = {
    "grid_": "strategy.name=grid",
    "optimal_": "strategy.name=glft",
    "circuit_": "circuit.enabled=true",
    "liquidity_": "liquidity_by_side.enabled=true",
    **dict.fromkeys(("leverage_", "mmr_", "assumed_sl_", "sl_buffer_"), NEAR),
}


def test_every_param_has_a_key_that_there_is() -> None:
    assert {*KEY_OF_PARAM, *USER_PARAMS} == set(PARAM.names or ())
    known = {one.key for one in describe()}
    assert set(KEY_OF_PARAM.values()) <= known


MANIFEST = Manifest(
    run_id="r", instruments=(Instrument(symbol="BTCUSDT", venue="bybit", tick_size="0.1", lot_size="0.001"),)
)


@pytest.mark.parametrize("param", sorted(KEY_OF_PARAM))
def test_the_key_moves_its_param(param: str) -> None:
    key, manifest = KEY_OF_PARAM[param], MANIFEST
    base = ["mode=sent", *(said for at, said in OWNERS.items() if param.startswith(at))]
    value = OTHERS.get(key) or moved({one.key: one.default for one in describe()}[key])
    before, after = (
        to_params(load_config(None, None, [*base, *more]), manifest)["BTCUSDT"] for more in ([], [f"{key}={value}"])
    )
    assert before[param] != after[param], (key, value)


def moved(default: object) -> str:
    if isinstance(default, bool):
        return str(not default).lower()
    return str(int(default) + 1) if isinstance(default, int) else str(float(str(default)) / 2)


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("params.BTCUSDT.levels_per_side", "strategy.levels_per_side (BTCUSDT)"),
        ("params.A.B.md_stale_ns", "market_data.stale_ms (A.B)"),
        ("params.BTCUSDT.user_01", "user.k (BTCUSDT)"),
        ("params.BTCUSDT.user_02", "user.02 (BTCUSDT)"),
        ("policies.autopolicy.max_level", "autopolicy.max_level"),
        ("policy_interval_ns", "policy_interval_ns"),
    ],
)
def test_a_place_is_told_by_its_key(place: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own, "declared", {"gamma": Decimal("0.1"), "k": Decimal(1)})
    assert key_text(place) == text
