"""The world of Avellaneda and Stoikov (2008, section 3.3), path by path; must never draw by anything but a counter.

A step of dt: the two quotes stand at their distances from the mid s, each is filled with probability lambda(distance)
dt, then s moves by sigma sqrt(dt) up or down. What a path earns is its cash and its position at the last s.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from mmfold.engine.jit import entry, kernel
from mmfold.engine.maths import EXP_MAX, exp, sqrt
from mmfold.engine.quoting.closed_forms import lean, optimal_spread
from mmfold.engine.records import F8, I8, record
from mmfold.replay.venue.chance import draw_32

DRAW_RANGE = float(1 << 32)  # of a draw
STEP_COUNT_AT_ONCE = 1 << 20  # between two signs of life
BID_FILL, ASK_FILL, MOVE = 1, 2, 3  # purposes of draws
PATH = record(16, [("profit", F8), ("q", I8)])


class World(NamedTuple):
    """What the paper fixes. Units: price, s, 1/price, 1/s; `horizon_s` is T, `a_per_s` is A."""

    price: float = 100.0
    horizon_s: float = 1.0
    sigma: float = 2.0
    dt_s: float = 0.005
    k: float = 1.5
    a_per_s: float = 140.0


class Result(NamedTuple):
    """What the paths of one rule came to, each figure over all paths."""

    gamma: float
    is_symmetric: bool
    spread: float  # mean over time
    profit: float
    profit_std: float
    q: float
    q_std: float
    path_count: int


@kernel
def is_filled(world, distance, seed, key, purpose):
    """Tell whether a quote is filled in a step: with probability A exp(-k distance) dt, literally."""
    chance = world.a_per_s * exp(min(-world.k * distance, EXP_MAX)) * world.dt_s
    return draw_32(seed, key, purpose) < chance * DRAW_RANGE


@entry
def run_paths(world, gamma, fixed_spread, seed, first, paths):
    """Run paths from number `first` on; a `fixed_spread` above 0 stands around the mid whatever the position, 0 is the
    optimal rule.

    Shape: paths (n,) PATH, written. The draws are of path and step alone, so both rules meet the same moves.
    """
    step_count = round(world.horizon_s / world.dt_s)
    move = world.sigma * sqrt(world.dt_s)
    for path in range(len(paths)):
        price, cash, q = world.price, 0.0, 0
        for step in range(step_count):
            tau_s = world.horizon_s - step * world.dt_s
            half, shift = fixed_spread / 2.0, 0.0
            if fixed_spread == 0.0:
                half = optimal_spread(gamma, world.sigma, tau_s, world.k) / 2.0
                shift = lean(q * 1.0, gamma, world.sigma, tau_s)
            key = (first + path) * step_count + step
            is_bought = is_filled(world, half + shift, seed, key, BID_FILL)
            is_sold = is_filled(world, half - shift, seed, key, ASK_FILL)
            if is_bought:
                cash -= price - shift - half
                q += 1
            if is_sold:
                cash += price - shift + half
                q -= 1
            price += move if draw_32(seed, key, MOVE) & 1 == 1 else -move
        paths[path]["profit"] = cash + q * price
        paths[path]["q"] = q


def mean_spread(world: World, gamma: float) -> float:
    """Return the optimal spread's mean over the time to the horizon."""
    return gamma * world.sigma**2 * world.horizon_s / 2.0 + 2.0 / gamma * math.log1p(gamma / world.k)


def run_world(world: World, gamma: float, is_symmetric: bool, path_count: int, seed: int) -> Iterator[Result]:
    """Run one rule over the paths of a seed; yields what the paths so far came to, the last one over all.

    Units: gamma is in 1/price. `is_symmetric` is the mean optimal spread around the mid.
    """
    spread = mean_spread(world, gamma)
    at_once = max(1, STEP_COUNT_AT_ONCE // round(world.horizon_s / world.dt_s))
    paths = np.zeros(path_count, PATH)
    for first in range(0, path_count, at_once):
        end = min(path_count, first + at_once)
        run_paths(world, gamma, spread if is_symmetric else 0.0, seed, first, paths[first:end])
        profits, held = paths["profit"][:end], paths["q"][:end]
        yield Result(
            gamma=gamma, is_symmetric=is_symmetric, spread=spread, profit=float(profits.mean()),
            profit_std=float(profits.std()), q=float(held.mean()), q_std=float(held.std()), path_count=end,
        )  # fmt: skip
