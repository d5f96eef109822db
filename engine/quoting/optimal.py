"""Two quoters in closed form, one quote a side: Avellaneda and Stoikov (2008), and Gueant, Lehalle and Fernandez-Tapia
(2013) far from the end of the horizon.

Prices are in ticks, a position in quotes (lots / lots of a quote). sigma, A and k are those given, else the feed's
(engine/features/arrivals.py). Must never quote on a number that is not known: gates/warmup.py sees to it.
"""

from mmfold.engine.codes import Side, Strategy
from mmfold.engine.jit import kernel
from mmfold.engine.limits import PRICE_TICKS_MAX
from mmfold.engine.quoting.closed_forms import distance_far, lean, lean_per_quote, optimal_spread
from mmfold.engine.quoting.maker import set_target
from mmfold.engine.quoting.market import market_of
from mmfold.engine.signals import ceil_ticks, floor_ticks


@kernel
def distances(param, q, market):
    """Return how far below the mid the bid is, and how far above it the ask."""
    sigma, a_per_s, k = market
    gamma = param["optimal_gamma"]
    if param["strategy"] == Strategy.AVELLANEDA:
        half = optimal_spread(gamma, sigma, param["optimal_horizon_s"], k) / 2.0
        shift = lean(q, gamma, sigma, param["optimal_horizon_s"])
        return half + shift, half - shift
    per_quote = lean_per_quote(gamma, sigma, k, a_per_s)
    return distance_far(q, gamma, k, per_quote), distance_far(-q, gamma, k, per_quote)


@kernel
def decide_optimal(cell):
    """Write a target a side; one that would make the position greater than it may be is left out."""
    param = cell["param"]
    qty_lots, mid_ticks = param["optimal_qty_lots"], cell["signal"]["mid_half_ticks"] * 0.5
    q = cell["position"]["position_lots"] * 1.0 / qty_lots
    bid_distance, ask_distance = distances(param, q, market_of(cell))
    # A quote on the wrong side of the mid is as good as one at it; one beyond zero or twice the mid is none.
    bid = mid_ticks - max(bid_distance, 0.0)
    ask = mid_ticks + max(ask_distance, 0.0)
    if q < param["optimal_quotes_max"] and bid >= 1.0:
        set_target(cell, Side.BID, 0, floor_ticks(bid), qty_lots)
    if q > -param["optimal_quotes_max"] and ask <= min(2.0 * mid_ticks, PRICE_TICKS_MAX):
        set_target(cell, Side.ASK, 0, ceil_ticks(ask), qty_lots)
