"""The peer's side of the comparison: the grid rule in hftbacktest, every decision and every fill written down.

Runs in an interpreter that has hftbacktest, apart from our packages: `python peer_grid.py JOB.json OUT.npz`. The job
names the capture for the peer's own converter, the rule's numbers, and variants of the run: other rows (an .npy), the
rule rounded in integers instead of floats (`exact`), the depth implementation.
"""

import json
import sys
from typing import Any, NamedTuple

import numpy as np
from hftbacktest import (
    BUY,
    FILLED,
    GTX,
    LIMIT,
    SELL,
    BacktestAsset,
    HashMapMarketDepthBacktest,
    ROIVectorMarketDepthBacktest,
)
from hftbacktest.data.utils import binancefutures
from numba import njit

DECISION = np.dtype(
    [
        ("ts_ns", "<i8"),
        ("best_bid_ticks", "<i8"),
        ("best_ask_ticks", "<i8"),
        ("position_lots", "<i8"),
        ("bid_ticks", "<i8"),  # the rule's targets, 0 beyond the notional limit
        ("ask_ticks", "<i8"),
        ("refused", "<i8"),  # orders that the peer did not take: order ids are prices, as in the rule as written
        ("position", "<f8"),  # as the peer adds it up
    ]
)
FILL = np.dtype([("ts_ns", "<i8"), ("side", "<i8"), ("price_ticks", "<i8")])


class Rule(NamedTuple):
    """The grid rule's numbers, in the venue's units, and how it is carried out."""

    tick: float
    lot: float
    qty: float
    half_spread: float
    skew: float
    step_ns: int
    exact: bool


@njit
def half_even(numerator, denominator):
    """Return the quotient of two integers rounded to the nearest, ties to even."""
    whole = numerator // denominator
    rest = 2 * (numerator - whole * denominator)
    return whole + (1 if rest > denominator or (rest == denominator and whole % 2 == 1) else 0)


@njit
def targets(bid_ticks, ask_ticks, position, rule):
    """Return the rule's bid and ask in ticks, and whether the position is beyond its limit, long and short."""
    mid = (bid_ticks * rule.tick + ask_ticks * rule.tick) / 2.0
    value = position * mid
    if rule.exact:
        # In millionths of a tick: what the floats below stand for.
        skew = int(np.round(rule.skew / rule.tick * rule.lot * 1e6)) * int(np.round(position / rule.lot))
        half = int(np.round(rule.half_spread / rule.tick * 1e6))
        middle = (bid_ticks + ask_ticks) * 500_000 - skew
        low, high = half_even(middle - half, 1_000_000), half_even(middle + half, 1_000_000)
    else:
        reservation = mid - rule.skew * position
        low = int(np.round((reservation - rule.half_spread) / rule.tick))
        high = int(np.round((reservation + rule.half_spread) / rule.tick))
    return min(low, bid_ticks), max(high, ask_ticks), value > 1000, value < -1000


@njit
def note_fills(hbt, fills, count):
    """Write down the orders that were filled since the last step."""
    orders = hbt.orders(0).values()
    while orders.has_next():
        order = orders.get()
        if order.status == FILLED:
            fills[count].ts_ns = order.exch_timestamp
            fills[count].side = 0 if order.side == BUY else 1
            fills[count].price_ticks = order.price_tick
            count += 1
    return count


@njit
def cancel_others(hbt, side, wanted_ticks, limited):
    """Cancel a side's orders at other prices, all of them beyond the limit; returns whether one is wanted."""
    wanted = not limited
    orders = hbt.orders(0).values()
    while orders.has_next():
        order = orders.get()
        if order.side == side:
            if order.price_tick == wanted_ticks:
                wanted = False
            if order.cancellable and (limited or order.price_tick != wanted_ticks):
                hbt.cancel(0, order.order_id, False)
    return wanted


@njit
def run(hbt, ts_end_ns, rule, decisions, fills):
    """Quote every step until the end and return how many decisions and fills were written."""
    decision_count, fill_count = 0, 0
    while hbt.elapse(rule.step_ns) == 0:
        fill_count = note_fills(hbt, fills, fill_count)
        hbt.clear_inactive_orders(0)
        depth = hbt.depth(0)
        if not (np.isfinite(depth.best_bid) and np.isfinite(depth.best_ask)):
            continue
        position = hbt.position(0)
        bid, ask, long, short = targets(depth.best_bid_tick, depth.best_ask_tick, position, rule)
        note = decisions[decision_count]
        note.ts_ns = hbt.current_timestamp
        note.best_bid_ticks, note.best_ask_ticks = depth.best_bid_tick, depth.best_ask_tick
        note.position = position
        note.position_lots = int(np.round(position / rule.lot))
        note.bid_ticks, note.ask_ticks = 0 if long else bid, 0 if short else ask
        need_bid = cancel_others(hbt, BUY, bid, long)
        need_ask = cancel_others(hbt, SELL, ask, short)
        if need_bid:
            note.refused += hbt.submit_buy_order(0, bid, bid * rule.tick, rule.qty, GTX, LIMIT, False) != 0
        if need_ask:
            note.refused += hbt.submit_sell_order(0, ask, ask * rule.tick, rule.qty, GTX, LIMIT, False) != 0
        decision_count += 1
        if hbt.current_timestamp + 2 * rule.step_ns > ts_end_ns:  # elapse() past the end of the data can spin for ever
            break
    return decision_count, fill_count


def build(job: dict[str, Any], rows: np.ndarray) -> Any:
    """Return the peer's backtest of the rows under the assumptions of the issue."""
    latency_ns = 10_000_000
    asset = (
        BacktestAsset()
        .data(rows)
        .linear_asset(1.0)
        .constant_order_latency(latency_ns, latency_ns)
        .power_prob_queue_model(2.0)
        .no_partial_fill_exchange()
        .trading_value_fee_model(-0.00005, 0.0007)
        .tick_size(job["rule"]["tick"])
        .lot_size(job["rule"]["lot"])
        .last_trades_capacity(0)
    )
    if job["depth"] == "hash_map":
        return HashMapMarketDepthBacktest([asset])
    prices = rows["px"][rows["qty"] > 0]
    middle = float(np.median(prices))
    return ROIVectorMarketDepthBacktest([asset.roi_lb(round(middle * 0.65)).roi_ub(round(middle * 1.3))])


def main() -> None:
    """Run one job."""
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    shipped = binancefutures.convert(job["capture"], combined_stream=True)
    out = {}
    for name, variant in job["variants"].items():
        rows = shipped if variant["rows"] is None else np.load(variant["rows"])
        rows = rows.copy()  # the peer keeps a pointer: the array must outlive the run
        hbt = build({**job, **variant}, rows)
        decisions, fills = np.zeros(len(rows), DECISION), np.zeros(len(rows), FILL)
        rule = Rule(**job["rule"], exact=variant["exact"])
        counts = run(hbt, int(rows["exch_ts"].max()), rule, decisions, fills)
        hbt.close()
        out[f"{name}.decisions"], out[f"{name}.fills"] = decisions[: counts[0]], fills[: counts[1]]
    np.savez(sys.argv[2], **out)


if __name__ == "__main__":
    main()
