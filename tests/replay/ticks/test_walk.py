"""The tick backtest: the known answers, and windows that are what their ticks give alone."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfold.replay.ticks.load import Top
from mmfold.replay.ticks.model import FillMode, FillModel
from mmfold.replay.ticks.tally import METRICS
from mmfold.replay.ticks.walk import mean_of, median_of, run_ticks, walk_forward

QUEUE_AWARE, CONSERVATIVE = FillModel(mode=FillMode.QUEUE_AWARE), FillModel(mode=FillMode.CONSERVATIVE)
CENT, SPREAD = Decimal("0.01"), Decimal("0.1")
# 91 ticks, a cent up each, as spec/reports.md 1 has them.
RISING = [Top(10 * i, 100 + CENT * i, 100 + CENT * i + SPREAD) for i in range(91)]
CROSSED = [Top(0, Decimal(101), Decimal(100))]

GOLDEN = [
    # ticks, model | fills, net bps (sum), taker share %, age p95, fees bps, turnover, net bps of turnover
    (RISING, QUEUE_AWARE, ("182", "364", "0", "0", "-364", "9145.5", "2")),
    (RISING, CONSERVATIVE, ("0", "0", "0", "0", "0", "0", "0")),
    (CROSSED, QUEUE_AWARE, ("2", "-11.6", "100", "0", "11.6", "100.5", "-5.8")),
    (CROSSED, CONSERVATIVE, ("2", "-10", "100", "0", "10", "201", "-5")),
    ([], QUEUE_AWARE, ("0", "0", "0", "0", "0", "0", "0")),
]


@pytest.mark.parametrize(("ticks", "model", "expected"), GOLDEN)
def test_a_run_gives(ticks: list[Top], model: FillModel, expected: tuple[str, ...]) -> None:
    assert run_ticks(ticks, model).figures == dict(zip(METRICS, map(Fraction, expected), strict=True))


def test_the_time_of_a_run_is_its_latest_tick() -> None:
    assert run_ticks([Top(9, *RISING[0][1:]), RISING[0]], QUEUE_AWARE).ts_ms_max == 9
    assert walk_forward(RISING, QUEUE_AWARE, 30, 20).ts_ms_max == 900


PLANS = [
    # ticks, train, test | first index of each window
    (91, 30, 20, [0, 20, 40]),
    (91, 1, 90, [0]),
    (91, 30, 61, [0]),
    (91, 30, 62, []),
    (91, 91, 1, []),
    (0, 1, 1, []),
    (5, 2, 1, [0, 1, 2]),
]


@pytest.mark.parametrize(("count", "train", "test", "firsts"), PLANS)
def test_windows_step_by_a_test_while_they_are_whole(count: int, train: int, test: int, firsts: list[int]) -> None:
    walk = walk_forward(RISING[:count], QUEUE_AWARE, train, test)
    assert [(one.first, one.train, one.test) for one in walk.windows] == [(first, train, test) for first in firsts]
    if not firsts:
        assert set(walk.mean.values()) == set(walk.median.values()) == {0}


prices = st.integers(0, 6).map(Decimal)
tops = st.builds(Top, st.integers(0, 1000), prices, prices)


@given(st.lists(tops, max_size=40), st.integers(1, 8), st.integers(1, 8), st.sampled_from([QUEUE_AWARE, CONSERVATIVE]))
def test_a_window_is_what_its_test_ticks_give_alone(ticks: list[Top], train: int, test: int, model: FillModel) -> None:
    walk = walk_forward(iter(ticks), model, train, test)
    expected = [
        run_ticks(ticks[first + train : first + train + test], model).figures
        for first in range(0, len(ticks), test)
        if first + train + test <= len(ticks)
    ]
    assert [window.figures for window in walk.windows] == expected


MIDDLES = [
    # key, sorted values | mean, median
    ("net_bps", ["1", "2", "6"], "3", "2"),
    ("net_bps", ["1", "2", "4", "7"], "7/2", "3"),
    ("fills_total", ["1", "2", "4", "8"], "4", "4"),  # 3.75 rounded; the upper of 2 and 4
    ("fills_total", ["1", "2"], "2", "2"),  # 1.5, half to even
    ("fills_total", ["2", "3"], "2", "3"),  # 2.5, half to even
    ("net_bps", [], "0", "0"),
]


@pytest.mark.parametrize(("key", "values", "mean", "median"), MIDDLES)
def test_the_middle_of_windows(key: str, values: list[str], mean: str, median: str) -> None:
    numbers = [Fraction(value) for value in values]
    assert (mean_of(key, numbers), median_of(key, numbers)) == (Fraction(mean), Fraction(median))
