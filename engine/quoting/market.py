"""What the quoters in closed form take the market to be: sigma, A and k as given, else as the feed shows them.

Beside the quoters, because a gate asks it too. Must never give a number for one that is not known.
"""

from mmfold.engine.codes import Strategy
from mmfold.engine.jit import kernel


@kernel
def market_of(cell):
    """Return (sigma, A, k) of an instrument, each 0 where it is neither given nor known."""
    param, known = cell["param"], cell["features"]["arrivals"]
    return (
        param["optimal_sigma"] if param["optimal_sigma"] > 0.0 else known["sigma_ticks"],
        param["optimal_a_per_s"] if param["optimal_a_per_s"] > 0.0 else known["a_per_s"],
        param["optimal_k"] if param["optimal_k"] > 0.0 else known["k_per_tick"],
    )


@kernel
def is_ready(cell):
    """Tell whether all that the formulas divide by, or take a root or a logarithm of, is above 0."""
    param = cell["param"]
    sigma, a_per_s, k = market_of(cell)
    is_set = param["optimal_gamma"] > 0.0 and param["optimal_qty_lots"] > 0 and param["optimal_horizon_s"] > 0.0
    has_a = a_per_s > 0.0 or param["strategy"] == Strategy.AVELLANEDA
    return is_set and sigma > 0.0 and k > 0.0 and has_a
