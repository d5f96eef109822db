"""Prices and sizes as a request writes them, whole in ticks and lots or refused; must never round."""

from decimal import Decimal

from mmfold.adapters.emulator.bybit.codes import VenueCode, VenueError
from mmfold.adapters.emulator.market.product import PRICE_TICKS_LISTED, Product
from mmfold.engine.limits import PRICE_TICKS_MAX
from mmfold.engine.manifest import is_plain_decimal

DECIMAL_CHARS_MAX = 32


def parse_price(product: Product, text: object) -> int:
    """Return a price in ticks.

    Raises: VenueError.
    """
    price = parse_decimal(text, "price")
    ticks = price / product.tick
    if ticks != ticks.to_integral_value():
        raise VenueError(
            VenueCode.PARAMETER, f"params error: price invalid, the tick is {product.instrument.tick_size}"
        )
    if not 1 <= ticks <= min(PRICE_TICKS_LISTED, PRICE_TICKS_MAX):
        raise VenueError(VenueCode.PRICE_RANGE)
    return int(ticks)


def parse_qty(product: Product, text: object) -> int:
    """Return a size in lots.

    Raises: VenueError.
    """
    lots = parse_decimal(text, "qty") / product.lot
    if lots != lots.to_integral_value():
        raise VenueError(VenueCode.PARAMETER, "Qty invalid")
    if lots < product.instrument.min_qty_lots:
        raise VenueError(VenueCode.PARAMETER, "The number of contracts exceeds minimum limit allowed")
    if lots > product.order_lots_max:
        raise VenueError(VenueCode.PARAMETER, "The number of contracts exceeds maximum limit allowed: too large")
    return int(lots)


def parse_decimal(text: object, name: str) -> Decimal:
    """Return a plain decimal given as text or number.

    Raises: VenueError.
    """
    digits = str(text)
    if isinstance(text, bool) or len(digits) > DECIMAL_CHARS_MAX or not is_plain_decimal(digits):
        raise VenueError(VenueCode.PARAMETER, f"params error: {name} invalid")
    return Decimal(digits)
