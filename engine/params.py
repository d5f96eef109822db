"""PARAMS: what a CONFIG event may set, and the doors through which it changes; must never have defaults (config/
has).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from mmfold.engine.codes import Mode, Strategy
from mmfold.engine.declared import params_in_words
from mmfold.engine.json_text import parse_json
from mmfold.engine.limits import CIRCUIT_PROBE_ROOM, CIRCUIT_SECOND_COUNT, E9, LEVEL_COUNT_MAX, PPM
from mmfold.engine.manifest import Manifest
from mmfold.engine.schema import F8, PARAM_BY_ID, PARAM_FIELDS
from mmfold.engine.state import State

PARAM_NAMES = tuple(field.name for field in PARAM_FIELDS)
FLOAT_PARAMS = frozenset(field.name for field in PARAM_FIELDS if field.type == F8)
# The kernels multiply these, by a million or by each other, or have so much room: beyond, 64 bits or a ring overflow.
WHOLE_MAX = {
    "target_micros": 9_000_000_000_000,
    "inventory_micros_max": 9_000_000_000_000,
    "liquidity_alpha_ppm": 1_000 * PPM,
    "leverage_ppm": 1_000 * PPM,
    "mmr_ppm": PPM,
    "assumed_sl_ppm": PPM,
    "sl_buffer_ppm": 100 * PPM,
    "circuit_window_s": CIRCUIT_SECOND_COUNT,
    "circuit_failed_ppm": PPM,
    "circuit_server_error_ppm": PPM,
    "circuit_rate_limited_ppm": PPM,
    "circuit_probes_max": CIRCUIT_PROBE_ROOM,
}
ENUM_PARAMS = {"strategy": Strategy, "mode": Mode}


class ConfigPayloadError(ValueError):
    """A CONFIG event that cannot be applied; the message says which key."""


class Change(NamedTuple):
    """One PARAM of one instrument that got a new value."""

    instrument_index: int
    param_id: int
    before: int | float
    after: int | float


def audit_scale(param_id: int) -> int:
    """Return what a PARAM's value is multiplied by in an AUDIT row: integers stand as they are, floats x 1e9."""
    field = PARAM_BY_ID.get(param_id)
    return E9 if field is not None and field.type == F8 else 1


def param_name(param_id: int, extra: Mapping[str, str] | None = None) -> str:
    """Return the name of the PARAM that an AUDIT row is about, of a newer build's its number; `extra` is the
    manifest's, which names those of a strategy file.
    """
    field = PARAM_BY_ID.get(param_id)
    return f"param {param_id}" if field is None else params_in_words(extra or {}).get(field.name, field.name)


def parse_config(payload: bytes) -> dict[str, Any]:
    """Parse a CONFIG payload: {"params": {symbol: {param: number}}, "policies": {name: {key: number}},
    "policy_interval_ns": n}, each optional.

    Raises: ConfigPayloadError.
    """
    try:
        document = parse_json(payload)
    except ValueError as error:
        raise ConfigPayloadError(f"CONFIG payload is not JSON: {error}") from error
    if not isinstance(document, dict) or not set(document) <= {"params", "policies", "policy_interval_ns"}:
        raise ConfigPayloadError('CONFIG payload must be an object with "params" and "policies"')
    for key in ("params", "policies"):
        groups = document.get(key, {})
        if not isinstance(groups, dict) or not all(isinstance(values, dict) for values in groups.values()):
            raise ConfigPayloadError(f'CONFIG payload: "{key}" must be an object of objects')
    return document


def check_value(name: str, value: Any) -> None:
    """Check one PARAM's type and the bounds that the kernels rely on; the user's ranges are config's."""
    if name not in PARAM_NAMES:
        raise ConfigPayloadError(f"unknown param {name!r}")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigPayloadError(f"param {name}: {value!r} is not a number")
    if name not in FLOAT_PARAMS and not isinstance(value, int):
        raise ConfigPayloadError(f"param {name}: {value!r} is not an integer")
    if not -(1 << 62) < value < 1 << 62:
        raise ConfigPayloadError(f"param {name}: {value!r} is out of range")
    if name in WHOLE_MAX and not 0 <= value <= WHOLE_MAX[name]:
        raise ConfigPayloadError(f"param {name}: {value!r} is not within 0..{WHOLE_MAX[name]}")
    if name in ENUM_PARAMS and value not in list(ENUM_PARAMS[name]):
        raise ConfigPayloadError(f"param {name}: {value!r} is not a code")
    if name == "active_per_side_max" and value < 1:
        raise ConfigPayloadError(f"param {name}: {value!r} is not at least 1")
    if name in ("levels_per_side", "imbalance_levels") and not 1 <= value <= LEVEL_COUNT_MAX:
        raise ConfigPayloadError(f"param {name}: {value!r} is not within 1..{LEVEL_COUNT_MAX}")


def set_base(state: State, manifest: Manifest, params: dict[str, dict[str, int | float]]) -> list[int]:
    """Set base PARAMS by symbol and name, all or none; returns the instruments that they are of, in order.

    Raises: ConfigPayloadError.
    """
    index = manifest.symbol_index()
    for symbol, values in params.items():
        if symbol not in index:
            raise ConfigPayloadError(f"unknown symbol {symbol!r}")
        for name, value in values.items():
            check_value(name, value)
    # Must succeed from here.
    for symbol, values in params.items():
        row = state.base[index[symbol]]
        for name, value in values.items():
            row[name] = value
    return sorted(index[symbol] for symbol in params)
