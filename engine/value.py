"""What lots are worth at a price: linear, spot and inverse contracts, in integers; must never round in our favour.

Money of an inverse contract is the base currency: one ticklot is 1e-9 base, so a micro is a millionth of a
thousandth of the base. At a price of p ticks n lots stand for the cash -(n x K / p), K = the base value at one tick:
it rises with the price, as price x lots does, and average cost, PnL and spread are the same sums for all contracts.
"""

import numpy as np

from mmfold.engine.codes import Contract
from mmfold.engine.jit import kernel
from mmfold.engine.limits import (
    BASE_DIVISOR_MAX,
    BEYOND,
    DAY_MICROS_MAX,
    HOLDING_MAX,
    INVERSE_LOTS_MAX,
    POSITION_LOTS_MAX,
    PPM,
    PRODUCT_MAX,
    VALUE_E8_MAX,
    VALUE_LOTS_MAX,
    VALUE_TICKLOTS_MAX,
)

LOW_BITS = 16
LOW_MASK = (1 << LOW_BITS) - 1
# Micros of quote over a price x 1e8 are units of 1e-2 base: 13 digits more are 1e-8 of a thousandth of the base.
FUNDING_DIGIT_COUNT = 13
FUNDING_SCALE = 10.0**FUNDING_DIGIT_COUNT
LOTS_SCALE = 1_000_000  # a lot's value in micros may be below 1: a million lots are valued
VALUE_COARSE = 1 << 20  # what they are worth is in whole micros: below, more than a millionth of it is rounded off


@kernel
def notional_micros(instrument, price_ticks, qty_lots):
    """Return the quote value of lots in micros, rounded down; that of an inverse contract does not depend on price."""
    if instrument["contract"] == Contract.INVERSE:
        assert abs(qty_lots * 1.0 * instrument["lot_notional_numerator"]) <= PRODUCT_MAX, BEYOND
        return qty_lots * instrument["lot_notional_numerator"] // instrument["lot_notional_denominator"]
    assert abs(price_ticks * 1.0 * qty_lots * instrument["tick_value_numerator"]) <= PRODUCT_MAX, BEYOND
    return price_ticks * qty_lots * instrument["tick_value_numerator"] // instrument["tick_value_denominator"]


@kernel
def holding_lots_max(instrument, price_ticks):
    """Return the most lots that may be held at a price, so that whatever is made of them fits 64 bits."""
    if instrument["contract"] == Contract.INVERSE:
        return np.int64(INVERSE_LOTS_MAX)
    lots = HOLDING_MAX / (price_ticks * 1.0 * instrument["tick_value_numerator"])
    return np.int64(min(lots, POSITION_LOTS_MAX * 1.0))


@kernel
def lots_worth(instrument, price_ticks, micros):
    """Return how many lots an amount in quote buys, rounded down, at most what may be held."""
    lots_max = holding_lots_max(instrument, price_ticks)
    if lots_max == 0:
        return lots_max
    scale = np.int64(LOTS_SCALE)
    if price_ticks * 1.0 * scale * instrument["tick_value_numerator"] > PRODUCT_MAX:
        scale = np.int64(1)
    value = notional_micros(instrument, price_ticks, scale)
    if value < VALUE_COARSE and instrument["contract"] != Contract.INVERSE:
        lots = micros * 1.0 * instrument["tick_value_denominator"]
        return np.int64(min(lots / (price_ticks * 1.0 * instrument["tick_value_numerator"]), lots_max * 1.0))
    if value <= 0 or micros * 1.0 / value * scale > lots_max * 2.0:
        return lots_max
    if micros * 1.0 * scale <= PRODUCT_MAX:
        return min(micros * scale // value, lots_max)
    return min(micros // value * scale, lots_max)


@kernel
def notional_mid_micros(instrument, mid_half_ticks, qty_lots):
    """Return the quote value of lots at the mid in micros, rounded down."""
    if instrument["contract"] == Contract.INVERSE:
        return notional_micros(instrument, mid_half_ticks, qty_lots)
    return notional_micros(instrument, mid_half_ticks, qty_lots) // 2


@kernel
def quote_micros(instrument, price_half_ticks, micros):
    """Return money of an instrument in micros of quote, rounded down, at most `DAY_MICROS_MAX`: an inverse contract's
    is base, and is worth what the price says.

    A limit is compared with it, no money is counted by it: a float's 15 digits are enough.
    """
    value = micros * 1.0
    if instrument["contract"] == Contract.INVERSE:
        lot_micros = instrument["lot_notional_numerator"] * 1.0 / instrument["lot_notional_denominator"]
        lot_base = 2.0 * instrument["base_value_numerator"] / instrument["base_value_denominator"] / price_half_ticks
        value = np.floor(value * (lot_micros / lot_base))
    if abs(value) >= DAY_MICROS_MAX:
        return np.int64(DAY_MICROS_MAX) if value > 0 else np.int64(-DAY_MICROS_MAX)
    return np.int64(value) if instrument["contract"] == Contract.INVERSE else np.int64(micros)


@kernel
def base_parts(instrument, price_half_ticks, qty_lots):
    """Return the base value of an inverse contract's lots, exactly: (whole, rest, divisor) for whole + rest / divisor.

    Units: 1e-9 base.
    """
    assert price_half_ticks > 0 and qty_lots >= 0
    assert qty_lots <= VALUE_LOTS_MAX, BEYOND
    numerator = 2 * instrument["base_value_numerator"]
    divisor = instrument["base_value_denominator"] * price_half_ticks
    assert divisor <= BASE_DIVISOR_MAX
    whole, rest = numerator // divisor, numerator % divisor
    assert whole <= VALUE_TICKLOTS_MAX // max(qty_lots, 1), BEYOND
    # lots x rest may pass 64 bits: a long division, 16 bits of the lots at a time.
    high = rest * (qty_lots >> LOW_BITS)
    low = (high % divisor << LOW_BITS) + rest * (qty_lots & LOW_MASK)
    return whole * qty_lots + (high // divisor << LOW_BITS) + low // divisor, low % divisor, divisor


@kernel
def value_half_ticklots(instrument, price_half_ticks, qty_lots, sign):
    """Return what lots stand for at a price, in half ticklots: price x lots, or minus the base value.

    The base value is rounded for who buys (sign 1) or sells (-1) them: bought for no less, sold for no more.
    """
    if instrument["contract"] != Contract.INVERSE:
        assert price_half_ticks * 1.0 * qty_lots * instrument["tick_value_numerator"] <= PRODUCT_MAX, BEYOND
        return price_half_ticks * qty_lots
    whole, rest, _ = base_parts(instrument, price_half_ticks, qty_lots)
    return -2 * (whole + (sign < 0 and rest > 0) * 1)


@kernel
def value_ticklots(instrument, price_ticks, qty_lots, sign):
    """Return what a fill's lots stand for at its price, in ticklots; see `value_half_ticklots`."""
    return value_half_ticklots(instrument, 2 * price_ticks, qty_lots, sign) // 2


@kernel
def fee_micros(instrument, price_ticks, qty_lots, rate_ppm):
    """Return the signed fee of a fill, rounded up: a cost is never too small, a rebate never too big (spec/core.md
    20).
    """
    if instrument["contract"] == Contract.INVERSE:
        whole, rest, denominator = base_parts(instrument, 2 * price_ticks, qty_lots)
    else:
        amount = price_ticks * qty_lots * instrument["tick_value_numerator"]
        denominator = instrument["tick_value_denominator"]
        whole, rest = amount // denominator, amount % denominator
    # Rounding up twice is rounding up once, and keeps the products within 64 bits.
    part_micros_ppm = -(-(rest * rate_ppm) // denominator)
    return whole // PPM * rate_ppm - (-(whole % PPM * rate_ppm + part_micros_ppm) // PPM)


@kernel
def fits_value_e8(instrument, qty_lots, price_e8):
    """Tell whether lots may be valued at a price x 1e8: `quote_value_e8` and `base_value_e8` stay in 64 bits.

    A price comes from outside: what does not fit is told, never counted wrong.
    """
    if price_e8 <= 0 or price_e8 > VALUE_E8_MAX:
        return False
    lots = abs(qty_lots) * 1.0
    if instrument["contract"] == Contract.INVERSE:
        amount, divisor = lots * instrument["lot_notional_numerator"], price_e8 * 1.0
        divisor = divisor * instrument["lot_notional_denominator"]
        fits = amount <= VALUE_E8_MAX and divisor <= VALUE_TICKLOTS_MAX // 10
        return fits and amount / divisor * FUNDING_SCALE <= VALUE_TICKLOTS_MAX // 2
    denominator = instrument["lot_size_denominator"]
    units = lots * instrument["lot_size_numerator"] / denominator
    return units * denominator <= VALUE_E8_MAX and (units + denominator) * price_e8 <= VALUE_E8_MAX


@kernel
def fits_half_ticks(instrument, price_half_ticks, qty_lots):
    """Tell whether lots may be valued at a price in half ticks within 64 bits."""
    lots = abs(qty_lots) * 1.0
    if price_half_ticks <= 0:
        return False
    if instrument["contract"] == Contract.INVERSE:
        if lots > VALUE_LOTS_MAX:
            return False
        whole = 2.0 * instrument["base_value_numerator"] / instrument["base_value_denominator"] / price_half_ticks
        return (whole + 1.0) * lots <= VALUE_TICKLOTS_MAX // 4
    return lots * price_half_ticks * instrument["tick_value_numerator"] <= VALUE_TICKLOTS_MAX


@kernel
def quote_value_e8(instrument, qty_lots, mark_price_e8, upward):
    """Return signed lots x mark price in 1e-8 of the quote currency, rounded up or down; the products stay in 64
    bits.
    """
    denominator = instrument["lot_size_denominator"]
    amount = qty_lots * instrument["lot_size_numerator"]
    units, rest = amount // denominator, amount % denominator
    part = rest * (mark_price_e8 % denominator)
    part_e8 = -(-part // denominator) if upward else part // denominator
    return units * mark_price_e8 + rest * (mark_price_e8 // denominator) + part_e8


@kernel
def base_value_e8(instrument, qty_lots, mark_price_e8, upward):
    """Return the signed base value of an inverse contract's lots at the mark price, rounded up or down.

    Units: 1e-8 of a thousandth of the base currency.
    """
    divisor = mark_price_e8 * instrument["lot_notional_denominator"]
    amount = qty_lots * instrument["lot_notional_numerator"]
    whole, rest = amount // divisor, amount % divisor
    assert divisor <= VALUE_TICKLOTS_MAX // 10
    for _ in range(FUNDING_DIGIT_COUNT):
        assert abs(whole) < VALUE_TICKLOTS_MAX // 10
        whole, rest = whole * 10 + rest * 10 // divisor, rest * 10 % divisor
    return whole + (1 if upward and rest > 0 else 0)
