"""The paper's world: its table, its draws, its limits."""

from itertools import pairwise

import numpy as np
import pytest

from mmfold.engine.quoting import closed_forms
from mmfold.replay.theory.avellaneda import PATH, Result, World, mean_spread, run_paths, run_world

PATH_COUNT = 5000
PAPER = World()
SEEDS = (7, 8)
# The paper's table 1 to 3 with lambda dt literally: gamma, rule, spread, profit, std, std of q.
TABLE = (
    (0.1, False, 1.49, 65.0, 6.6, 2.9),
    (0.01, False, 1.35, 68.6, 8.7, 5.1),
    (1.0, False, 3.02, 31.4, 5.0, 1.7),
    (0.1, True, 1.49, 68.4, 12.7, None),
    (0.01, True, 1.35, 68.8, 12.8, None),
    (1.0, True, 3.02, 44.0, 11.0, None),
)


def last(gamma: float, is_symmetric: bool, seed: int, world: World = PAPER, count: int = PATH_COUNT) -> Result:
    """Return the result over all paths."""
    *_, result = run_world(world, gamma, is_symmetric, count, seed)
    return result


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("gamma", "is_symmetric", "spread", "profit", "std", "q_std"), TABLE)
def test_the_table(
    gamma: float, is_symmetric: bool, spread: float, profit: float, std: float, q_std: float | None, seed: int
) -> None:
    """Means within 3 standard errors, deviations within 10 %, spreads to the cent."""
    result = last(gamma, is_symmetric, seed)
    assert round(result.spread, 2) == spread
    assert abs(result.profit - profit) <= 3 * result.profit_std / PATH_COUNT**0.5
    assert result.profit_std == pytest.approx(std, rel=0.1)
    assert q_std is None or result.q_std == pytest.approx(q_std, rel=0.1)
    assert abs(result.q) <= 3 * result.q_std / PATH_COUNT**0.5


def test_holding_less_costs_profit_and_saves_risk() -> None:
    """The more risk is disliked, the less is earned and risked; at gamma to 0 both rules are one."""
    ladder = [last(gamma, False, 7) for gamma in (0.01, 0.1, 1.0)]
    for bold, shy in pairwise(ladder):
        assert shy.profit < bold.profit and shy.profit_std < bold.profit_std and shy.q_std < bold.q_std
    assert last(1e-6, False, 7).profit == pytest.approx(last(1e-6, True, 7).profit, rel=1e-3)


def test_paths_do_not_depend_on_how_they_are_cut() -> None:
    """The draws are of path and step: any part of the paths is the same paths."""
    whole, parts = np.zeros(50, PATH), np.zeros(50, PATH)
    run_paths(World(), 0.1, 0.0, 7, 0, whole)
    for first, end in ((0, 1), (1, 30), (30, 50)):
        run_paths(World(), 0.1, 0.0, 7, first, parts[first:end])
    assert whole.tobytes() == parts.tobytes()
    assert last(0.1, False, 7) != last(0.1, False, 8)


def test_a_fill_is_one_quote_at_its_price() -> None:
    """Without fills nothing is earned; where every quote is filled, each step earns the spread."""
    assert last(0.1, False, 7, World(a_per_s=1e-300)).profit == 0.0
    sure = last(0.1, True, 7, World(a_per_s=1e9), 20)
    assert (sure.q, sure.q_std) == (0.0, 0.0)
    assert sure.profit == pytest.approx(200 * sure.spread)


def test_the_mean_spread_is_the_spread_over_time() -> None:
    """Of the optimal spread from the start to the horizon."""
    world, taus = World(), np.linspace(0.0, 1.0, 1001)
    over_time = [closed_forms.optimal_spread(0.1, world.sigma, tau, world.k) for tau in taus.tolist()]
    assert mean_spread(world, 0.1) == pytest.approx(np.trapezoid(over_time, taus))


def test_quotes_far_on_the_wrong_side_are_filled_at_once() -> None:
    """A lean beyond every double's exponent is a sure fill, not an error."""
    assert last(1.0, False, 7, World(sigma=1e6), 5).path_count == 5
