"""Risk gates: each answers with a reason, NONE lets pass; must never change orders."""

from engine.codes import BookStatus, ConnectionState, Contract, Mode, Reason, Side
from engine.jit import kernel
from engine.position import POSITION_LOTS_MAX, notional_micros
from engine.records import NO_PRICE_TICKS, NO_TS_NS

LOTS_SCALE = 1_000_000  # a lot's value in micros may be below 1: compare a million lots


@kernel
def quoting_block(state, instrument_index):
    """Return why an instrument may not be quoted at all, NONE if it may."""
    param = state.cells[instrument_index]["param"]
    quoter = state.cells[instrument_index]["quoter"]
    book = state.cells[instrument_index]["book"]
    if param["enabled"] == 0:
        return Reason.DISABLED
    if state.cells[instrument_index]["instrument"]["contract"] == Contract.INVERSE:
        return Reason.CONTRACT_UNSUPPORTED
    if quoter["frozen"] == 1:
        return Reason.FREEZE
    if param["mode"] == Mode.SENT and state.clock[0]["connection_state"] == ConnectionState.DOWN:
        return Reason.CONNECTION_DOWN
    if quoter["unknown_order_count"] > 0:
        return Reason.ORDER_UNKNOWN
    if book["status"] != BookStatus.LIVE or state.cells[instrument_index]["signal"]["mid_half_ticks"] == NO_PRICE_TICKS:
        return Reason.BOOK_INVALID
    age_ns = state.clock[0]["ts_now_ns"] - book["ts_receive_ns"]
    if book["ts_receive_ns"] != NO_TS_NS and param["md_stale_ns"] > 0 and age_ns > param["md_stale_ns"]:
        return Reason.MD_STALE
    return Reason.NONE


@kernel
def inventory_lots_max(state, instrument_index, price_ticks):
    """Return the most lots that the symbol's limits allow, long or short."""
    param = state.cells[instrument_index]["param"]
    value = notional_micros(state.cells[instrument_index]["instrument"], price_ticks, LOTS_SCALE)
    lots = POSITION_LOTS_MAX
    if param["inventory_micros_max"] > 0 and value > 0:
        lots = param["inventory_micros_max"] * LOTS_SCALE // value
    if param["position_lots_max"] > 0:
        lots = min(lots, param["position_lots_max"])
    return lots


@kernel
def gross_notional_micros(state):
    """Return the sum over symbols of |position| x last mid; a symbol without a mid counts at its last fill."""
    total = 0
    for i in range(state.cells.size):
        mid_half_ticks = state.cells[i]["signal"]["mid_half_ticks"]
        if mid_half_ticks == NO_PRICE_TICKS:
            mid_half_ticks = 2 * state.cells[i]["position"]["price_fill_ticks"]
        lots = abs(state.cells[i]["position"]["position_lots"])
        if lots > 0:
            total += notional_micros(state.cells[i]["instrument"], mid_half_ticks, lots) // 2
    return total


@kernel
def exposure_block(state, instrument_index, side, price_ticks, added_lots):
    """Return why a side may not be exposed to more lots, NONE if it may.

    The position is taken at its worst: all open orders of the side filled. Source: spec/core.md 9.
    """
    param = state.cells[instrument_index]["param"]
    sign = 1 if side == Side.BID else -1
    position_lots = state.cells[instrument_index]["position"]["position_lots"]
    worst_lots = sign * position_lots + state.cells[instrument_index]["quote_sides"][side]["open_lots"] + added_lots
    if worst_lots > inventory_lots_max(state, instrument_index, price_ticks):
        return Reason.RISK_LIMIT
    limit_micros = param["total_notional_micros_max"]
    if limit_micros > 0 and sign * position_lots >= 0:
        added_micros = notional_micros(state.cells[instrument_index]["instrument"], price_ticks, added_lots)
        if gross_notional_micros(state) + added_micros > limit_micros:
            return Reason.RISK_LIMIT
    return Reason.NONE


@kernel
def place_block(state, instrument_index, side, price_ticks, qty_lots):
    """Return why one order may not be placed, NONE if it may: counts first, then exposure (spec/core.md 11)."""
    param = state.cells[instrument_index]["param"]
    own_count = state.cells[instrument_index]["quote_sides"][side]["open_order_count"]
    other_count = state.cells[instrument_index]["quote_sides"][1 - side]["open_order_count"]
    if own_count >= param["active_per_side_max"]:
        return Reason.LEVEL_CAP
    if own_count + other_count >= param["active_per_symbol_max"]:
        return Reason.ORDER_CAP
    return exposure_block(state, instrument_index, side, price_ticks, qty_lots)
