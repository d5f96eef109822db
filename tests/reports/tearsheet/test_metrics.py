"""The figures' formulas on numbers that can be checked by eye."""

from collections import Counter
from statistics import fmean, pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfold.reports.tearsheet.metrics import cvar95_micros, nearest_rank, sharpe

changes_lists = st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=80)


@pytest.mark.parametrize(
    ("values", "p50", "p95", "p99"),
    [
        ([], None, None, None),
        ([7], 7, 7, 7),
        ([1, 2], 1, 2, 2),
        ([1, 2, 3], 2, 3, 3),
        (list(range(1, 101)), 50, 95, 99),
        ([1] * 95 + [9] * 5, 1, 1, 9),
        ([3, 1, 2, 2], 2, 3, 3),
    ],
)
def test_nearest_rank(values: list[int], p50: int | None, p95: int | None, p99: int | None) -> None:
    assert nearest_rank(Counter(values), (50, 95, 99)) == {50: p50, 95: p95, 99: p99}


@pytest.mark.parametrize(
    ("changes", "count", "expected"),
    [
        ([], 0, 0.0),
        ([5], 1, 0.0),  # one second is no sample
        ([5, 5], 2, 0.0),  # no spread
        ([1, 3], 2, 2.0),
        ([2], 2, 1.0),  # the second that is not listed changed nothing
        ([-2], 2, -1.0),
        ([3], 4, 0.57735),
    ],
)
def test_sharpe(changes: list[int], count: int, expected: float) -> None:
    assert sharpe(changes, count) == expected


@pytest.mark.parametrize(
    ("changes", "count", "expected"),
    [
        ([], 0, 0),
        ([-10, 5], 2, -10),
        ([-10, -7, 5], 20, -10),  # k = ceil(20 x 5 %) = 1
        ([-10, -7, 5], 21, -9),  # k = 2: -8.5 rounded down
        ([-10], 60, -4),  # k = 3: seconds that changed nothing are in the tail
        ([4, 6], 2, 4),  # no loss at all: the least gain
        ([4, 6], 3, 0),
    ],
)
def test_cvar95(changes: list[int], count: int, expected: int) -> None:
    assert cvar95_micros(changes, count) == expected


@given(changes=changes_lists)
def test_seconds_that_changed_nothing_may_be_left_out(changes: list[int]) -> None:
    listed = [change for change in changes if change]
    tail = max(1, -(-len(changes) // 20))
    assert cvar95_micros(listed, len(changes)) == sum(sorted(changes)[:tail]) // tail
    deviation = pstdev(changes)
    expected = fmean(changes) / deviation if len(changes) > 1 and deviation else 0.0
    assert sharpe(listed, len(changes)) == pytest.approx(expected, rel=1e-6, abs=1e-6)
