"""Amounts as text: exact, shortest, and the same as decimal arithmetic gives."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfold.engine.manifest import Instrument
from mmfold.reports.money import (
    column_units,
    currencies,
    decimal_text,
    fixed_text,
    instrument_units,
    money_decimals,
    shifted_text,
)


@pytest.mark.parametrize(
    ("number", "decimals", "text"),
    [(0, 0, "0"), (0, 6, "0"), (-5, 1, "-0.5"), (1_230, 2, "12.3"), (100, 2, "1"), (-7, 0, "-7"), (1, 7, "0.0000001")],
)
def test_shifted_text(number, decimals, text):
    assert shifted_text(number, decimals) == text


@given(st.integers(-(1 << 80), 1 << 80), st.integers(0, 12))
def test_shifted_text_is_exact(number, decimals):
    text = shifted_text(number, decimals)
    assert Fraction(text) == Fraction(number, 10**decimals)
    assert "e" not in text and not (text.endswith("0") and "." in text)


@given(st.integers(-(1 << 80), 1 << 80), st.integers(0, 8), st.integers(0, 8))
def test_decimal_text_is_exact(number, twos, fives):
    value = Fraction(number, 2**twos * 5**fives)
    assert Fraction(decimal_text(value)) == value


def test_decimal_text_refuses_what_has_no_end():
    with pytest.raises(ValueError, match="1/3"):
        decimal_text(Fraction(1, 3))


@pytest.mark.parametrize(
    ("value", "decimals", "signed", "text"),
    [
        (None, 2, False, "-"),
        ("1234567.895", 2, False, "1,234,567.90"),
        ("0.005", 2, True, "0.00"),  # half to even, and nothing is signed once it is shown as zero
        ("-0.004", 2, True, "0.00"),
        ("-0.5", 0, False, "0"),
        ("12.5", 1, True, "+12.5"),
        ("-1000", 0, True, "-1,000"),
    ],
)
def test_fixed_text(value, decimals, signed, text):
    assert fixed_text(value, decimals, signed) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=7))
def test_fixed_text_rounds_as_decimal_does(value):
    text = fixed_text(Fraction(value), 4, group="")
    assert Decimal(text) == value.quantize(Decimal("0.0001"))


@pytest.mark.parametrize(
    ("symbol", "pair"),
    [
        ("BTCUSDT", ("BTC", "USDT")),
        ("ETHBTC", ("ETH", "BTC")),
        ("BTC-USD", ("BTC", "USD")),
        ("XFDUSD", ("X", "FDUSD")),
        ("USDT", ("", "")),
        ("ABC", ("", "")),
        ("BTCUSD_PERP", ("BTC", "USD")),
        ("BTCUSD_240927", ("BTC", "USD")),
        ("ETHUSDT_240927", ("ETH", "USDT")),
        ("BTCUSDZ24", ("BTC", "USD")),
    ],
)
def test_currencies(symbol, pair):
    assert currencies(symbol) == pair


def test_units_of_an_instrument():
    units = instrument_units(Instrument(symbol="BTCUSDT", tick_size="0.10", lot_size="0.001"))
    assert (units.price(617_390), units.qty(-2), units.price_decimals, units.qty_decimals) == ("61739", "-0.002", 1, 3)
    assert units.tick_value == Fraction(1, 10_000)


def test_units_of_an_inverse_contract():
    fields = {"contract": "inverse", "tick_size": "0.1", "lot_size": "1", "contract_value": "100"}
    known, unknown = (instrument_units(Instrument(symbol=symbol, **fields)) for symbol in ("BTCUSD_PERP", "ABC"))
    linear = instrument_units(Instrument(symbol="BTCUSDT", tick_size="0.10", lot_size="0.001"))
    assert (known.money, known.quote, known.size, unknown.money, unknown.quote) == (
        "mBTC",
        "USD",
        "contracts",
        "mABC",
        "",
    )
    assert (linear.money, linear.size, linear.is_inverse) == ("USDT", "BTC", False)
    # A ticklot is a micro of a thousandth of the base, a lot is 1e12 of them at a tick, and 100 USD.
    assert (known.tick_value, known.base_value, known.lot_notional) == (Fraction(1, 10**6), 10**12, 100)
    assert [money_decimals(units.money) for units in (known, linear)] == [5, 2]
    assert column_units([linear]) == {"size": "base units", "money": "quote"}
    assert column_units([known]) == {"size": "contracts", "money": "base / 1,000"}
    assert column_units([known, linear]) == {"size": "base units, contracts", "money": "quote, base / 1,000"}
