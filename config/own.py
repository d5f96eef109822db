"""The settings `user.*` of this process: the PARAMS of the strategy file that it has loaded; must never load one."""

from collections.abc import Mapping
from decimal import Decimal

SECTION = "user"
FROM_FILE = "strategy file"  # where a default was set

declared: dict[str, Decimal] | None = None


def declare(params: Mapping[str, int | float]) -> None:
    """Take the PARAMS of the strategy file of this process, in its order, with their defaults."""
    global declared
    declared = {name: Decimal(repr(value)) for name, value in params.items()}


def is_declared() -> bool:
    """Tell whether this process has a strategy file, whatever it declares."""
    return declared is not None


def declared_params() -> Mapping[str, Decimal]:
    """Return {name: default} in the order of the file, empty where there is none."""
    return declared or {}
