"""Decimal texts and integers of venue messages to what a row holds; must never round and never see a float."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

from mmfold.adapters.importers.outcome import RefusedError
from mmfold.engine.limits import E8, PRICE_TICKS_MAX
from mmfold.engine.manifest import is_plain_decimal
from mmfold.engine.records import NO_VALUE
from mmfold.journal.jsonl.decimals import (
    DECIMAL_CHAR_COUNT_MAX,
    FieldError,
    Grid,
    format_units,
    grid_of,
    parse_units,
    units_max,
)

INTEGER_MAX = -NO_VALUE - 1
E8_GRID = grid_of(Decimal("0.00000001"))
E8_MAX = units_max(E8_GRID, INTEGER_MAX)
MARK_E8_MIN = 1_000  # below, half a step of 1e-8 is more than 0.05 %
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


def read_mark_e8(text: object, what: str) -> int:
    """Return a mark or index price x 1e8 as `round_mark_e8` does, from its decimal text.

    Such prices value and never trade: one with more decimals than its column has is rounded, where that is no matter.
    Raises: RefusedError.
    """
    if not isinstance(text, str) or len(text) > DECIMAL_CHAR_COUNT_MAX or not is_plain_decimal(text):
        return read_steps(text, E8_GRID, E8_MAX, what)  # which says what is wrong
    return round_mark_e8(Fraction(text), what)


def round_mark_e8(price: Fraction, what: str) -> int:
    """Return a mark or index price x 1e8, to the nearest; the sentinel of one too small to be told to 0.05 %.

    Raises: RefusedError.
    """
    exact = price * E8
    if exact > E8_MAX:
        raise RefusedError(f"{what} {float(price):g} is beyond the limit of {E8_MAX:,} steps of 1e-8")
    return round(exact) if exact.denominator == 1 or exact >= MARK_E8_MIN else NO_VALUE


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
