"""The two classic solutions of market making, in closed form; must never know a book, an instrument or a unit.

A mid that diffuses with `sigma` (price / sqrt(s)), fills that arrive with intensity A exp(-k distance) (1/s, 1/price),
an exponential utility of risk aversion `gamma` (1/price), a position of q quotes. Prices come out in the unit that goes
in.
"""

from mmfold.engine.jit import kernel
from mmfold.engine.maths import log, power, sqrt


@kernel
def lean(q, gamma, sigma, tau_s):
    """Return how far the reservation price is below the mid, q gamma sigma^2 tau (Avellaneda, Stoikov 2008, eq. 29)."""
    return q * gamma * sigma * sigma * tau_s


@kernel
def fill_premium(gamma, k):
    """Return ln(1 + gamma / k) / gamma: what one fill has to earn, whatever the position."""
    return log(1.0 + gamma / k) / gamma


@kernel
def optimal_spread(gamma, sigma, tau_s, k):
    """Return bid to ask, gamma sigma^2 tau + 2 ln(1 + gamma / k) / gamma (Avellaneda, Stoikov 2008, eq. 30)."""
    return gamma * sigma * sigma * tau_s + 2.0 * fill_premium(gamma, k)


@kernel
def lean_per_quote(gamma, sigma, k, a_per_s):
    """Return how much each quote held moves both quotes far from the horizon's end, sigma^2 gamma / (2 k A)
    (1 + gamma / k)^(1 + k / gamma) under a root (Gueant, Lehalle, Fernandez-Tapia 2013, section 4).
    """
    growth = power(1.0 + gamma / k, 1.0 + k / gamma)
    return sqrt(sigma * sigma * gamma / (2.0 * k * a_per_s) * growth)


@kernel
def distance_far(q, gamma, k, per_quote):
    """Return the bid's distance from the mid at q, far from the horizon's end; the ask's at q is the bid's at -q.

    `per_quote` is `lean_per_quote`.
    """
    return fill_premium(gamma, k) + (2.0 * q + 1.0) / 2.0 * per_quote
