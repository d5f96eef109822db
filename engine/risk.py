"""Risk gates: each answers with a reason, NONE lets pass; must never change orders."""

from mmfold.engine.codes import BookStatus, ConnectionState, Contract, EventKind, Mode, Reason, Side
from mmfold.engine.jit import kernel
from mmfold.engine.records import NO_PRICE_TICKS, NO_TS_NS
from mmfold.engine.throttle import is_throttled
from mmfold.engine.value import holding_lots_max, lots_worth, notional_micros, notional_mid_micros


@kernel
def quoting_block(clock, cell):
    """Return why an instrument may not be quoted at all, NONE if it may."""
    param = cell["param"]
    quoter = cell["quoter"]
    book = cell["book"]
    if param["enabled"] == 0:
        return Reason.DISABLED
    if quoter["frozen"] != 0:
        return Reason.FREEZE
    if param["mode"] == Mode.SENT and clock["connection_state"] == ConnectionState.DOWN:
        return Reason.CONNECTION_DOWN
    if clock["connection_state"] == ConnectionState.WARMING:
        return Reason.WARMUP
    if quoter["unknown_order_count"] > 0:
        return Reason.ORDER_UNKNOWN
    if book["status"] != BookStatus.LIVE or cell["signal"]["mid_half_ticks"] == NO_PRICE_TICKS:
        return Reason.BOOK_INVALID
    age_ns = clock["ts_now_ns"] - book["ts_receive_ns"]
    if book["ts_receive_ns"] != NO_TS_NS and param["md_stale_ns"] > 0 and age_ns > param["md_stale_ns"]:
        return Reason.MD_STALE
    return Reason.NONE


@kernel
def inventory_lots_max(cell, price_ticks):
    """Return the most lots that the symbol's limits, and 64 bits, allow, long or short."""
    param = cell["param"]
    lots = holding_lots_max(cell["instrument"], price_ticks)
    if param["inventory_micros_max"] > 0:
        lots = lots_worth(cell["instrument"], price_ticks, param["inventory_micros_max"])
    if param["position_lots_max"] > 0:
        lots = min(lots, param["position_lots_max"])
    return lots


@kernel
def apply_gross(clock, cell):
    """Keep the sum over symbols of |position| x last mid in step with one symbol; without a mid its last fill
    counts.
    """
    lots = abs(cell["position"]["position_lots"])
    before = cell["position"]["gross_micros"]
    if lots == 0 and before == 0:
        return
    mid_half_ticks = cell["signal"]["mid_half_ticks"]
    if mid_half_ticks == NO_PRICE_TICKS:
        if cell["position"]["price_fill_ticks"] == NO_PRICE_TICKS:
            return  # taken over, and nothing has told a price yet: nothing is quoted either
        mid_half_ticks = 2 * cell["position"]["price_fill_ticks"]
    gross_micros = notional_mid_micros(cell["instrument"], mid_half_ticks, lots)
    cell["position"]["gross_micros"] = gross_micros
    clock["gross_micros"] += gross_micros - before
    assert clock["gross_micros"] >= 0


@kernel
def exposure_block(clock, cell, side, price_ticks, added_lots):
    """Return why a side may not be exposed to more lots, NONE if it may.

    The position is taken at its worst: all open orders of the side filled. Source: spec/core.md 9. Of a spot
    instrument only what is held may be sold.
    """
    param = cell["param"]
    sign = 1 if side == Side.BID else -1
    position_lots = cell["position"]["position_lots"]
    worst_lots = sign * position_lots + cell["quote_sides"][side]["open_lots"] + added_lots
    if side == Side.ASK and cell["instrument"]["contract"] == Contract.SPOT and worst_lots > 0:
        return Reason.RISK_LIMIT
    if worst_lots > inventory_lots_max(cell, price_ticks):
        return Reason.RISK_LIMIT
    limit_micros = param["total_notional_micros_max"]
    if limit_micros > 0 and sign * position_lots >= 0:
        added_micros = notional_micros(cell["instrument"], price_ticks, added_lots)
        if clock["gross_micros"] + added_micros > limit_micros:
            return Reason.RISK_LIMIT
    return Reason.NONE


@kernel
def place_block(clock, cell, side, price_ticks, qty_lots):
    """Return why one order may not be placed, NONE if it may: counts, pace, then exposure (spec/core.md 11)."""
    param = cell["param"]
    own_count = cell["quote_sides"][side]["open_order_count"]
    other_count = cell["quote_sides"][1 - side]["open_order_count"]
    if own_count >= param["active_per_side_max"]:
        return Reason.LEVEL_CAP
    if own_count + other_count >= param["active_per_symbol_max"]:
        return Reason.ORDER_CAP
    if clock["ts_now_ns"] < cell["quote_sides"][side]["backoff_until_ns"]:
        return Reason.BACKOFF
    if is_throttled(clock, cell, EventKind.PLACE):
        return Reason.THROTTLE
    return exposure_block(clock, cell, side, price_ticks, qty_lots)
