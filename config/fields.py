"""What a setting is made of: exact numbers, ranges, choices and the section that holds them; must never name a setting.

Source: spec/core.md 0.
"""

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from mmfold.engine.declared import USER_REAL_MAX
from mmfold.engine.manifest import is_plain_decimal

DIGIT_COUNT_MAX = 15  # a decimal of 15 significant digits survives JSON numbers in both directions
USD_MAX = 1_000_000_000
BPS_MAX = 1000
MS_MAX = 3_600_000
USER_NUMBER_MAX = int(USER_REAL_MAX)
USER_RANGE = f"(-{USER_REAL_MAX:g}, {USER_REAL_MAX:g})"
UNREAD = "unread"  # marks a setting that a file may hold and nothing reads yet


def parse_number(value: Any) -> Decimal:
    """Return a YAML number or a decimal text as the exact number it is written as.

    Raises: PydanticCustomError for anything else: booleans, floats, NaN, exponents in text.
    """
    if isinstance(value, str) and is_plain_decimal(value.removeprefix("-")):
        value = Decimal(value)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise PydanticCustomError("cfg_type", "must be a number")
    number = Decimal(value)
    if len(number.normalize().as_tuple().digits) > DIGIT_COUNT_MAX:
        raise PydanticCustomError("cfg_range", "has more than 15 digits")
    return number


Number = Annotated[Decimal, BeforeValidator(parse_number)]


def parse_user_number(value: Any) -> Decimal:
    """Return a parameter of a strategy file: a YAML number or a decimal text, which the core keeps as a float.

    Raises: PydanticCustomError for anything else, and for what is too large.
    """
    if isinstance(value, str) and is_plain_decimal(value.removeprefix("-")):
        value = Decimal(value)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise PydanticCustomError("cfg_type", "must be a number")
    if not -USER_NUMBER_MAX < value < USER_NUMBER_MAX:
        raise PydanticCustomError("cfg_range", "is out of range {bounds}", {"bounds": USER_RANGE})
    return Decimal(value)


UserNumber = Annotated[Decimal, BeforeValidator(parse_user_number)]


def ranged(
    meaning: str,
    unit: str,
    low: int | str,
    high: int | str,
    *,
    above: bool = False,
    live: bool = False,
    optional: bool = False,
    read: bool = True,
) -> Any:
    """Return the field of a number in [low, high], or (low, high] with `above`; `live` = may change at run time.

    An `optional` one is None where it is not said; one that is not `read` does nothing in this build.
    """
    floor, ceiling = (Decimal(bound) if isinstance(bound, str) else bound for bound in (low, high))
    text = f"{'(' if above else '['}{low}, {high}]"
    extra: dict[str, Any] = {"unit": unit, "range": text, "runtime_mutable": live}
    bounds: dict[str, Any] = {"gt" if above else "ge": floor, "le": ceiling}
    if optional:
        bounds["default"] = None
    if not read:
        extra[UNREAD] = True
    return Field(description=meaning, json_schema_extra=extra, **bounds)


def switch(meaning: str, values: str = "true or false", *, live: bool = False) -> Any:
    """Return the field of a choice between named values."""
    return Field(description=meaning, json_schema_extra={"unit": "-", "range": values, "runtime_mutable": live})


class Section(BaseModel):
    """A group of settings: frozen, and strict about unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")
