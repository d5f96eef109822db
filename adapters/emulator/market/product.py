"""How the venue shows one instrument: its numbers as decimal text and back, exactly; must never round."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from functools import cached_property

from mmfold.adapters.emulator.errors import VenueSetupError
from mmfold.engine.limits import MICROS_PER_UNIT, PPM, QTY_LOTS_MAX
from mmfold.engine.manifest import Instrument, Manifest

QUOTE_COINS = ("USDT", "USDC")
QTY_LOTS_LISTED = 1_500_000  # largest order, at least
ORDER_VALUE_LISTED = 3_000_000_000  # at the highest price
PRICE_TICKS_LISTED = 20_000_000  # highest price


def plain(value: Decimal) -> str:
    """Return a decimal without exponent and without trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def quote_coin_of(instrument: Instrument) -> str:
    """Return the coin of price, margin and profit as the listing says it, else as the symbol ends; "" for others."""
    told = instrument.settle_coin or instrument.quote_coin
    return told or next((coin for coin in QUOTE_COINS if instrument.symbol.endswith(coin)), "")


@dataclass(frozen=True)
class Product:
    """One instrument as the venue lists it."""

    instrument: Instrument
    index: int

    @property
    def symbol(self) -> str:
        """Name of the instrument."""
        return self.instrument.symbol

    @cached_property
    def tick(self) -> Decimal:
        """Size of a tick."""
        return Decimal(self.instrument.tick_size)

    @cached_property
    def lot(self) -> Decimal:
        """Size of a lot."""
        return Decimal(self.instrument.lot_size)

    @cached_property
    def quote_coin(self) -> str:
        """Coin of price, margin and profit."""
        return quote_coin_of(self.instrument)

    @property
    def base_coin(self) -> str:
        """Coin that is bought and sold."""
        return self.instrument.base_coin or self.symbol.removesuffix(self.quote_coin)

    @cached_property
    def price_places(self) -> int:
        """Decimal places of a price, as the tick size is written."""
        return len(self.instrument.tick_size.partition(".")[2])

    @cached_property
    def order_lots_max(self) -> int:
        """Largest order: worth the same at the highest price of any instrument, where lots are small."""
        lots = ORDER_VALUE_LISTED / (self.tick * self.lot * PRICE_TICKS_LISTED)
        return min(max(QTY_LOTS_LISTED, int(lots)), QTY_LOTS_MAX >> 4)

    @cached_property
    def maker_rate(self) -> Decimal:
        """Maker's fee, a fraction of the notional."""
        return Decimal(self.instrument.maker_fee_ppm) / PPM

    @cached_property
    def taker_rate(self) -> Decimal:
        """Taker's fee, a fraction of the notional."""
        return Decimal(self.instrument.taker_fee_ppm) / PPM

    @cached_property
    def min_notional(self) -> Decimal:
        """Least value of an order."""
        return Decimal(self.instrument.min_notional_micros) / MICROS_PER_UNIT

    def price_text(self, ticks: int) -> str:
        """Return a price as the venue writes it."""
        return f"{self.tick * ticks:.{self.price_places}f}"

    def floor_text(self, price: Decimal) -> str:
        """Return a price that need not be on a tick, such as a mark price, with the instrument's places."""
        return f"{price.quantize(Decimal(1).scaleb(-self.price_places), ROUND_DOWN):f}"

    def qty_text(self, lots: int) -> str:
        """Return a size as the venue writes it: 0 without places."""
        return f"{self.lot * lots:f}" if lots else "0"

    def value(self, ticks: int, lots: int) -> Decimal:
        """Return price times size in quote coin."""
        return self.tick * ticks * (self.lot * lots)


def make_products(manifest: Manifest) -> dict[str, Product]:
    """Return {symbol: product}; an account has one coin, so they all have.

    Raises: VenueSetupError for what the emulator does not trade.
    """
    products = list_products(manifest)
    coins = sorted({product.quote_coin for product in products.values()})
    if len(coins) > 1:
        raise VenueSetupError(f"instruments in {' and '.join(coins)}", "choose those of one coin with --symbols")
    return products


def list_products(manifest: Manifest) -> dict[str, Product]:
    """Return {symbol: product}.

    Raises: VenueSetupError for what the emulator does not list.
    """
    return {
        instrument.symbol: Product(checked(instrument), index) for index, instrument in enumerate(manifest.instruments)
    }


def checked(instrument: Instrument) -> Instrument:
    """Return an instrument that the emulator can list.

    Raises: VenueSetupError.
    """
    if instrument.contract != "linear" or quote_coin_of(instrument) not in QUOTE_COINS:
        raise VenueSetupError(
            f"{instrument.symbol}: the emulator trades linear contracts in {' or '.join(QUOTE_COINS)}",
            "choose others with --symbols",
        )
    return instrument


def pick_symbols(manifest: Manifest, symbols: Sequence[str]) -> list[Instrument]:
    """Return the instruments of some symbols, all without any.

    Raises: VenueSetupError.
    """
    known = {instrument.symbol: instrument for instrument in manifest.instruments}
    for symbol in symbols:
        if symbol not in known:
            raise VenueSetupError(f"no instrument {symbol} in the feed", f"it has {', '.join(known)}")
    return [checked(known[symbol]) for symbol in sorted(set(symbols) or known)]
