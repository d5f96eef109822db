"""Pins as people write them: keys and units of the configuration, to the PARAMS of a COMMAND; must never round."""

from collections.abc import Callable, Iterable
from typing import Any

from mmfold.adapters.live.operator.reload import MUTABLE_PARAMS
from mmfold.config.errors import ConfigError
from mmfold.config.keys import KEY_OF_PARAM
from mmfold.config.models import Config
from mmfold.config.own import SECTION, declared_params
from mmfold.config.params import to_params
from mmfold.engine.declared import params_of
from mmfold.engine.manifest import Manifest
from mmfold.engine.policy.layers import OPERATOR, standing_of
from mmfold.engine.schema import USER_PARAMS
from mmfold.engine.state import State

ConfigOf = Callable[[list[str]], Config]  # the configuration of a session with more overrides
HINT = "mm config describe KEY says whether a key may change at run time"


def pin_command(symbol: str, settings: Iterable[str], config_of: ConfigOf, manifest: Manifest) -> dict[str, Any]:
    """Return the COMMAND that pins settings, each `key=value`, of one symbol.

    Raises: ConfigError for a value that the configuration would not take, or a key that is fixed at run time.
    """
    settings = list(settings)
    names = [name for text in settings for name in pinned_names(text.partition("=")[0].strip())]
    params = to_params(config_of([f"per_symbol.{symbol}.{text}" for text in settings]), manifest)[symbol]
    return {"command": "pin", "params": {name: params[name] for name in names}, "symbol": symbol}


def unpin_command(symbol: str, keys: Iterable[str]) -> dict[str, Any]:
    """Return the COMMAND that releases pins of one symbol, all of them where no key is named.

    Raises: ConfigError.
    """
    names = [name for key in keys for name in pinned_names(key)]
    return {"command": "unpin", "symbol": symbol} | ({"params": names} if names else {})


def pinned_names(key: str) -> list[str]:
    """Return the PARAMS of a key.

    Raises: ConfigError for a key that has none, or that may not change at run time.
    """
    own = {f"{SECTION}.{name}": [param] for param, name in zip(USER_PARAMS, declared_params(), strict=False)}
    names = own.get(key) or [name for name, known in KEY_OF_PARAM.items() if known == key]
    if not names:
        raise ConfigError("E_CFG_KEY", f"{key}: no parameter of a symbol", hint=HINT)
    if not MUTABLE_PARAMS.issuperset(names):
        raise ConfigError("E_CFG_KEY", f"{key}: may not change while running", hint=HINT)
    return names


def pins_of(state: State, manifest: Manifest, successor: Manifest) -> list[dict[str, Any]]:
    """Return the COMMANDs that put a session's pins into the journal that takes over from it; none for a symbol whose
    tick or lot is another one by now, nor for a parameter that the strategy file has no more.
    """
    before, after = params_of(manifest.extra), params_of(successor.extra)
    own = dict(zip(after, USER_PARAMS, strict=False))
    moved = {param: own.get(name) for param, name in zip(USER_PARAMS, before, strict=False)}  # by its name
    grids = {one.symbol: (one.tick_size, one.lot_size) for one in successor.instruments}
    commands = []
    for index, one in enumerate(manifest.instruments):
        standing = [pin for pin in standing_of(state, index) if pin.author == OPERATOR]
        pins = {param: pin.value for pin in standing if (param := moved.get(pin.param, pin.param)) is not None}
        if pins and grids.get(one.symbol) == (one.tick_size, one.lot_size):
            commands.append({"command": "pin", "params": pins, "symbol": one.symbol})
    return commands
