"""Funding of a perpetual: what the venue says was paid counts, what follows from rate, price and size is a check; a
market without an account is paid for as computed. Must never pay one settlement by both.
"""

import numpy as np

from mmfold.engine.codes import AlertCode, BookStatus, Contract, Flag, Side
from mmfold.engine.effects import emit_alert
from mmfold.engine.jit import kernel
from mmfold.engine.limits import E8, E9, MICROS_PER_UNIT
from mmfold.engine.records import NO_PRICE_TICKS, NO_VALUE
from mmfold.engine.value import base_value_e8, fits_half_ticks, fits_value_e8, quote_value_e8, value_half_ticklots
from mmfold.engine.views import funding_mark_e8_of, funding_rate_e9_of, paid_micros_of

E8_PER_MICRO = E8 // MICROS_PER_UNIT
# A venue tells its rate and what it paid in rounded decimals: of an inverse contract 1e-8 base are ten micros.
CHECK_MICROS = 10
CHECK_DIVISOR = 100


@kernel
def share_e9(value, rate_e9):
    """Return value x rate, rounded up; in two parts, so that the product stays in 64 bits."""
    return value // E9 * rate_e9 - (-(value % E9 * rate_e9) // E9)


@kernel
def funding_mark_e8(cell, event):
    """Return the price that a settlement is valued at: its own, else the last MARK's; the sentinel without either."""
    mark_price_e8 = funding_mark_e8_of(event)
    if mark_price_e8 == NO_VALUE:
        mark_price_e8 = cell["book"]["mark_price_e8"]
    return mark_price_e8 if mark_price_e8 > 0 else NO_VALUE


@kernel
def told_half_ticks(cell):
    """Return what the market last said of the price: the mid of a sound book, else the last trade, else our last
    fill; the sentinel without any.
    """
    book = cell["book"]
    if book["status"] == BookStatus.LIVE:
        bid, ask = cell["sides"][Side.BID]["best_price_ticks"], cell["sides"][Side.ASK]["best_price_ticks"]
        if bid != NO_PRICE_TICKS and ask != NO_PRICE_TICKS:
            return bid + ask
    if book["trade_price_ticks"] != NO_PRICE_TICKS:
        return 2 * book["trade_price_ticks"]
    if cell["position"]["price_fill_ticks"] != NO_PRICE_TICKS:
        return 2 * cell["position"]["price_fill_ticks"]
    return np.int64(NO_PRICE_TICKS)


@kernel
def computed_at_price(instrument, lots, price_e8, rate_e9):
    """Return what lots pay at a price x 1e8, rounded up by a micro at most; the sentinel beyond the limits.

    An inverse contract's lots are worth lots x contract value / price, in its base currency.
    """
    if not fits_value_e8(instrument, lots, price_e8):
        return np.int64(NO_VALUE)
    if instrument["contract"] == Contract.INVERSE:
        value_e8 = base_value_e8(instrument, lots, price_e8, rate_e9 > 0)
    else:
        value_e8 = quote_value_e8(instrument, lots, price_e8, rate_e9 > 0)
    return -(-share_e9(value_e8, rate_e9) // E8_PER_MICRO)


@kernel
def computed_at_told(cell, lots, rate_e9):
    """Return what lots pay at the price that the market last said, in micros rounded up; the sentinel without one."""
    instrument, half_ticks = cell["instrument"], told_half_ticks(cell)
    if half_ticks == NO_PRICE_TICKS:
        opening_e8 = cell["position"]["opening_price_e8"]
        return computed_at_price(instrument, lots, opening_e8, rate_e9) if opening_e8 > 0 else np.int64(NO_VALUE)
    if not fits_half_ticks(instrument, half_ticks, lots):
        return np.int64(NO_VALUE)
    half = abs(value_half_ticklots(instrument, half_ticks, abs(lots), 1)) * instrument["tick_value_numerator"]
    value_micros = -(-half // (2 * instrument["tick_value_denominator"]))
    return share_e9(value_micros if lots > 0 else -value_micros, rate_e9)


@kernel
def computed_micros(cell, event, lots):
    """Return what lots pay in a settlement, positive when paid; the sentinel where nothing can value them.

    Units: aux = rate x 1e9, order_id = mark price x 1e8 in quote currency (docs/data.md, FUNDING).
    """
    rate_e9, mark_price_e8 = funding_rate_e9_of(event), funding_mark_e8(cell, event)
    if lots == 0 or rate_e9 == 0:
        return np.int64(0)
    if abs(rate_e9) > E9:
        return np.int64(NO_VALUE)
    if mark_price_e8 != NO_VALUE:
        return computed_at_price(cell["instrument"], lots, mark_price_e8, rate_e9)
    return computed_at_told(cell, lots, rate_e9)


@kernel
def pay_computed(cell, event):
    """Charge what the market's word makes of the present position; returns it, the sentinel when nothing could."""
    micros = computed_micros(cell, event, cell["position"]["position_lots"])
    if micros != NO_VALUE:
        cell["position"]["funding_micros"] += micros
    return micros


@kernel
def apply_market_funding(clock, cell, out, event):
    """Charge a settlement that only the market told, unless an account's settlements are told here as well."""
    if cell["counter"]["settlement_count"] > 0:
        return
    unmarked = funding_mark_e8(cell, event) == NO_VALUE
    micros = pay_computed(cell, event)
    if micros == NO_VALUE:
        emit_alert(clock, cell, out, AlertCode.FUNDING_REFUSED, funding_rate_e9_of(event))
    elif unmarked and micros != 0:
        emit_alert(clock, cell, out, AlertCode.FUNDING_UNMARKED, micros)


@kernel
def apply_settlement(clock, cell, out, event, paid):
    """Charge what the venue says was paid; rate x price x the size that it settled must agree, or it is told."""
    assert (paid["flags"] & Flag.PAID) != 0 and paid["side"] != Side.NONE and paid["qty_lots"] >= 0
    lots = paid["qty_lots"] if paid["side"] == Side.BID else -paid["qty_lots"]
    micros = computed_micros(cell, event, lots)
    paid_micros = paid_micros_of(paid)
    # Must succeed from here.
    cell["position"]["funding_micros"] += paid_micros
    cell["counter"]["settlement_count"] += 1
    if micros != NO_VALUE and abs(paid_micros - micros) > max(CHECK_MICROS, abs(micros) // CHECK_DIVISOR):
        emit_alert(clock, cell, out, AlertCode.FUNDING_DIFFERS, paid_micros - micros)


@kernel
def apply_funding(clock, cell, out, rows, start, end):
    """Fold a settlement: the account's, two rows, or the market's word alone."""
    row = rows[start]
    cell["counter"]["funding_count"] += 1
    if (row["flags"] & Flag.PAID) == 0:
        apply_market_funding(clock, cell, out, row)
        return
    assert end - start == 2
    apply_settlement(clock, cell, out, row, rows[start + 1])
