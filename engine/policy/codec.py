"""Settings and memories of policies as plain JSON values and back, by their annotations; must never guess a type.

Takes dataclasses of int, float, str, None, tuples, nested dataclasses and unions with None; what comes back equals
what went in.
"""

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

UNIONS = (Union, type(int | None))  # both ways to write one


def encode(value: Any) -> Any:
    """Return a value as JSON has it: records as objects, tuples as arrays."""
    if is_dataclass(value):
        return {field.name: encode(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [encode(item) for item in value]
    return value


def decode(kind: Any, value: Any, place: str) -> Any:
    """Return the value of a type that `encode` gave this plain value of; `place` names it in errors.

    Raises: ValueError.
    """
    if is_dataclass(kind):
        return decode_record(kind, value, place)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in UNIONS:
        assert type(None) in arguments and len(arguments) == 2, "a union is of one type and None"
        return None if value is None else decode(next(one for one in arguments if one is not type(None)), value, place)
    if origin is tuple:
        return decode_tuple(arguments, value, place)
    if kind is float and type(value) is int:
        return float(value)
    assert kind in (int, float, str), kind
    if type(value) is not kind:
        raise ValueError(f"{place}: {value!r} is no {kind.__name__}")
    return value


def decode_record(kind: Any, value: Any, place: str) -> Any:
    """Return a record; a member that is not there has its default, if it has one."""
    if not isinstance(value, Mapping):
        raise ValueError(f"{place}: {value!r} is no object")
    hints = get_type_hints(kind)
    for key in value:
        if key not in hints:
            raise ValueError(f"{place}.{key}: unknown key")
    for field in fields(kind):
        if field.name not in value and field.default is MISSING:
            raise ValueError(f"{place}.{field.name}: missing")
    return kind(**{key: decode(hints[key], item, f"{place}.{key}") for key, item in value.items()})


def decode_tuple(arguments: tuple[Any, ...], value: Any, place: str) -> tuple[Any, ...]:
    """Return a tuple: of any length when its type ends with `...`, else of exactly its types."""
    if not isinstance(value, list):
        raise ValueError(f"{place}: {value!r} is no array")
    if arguments[1:] == (Ellipsis,):
        arguments = arguments[:1] * len(value)
    if len(arguments) != len(value):
        raise ValueError(f"{place}: {len(value)} items, expected {len(arguments)}")
    return tuple(
        decode(kind, item, f"{place}[{index}]") for index, (kind, item) in enumerate(zip(arguments, value, strict=True))
    )
