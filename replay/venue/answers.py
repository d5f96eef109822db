"""What the venue tells the core: one row an answer, on its way for the response latency; fills with their fee."""

import numpy as np

from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.effects import clear_row
from mmfold.engine.jit import kernel
from mmfold.engine.limits import ORDER_COUNT_MAX, PPM
from mmfold.engine.orders import side_of_slot
from mmfold.engine.position import apply_fill
from mmfold.engine.records import FEE_CODE_ZERO, NO_ORDER_ID
from mmfold.engine.signals import ceil_ticks
from mmfold.engine.state import NO_KEY
from mmfold.engine.value import notional_micros
from mmfold.replay.venue.chance import is_drawn
from mmfold.replay.venue.latency import post_message, response_latency_ns
from mmfold.replay.venue.own_ticks import note_own
from mmfold.replay.venue.records import VOLUME_DAY_COUNT, Purpose

NS_PER_DAY = 86_400_000_000_000


@kernel
def post_answer(sim, ts_ns, arrival_ns, kind, cell, order_id):
    """Put one row on its way to the core, to arrive at a given time, and return it, to be filled in."""
    row = post_message(sim["responses"], sim["response_count"], arrival_ns)["row"]
    clear_row(row, kind, cell["index"])
    row["seq"] = 0
    row["ts_exchange_ns"] = ts_ns
    row["ts_receive_ns"] = arrival_ns
    row["order_id"] = order_id
    sim["response_count"] += 1
    sim["answer_count"] += 1
    return row


@kernel
def answer_arrival_ns(sim, ts_ns):
    """Return when an answer of `ts_ns` arrives: none overtakes another, and no connection delays them all."""
    leaves_ns = sim["ts_outage_ns"] if sim["outage_down"] == 1 else ts_ns
    sim["ts_told_ns"] = max(leaves_ns + response_latency_ns(sim, leaves_ns), sim["ts_told_ns"])
    return sim["ts_told_ns"]


@kernel
def respond(sim, ts_ns, kind, cell, order_id):
    """Send an answer on its way to the core and return its row, to be filled in."""
    return post_answer(sim, ts_ns, answer_arrival_ns(sim, ts_ns), kind, cell, order_id)


@kernel
def refuse(sim, venue, cell, request, code, ts_ns):
    """Answer a request with a REJECT and its reason."""
    venue["refused_count"] += 1
    row = respond(sim, ts_ns, EventKind.REJECT, cell, request["order_id"])
    row["code"] = code


@kernel
def add_volume(venue, ts_ns, micros):
    """Add to the notional of the day; days without trades in between count nothing."""
    day = ts_ns // NS_PER_DAY
    for gone in range(max(venue["volume_day"] + 1, day - VOLUME_DAY_COUNT + 1), day + 1):
        venue["volume_micros"][gone % VOLUME_DAY_COUNT] = 0
    venue["volume_day"] = max(venue["volume_day"], day)
    venue["volume_micros"][venue["volume_day"] % VOLUME_DAY_COUNT] += micros


@kernel
def fee_ppm(sim, venue, maker):
    """Return the rate of the highest fee tier that the account's own notional has reached."""
    volume_micros = sim["rules"]["volume_micros"]
    for day in range(VOLUME_DAY_COUNT):
        volume_micros += venue["volume_micros"][day]
    tier = 0
    while tier + 1 < sim["rules"]["fee_tier_count"] and sim["fee_tiers"][tier + 1]["volume_micros"] <= volume_micros:
        tier += 1
    rates = sim["fee_tiers"][tier]
    return rates["maker_fee_ppm"] if maker else rates["taker_fee_ppm"]


@kernel
def mid_half_ticks(cell):
    """Return best bid + best ask of the venue's book, 0 without both."""
    bid, ask = cell["sides"][Side.BID], cell["sides"][Side.ASK]
    if bid["best_key"] == NO_KEY or ask["best_key"] == NO_KEY:
        return 0
    return bid["best_price_ticks"] + ask["best_price_ticks"]


@kernel
def slipped_ticks(sim, cell, side, price_ticks):
    """Return a fill's price made worse by the assumed slippage: a share of the mid, rounded against us."""
    if sim["rules"]["extra_slippage_ppm"] == 0:
        return price_ticks
    worse = ceil_ticks(mid_half_ticks(cell) * 0.5 * sim["rules"]["extra_slippage_ppm"] / PPM)
    return price_ticks + worse if side == Side.BID else max(price_ticks - worse, 1)


@kernel
def write_fill(sim, venue, cell, order_id, side, price_ticks, qty_lots, flags, ts_ns):
    """Tell a fill and book it in the venue's own account of the instrument.

    A resting order's fill may be toxic: it is charged as if it had taken (spec/reports.md 2).
    """
    rules = sim["rules"]
    maker = flags & Flag.MAKER != 0
    if maker and rules["toxic_fill_ppm"] > 0:
        key = venue["execution_count"] * 256 + cell["index"]
        maker = not is_drawn(rules["seed"], key, Purpose.TOXIC, rules["toxic_fill_ppm"])
    row = respond(sim, ts_ns, EventKind.FILL, cell, order_id)
    row["side"] = side
    row["price_ticks"] = slipped_ticks(sim, cell, side, price_ticks)
    row["qty_lots"] = qty_lots
    row["aux"] = venue["execution_count"]
    row["flags"] = (flags & ~Flag.MAKER) | Flag.LAST | (Flag.MAKER if maker else 0)
    if flags & Flag.LIQUIDATION != 0 and rules["liquidation_fee_ppm"] > 0:
        row["code"] = FEE_CODE_ZERO + rules["liquidation_fee_ppm"]
    elif rules["fee_tier_count"] > 0:
        row["code"] = FEE_CODE_ZERO + fee_ppm(sim, venue, maker)
        add_volume(venue, ts_ns, notional_micros(cell["instrument"], row["price_ticks"], qty_lots))
    venue["execution_count"] += 1
    apply_fill(sim, cell, row)


@kernel
def end_order(sim, venue, slot):
    """Take a resting order off the book."""
    order = venue["orders"][slot]
    side = side_of_slot(slot)
    assert order["resting"] == 1
    venue["open_lots"][side] -= order["qty_lots"]
    venue["resting_counts"][side] -= 1
    note_own(venue, side, order["price_ticks"], -1)
    order["resting"] = 0


@kernel
def fill_order(sim, venue, cell, slot, qty_lots, ts_ns):
    """Fill a resting order at its price, as maker."""
    order = venue["orders"][slot]
    assert order["resting"] == 1 and 0 < qty_lots <= order["qty_lots"]
    side = side_of_slot(slot)
    write_fill(sim, venue, cell, order["order_id"], side, order["price_ticks"], qty_lots, np.int64(Flag.MAKER), ts_ns)
    order["filled_lots"] += qty_lots
    if order["qty_lots"] == qty_lots:
        end_order(sim, venue, slot)
    else:
        venue["open_lots"][side] -= qty_lots
    order["qty_lots"] -= qty_lots


@kernel
def list_orders(sim, venue, cell, ts_ns):
    """Answer with the orders that rest: one OPEN_ORDERS event, a row without an order id where there are none."""
    arrival_ns = answer_arrival_ns(sim, ts_ns)
    left = venue["resting_counts"][0] + venue["resting_counts"][1]
    if left == 0:
        post_answer(sim, ts_ns, arrival_ns, EventKind.OPEN_ORDERS, cell, NO_ORDER_ID)
    for slot in range(ORDER_COUNT_MAX):
        order = venue["orders"][slot]
        if order["resting"] == 1:
            row = post_answer(sim, ts_ns, arrival_ns, EventKind.OPEN_ORDERS, cell, order["order_id"])
            row["side"] = side_of_slot(slot)
            row["price_ticks"] = order["price_ticks"]
            row["qty_lots"] = order["qty_lots"]
            left -= 1
            row["flags"] = Flag.LAST if left == 0 else 0
