"""Decimal text to integer units and back, exactly; must never round or use a float."""

import json
from decimal import Decimal
from typing import NamedTuple

from mmfold.engine.manifest import is_plain_decimal

DIGIT_COUNT_MAX = 18  # significant digits of a decimal: its mantissa always fits an int64
EXPONENT_MAX = 40  # digits behind the point of a step
DECIMAL_CHAR_COUNT_MAX = 64
assert DIGIT_COUNT_MAX + EXPONENT_MAX + len("-0.") <= DECIMAL_CHAR_COUNT_MAX


class FieldError(ValueError):
    """A value that a field cannot hold; the message says what, the hint what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Grid(NamedTuple):
    """A step size as mantissa / 10**exponent, so that units x step is exact in integers."""

    mantissa: int
    exponent: int


def grid_of(size: Decimal) -> Grid:
    """Return the step as integers, with the smallest exponent that is not negative.

    Raises: FieldError for a step that is not positive or has too many digits.
    """
    sign, digits, exponent = size.as_tuple()
    mantissa = int("".join(map(str, digits)))
    if sign or mantissa == 0 or not isinstance(exponent, int) or abs(exponent) > EXPONENT_MAX:
        raise FieldError(f"a step of {size} is not positive or has more than {EXPONENT_MAX} decimals")
    while mantissa % 10 == 0 and exponent < 0:
        mantissa, exponent = mantissa // 10, exponent + 1
    grid = Grid(mantissa * 10 ** max(exponent, 0), max(-exponent, 0))
    if grid.mantissa >= 10**DIGIT_COUNT_MAX:
        raise FieldError(f"a step of {size} has more than {DIGIT_COUNT_MAX} digits")
    return grid


def units_max(grid: Grid, limit: int) -> int:
    """Return the largest count of units that is inside the limit and has at most 18 digits as text."""
    return min(limit, (10**DIGIT_COUNT_MAX - 1) // grid.mantissa)


def format_units(units: int, grid: Grid) -> str:
    """Return units x step in the shortest form without exponent."""
    digits = str(abs(units) * grid.mantissa)
    if len(digits) > DIGIT_COUNT_MAX:
        raise FieldError(f"{units} units have more than {DIGIT_COUNT_MAX} digits")
    if grid.exponent:
        digits = digits.zfill(grid.exponent + 1)
        digits = f"{digits[: -grid.exponent]}.{digits[-grid.exponent :]}".rstrip("0").rstrip(".")
    return "-" + digits if units < 0 else digits


def parse_units(text: object, grid: Grid, signed: bool = False) -> int:
    """Return how many steps a decimal string is.

    Raises: FieldError unless the text is a plain decimal of at most 18 digits on the grid.
    """
    if type(text) is not str:
        raise FieldError(f"{show(text)} is not a decimal string", 'write numbers as strings, such as "0.5"')
    if len(text) > DECIMAL_CHAR_COUNT_MAX:
        raise FieldError(f"{show(text)} has more than {DIGIT_COUNT_MAX} digits")
    digits = text[1:] if signed and text.startswith("-") else text
    if not is_plain_decimal(digits):
        what = "is negative" if is_plain_decimal(text[1:]) and text[0] == "-" else "is not a plain decimal number"
        raise FieldError(f"{show(text)} {what}", "write digits with at most one point: no exponent, no NaN")
    whole, _, fraction = digits.partition(".")
    mantissa = (whole + fraction).lstrip("0")
    if len(mantissa) > DIGIT_COUNT_MAX:
        raise FieldError(f"{show(text)} has more than {DIGIT_COUNT_MAX} digits")
    shift = grid.exponent - len(fraction)
    value = int(mantissa or "0") * 10 ** max(shift, 0)
    units, rest = divmod(value, grid.mantissa * 10 ** max(-shift, 0))
    if rest:
        raise FieldError(f"{show(text)} is off the grid")
    return -units if digits is not text else units


def format_decimal(units: int, size: Decimal) -> str:
    """Return units x size as the shortest decimal text without exponent.

    Raises: FieldError when that has more than 18 digits.
    """
    return format_units(units, grid_of(size))


def parse_decimal(text: object, size: Decimal, signed: bool = False) -> int:
    """Return how many times `size` a decimal text is; never rounds.

    Raises: FieldError for anything but a plain decimal of at most 18 digits on the grid.
    """
    return parse_units(text, grid_of(size), signed)


def show(value: object) -> str:
    """Return a value as JSON, cut to a line's length."""
    text = json.dumps(value, ensure_ascii=True, default=repr)
    return text if len(text) <= 60 else text[:57] + "..."
