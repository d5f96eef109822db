"""COMMAND, the only door for people: what may be asked and its payload; must never carry anything out."""

from typing import Any, NamedTuple

from mmfold.engine.json_text import parse_json
from mmfold.engine.manifest import Manifest
from mmfold.engine.params import PARAM_NAMES, ConfigPayloadError, check_value

FREEZE_COMMANDS = ("unfreeze", "freeze")  # index = whether the operator's freeze stands afterwards
CANCEL, PIN, UNPIN, POLICY, RESUME = "cancel", "pin", "unpin", "policy", "resume"
COMMANDS = (*FREEZE_COMMANDS, CANCEL, PIN, UNPIN, RESUME)


class FreezeCommand(NamedTuple):
    """Symbols to be frozen, or unfrozen."""

    symbols: list[str]
    frozen: bool


class CancelCommand(NamedTuple):
    """An order to be cancelled that rests at the venue and that the core does not hold."""

    symbol: str
    order_id: int


class PinCommand(NamedTuple):
    """PARAMS of one symbol that keep a value until they are released, whatever policies say."""

    symbol: str
    values: dict[str, int | float]


class UnpinCommand(NamedTuple):
    """Pins of one symbol that are released."""

    symbol: str
    names: list[str]


class PolicyCommand(NamedTuple):
    """Something that a policy is asked by name."""

    policy: str
    document: dict[str, Any]


class ResumeCommand(NamedTuple):
    """The stop at the day's loss, which is lifted: the day begins anew for it."""


Command = FreezeCommand | CancelCommand | PinCommand | UnpinCommand | PolicyCommand | ResumeCommand


def parse_command(payload: bytes, manifest: Manifest) -> Command:
    """Parse a COMMAND payload, one of
    {"command": "freeze" | "unfreeze", "symbol": symbol, optional},
    {"command": "cancel", "symbol": symbol, "order_id": n},
    {"command": "pin", "symbol": symbol, "params": {param: number}},
    {"command": "unpin", "symbol": symbol, "params": [param], optional: all},
    {"command": "resume"},
    {"policy": name, ...}.

    Raises: ConfigPayloadError.
    """
    try:
        document = parse_json(payload)
    except ValueError as error:
        raise ConfigPayloadError(f"COMMAND payload is not JSON: {error}") from error
    if isinstance(document, dict) and type(document.get(POLICY)) is str:
        return PolicyCommand(document[POLICY], {key: value for key, value in document.items() if key != POLICY})
    if not isinstance(document, dict) or document.get("command") not in COMMANDS:
        raise ConfigPayloadError(f'COMMAND payload must be an object with "command": {", ".join(COMMANDS)}')
    command, symbols = document["command"], sorted(manifest.symbol_index())
    if "symbol" in document and document["symbol"] not in symbols:
        raise ConfigPayloadError(f"unknown symbol {document['symbol']!r}")
    if command in FREEZE_COMMANDS:
        asked = [document["symbol"]] if "symbol" in document else symbols
        return FreezeCommand(asked, command == FREEZE_COMMANDS[1])
    if command == RESUME:
        return ResumeCommand()
    if "symbol" not in document:
        raise ConfigPayloadError(f'COMMAND {command} needs a "symbol"')
    if command == CANCEL:
        return parse_cancel(document)
    return parse_pin(document) if command == PIN else parse_unpin(document)


def parse_cancel(document: dict[str, Any]) -> CancelCommand:
    """Return what a cancel asks."""
    order_id = document.get("order_id")
    if type(order_id) is not int or not 0 < order_id < 1 << 62:
        raise ConfigPayloadError('COMMAND cancel needs a positive "order_id"')
    return CancelCommand(document["symbol"], order_id)


def parse_pin(document: dict[str, Any]) -> PinCommand:
    """Return what a pin asks."""
    values = document.get("params")
    if not isinstance(values, dict) or not values:
        raise ConfigPayloadError('COMMAND pin needs "params": an object of numbers')
    for name, value in values.items():
        check_value(name, value)
    return PinCommand(document["symbol"], values)


def parse_unpin(document: dict[str, Any]) -> UnpinCommand:
    """Return what the release of pins asks."""
    names = document.get("params", list(PARAM_NAMES))
    if not isinstance(names, list) or not names or not all(name in PARAM_NAMES for name in names):
        raise ConfigPayloadError('COMMAND unpin: "params" is not a list of params')
    return UnpinCommand(document["symbol"], names)
