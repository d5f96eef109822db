"""Draws by counter: uniform, independent, a function of their arguments alone, the same compiled and interpreted."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from random import Random
from statistics import NormalDist, fmean, pstdev

import pytest

from mmfold.replay.venue.chance import MASK_32, draw_32, is_drawn, log_of, normal_of
from mmfold.replay.venue.records import Purpose

SEEDS = (0, 7, 2**31 - 1, 2**62 - 1)
COUNT = 8_192
BIN_COUNT = 256
# Of 255 degrees of freedom: a fair source is outside once in some 5,000 times; the seeds are fixed.
CHI_SQUARE = (178.0, 346.0)
CHILD = """
import hashlib, json, struct
from mmfold.replay.venue.chance import draw_32, normal_of
from mmfold.replay.venue.records import Purpose
draws = [draw_32(seed, key * 977, purpose) for seed in (0, 7, 2**62 - 1) for purpose in Purpose for key in range(150)]
draws += [0, 1, 2**32 - 1]
exact = b"".join(struct.pack("<qd", draw, normal_of(draw)) for draw in draws)
print(json.dumps([hashlib.sha256(exact).hexdigest(), len(set(draws))]))
"""


def chi_square(bins: Iterable[int]) -> float:
    """Return the statistic of values in BIN_COUNT bins against a uniform source."""
    counts = [0] * BIN_COUNT
    for place in bins:
        counts[place] += 1
    expected = sum(counts) / BIN_COUNT
    return sum((count - expected) ** 2 for count in counts) / expected


def pair(one: int, other: int) -> int:
    """Return the bin of two draws by their upper four bits: uniform only if they are independent."""
    return (one >> 28) << 4 | other >> 28


# what is looked at, as bins of one seed
VIEWS: dict[str, Callable[[int], list[int]]] = {
    "upper bits": lambda seed: [draw_32(seed, key, Purpose.ENTRY) >> 24 for key in range(COUNT)],
    "lower bits": lambda seed: [draw_32(seed, key, Purpose.TOXIC) & 255 for key in range(COUNT)],
    "keys far apart": lambda seed: [draw_32(seed, key << 33, Purpose.ENTRY) >> 24 for key in range(COUNT)],
    "execution keys": lambda seed: [draw_32(seed, key * 256 + 3, Purpose.TOXIC) >> 24 for key in range(COUNT)],
    "next key": lambda seed: [
        pair(draw_32(seed, key, Purpose.RESPONSE), draw_32(seed, key + 1, Purpose.RESPONSE)) for key in range(COUNT)
    ],
    "other purpose": lambda seed: [
        pair(draw_32(seed, key, Purpose.ENTRY), draw_32(seed, key, Purpose.RESPONSE)) for key in range(COUNT)
    ],
    "next seed": lambda seed: [
        pair(draw_32(seed, key, Purpose.OUTAGE), draw_32(seed ^ 1, key, Purpose.OUTAGE)) for key in range(COUNT)
    ],
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("seed", SEEDS)
def test_draws_are_uniform_and_independent(seed: int, view: str) -> None:
    low, high = CHI_SQUARE
    assert low < chi_square(VIEWS[view](seed)) < high


def test_the_order_of_the_calls_does_not_matter() -> None:
    asked = [(seed, key, purpose) for seed in SEEDS for key in range(40) for purpose in Purpose]
    found = {one: draw_32(*one) for one in asked}
    Random(1).shuffle(asked)
    assert all(draw_32(*one) == found[one] for one in asked)
    assert len(set(found.values())) == len(found) and all(0 <= draw <= MASK_32 for draw in found.values())


@pytest.mark.parametrize("ppm", [0, 1, 20_000, 500_000, 999_999, 1_000_000])
def test_a_chance_is_met_as_often_as_it_says(ppm: int) -> None:
    count, share = 6_000, ppm / 1_000_000
    hits = sum(bool(is_drawn(11, key, Purpose.TOXIC, ppm)) for key in range(count))
    assert abs(hits - count * share) <= 4 * math.sqrt(count * share * (1 - share))


def test_quantiles_are_those_of_the_normal_distribution() -> None:
    normal = NormalDist()
    edges = [0, 1, 2, 1_000, MASK_32 - 1, MASK_32, *(round(0.02425 * 2**32) + step for step in (-2, -1, 0, 1, 2))]
    for draw in [*edges, *range(12_345, MASK_32, MASK_32 // 2_000)]:
        exact = normal.inv_cdf((draw + 0.5) / 2**32)
        assert normal_of(draw) == pytest.approx(exact, rel=1e-8, abs=1e-8), draw
        assert normal_of(MASK_32 - draw) == pytest.approx(-exact, rel=1e-8, abs=1e-8)


def test_normal_draws_have_mean_0_and_deviation_1() -> None:
    drawn = [normal_of(draw_32(5, key, Purpose.ENTRY)) for key in range(COUNT)]
    assert abs(fmean(drawn)) < 4 / math.sqrt(COUNT) and abs(pstdev(drawn) - 1) < 4 / math.sqrt(2 * COUNT)


@pytest.mark.parametrize("x", [1.0, 1.0000001, 1.4999, 1.5, 2.0, 3.7, 41.2, 1e6, 2.0**33])
def test_logarithms_without_libm(x: float) -> None:
    assert log_of(x) == pytest.approx(math.log(x), rel=1e-9, abs=1e-15)


def test_compiled_is_interpreted() -> None:
    found = []
    for disabled in ("0", "1"):
        env = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
        env |= {"NUMBA_DISABLE_JIT": disabled, "MM_KERNEL_DOORS": "1", "PYTHONPATH": os.pathsep.join(["."])}
        command = [sys.executable, "-W", "error", "-c", CHILD]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=110)
        assert done.returncode == 0 and not done.stderr, done.stderr
        found.append(json.loads(done.stdout))
    assert found[0] == found[1] and found[0][1] > 2_000
