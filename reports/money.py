"""Exact amounts as text: ticks, lots and micros to decimals; must never pass through a float."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from mmfold.engine.limits import MICROS_PER_UNIT
from mmfold.engine.manifest import Instrument

# How venues spell currencies as the end of the symbol, for instruments whose listing did not say them. Where one is the
# end of another the longer counts: DOTUSD taken for TUSD stands on a line of its own, the other way round it is summed.
QUOTE_CURRENCIES = (
    "FDUSD", "PYUSD", "USDT", "USDC", "TUSD", "BUSD", "USDP", "USDE", "USD1", "IDRT", "BIDR", "EURI", "USD", "EUR",
    "TRY", "BRL", "GBP", "AUD", "JPY", "ZAR", "UAH", "RUB", "NGN", "PLN", "RON", "ARS", "MXN", "COP", "CZK", "VAI",
    "DAI", "KRW", "BTC", "ETH", "BNB",
)  # fmt: skip
COIN_CURRENCIES = ("BTC", "ETH", "BNB")
COIN_DECIMALS = 8
CASH_DECIMALS = 2
# An inverse contract's money is counted in thousandths of its base: mBTC. Currencies are upper case otherwise.
MILLI = "m"
MILLI_DECIMALS = 5
# What ends the symbol of a perpetual or dated contract behind its currencies: _PERP, _240927, Z24.
CONTRACT_SUFFIX = re.compile(r"(_PERP|_\d{6}|[FGHJKMNQUVXZ]\d{2})\Z")


@dataclass(frozen=True, slots=True)
class Units:
    """How one instrument's integers become amounts.

    Units: `tick` = `tick_mantissa` x 10^-`price_decimals` in the venue's units, `lot` likewise; `tick_value` in `money`
        per ticklot; of inverse contracts `base_value` in ticklots of one lot at one tick, `lot_notional` in quote per
        lot, else 0. `money` is what PnL, fees and funding are in: the settlement currency, of inverse contracts a
        thousandth of it; where nothing names it, one of the instrument's own, so that no sum mixes it with another.
    """

    tick: Fraction
    lot: Fraction
    tick_value: Fraction
    base_value: Fraction
    lot_notional: Fraction
    tick_mantissa: int
    lot_mantissa: int
    price_decimals: int
    qty_decimals: int
    base: str
    quote: str
    money: str

    @property
    def is_inverse(self) -> bool:
        """Whether money is the base currency and sizes are contracts."""
        return self.base_value != 0

    @property
    def size(self) -> str:
        """What sizes are counted in."""
        return "contracts" if self.is_inverse else self.base or "base units"

    def price(self, ticks: int) -> str:
        """Return a price as its shortest decimal text."""
        return shifted_text(ticks * self.tick_mantissa, self.price_decimals)

    def qty(self, lots: int) -> str:
        """Return a size as its shortest decimal text."""
        return shifted_text(lots * self.lot_mantissa, self.qty_decimals)


def instrument_units(instrument: Instrument) -> Units:
    """Return the units of an instrument."""
    numerator, denominator = instrument.tick_value_micros()
    base, quote = coins(instrument)
    settled = instrument.settle_coin or quote or f"quote of {instrument.symbol}"
    notional_micros, parts = instrument.lot_notional_micros()
    tick, lot = Fraction(instrument.tick_size), Fraction(instrument.lot_size)
    price_decimals, qty_decimals = decimal_count(instrument.tick_size), decimal_count(instrument.lot_size)
    return Units(
        tick=tick,
        lot=lot,
        tick_mantissa=int(tick * 10**price_decimals),
        lot_mantissa=int(lot * 10**qty_decimals),
        tick_value=Fraction(numerator, denominator * MICROS_PER_UNIT),
        base_value=Fraction(*instrument.base_value_ratio()),
        lot_notional=Fraction(notional_micros, parts * MICROS_PER_UNIT),
        price_decimals=price_decimals,
        qty_decimals=qty_decimals,
        base=base,
        quote=quote,
        money=MILLI + (instrument.settle_coin or base or instrument.symbol) if instrument.is_inverse else settled,
    )


def coins(instrument: Instrument) -> tuple[str, str]:
    """Return (base, quote) as the listing says them, else as the symbol's end does."""
    base, quote = currencies(instrument.symbol)
    if instrument.is_inverse and (pair := CONTRACT_SUFFIX.sub("", instrument.symbol)).endswith("USD"):
        base, quote = pair[:-3].rstrip("-_/"), "USD"
    if instrument.quote_coin and instrument.quote_coin != quote:
        base, quote = instrument.symbol.removesuffix(instrument.quote_coin).rstrip("-_/"), instrument.quote_coin
    return instrument.base_coin or base, quote


def currencies(symbol: str) -> tuple[str, str]:
    """Return (base, quote) of a symbol, ("", "") when its end is not a known currency."""
    pair = CONTRACT_SUFFIX.sub("", symbol)
    for quote in QUOTE_CURRENCIES:
        if pair.endswith(quote) and len(pair) > len(quote):
            return pair[: -len(quote)].rstrip("-_/"), quote
    return "", ""


def money_decimals(currency: str) -> int:
    """Return how many decimals a person wants to see of an amount in a currency."""
    if currency.startswith(MILLI):
        return MILLI_DECIMALS
    return COIN_DECIMALS if currency in COIN_CURRENCIES else CASH_DECIMALS


def qty_text(instrument: Instrument, lots: int) -> str:
    """Return a signed size as a person reads it: in the base currency, of an inverse instrument in contracts."""
    units = instrument_units(instrument)
    what = "contracts" if units.is_inverse else units.base
    return f"{fixed_text(lots * units.lot, units.qty_decimals)} {what}".rstrip()


def column_units(units: Iterable[Units]) -> dict[str, str]:
    """Return what the sizes and the money in a column of several instruments are in."""
    of_all = list(units)
    inverse = sum(one.is_inverse for one in of_all)
    if not inverse:
        return {"size": "base units", "money": "quote"}
    if inverse < len(of_all):
        return {"size": "base units, contracts", "money": "quote, base / 1,000"}
    return {"size": "contracts", "money": "base / 1,000"}


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
