"""Gueant, Lehalle and Fernandez-Tapia (2013): the exact quotes of a bounded position beside the closed form far from
the horizon's end; must never be asked for a position at the bound, where a side has no quote.

v(t) = exp(-M (T - t)) 1 over q = -Q .. Q, M with k gamma sigma^2 q^2 / 2 on its diagonal and -eta beside it; the bid's
distance is ln(v_q / v_q+1) / k + ln(1 + gamma / k) / gamma, the ask's at q is the bid's at -q.
"""

from typing import NamedTuple

import numpy as np

from mmfold.engine.jit import entry
from mmfold.engine.quoting.closed_forms import distance_far, lean_per_quote

PRECISION = 1e-11  # of v beside its greatest value; what is less is rounding


class TooFar(ValueError):
    """A position so far out that v is lost in rounding."""


class Market(NamedTuple):
    """What the paper's figures take. Units: price (ticks there) / sqrt(s), 1/s, 1/price, 1/price, s."""

    sigma: float = 0.3
    a_per_s: float = 0.9
    k: float = 0.3
    gamma: float = 0.01
    horizon_s: float = 600.0
    q_max: int = 30


class Quotes(NamedTuple):
    """Bid distances from the mid by position. Shape: (n,) each."""

    q: np.ndarray
    exact: np.ndarray
    closed_form: np.ndarray


@entry
def write_far_distances(market, qs, distances):
    """Write the closed form's bid distances. Shape: qs, distances (n,) float64."""
    per_quote = lean_per_quote(market.gamma, market.sigma, market.k, market.a_per_s)
    for i in range(len(qs)):
        distances[i] = distance_far(qs[i], market.gamma, market.k, per_quote)


def exact_distances(market: Market) -> np.ndarray:
    """Return the bid distances at time 0 for q = -Q .. Q - 1, by the eigenvalues of M, which is symmetric.

    v is scaled by a power of e, which no quote sees. Shape: (2 Q,).
    Raises: TooFar.
    """
    sigma, a_per_s, k, gamma, horizon_s, q_max = market
    qs = np.arange(-q_max, q_max + 1)
    premium = np.log1p(gamma / k) / gamma
    eta = a_per_s * np.exp(-(1.0 + k / gamma) * np.log1p(gamma / k))
    beside = np.full(2 * q_max, -eta)
    matrix = np.diag(0.5 * k * gamma * sigma**2 * qs**2.0) + np.diag(beside, 1) + np.diag(beside, -1)
    values, vectors = np.linalg.eigh(matrix)
    weights = np.exp(-(values - values[0]) * horizon_s) * vectors.sum(axis=0)
    v = np.abs(vectors @ weights)
    if not v.min() > PRECISION * v.max():
        raise TooFar(f"a position of {q_max} is out of reach of the exact solution")
    return np.log(v[:-1] / v[1:]) / k + premium


def quotes(market: Market) -> Quotes:
    """Return the quotes of both forms for every position that has a bid."""
    exact = exact_distances(market)
    qs = np.arange(-market.q_max, market.q_max)
    closed_form = np.empty(len(qs))
    write_far_distances(market, qs.astype(np.float64), closed_form)
    return Quotes(qs, exact, closed_form)
