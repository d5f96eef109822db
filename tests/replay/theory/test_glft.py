"""The exact quotes of a bounded position, and how near the closed form is."""

import numpy as np
import pytest

from mmfold.replay.theory.glft import Market, TooFar, exact_distances, quotes


def expm(matrix: np.ndarray) -> np.ndarray:
    """Return a matrix' exponential by scaling, Taylor's series and squaring: another way than the eigenvalues'."""
    halvings = max(0, int(np.ceil(np.log2(np.abs(matrix).sum(axis=1).max()))) + 4)
    small, term, total = matrix / 2.0**halvings, np.eye(len(matrix)), np.eye(len(matrix))
    for n in range(1, 20):
        term = term @ small / n
        total = total + term
    for _ in range(halvings):
        total = total @ total
    return total


@pytest.mark.parametrize(
    "market", [Market(), Market(gamma=0.05, q_max=12), Market(horizon_s=3.0), Market(sigma=1.0, k=0.8, q_max=10)]
)
def test_the_eigenvalues_give_the_exponential(market: Market) -> None:
    """The quotes are those of the paper's matrix exponential, near the horizon too."""
    sigma, a_per_s, k, gamma, horizon_s, q_max = market
    qs = np.arange(-q_max, q_max + 1)
    eta = a_per_s * (1 + gamma / k) ** -(1 + k / gamma)
    matrix = np.diag(k / 2 * gamma * sigma**2 * qs**2.0)
    matrix -= eta * (np.eye(len(qs), k=1) + np.eye(len(qs), k=-1))
    v = expm(-matrix * horizon_s) @ np.ones(len(qs))
    assert np.abs(exact_distances(market) - (np.log(v[:-1] / v[1:]) / k + np.log1p(gamma / k) / gamma)).max() < 1e-8


def test_the_closed_form_is_near_far_from_the_end() -> None:
    """0.005 tick for |q| <= 20, where the position may go to 30."""
    found = quotes(Market())
    inner = np.abs(found.q) <= 20
    assert np.abs(found.exact - found.closed_form)[inner].max() <= 0.005


def test_who_holds_more_bids_further_away() -> None:
    """Both forms lean against the position."""
    found = quotes(Market())
    assert (np.diff(found.exact) > 0).all() and (np.diff(found.closed_form) > 0).all()


def test_what_is_lost_in_rounding_is_refused() -> None:
    """A position that v does not reach has no quote."""
    with pytest.raises(TooFar, match="position of 30"):
        quotes(Market(sigma=50.0))
