"""What an instrument's steps leave room for: a setting beyond it is refused at the start, with key and range."""

import pytest

from mmfold.config.errors import ConfigError
from mmfold.config.load import load_config
from mmfold.config.params import to_params
from mmfold.engine.manifest import Instrument, Manifest

FINE = {"tick_size": "0.0000000001", "lot_size": "0.00000001"}  # 0.28823 USD are 2^58 of what is counted


@pytest.mark.parametrize(
    ("steps", "settings", "reason"),
    [
        (FINE, [], "risk.max_inv_usd_per_symbol: 500 is too much of XUSDT: .* 0 to 0.28823 are counted"),
        (FINE, ["risk.max_inv_usd_per_symbol=0.28"], "strategy.target_usd: 450 is too much"),
        (FINE, ["strategy.target_usd=0.28", "risk.max_inv_usd_per_symbol=0.28"], None),
        ({"tick_size": "0.0000000001", "lot_size": "0.1"}, [], None),
        (
            {"tick_size": "0.0000000001", "lot_size": "0.1"},
            ["risk.max_inv_usd_per_symbol=3000000"],
            "0 to 2882303.761517 are counted",
        ),
        ({"tick_size": "0.1", "lot_size": "0.001"}, ["risk.max_inv_usd_per_symbol=9000000"], None),
        ({"tick_size": "0.5", "lot_size": "1", "contract": "inverse"}, [], None),
    ],
)
def test_settings_beyond_the_room_are_refused(steps: dict[str, str], settings: list[str], reason: str | None) -> None:
    manifest = Manifest(run_id="r", instruments=(Instrument(symbol="XUSDT", **steps),))  # type: ignore[arg-type]
    config = load_config(None, None, settings)
    if reason is None:
        assert to_params(config, manifest)["XUSDT"]["target_micros"] > 0
        return
    with pytest.raises(ConfigError, match=reason) as told:
        to_params(config, manifest)
    assert "per_symbol.XUSDT." in told.value.hint
