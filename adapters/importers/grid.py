"""Decimal texts and integers of venue messages to what a row holds; must never round and never see a float."""

from decimal import Decimal
from typing import Any

from mmfold.adapters.importers.outcome import RefusedError
from mmfold.engine.limits import PRICE_TICKS_MAX
from mmfold.engine.records import NO_VALUE
from mmfold.journal.decimals import FieldError, Grid, format_units, grid_of, parse_units, units_max

INTEGER_MAX = -NO_VALUE - 1
E8_GRID = grid_of(Decimal("0.00000001"))
E8_MAX = units_max(E8_GRID, INTEGER_MAX)
assert PRICE_TICKS_MAX < INTEGER_MAX


def read_steps(text: object, grid: Grid, steps_max: int, what: str) -> int:
    """Return how many steps of a grid a decimal text is, exactly.

    Raises: RefusedError for anything but plain digits, for a value between two steps and for one beyond the limit.
    """
    if text is None:
        raise RefusedError(f"{what} is missing")
    try:
        steps = parse_units(text, grid)
    except FieldError as error:
        step = f" (step {format_units(1, grid)})" if "off the grid" in str(error) else ""
        raise RefusedError(f"{what} {error}{step}") from error
    if steps > steps_max:
        raise RefusedError(f"{what} {text!r} is beyond the limit of {steps_max:,} steps")
    return steps


def read_integer(message: dict[str, Any], key: str, largest: int = INTEGER_MAX) -> int:
    """Return a non-negative integer of a message.

    Raises: RefusedError when it is missing, no integer or out of range.
    """
    value = message.get(key)
    if type(value) is not int:  # bool is an int to Python, not to a venue
        raise RefusedError(f'"{key}" is {"missing" if value is None else "not an integer"}')
    if not 0 <= value <= largest:
        raise RefusedError(f'"{key}" {value} is out of range')
    return value
