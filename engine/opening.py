"""What is held before a journal's first fill: taken over once, at the average price it was had for; must never be
counted as the journal's own PnL.
"""

import numpy as np

from mmfold.engine.codes import AlertCode, Contract, Flag
from mmfold.engine.day import take_over_day
from mmfold.engine.effects import emit_alert
from mmfold.engine.jit import kernel
from mmfold.engine.limits import E8, INVERSE_LOTS_MAX, POSITION_LOTS_MAX, PRODUCT_MAX
from mmfold.engine.position import unrealized_micros
from mmfold.engine.records import NO_PRICE_TICKS, NO_VALUE
from mmfold.engine.value import base_value_e8, fits_value_e8, quote_value_e8
from mmfold.engine.views import (
    average_price_e8_of,
    fees_before_micros_of,
    funding_before_micros_of,
    pnl_before_micros_of,
)

MICRO_E8 = E8 // 1_000_000


@kernel
def is_opening_valid(cell, row):
    """Tell whether a position may be taken over: nothing was filled yet, size and price are within the limits."""
    position, lots, price_e8 = cell["position"], row["qty_lots"], average_price_e8_of(row)
    if position["fill_count"] != 0 or position["position_lots"] != 0 or abs(lots) > POSITION_LOTS_MAX:
        return False
    if lots == 0:
        return True
    instrument = cell["instrument"]
    if not fits_value_e8(instrument, lots, price_e8):
        return False
    if instrument["contract"] == Contract.INVERSE:
        return abs(lots) <= INVERSE_LOTS_MAX
    units = abs(lots) * 1.0 * instrument["lot_size_numerator"] / instrument["lot_size_denominator"]
    return units * price_e8 / MICRO_E8 * instrument["tick_value_denominator"] <= PRODUCT_MAX / 8


@kernel
def opening_cost_ticklots(instrument, lots, price_e8):
    """Return the cost of lots at an average price x 1e8, rounded up: held dearer, or sold for less, by a ticklot.

    Units: ticklots, of an inverse contract 1e-9 base (engine/value.py).
    """
    if instrument["contract"] == Contract.INVERSE:
        return -(base_value_e8(instrument, lots, price_e8, False) // MICRO_E8)
    value_e8 = quote_value_e8(instrument, lots, price_e8, True)
    divisor = MICRO_E8 * instrument["tick_value_numerator"]
    whole, rest = value_e8 // divisor, value_e8 % divisor
    return whole * instrument["tick_value_denominator"] - (-rest * instrument["tick_value_denominator"] // divisor)


@kernel
def apply_opening(clock, cell, out, rows, start):
    """Take over the position of a POSITION flagged OPENING; one that cannot be is told and left.

    Units: docs/data.md, POSITION. Source: spec/core.md 20 for the cost.
    """
    first, second = rows[start], rows[start + 1]
    assert (second["flags"] & Flag.OPENING) != 0
    position = cell["position"]
    position["venue_position_lots"] = first["qty_lots"]
    if not is_opening_valid(cell, first):
        emit_alert(clock, cell, out, AlertCode.POSITION_DIFFERS, first["qty_lots"] - position["position_lots"])
        return
    lots, price_e8 = first["qty_lots"], average_price_e8_of(first)
    cost = opening_cost_ticklots(cell["instrument"], lots, price_e8) if lots != 0 else np.int64(0)
    # Must succeed from here.
    position["position_lots"] = lots
    position["cost_ticklots"] = cost
    position["opening_lots"] = lots
    position["opening_price_e8"] = price_e8
    pnl_before = pnl_before_micros_of(first)
    position["opening_pnl_micros"] = pnl_before if pnl_before != NO_VALUE else 0
    position["opening_fees_micros"] = fees_before_micros_of(second)
    position["opening_funding_micros"] = funding_before_micros_of(second)
    position["opening_unrealized_micros"] = NO_VALUE if lots != 0 else 0
    take_over_day(clock, cell, second)
    note_opening(cell)


@kernel
def note_opening(cell):
    """Keep what a position taken over has gained by the first mid: from there on the journal's own PnL counts."""
    position = cell["position"]
    if position["opening_unrealized_micros"] == NO_VALUE and cell["signal"]["mid_half_ticks"] != NO_PRICE_TICKS:
        position["opening_unrealized_micros"] = unrealized_micros(cell)
