"""The figures of fills: exact sums, a quantile that agrees with another implementation."""

from collections import Counter
from decimal import Decimal, Inexact, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfold.replay.ticks.model import Fill
from mmfold.replay.ticks.tally import EXACT, METRICS, P95, Tally, quantile


def test_the_sum_of_bps_is_not_what_the_fees_were_per_turnover() -> None:
    tally = Tally()
    with localcontext(EXACT):
        tally.add(Fill(Decimal(100), Decimal(9), Decimal(-2), False), age_ms=0)
        tally.add(Fill(Decimal(100), Decimal(1), Decimal("5.8"), True), age_ms=100)
    expected = ("2", "-19/5", "50", "95", "19/5", "1000", "61/50")  # (2 * 900 - 5.8 * 100) / 1000 = 1.22
    assert tally.figures() == dict(zip(METRICS, map(Fraction, expected), strict=True))


def test_no_fills_are_zeros() -> None:
    assert set(Tally().figures().values()) == {0}


def test_the_largest_amounts_still_add_up_to_the_last_digit() -> None:
    most, least = Decimal(10) ** 15 - Decimal("1e-20"), Decimal("1e-20")
    tally = Tally()
    with localcontext(EXACT):
        for price, qty in ((most, most), (least, least)):
            tally.add(Fill(price, qty, Decimal("5.8"), True), age_ms=0)
    assert tally.turnover == Fraction(most) ** 2 + Fraction(least) ** 2
    with localcontext(EXACT), pytest.raises(Inexact):
        Decimal(1) / 3


@given(st.lists(st.integers(0, 10**9), max_size=40))
def test_the_quantile_is_the_linear_one(values: list[int]) -> None:
    expected = np.percentile(values, 95, method="linear") if values else 0.0
    assert float(quantile(Counter(values), P95)) == pytest.approx(expected, rel=1e-12)
