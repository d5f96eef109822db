"""Fills to position, average cost, PnL, fees and funding, in integers; must never round in our favour."""

import numpy as np

from engine.codes import Contract, Flag, Side
from engine.jit import kernel
from engine.limits import E8, E9, MICROS_PER_UNIT, PPM, QTY_LOTS_MAX
from engine.records import FEE_CODE_ZERO, NO_FEE_CODE, NO_PRICE_TICKS, NO_VALUE

POSITION_LOTS_MAX = 1 << 31  # cost x lots stays in 64 bits
assert POSITION_LOTS_MAX <= QTY_LOTS_MAX


@kernel
def notional_micros(instrument, price_ticks, qty_lots):
    """Return price x quantity in micros of the quote currency, rounded down; linear and spot contracts."""
    return price_ticks * qty_lots * instrument["tick_value_numerator"] // instrument["tick_value_denominator"]


@kernel
def fee_rate_ppm(instrument, event):
    """Return the fee rate of a FILL: the one that the venue charged, else the instrument's (docs/data.md, FILL)."""
    code = np.int64(event["code"])
    if code != NO_FEE_CODE:
        return code - FEE_CODE_ZERO
    return instrument["maker_fee_ppm"] if (event["flags"] & Flag.MAKER) != 0 else instrument["taker_fee_ppm"]


@kernel
def fee_micros(instrument, price_ticks, qty_lots, rate_ppm):
    """Return the signed fee of a fill, rounded up: a cost is never too small, a rebate never too big (spec/core.md
    20).
    """
    amount = price_ticks * qty_lots * instrument["tick_value_numerator"]
    denominator = instrument["tick_value_denominator"]
    whole, rest = amount // denominator, amount % denominator
    # Rounding up twice is rounding up once, and keeps the products within 64 bits.
    part_micros_ppm = -(-(rest * rate_ppm) // denominator)
    return whole // PPM * rate_ppm - (-(whole % PPM * rate_ppm + part_micros_ppm) // PPM)


@kernel
def share_of(amount, part, whole):
    """Return amount x part / whole rounded down, for non-negative numbers, without overflow of the product."""
    assert 0 <= part <= whole <= POSITION_LOTS_MAX
    return amount // whole * part + amount % whole * part // whole


@kernel
def apply_fill(clock, cell, event):
    """Fold one FILL into its instrument's position by average cost.

    Units: cost and realised PnL in ticklots (tick x lot, exact), fees in micros. Source: spec/core.md 20.
    """
    instrument = cell["instrument"]
    position = cell["position"]
    price_ticks, qty_lots = event["price_ticks"], event["qty_lots"]
    maker = (event["flags"] & Flag.MAKER) != 0
    assert qty_lots > 0 and price_ticks > 0
    assert instrument["contract"] != Contract.INVERSE
    sign = 1 if event["side"] == Side.BID else -1
    held_lots = position["position_lots"]
    assert abs(held_lots + sign * qty_lots) <= POSITION_LOTS_MAX
    mid_half_ticks = cell["signal"]["mid_half_ticks"]
    if mid_half_ticks == NO_PRICE_TICKS:
        mid_half_ticks = 2 * price_ticks
    # Must succeed from here.
    position["spread_half_ticklots"] += sign * (mid_half_ticks - 2 * price_ticks) * qty_lots
    opened_lots = qty_lots
    if held_lots * sign < 0:
        closed_lots = min(qty_lots, abs(held_lots))
        cost_share = share_of(abs(position["cost_ticklots"]), closed_lots, abs(held_lots))
        position["realized_ticklots"] += -sign * (price_ticks * closed_lots - cost_share)
        position["cost_ticklots"] += sign * cost_share
        opened_lots = qty_lots - closed_lots
    position["cost_ticklots"] += sign * price_ticks * opened_lots
    position["position_lots"] = held_lots + sign * qty_lots
    position["fees_micros"] += fee_micros(instrument, price_ticks, qty_lots, fee_rate_ppm(instrument, event))
    position["turnover_ticklots"] += price_ticks * qty_lots
    position["fill_count"] += 1
    position["maker_fill_count"] += 1 if maker else 0
    position["bought_lots"] += qty_lots if sign > 0 else 0
    position["sold_lots"] += qty_lots if sign < 0 else 0
    position["ts_fill_ns"] = clock["ts_now_ns"]
    position["price_fill_ticks"] = price_ticks


@kernel
def position_value_e8(cell, mark_price_e8, upward):
    """Return position x mark price in 1e-8 of the quote currency, rounded up or down; the products stay in 64 bits."""
    denominator = cell["instrument"]["lot_size_denominator"]
    amount = cell["position"]["position_lots"] * cell["instrument"]["lot_size_numerator"]
    units, rest = amount // denominator, amount % denominator
    part = rest * (mark_price_e8 % denominator)
    part_e8 = -(-part // denominator) if upward else part // denominator
    return units * mark_price_e8 + rest * (mark_price_e8 // denominator) + part_e8


@kernel
def apply_funding(cell, event):
    """Charge a funding settlement at the mark price: longs pay a positive rate; rounded up, by a micro at most.

    Units: aux = rate x 1e9, order_id = mark price x 1e8 in quote currency, absent: the last MARK's (docs/data.md).
    """
    mark_price_e8 = event["order_id"] if event["order_id"] != NO_VALUE else cell["book"]["mark_price_e8"]
    assert abs(event["aux"]) <= E9 and mark_price_e8 > 0
    value_e8 = position_value_e8(cell, mark_price_e8, event["aux"] > 0)
    # value x rate in two parts, so that the product stays in 64 bits.
    paid_e8 = value_e8 // E9 * event["aux"] - (-(value_e8 % E9 * event["aux"]) // E9)
    cell["position"]["funding_micros"] += -(-paid_e8 // (E8 // MICROS_PER_UNIT))


@kernel
def unrealized_micros(cell):
    """Return the open position's value at the mid less its cost, in micros rounded down; 0 without a mid."""
    instrument = cell["instrument"]
    position = cell["position"]
    mid_half_ticks = cell["signal"]["mid_half_ticks"]
    if position["position_lots"] == 0:
        return 0
    if mid_half_ticks == NO_PRICE_TICKS:
        mid_half_ticks = 2 * position["price_fill_ticks"]
    gain = position["position_lots"] * mid_half_ticks - 2 * position["cost_ticklots"]
    return gain * instrument["tick_value_numerator"] // (2 * instrument["tick_value_denominator"])


@kernel
def pnl_micros(cell):
    """Return realised + unrealised - fees - funding, in micros."""
    instrument = cell["instrument"]
    position = cell["position"]
    realized = (
        position["realized_ticklots"] * instrument["tick_value_numerator"] // instrument["tick_value_denominator"]
    )
    return realized + unrealized_micros(cell) - position["fees_micros"] - position["funding_micros"]
