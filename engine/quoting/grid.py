"""The grid: one fixed-size order a side around a position-skewed mid, the peers' benchmark rule, in exact integers.

reservation = mid - skew x position; bid = round(reservation - half spread), at most the best bid; ask likewise. A side
whose position notional is beyond the limit keeps no order. Must never round differently from round-half-even.
"""

import numpy as np

from mmfold.engine.codes import Side
from mmfold.engine.jit import kernel
from mmfold.engine.limits import BEYOND, MICROS_PER_UNIT
from mmfold.engine.quoting.maker import set_target
from mmfold.engine.value import notional_mid_micros

SKEW_E6_MAX = 1 << 61  # beside a mid of 2^60 millionths of a tick it fits 64 bits


@kernel
def round_half_even(numerator, denominator):
    """Return numerator / denominator rounded to the nearest integer, ties to even, as NumPy's round does on exact
    values.
    """
    whole = numerator // denominator
    twice = 2 * (numerator - whole * denominator)
    if twice > denominator or (twice == denominator and whole % 2 == 1):
        whole += 1
    return whole


@kernel
def decide_grid(cell):
    """Write the grid's two targets.

    Units: *_ticks_e6 params are millionths of a tick.
    """
    param = cell["param"]
    mid_half_ticks = cell["signal"]["mid_half_ticks"]
    position_lots = cell["position"]["position_lots"]
    assert abs(param["grid_skew_ticks_per_lot_e6"] * 1.0 * position_lots) <= SKEW_E6_MAX, BEYOND
    skew = param["grid_skew_ticks_per_lot_e6"] * position_lots
    reservation = mid_half_ticks * (MICROS_PER_UNIT // 2) - skew
    value_micros = notional_mid_micros(cell["instrument"], mid_half_ticks, position_lots)
    for side in range(2):
        sign = 1 if side == Side.ASK else -1
        if -sign * value_micros > param["grid_notional_micros_max"]:
            continue
        best_ticks = cell["sides"][side]["best_price_ticks"]
        wanted = round_half_even(reservation + sign * param["grid_half_spread_ticks_e6"], MICROS_PER_UNIT)
        price_ticks = min(wanted, best_ticks) if side == Side.BID else max(wanted, best_ticks)
        set_target(cell, side, np.int64(0), price_ticks, param["grid_qty_lots"])
