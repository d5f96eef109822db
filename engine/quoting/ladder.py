"""The ladder: volatility spread, inventory skew, adverse guard, levels (spec/core.md 5, algorithm A); never places
orders.
"""

import numpy as np

from mmfold.engine.codes import Side
from mmfold.engine.effects import emit_pause
from mmfold.engine.gates import guard_pause, min_spread
from mmfold.engine.gates.seam import begin_ask, count_block
from mmfold.engine.jit import kernel
from mmfold.engine.limits import LEVEL_COUNT_MAX
from mmfold.engine.quoting.maker import set_target
from mmfold.engine.signals import BPS, ceil_ticks, floor_ticks
from mmfold.engine.value import lots_worth, notional_mid_micros

ADVERSE_SPREAD_FACTOR = 1.5
DRIFT_SPREAD_FACTOR = 1.3


@kernel
def clamp(value, low, high):
    """Return a value held between two bounds."""
    return min(max(value, low), high)


@kernel
def spread_bps_of(signal, param):
    """Return the quoted spread before guards (spec/core.md 5 step 2)."""
    if param["enable_dynamic_spread"] == 0:
        return param["min_spread_bps"]
    return clamp(param["k_vola_spread"] * signal["vola_bps"], param["min_spread_bps"], param["max_spread_bps"])


@kernel
def shift_bps_of(cell):
    """Return the inventory skew: positive widens bids, negative asks (spec/core.md 5 step 3)."""
    param = cell["param"]
    if param["enable_inventory_skew"] == 0 or param["equity_micros"] <= 0:
        return 0.0
    mid_half_ticks = cell["signal"]["mid_half_ticks"]
    position_lots = cell["position"]["position_lots"]
    position_micros = notional_mid_micros(cell["instrument"], mid_half_ticks, position_lots)
    share = position_micros * 1.0 / param["equity_micros"]
    return clamp(param["skew_coeff"] * share * BPS, -param["max_spread_bps"], param["max_spread_bps"])


@kernel
def apply_pause(clock, cell, out, side):
    """Pause one side for guard_pause and record it, or prolong its pause."""
    quote_side = cell["quote_sides"][side]
    now_ns = clock["ts_now_ns"]
    quote_side["pause_until_ns"] = now_ns + cell["param"]["guard_pause_ns"]
    if quote_side["paused"] == 0:
        quote_side["paused"] = 1
        cell["counter"]["guard_trip_count"] += 1
        emit_pause(clock, cell, out, side)


@kernel
def end_pauses(clock, cell, out):
    """End the pauses that are over (spec/core.md 5: a pause ends when now > until)."""
    for side in range(2):
        quote_side = cell["quote_sides"][side]
        if quote_side["paused"] == 1 and clock["ts_now_ns"] > quote_side["pause_until_ns"]:
            quote_side["paused"] = 0
            emit_pause(clock, cell, out, side)


@kernel
def guard_factor(clock, cell, out):
    """Return the adverse guard's spread factor; may pause a side (spec/core.md 5 step 4, first match)."""
    param = cell["param"]
    signal = cell["signal"]
    if param["enable_adverse_guard"] == 0:
        return 1.0
    position_lots = cell["position"]["position_lots"]
    ratio = (signal["imbalance"] + 1.0) * 0.5
    if position_lots > 0 and ratio > param["imbalance_cutoff"]:
        apply_pause(clock, cell, out, np.int64(Side.ASK))
        return ADVERSE_SPREAD_FACTOR
    if position_lots < 0 and ratio < 1.0 - param["imbalance_cutoff"]:
        apply_pause(clock, cell, out, np.int64(Side.BID))
        return ADVERSE_SPREAD_FACTOR
    mid = signal["mid_half_ticks"] * 0.5
    drift_bps = (signal["microprice_ticks"] - mid) / mid * BPS
    return DRIFT_SPREAD_FACTOR if abs(drift_bps) > param["microprice_drift_bps"] else 1.0


@kernel
def level_qty_lots(cell, price_ticks, level_count):
    """Return one level's size: its share of the target notional in whole lots (spec/core.md 5 step 6)."""
    return lots_worth(cell["instrument"], price_ticks, cell["param"]["target_micros"] // level_count)


@kernel
def decide_ladder(clock, cell, out):
    """Write the ladder's targets: level i at mid x (1 -+ (s/2 + skew + off_i) / 1e4), rounded to the passive side."""
    param = cell["param"]
    signal = cell["signal"]
    level_count = min(param["levels_per_side"], param["active_per_side_max"])
    assert 1 <= level_count <= LEVEL_COUNT_MAX
    end_pauses(clock, cell, out)
    spread_bps = spread_bps_of(signal, param) * guard_factor(clock, cell, out)
    shift_bps = shift_bps_of(cell)
    mid = signal["mid_half_ticks"] * 0.5
    for level in range(level_count):
        offset_bps = param["level_spacing_coeff"] * spread_bps * (level + 1)
        bid_bps = spread_bps * 0.5 + max(0.0, shift_bps) + offset_bps
        ask_bps = spread_bps * 0.5 - min(0.0, shift_bps) + offset_bps
        bid_ticks = floor_ticks(mid * (1.0 - bid_bps / BPS))
        ask_ticks = ceil_ticks(mid * (1.0 + ask_bps / BPS))
        ask = begin_ask(cell, np.int64(Side.NONE), bid_ticks, np.int64(0))
        ask["far_price_ticks"] = ask_ticks
        if not min_spread.passes(cell, ask):
            count_block(cell)
            continue
        for side in range(2):
            price_ticks = bid_ticks if side == Side.BID else ask_ticks
            ask["side"] = side
            if not guard_pause.passes(clock, cell, ask):
                count_block(cell)
            else:
                qty_lots = level_qty_lots(cell, price_ticks, level_count)
                set_target(cell, side, level, price_ticks, qty_lots)
