"""Which gates there are, in the one order in which they are asked (spec/core.md 8 to 11): one explicit call a gate.

A gate of an instrument or a request is asked with the clock; one of a quote without, as a quoter has none in hand.
"""

from typing import Any

from mmfold.engine.gates import (
    backoff,
    book_live,
    circuit,
    connection,
    cross_price,
    daily_loss,
    enabled,
    flip_cooldown,
    fresh,
    frozen,
    guard_pause,
    inventory,
    level_cap,
    liquidity,
    min_qty,
    min_spread,
    min_time_in_book,
    near_liquidation,
    order_cap,
    qty_zero,
    spot_cover,
    spot_holding,
    throttled,
    total_notional,
    unknown_orders,
    warmup,
)
from mmfold.engine.jit import kernel
from mmfold.engine.limits import FIRST_BLOCK_ROOM

# What is asked about -> its gates, modules, in order.
GATES: dict[str, tuple[Any, ...]] = {
    "instrument": (enabled, frozen, daily_loss, connection, warmup, unknown_orders, book_live, fresh),
    "level": (min_spread, guard_pause),
    "quote": (cross_price, qty_zero, spot_holding, min_qty, near_liquidation, liquidity),
    "change": (min_time_in_book,),
    "request": (throttled, level_cap, order_cap, circuit, backoff),
    "exposure": (flip_cooldown, spot_cover, inventory, total_notional),
}
REASONS = {gate.REASON for gates in GATES.values() for gate in gates}
assert len(REASONS) <= FIRST_BLOCK_ROOM, "an event may be the first that is blocked for each of them"


@kernel
def may_quote(clock, cell, ask):
    """Tell whether an instrument may be quoted at all."""
    return (
        enabled.passes(clock, cell, ask)
        and frozen.passes(clock, cell, ask)
        and daily_loss.passes(clock, cell, ask)
        and connection.passes(clock, cell, ask)
        and warmup.passes(clock, cell, ask)
        and unknown_orders.passes(clock, cell, ask)
        and book_live.passes(clock, cell, ask)
        and fresh.passes(clock, cell, ask)
    )


@kernel
def may_show(cell, ask):
    """Tell whether a quote, after the maker policy, may become a target; it may come out smaller."""
    return (
        cross_price.passes(cell, ask)
        and qty_zero.passes(cell, ask)
        and spot_holding.passes(cell, ask)
        and min_qty.passes(cell, ask)
        and near_liquidation.passes(cell, ask)
        and liquidity.passes(cell, ask)
    )


@kernel
def may_expose(clock, cell, ask):
    """Tell whether a side may be exposed to more lots, the position taken at its worst."""
    return (
        flip_cooldown.passes(clock, cell, ask)
        and spot_cover.passes(clock, cell, ask)
        and inventory.passes(clock, cell, ask)
        and total_notional.passes(clock, cell, ask)
    )


@kernel
def may_place(clock, cell, ask):
    """Tell whether one order may be placed: pace, counts, then exposure."""
    return (
        throttled.passes(clock, cell, ask)
        and level_cap.passes(clock, cell, ask)
        and order_cap.passes(clock, cell, ask)
        and circuit.passes(clock, cell, ask)
        and backoff.passes(clock, cell, ask)
        and may_expose(clock, cell, ask)
    )


@kernel
def may_request(clock, cell, ask):
    """Tell whether an order may be amended or cancelled now; counts do not change and exposure was looked at."""
    return throttled.passes(clock, cell, ask) and backoff.passes(clock, cell, ask)
