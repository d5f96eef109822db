"""Decimal text and integer units: exact both ways, or refused."""

from decimal import Decimal

import pytest

from mmfold.journal.jsonl.decimals import FieldError, format_decimal, parse_decimal

# text | step | units, None where it is refused
DECIMALS = [
    ("61740.5", "0.10", 617405),
    ("61740.50", "0.10", 617405),
    ("007", "1", 7),
    ("0", "0.001", 0),
    ("300", "100", 3),
    ("7.5", "2.5", 3),
    ("999999999999999999", "1", 999999999999999999),
    ("0.000000000000000001", "0.000000000000000001", 1),
    ("61740.55", "0.10", None),
    ("250", "100", None),
    ("", "1", None),
    (".5", "0.1", None),
    ("5.", "1", None),
    ("-5", "1", None),
    ("+5", "1", None),
    (" 5", "1", None),
    ("1_000", "1", None),
    ("٣", "1", None),
    ("1e3", "1", None),
    ("Infinity", "1", None),
    ("1000000000000000000", "1", None),
    ("0." + "0" * 70 + "1", "0.1", None),
]


@pytest.mark.parametrize(("text", "size", "units"), DECIMALS)
def test_decimal(text: str, size: str, units: int | None) -> None:
    if units is None:
        with pytest.raises(FieldError):
            parse_decimal(text, Decimal(size))
    else:
        assert parse_decimal(text, Decimal(size)) == units
        assert Decimal(format_decimal(units, Decimal(size))) == Decimal(text)
