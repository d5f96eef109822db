"""Exact amounts as text: ticks, lots and micros to decimals; must never pass through a float."""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from engine.limits import MICROS_PER_UNIT
from engine.manifest import Instrument

# The manifest does not name currencies: venues spell them as the end of the symbol.
QUOTE_CURRENCIES = ("USDT", "USDC", "FDUSD", "USD", "EUR", "BTC", "ETH")
COIN_CURRENCIES = ("BTC", "ETH")
COIN_DECIMALS = 8
CASH_DECIMALS = 2


@dataclass(frozen=True, slots=True)
class Units:
    """How one instrument's integers become amounts.

    Units: `tick` = `tick_mantissa` x 10^-`price_decimals` in the venue's units, `lot` likewise; `tick_value` in quote
        currency per tick times lot.
    """

    tick: Fraction
    lot: Fraction
    tick_value: Fraction
    tick_mantissa: int
    lot_mantissa: int
    price_decimals: int
    qty_decimals: int
    base: str
    quote: str

    def price(self, ticks: int) -> str:
        """Return a price as its shortest decimal text."""
        return shifted_text(ticks * self.tick_mantissa, self.price_decimals)

    def qty(self, lots: int) -> str:
        """Return a size as its shortest decimal text."""
        return shifted_text(lots * self.lot_mantissa, self.qty_decimals)


def instrument_units(instrument: Instrument) -> Units:
    """Return the units of an instrument."""
    numerator, denominator = instrument.tick_value_micros()
    base, quote = currencies(instrument.symbol)
    tick, lot = Fraction(instrument.tick_size), Fraction(instrument.lot_size)
    price_decimals, qty_decimals = decimal_count(instrument.tick_size), decimal_count(instrument.lot_size)
    return Units(
        tick=tick,
        lot=lot,
        tick_mantissa=int(tick * 10**price_decimals),
        lot_mantissa=int(lot * 10**qty_decimals),
        tick_value=Fraction(numerator, denominator * MICROS_PER_UNIT),
        price_decimals=price_decimals,
        qty_decimals=qty_decimals,
        base=base,
        quote=quote,
    )


def currencies(symbol: str) -> tuple[str, str]:
    """Return (base, quote) of a symbol, ("", "") when its end is not a known currency."""
    for quote in QUOTE_CURRENCIES:
        if symbol.endswith(quote) and len(symbol) > len(quote):
            return symbol[: -len(quote)].rstrip("-_/"), quote
    return "", ""


def money_decimals(quote: str) -> int:
    """Return how many decimals a person wants to see of an amount in a currency."""
    return COIN_DECIMALS if quote in COIN_CURRENCIES else CASH_DECIMALS


def decimal_count(text: str) -> int:
    """Return how many decimals a decimal text needs."""
    exponent = Decimal(text).normalize().as_tuple().exponent
    assert isinstance(exponent, int), "NaN or infinity in a checked decimal"
    return max(0, -exponent)


def decimal_text(value: Fraction) -> str:
    """Return the exact decimal text of a number, shortest, without exponent.

    Raises: ValueError when the number has no finite decimal form.
    """
    decimals, rest = 0, value.denominator
    while rest != 1:
        if rest % 2 and rest % 5:
            raise ValueError(f"{value} has no finite decimal form")
        rest = Fraction(rest, 10).numerator
        decimals += 1
    return shifted_text(value.numerator * 10**decimals // value.denominator, decimals)


def shifted_text(number: int, decimals: int) -> str:
    """Return number x 10^-decimals as its shortest decimal text."""
    digits = str(abs(number)).rjust(decimals + 1, "0")
    whole, fraction = digits[: len(digits) - decimals], digits[len(digits) - decimals :].rstrip("0")
    return ("-" if number < 0 else "") + whole + (f".{fraction}" if fraction else "")


def fixed_text(value: Fraction | str | None, decimals: int, signed: bool = False, group: str = ",") -> str:
    """Return a number for people: fixed decimals (half to even), thousands separated, a dash when absent."""
    if value is None:
        return "-"
    scaled = round(Fraction(value) * 10**decimals)
    digits = str(abs(scaled)).rjust(decimals + 1, "0")
    whole, fraction = digits[: len(digits) - decimals], digits[len(digits) - decimals :]
    sign = "-" if scaled < 0 else "+" if signed and scaled > 0 else ""
    grouped = f"{int(whole):,}".replace(",", group)
    return sign + grouped + (f".{fraction}" if fraction else "")
