"""Settings `user.*`: the PARAMS of a strategy file as a person sets them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mmfold.adapters.live.operator.reload import changed_keys, immutable_keys
from mmfold.config import own
from mmfold.config.describe import describe
from mmfold.config.errors import ConfigError
from mmfold.config.load import load_config
from mmfold.config.params import to_params
from mmfold.engine.manifest import Instrument, Manifest
from mmfold.engine.schema import USER_PARAMS

PARAMS = {"gamma": 0.1, "k": 1, "tiny": 1.2345678901234567e-07, "below": -2.5}
SYMBOLS = ("BTCUSDT", "ETHUSDT")
MANIFEST = Manifest(
    run_id="r", instruments=tuple(Instrument(symbol=one, tick_size="0.1", lot_size="0.001") for one in SYMBOLS)
)


@pytest.fixture
def file(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process that has loaded a strategy file."""
    monkeypatch.setattr(own, "declared", None)
    own.declare(PARAMS)
    yield


def user_params(*overrides: str, path: Path | None = None, symbol: str = "BTCUSDT") -> list[float]:
    params = to_params(load_config(path, None, overrides), MANIFEST)[symbol]
    return [float(params[name]) for name in USER_PARAMS if name in params]


def test_defaults_are_the_file_s_own_to_the_bit(file: None) -> None:
    assert user_params() == list(PARAMS.values())


def test_each_layer_changes_what_it_names(file: None, tmp_path: Path) -> None:
    path = tmp_path / "mm.yaml"
    path.write_text("user:\n  k: 2.5\nper_symbol:\n  ethusdt:\n    user: {gamma: 1e-3}\n")
    assert user_params(path=path)[:2] == [0.1, 2.5]
    assert user_params("user.k=3", path=path, symbol="ETHUSDT")[:2] == [0.001, 3.0]
    assert user_params("per_symbol.ETHUSDT.user.k=4", symbol="ETHUSDT")[:2] == [0.1, 4.0]
    assert user_params("user.below=-7")[3] == -7.0


REFUSED = [
    ("user.gama=1", "user.gama: unknown key, did you mean user.gamma?"),
    ("per_symbol.BTCUSDT.user.gama=1", "user.gama: unknown key, did you mean per_symbol.BTCUSDT.user.gamma?"),
    ("user.zzzzzz=1", "user.zzzzzz: unknown key"),
    ("user.gamma=true", "user.gamma: must be a number"),
    ("user.gamma=much", "user.gamma: must be a number"),
    ("user.gamma=.inf", "user.gamma: must be a number"),
    ("user.gamma=1e15", "user.gamma: 1000000000000000 is out of range (-1e+15, 1e+15)"),
    ("user.gamma=[1]", "user.gamma: must be a number"),
    ("user=5", "user: must be a section"),
]  # fmt: skip


@pytest.mark.parametrize(("override", "said"), REFUSED)
def test_what_is_no_parameter_is_refused(file: None, override: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_config(None, None, [override])
    assert said in str(refused.value) and f"--set {override}" in str(refused.value)


def test_without_a_file_they_are_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own, "declared", None)
    config = load_config(None, None, ["user.gamma=1", "per_symbol.X.user.k=2"])
    assert config.warnings == (
        "--set user.gamma=1: user.gamma is not used: no --strategy FILE:FUNCTION is given",
        "--set per_symbol.X.user.k=2: per_symbol.X.user.k is not used: no --strategy FILE:FUNCTION is given",
    )
    assert not [name for name in to_params(config, MANIFEST)["BTCUSDT"] if name in USER_PARAMS]


def test_they_may_change_at_run_time(file: None) -> None:
    before, after = ({"params": to_params(load_config(None, None, more), MANIFEST)} for more in ([], ["user.k=9"]))
    changed = changed_keys(before, after)
    assert changed == ("params.BTCUSDT.user_01", "params.ETHUSDT.user_01") and immutable_keys(changed) == ()
    assert [(one.key, one.runtime_mutable) for one in describe("user.k")] == [("user", True)]
