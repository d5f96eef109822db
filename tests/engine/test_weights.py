"""Weights of a budget: worked numbers, and the laws that hold for any of them (spec/core.md 18)."""

from math import fsum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfold.engine.policy import weights as rules
from mmfold.engine.policy.weights import Bounds

WIDE = Bounds(0.0, 1.0)
NAMES = st.text("ABCDEFGH", min_size=1, max_size=3)
RAW = st.dictionaries(NAMES, st.floats(0.0, 1e9), min_size=1, max_size=40).filter(lambda raw: sum(raw.values()) > 0)
VOLATILITIES = st.dictionaries(NAMES, st.none() | st.floats(0.0, 1e6), min_size=1, max_size=40)
BOUNDS = st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0)).map(lambda pair: Bounds(min(pair), max(pair)))

TABLE = [
    # raw, bounds | weights
    ({"A": 3.0, "B": 1.0}, WIDE, {"A": 0.75, "B": 0.25}),
    ({"A": 5.0}, Bounds(), {"A": 1.0}),  # one symbol has it all
    ({"A": 8.0, "B": 1.0, "C": 1.0}, Bounds(0.02, 0.5), {"A": 0.5, "B": 0.25, "C": 0.25}),
    ({"A": 1.0, "B": 1.0, "C": 0.0}, Bounds(0.2, 0.5), {"A": 0.4, "B": 0.4, "C": 0.2}),
    ({"A": 9.0, "B": 1.0, "C": 0.0}, Bounds(0.4, 0.5), {"A": 1 / 3, "B": 1 / 3, "C": 1 / 3}),  # least ones cannot sum
    ({"A": 3.0, "B": 1.0}, Bounds(0.0, 0.3), {"A": 0.75, "B": 0.25}),  # greatest ones cannot: no limit
    ({"A": -5.0, "B": 1.0}, WIDE, {"A": 0.0, "B": 1.0}),
]


@pytest.mark.parametrize(("raw", "bounds", "expected"), TABLE)
def test_a_projection(raw: dict[str, float], bounds: Bounds, expected: dict[str, float]) -> None:
    assert rules.project(raw, bounds) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    "raw", [{"A": 0.0, "B": 0.0}, {"A": -1.0}, {"A": float("inf"), "B": 1.0}, {"A": float("nan"), "B": 1.0}]
)
def test_weights_that_cannot_sum_are_refused(raw: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="cannot sum to 1"):
        rules.project(raw, WIDE)


@given(RAW, BOUNDS)
def test_weights_sum_to_one_within_their_bounds(raw: dict[str, float], bounds: Bounds) -> None:
    weights = rules.project(raw, bounds)
    kept = bounds.for_count(len(raw))
    assert abs(fsum(weights.values()) - 1.0) <= rules.TOLERANCE and set(weights) == set(raw)
    assert all(kept.least <= weight <= kept.most for weight in weights.values())
    assert weights == rules.project(dict(reversed(raw.items())), bounds)


@given(RAW, BOUNDS)
def test_more_raw_weight_is_no_less_weight(raw: dict[str, float], bounds: Bounds) -> None:
    weights = rules.project(raw, bounds)
    for one in raw:
        for other in raw:
            assert raw[one] >= raw[other] or weights[one] <= weights[other] + rules.TOLERANCE


@given(VOLATILITIES, BOUNDS)
def test_equal_risk_within_the_bounds(volatilities: dict[str, float | None], bounds: Bounds) -> None:
    """All that are within their bounds carry the same risk; every rule sums to 1 and forgets the order."""
    kept = bounds.for_count(len(volatilities))
    weights = rules.risk_parity(volatilities, bounds)
    assert abs(fsum(weights.values()) - 1.0) <= rules.TOLERANCE
    assert weights == rules.risk_parity(dict(reversed(volatilities.items())), bounds)
    free = [
        weight * rules.known(volatilities[symbol])
        for symbol, weight in weights.items()
        if kept.least + 1e-6 < weight < kept.most - 1e-6
    ]
    assert not free or max(free) <= min(free) * (1 + 1e-3) + 1e-6


def test_the_three_rules() -> None:
    """Volatilities 1, 2, 4: by inverse 4/7, 2/7, 1/7; a bound moves what is too much equally, or by risk."""
    volatilities = {"A": 1.0, "B": 2.0, "C": 4.0}
    assert rules.inverse_volatility(volatilities, WIDE) == pytest.approx({"A": 4 / 7, "B": 2 / 7, "C": 1 / 7})
    assert rules.risk_parity(volatilities, WIDE) == pytest.approx({"A": 4 / 7, "B": 2 / 7, "C": 1 / 7})
    assert rules.risk_parity(volatilities, Bounds(0.02, 0.5)) == pytest.approx({"A": 0.5, "B": 1 / 3, "C": 1 / 6})
    assert rules.manual(["A", "B"], {"A": 0.5}, Bounds(0.1, 1.0)) == pytest.approx({"A": 5 / 6, "B": 1 / 6})


def test_a_volatility_that_is_not_ready_is_unknown() -> None:
    """0 is not the calmest market there is: it would get everything."""
    assert rules.inverse_volatility({"A": 0.0, "B": None, "C": 1.0}, WIDE) == pytest.approx(dict.fromkeys("ABC", 1 / 3))


def test_smoothing_begins_at_the_first_weights() -> None:
    """alpha of today and the rest of yesterday; who had none has 0 and the sum is 1 again."""
    before, now = {"A": 1.0}, {"A": 0.5, "B": 0.5}
    assert rules.smoothed(now, before, 0.3, WIDE) == pytest.approx({"A": 0.85, "B": 0.15})
    assert rules.smoothed(now, {}, 0.3, WIDE) == pytest.approx(now)
    assert rules.smoothed(now, before, 1.0, WIDE) == now


@given(RAW, BOUNDS, st.integers(1, 10**15))
def test_targets_sum_to_the_budget(raw: dict[str, float], bounds: Bounds, budget_micros: int) -> None:
    """To the micro, and none further from its share than rounding."""
    weights = rules.project(raw, bounds)
    targets = rules.apportion(budget_micros, weights)
    assert sum(targets.values()) == budget_micros
    assert all(
        abs(targets[name] - budget_micros * weight) <= 2 + 1e-8 * budget_micros for name, weight in weights.items()
    )


@pytest.mark.parametrize(("weight", "expected"), [(0.5, 10), (0.25, 5), (0.125, 2), (0.02, 1), (0.0, 1), (1.0, 10)])
def test_levels_follow_the_weight(weight: float, expected: int) -> None:
    """2.5 levels are 2: ties go to even."""
    assert rules.level_count(weight, Bounds(), 1, 10) == expected
