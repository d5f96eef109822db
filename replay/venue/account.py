"""The account behind the orders, isolated per instrument: margin to open, maintenance margin, liquidation.

Off while `equity_micros` is 0. Value is marked at the last MARK, without one at the mid. Must never see the core.
"""

import numpy as np

from mmfold.engine.book import level_qty_lots, next_key
from mmfold.engine.codes import Contract, EventKind, Flag, Side
from mmfold.engine.jit import kernel
from mmfold.engine.limits import E8, MICROS_PER_UNIT, ORDER_COUNT_MAX, PPM
from mmfold.engine.records import NO_ORDER_ID, NO_VALUE
from mmfold.engine.state import NO_KEY
from mmfold.engine.value import base_value_e8, quote_value_e8, value_half_ticklots, value_ticklots
from mmfold.replay.venue.answers import end_order, mid_half_ticks, respond, write_fill

E8_PER_MICRO = E8 // MICROS_PER_UNIT


@kernel
def position_value_micros(cell):
    """Return what the position is worth in the money of its PnL, rounded down; 0 without a price.

    An inverse position stands for base currency that is owed: long, it is worth less than nothing, as is its cost.
    """
    instrument, lots = cell["instrument"], cell["position"]["position_lots"]
    inverse = instrument["contract"] == Contract.INVERSE
    mark_price_e8 = cell["book"]["mark_price_e8"]
    if mark_price_e8 != NO_VALUE and inverse:
        return -base_value_e8(instrument, lots, mark_price_e8, True) // E8_PER_MICRO
    if mark_price_e8 != NO_VALUE:
        return quote_value_e8(instrument, lots, mark_price_e8, False) // E8_PER_MICRO
    half_ticks = mid_half_ticks(cell)
    if lots == 0 or half_ticks == 0:
        return 0
    sign = 1 if lots > 0 else -1
    value_half = sign * value_half_ticklots(instrument, half_ticks, abs(lots), -sign)
    return value_half * instrument["tick_value_numerator"] // (2 * instrument["tick_value_denominator"])


@kernel
def order_value_micros(instrument, price_ticks, qty_lots):
    """Return what lots at a price cost in the money of their PnL, rounded down."""
    value = abs(value_ticklots(instrument, price_ticks, qty_lots, 1))
    return value * instrument["tick_value_numerator"] // instrument["tick_value_denominator"]


@kernel
def equity_micros(sim, cell):
    """Return deposit + realised + unrealised - fees - funding of an instrument's account."""
    instrument, position = cell["instrument"], cell["position"]
    paid_ticklots = position["realized_ticklots"] - position["cost_ticklots"]
    paid_micros = paid_ticklots * instrument["tick_value_numerator"] // instrument["tick_value_denominator"]
    value_micros = position_value_micros(cell)
    spent_micros = position["fees_micros"] + position["funding_micros"]
    return sim["rules"]["equity_micros"] + paid_micros + value_micros - spent_micros


@kernel
def share_ppm(micros, ppm):
    """Return a share of an amount, rounded down, without overflow of the product."""
    return micros // PPM * ppm + micros % PPM * ppm // PPM


@kernel
def exceeds_margin(sim, venue, cell, side, price_ticks, added_lots):
    """Tell whether an order would bind more than the account's equity; what reduces the position binds nothing.

    A spot account pays in full and sells what it has.
    """
    if sim["rules"]["equity_micros"] == 0:
        return False
    sign = 1 if side == Side.BID else -1
    worst_lots = sign * cell["position"]["position_lots"] + venue["open_lots"][side] + added_lots
    if worst_lots <= 0:
        return False
    if cell["instrument"]["contract"] == Contract.SPOT and side == Side.ASK:
        return True
    margin_ppm = PPM if cell["instrument"]["contract"] == Contract.SPOT else sim["rules"]["initial_margin_ppm"]
    bound_micros = order_value_micros(cell["instrument"], price_ticks, worst_lots)
    return share_ppm(bound_micros, margin_ppm) > equity_micros(sim, cell)


@kernel
def take_levels(sim, venue, cell, order_id, side, lots, flags, ts_ns):
    """Fill a taker against the displayed levels, best first; what they do not hold is not filled.

    The recorded book does not know of it: what is taken stays displayed until the recording changes it.
    """
    other = 1 - side
    key = next_key(cell, other, cell["sides"][other]["best_key"])
    while lots > 0 and key != NO_KEY:
        price_ticks = key if other == Side.ASK else -key
        filled_lots = min(lots, level_qty_lots(cell, other, price_ticks))
        write_fill(sim, venue, cell, order_id, side, price_ticks, filled_lots, flags, ts_ns)
        lots -= filled_lots
        key = next_key(cell, other, key + 1)


@kernel
def cancel_all(sim, venue, cell, kind, ts_ns):
    """End every resting order of an instrument and tell so."""
    for slot in range(ORDER_COUNT_MAX):
        if venue["orders"][slot]["resting"] == 1:
            end_order(sim, venue, slot)
            respond(sim, ts_ns, kind, cell, venue["orders"][slot]["order_id"])


@kernel
def check_margin(sim, venue, cell, ts_ns):
    """Liquidate a position that its equity no longer carries: orders end, then it is closed as a taker."""
    if cell["position"]["position_lots"] == 0 or cell["instrument"]["contract"] == Contract.SPOT:
        return
    needed_micros = share_ppm(abs(position_value_micros(cell)), sim["rules"]["maintenance_margin_ppm"])
    if equity_micros(sim, cell) >= needed_micros:
        return
    venue["liquidation_count"] += 1
    cancel_all(sim, venue, cell, EventKind.EXPIRED, ts_ns)
    side = np.int64(Side.ASK if cell["position"]["position_lots"] > 0 else Side.BID)
    lots = abs(cell["position"]["position_lots"])
    take_levels(sim, venue, cell, NO_ORDER_ID, side, lots, np.int64(Flag.LIQUIDATION), ts_ns)
