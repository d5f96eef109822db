"""Fills to position, average cost, PnL and fees, in integers; must never round in our favour."""

import numpy as np

from mmfold.engine.codes import Flag, Side
from mmfold.engine.jit import kernel
from mmfold.engine.limits import BEYOND, POSITION_LOTS_MAX, PRODUCT_MAX
from mmfold.engine.records import FEE_CODE_ZERO, NO_FEE_CODE, NO_PRICE_TICKS, NO_VALUE
from mmfold.engine.value import fee_micros, value_half_ticklots, value_ticklots

SHARE_BITS = 16
SHARE_MASK = (1 << SHARE_BITS) - 1


@kernel
def fee_rate_ppm(instrument, event):
    """Return the fee rate of a FILL: the one that the venue charged, else the instrument's (docs/data.md, FILL)."""
    code = np.int64(event["code"])
    if code != NO_FEE_CODE:
        return code - FEE_CODE_ZERO
    return instrument["maker_fee_ppm"] if (event["flags"] & Flag.MAKER) != 0 else instrument["taker_fee_ppm"]


@kernel
def share_of(amount, part, whole):
    """Return amount x part / whole rounded down, for non-negative numbers, without overflow of the product."""
    assert 0 <= part <= whole <= POSITION_LOTS_MAX
    # rest x part may pass 64 bits: a long division, 16 bits of the part at a time.
    rest = amount % whole
    high = rest * (part >> 2 * SHARE_BITS)
    middle = (high % whole << SHARE_BITS) + rest * (part >> SHARE_BITS & SHARE_MASK)
    low = (middle % whole << SHARE_BITS) + rest * (part & SHARE_MASK)
    share = (high // whole << 2 * SHARE_BITS) + (middle // whole << SHARE_BITS) + low // whole
    return amount // whole * part + share


@kernel
def apply_fill(clock, cell, event):
    """Fold one FILL into its instrument's position by average cost.

    Units: cost and realised PnL in ticklots (exact; engine/value.py), fees in micros. Source: spec/core.md 20.
    """
    instrument = cell["instrument"]
    position = cell["position"]
    price_ticks, qty_lots = event["price_ticks"], event["qty_lots"]
    maker = (event["flags"] & Flag.MAKER) != 0
    assert qty_lots > 0 and price_ticks > 0
    sign = 1 if event["side"] == Side.BID else -1
    held_lots = position["position_lots"]
    assert abs(held_lots + sign * qty_lots) <= POSITION_LOTS_MAX, BEYOND
    mid_half_ticks = cell["signal"]["mid_half_ticks"]
    if mid_half_ticks == NO_PRICE_TICKS:
        mid_half_ticks = 2 * price_ticks
    value = value_ticklots(instrument, price_ticks, qty_lots, sign)
    mid_value_half = value_half_ticklots(instrument, mid_half_ticks, qty_lots, sign)
    fee = fee_micros(instrument, price_ticks, qty_lots, fee_rate_ppm(instrument, event))
    closed_lots = min(qty_lots, abs(held_lots)) if held_lots * sign < 0 else 0
    closed_value = value_ticklots(instrument, price_ticks, closed_lots, sign)
    cost = position["cost_ticklots"]
    cost_share = share_of(abs(cost), closed_lots, abs(held_lots)) if closed_lots > 0 else 0
    closed_cost = cost_share if cost > 0 else -cost_share
    turnover = position["turnover_ticklots"] + abs(value)
    assert turnover * 1.0 * instrument["tick_value_numerator"] <= PRODUCT_MAX, BEYOND
    # Must succeed from here.
    position["spread_half_ticklots"] += sign * (mid_value_half - 2 * value)
    position["realized_ticklots"] += -sign * closed_value - closed_cost
    # The cash of a fill is rounded once, as a whole: what is not closed is the rest of it.
    position["cost_ticklots"] = cost - closed_cost + sign * (value - closed_value)
    position["position_lots"] = held_lots + sign * qty_lots
    position["fees_micros"] += fee
    position["turnover_ticklots"] = turnover
    position["fill_count"] += 1
    position["maker_fill_count"] += 1 if maker else 0
    position["bought_lots"] += qty_lots if sign > 0 else 0
    position["sold_lots"] += qty_lots if sign < 0 else 0
    position["ts_fill_ns"] = clock["ts_now_ns"]
    position["price_fill_ticks"] = price_ticks
    cell["quote_sides"][Side.BID if sign > 0 else Side.ASK]["ts_fill_ns"] = clock["ts_now_ns"]


@kernel
def worth_half_ticks(cell):
    """Return the price that a position is worth in half ticks: the last mid, else the last fill's, or the sentinel."""
    if cell["signal"]["mid_half_ticks"] != NO_PRICE_TICKS:
        return cell["signal"]["mid_half_ticks"]
    price_ticks = cell["position"]["price_fill_ticks"]
    return 2 * price_ticks if price_ticks != NO_PRICE_TICKS else price_ticks


@kernel
def unrealized_micros(cell):
    """Return the open position's value less its cost, in micros rounded down; 0 while nothing tells a price."""
    instrument = cell["instrument"]
    position = cell["position"]
    price_half_ticks = worth_half_ticks(cell)
    if position["position_lots"] == 0 or price_half_ticks == NO_PRICE_TICKS:
        return 0
    lots = position["position_lots"]
    sign = 1 if lots > 0 else -1  # the position is worth what closing it would bring
    gain = sign * value_half_ticklots(instrument, price_half_ticks, abs(lots), -sign) - 2 * position["cost_ticklots"]
    return gain * instrument["tick_value_numerator"] // (2 * instrument["tick_value_denominator"])


@kernel
def made_micros(cell):
    """Return realised PnL - fees - funding, in micros, of this journal."""
    instrument = cell["instrument"]
    position = cell["position"]
    realized = (
        position["realized_ticklots"] * instrument["tick_value_numerator"] // instrument["tick_value_denominator"]
    )
    return realized - position["fees_micros"] - position["funding_micros"]


@kernel
def pnl_micros(cell):
    """Return realised + unrealised - fees - funding, in micros, without what was gained before the first mid."""
    opening = cell["position"]["opening_unrealized_micros"]
    return made_micros(cell) + (unrealized_micros(cell) - opening if opening != NO_VALUE else 0)
