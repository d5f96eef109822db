"""Signals: the only floats of the core, made of + - * / and sqrt in explicit loops; must never use libm or NumPy
reductions.

exp, log and pow differ between machines and between JIT and interpreter (measured, STYLE.md 2); ours are polynomials.
"""

import math

import numpy as np

from mmfold.engine.book import WINDOW_MASK, next_key
from mmfold.engine.codes import BookStatus, Side
from mmfold.engine.jit import kernel
from mmfold.engine.limits import BOOK_WINDOW_TICKS
from mmfold.engine.records import NO_PRICE_TICKS, NO_TS_NS
from mmfold.engine.state import NO_KEY

BPS = 10_000.0
LN_2 = 0.6931471805599453
EXPONENT_MAX = 64  # 2^-64 is nothing beside a variance that is still a double


@kernel
def decay_pow2(x):
    """Return 2^-x for x >= 0: halvings for the whole part, the Taylor series of exp for the rest (error < 1e-13)."""
    assert x >= 0.0
    if x >= EXPONENT_MAX:
        return 0.0
    whole = int(x)
    y = -LN_2 * (x - whole)
    total = 1.0
    for i in range(14, 0, -1):
        total = 1.0 + y * total / i
    for _ in range(whole):
        total = total * 0.5
    return total


@kernel
def log_ratio(numerator, denominator):
    """Return ln(numerator / denominator) by the atanh series; exact to 1e-12 for moves below 20 %."""
    assert numerator > 0.0 and denominator > 0.0
    z = (numerator - denominator) / (numerator + denominator)
    z2 = z * z
    return 2.0 * z * (1.0 + z2 * (1.0 / 3.0 + z2 * (0.2 + z2 * (1.0 / 7.0 + z2 * (1.0 / 9.0 + z2 / 11.0)))))


@kernel
def floor_ticks(price):
    """Return the highest tick not above a price: one of the two doors from floats back to integers."""
    ticks = int(price)
    if ticks > price:
        ticks -= 1
    return ticks


@kernel
def ceil_ticks(price):
    """Return the lowest tick not below a price: the other door."""
    ticks = int(price)
    if ticks < price:
        ticks += 1
    return ticks


@kernel
def top_qty_lots(cell, side, level_count):
    """Return the quantity displayed on the best `level_count` levels of one side."""
    book_side = cell["sides"][side]
    end = book_side["window_start_key"] + BOOK_WINDOW_TICKS
    total = 0
    key = book_side["best_key"]
    for _ in range(level_count):
        if key == NO_KEY or key >= end:  # the far list is not near the top
            break
        total += cell["window_qty_lots"][side, key & WINDOW_MASK]
        key = next_key(cell, side, key + 1)
    return total


@kernel
def imbalance(bid_lots, ask_lots):
    """Return (B - A) / (B + A), 0 when both are empty (spec/core.md 2)."""
    total = bid_lots + ask_lots
    return 0.0 if total == 0 else (bid_lots - ask_lots) * 1.0 / total


@kernel
def microprice_ticks(bid_ticks, bid_lots, ask_ticks, ask_lots):
    """Return (ask x bidQty + bid x askQty) / (bidQty + askQty), the mid when both are empty (spec/core.md 2)."""
    total = bid_lots + ask_lots
    if total == 0:
        return (bid_ticks + ask_ticks) * 0.5
    return (ask_ticks * 1.0 * bid_lots + bid_ticks * 1.0 * ask_lots) / total


@kernel
def apply_volatility(signal, ts_now_ns, half_life_ns):
    """Fold the mid's move since the last sample into the time-aware EWMA of squared log returns.

    Units: vola_bps = sqrt(variance) x 1e4. Source: spec/core.md 5 step 1, a = 1 - 2^(-dt/hl).
    """
    mid = signal["mid_half_ticks"]
    if signal["ts_vola_ns"] == NO_TS_NS:
        signal["mid_vola_half_ticks"] = mid
        signal["ts_vola_ns"] = ts_now_ns
        return
    dt_ns = ts_now_ns - signal["ts_vola_ns"]
    if dt_ns <= 0 or half_life_ns <= 0:
        return
    decay = decay_pow2(dt_ns * 1.0 / half_life_ns)
    if mid == signal["mid_vola_half_ticks"]:
        signal["variance"] = decay * signal["variance"]
    else:
        move = log_ratio(mid * 1.0, signal["mid_vola_half_ticks"] * 1.0)
        signal["variance"] = decay * signal["variance"] + (1.0 - decay) * move * move
    signal["vola_bps"] = math.sqrt(signal["variance"]) * BPS
    signal["mid_vola_half_ticks"] = mid
    signal["ts_vola_ns"] = ts_now_ns
    signal["vola_sample_count"] += 1


@kernel
def apply_mid(clock, cell):
    """Refresh an instrument's mid from its book; the sentinel when there is no valid one."""
    signal = cell["signal"]
    bid_ticks = cell["sides"][Side.BID]["best_price_ticks"]
    ask_ticks = cell["sides"][Side.ASK]["best_price_ticks"]
    live = cell["book"]["status"] == BookStatus.LIVE
    if not live or bid_ticks == NO_PRICE_TICKS or ask_ticks == NO_PRICE_TICKS:
        signal["mid_half_ticks"] = NO_PRICE_TICKS
        return
    signal["mid_half_ticks"] = bid_ticks + ask_ticks
    apply_volatility(signal, clock["ts_now_ns"], cell["param"]["vola_half_life_ns"])


@kernel
def apply_top(cell):
    """Refresh the signals that read several levels; called before a decision, not on every event."""
    signal = cell["signal"]
    bid = cell["sides"][Side.BID]
    ask = cell["sides"][Side.ASK]
    bid_ticks, ask_ticks = bid["best_price_ticks"], ask["best_price_ticks"]
    assert bid_ticks < ask_ticks
    bid_lots = cell["window_qty_lots"][Side.BID, bid["best_key"] & WINDOW_MASK]
    ask_lots = cell["window_qty_lots"][Side.ASK, ask["best_key"] & WINDOW_MASK]
    signal["spread_bps"] = (ask_ticks - bid_ticks) * 2.0 / signal["mid_half_ticks"] * BPS
    signal["microprice_ticks"] = microprice_ticks(bid_ticks, bid_lots, ask_ticks, ask_lots)
    level_count = cell["param"]["imbalance_levels"]
    signal["imbalance"] = imbalance(
        top_qty_lots(cell, np.int64(Side.BID), level_count),
        top_qty_lots(cell, np.int64(Side.ASK), level_count),
    )
