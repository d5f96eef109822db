"""Pins of a strategy file's own parameters: by their names, and into a journal whose file has them elsewhere."""

import pytest

from mmfold.adapters.live.operator.pins import pin_command, pins_of, unpin_command
from mmfold.config import own
from mmfold.config.errors import ConfigError
from mmfold.config.load import load_config
from mmfold.engine.codes import AdjustOp, Reason
from mmfold.engine.manifest import Instrument, Manifest
from mmfold.engine.policy.layers import OPERATOR, Standing, put_standing
from mmfold.engine.state import make_state


def manifest_of(names: str) -> Manifest:
    one = Instrument(symbol="BTCUSDT", tick_size="0.1", lot_size="0.001")
    return Manifest(run_id="r", instruments=(one,), extra={"strategy_params": names} if names else {})


def test_a_pin_is_asked_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own, "declared", None)
    own.declare({"gamma": 0.1, "k": 1.5})
    asked = pin_command("BTCUSDT", ["user.k=2.5"], lambda more: load_config(None, None, more), manifest_of("gamma,k"))
    assert asked == {"command": "pin", "params": {"user_01": 2.5}, "symbol": "BTCUSDT"}
    assert unpin_command("BTCUSDT", ["user.gamma"])["params"] == ["user_00"]
    with pytest.raises(ConfigError, match=r"user\.kk: no parameter of a symbol"):
        unpin_command("BTCUSDT", ["user.kk"])


@pytest.mark.parametrize(
    ("names", "pins"),
    [
        ("gamma,k", {"levels_per_side": 1, "user_00": 0.5, "user_01": 9.0}),
        ("k,new,gamma", {"levels_per_side": 1, "user_02": 0.5, "user_00": 9.0}),
        ("k", {"levels_per_side": 1, "user_00": 9.0}),
        ("", {"levels_per_side": 1}),
    ],
)
def test_pins_go_into_the_next_journal_by_their_names(names: str, pins: dict[str, float]) -> None:
    manifest = manifest_of("gamma,k")
    state = make_state(manifest)
    values = {"levels_per_side": 1, "user_00": 0.5, "user_01": 9.0}
    standing = [Standing(OPERATOR, name, AdjustOp.PIN, value, Reason.COMMAND) for name, value in values.items()]
    put_standing(state, 0, standing)
    assert pins_of(state, manifest, manifest_of(names)) == [{"command": "pin", "params": pins, "symbol": "BTCUSDT"}]
