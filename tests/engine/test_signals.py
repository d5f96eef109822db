"""Signals against decimals of fifty digits; kernels run as plain Python, tests/differential says JIT is the same."""

import math
from collections.abc import Callable
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfold.engine import signals
from mmfold.engine.codes import EventKind
from mmfold.engine.limits import NS_PER_MS, NS_PER_S
from mmfold.engine.position import share_of
from mmfold.engine.quoting.grid import round_half_even
from tests.engine.rows import House, book_event


def plain(kernel: Any) -> Callable[..., Any]:
    """Return a kernel's Python function."""
    function: Callable[..., Any] = getattr(kernel, "py_func", kernel)
    return function


decay_pow2, log_ratio = plain(signals.decay_pow2), plain(signals.log_ratio)
floor_ticks, ceil_ticks = plain(signals.floor_ticks), plain(signals.ceil_ticks)
imbalance, microprice_ticks = plain(signals.imbalance), plain(signals.microprice_ticks)
lots = st.integers(0, 1 << 44)


@given(st.floats(0, 63.9999))
def test_decay_is_a_power_of_two(x: float) -> None:
    with localcontext(prec=50):
        exact = Decimal(2) ** -Decimal(x)
        assert abs(Decimal(decay_pow2(x)) - exact) < exact * Decimal("1e-13")


@pytest.mark.parametrize("x", [0.0, 0.5, 1.0, math.nextafter(1.0, 0.0), 1.9999999, 63.0])
def test_decay_at_the_ends_of_its_series(x: float) -> None:
    test_decay_is_a_power_of_two.hypothesis.inner_test(x)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("x", "expected"), [(0.0, 1.0), (64.0, 0.0), (1e300, 0.0)])
def test_decay_of_nothing_and_of_for_ever(x: float, expected: float) -> None:
    assert decay_pow2(x) == expected


@given(st.integers(1, 1 << 41), st.floats(0.8, 1.2))
def test_log_of_a_move(base: int, ratio: float) -> None:
    mid = max(1.0, float(round(base * ratio)))
    if not 0.8 <= mid / base <= 1.2:
        return
    with localcontext(prec=50):
        exact = (Decimal(mid) / Decimal(base)).ln()
        assert abs(Decimal(log_ratio(mid, float(base))) - exact) <= Decimal("1e-12")
    assert log_ratio(mid, float(base)) == -log_ratio(float(base), mid)


@given(st.floats(-1e15, 1e15))
def test_ticks_around_a_price(price: float) -> None:
    assert (floor_ticks(price), ceil_ticks(price)) == (math.floor(price), math.ceil(price))


@given(lots, lots)
def test_imbalance_is_bounded_and_odd(bid: int, ask: int) -> None:
    value = imbalance(bid, ask)
    assert -1.0 <= value <= 1.0 and value == -imbalance(ask, bid)
    assert value == 0.0 if bid == ask else (value > 0.0) == (bid > ask)
    assert value == pytest.approx(float(Fraction(bid - ask, max(1, bid + ask))), abs=1e-15)


@given(st.integers(1, 1 << 40), st.integers(1, 1000), lots, lots)
def test_microprice_lies_within_the_spread(bid: int, spread: int, bid_lots: int, ask_lots: int) -> None:
    value = microprice_ticks(bid, bid_lots, bid + spread, ask_lots)
    total = bid_lots + ask_lots
    exact = Fraction(bid) + (Fraction(spread * bid_lots, total) if total else Fraction(spread, 2))
    assert value == pytest.approx(float(exact), rel=1e-14)
    assert bid * (1 - 1e-15) <= value <= (bid + spread) * (1 + 1e-15)


@given(st.integers(0, 1 << 62), st.integers(0, 1 << 31), st.integers(1, 1 << 31))
def test_share_of_an_amount(amount: int, part: int, whole: int) -> None:
    part = min(part, whole)
    assert plain(share_of)(amount, part, whole) == amount * part // whole


@given(st.integers(-(1 << 61), 1 << 61), st.sampled_from([1, 2, 3, 1_000_000]))
def test_round_half_even(numerator: int, denominator: int) -> None:
    assert plain(round_half_even)(numerator, denominator) == round(Fraction(numerator, denominator))


moves = st.lists(st.tuples(st.integers(-30, 30), st.integers(0, 200_000)), min_size=1, max_size=20)


@given(moves, st.integers(10, 300))
def test_volatility_is_an_ewma_in_time(moves: list[tuple[int, int]], half_life_s: int) -> None:
    house = House(enabled=0, vola_half_life_ns=half_life_s * NS_PER_S)
    bid = 10_000
    house.feed(book_event(EventKind.BOOK_SNAPSHOT, [(bid, 1)], [(bid + 2, 1)]))
    sampled, elapsed_ms = bid + 1, 0
    with localcontext(prec=40):
        variance = Decimal(0)
        for step, after_ms in moves:
            bid += step
            elapsed_ms += after_ms
            house.feed(book_event(EventKind.BOOK_SNAPSHOT, [(bid, 1)], [(bid + 2, 1)]), after_ms)
            if elapsed_ms:  # within one instant the last mid waits for time to pass
                decay = Decimal(2) ** (-Decimal(elapsed_ms * NS_PER_MS) / (half_life_s * NS_PER_S))
                variance = decay * variance + (1 - decay) * (Decimal(bid + 1) / sampled).ln() ** 2
                sampled, elapsed_ms = bid + 1, 0
        signal = house.cell["signal"]
        assert float(signal["variance"]) == pytest.approx(float(variance), rel=1e-9, abs=1e-25)
        assert float(signal["vola_bps"]) == pytest.approx(float(variance.sqrt() * 10_000), rel=1e-9, abs=1e-8)


def test_levels_count_into_the_signals() -> None:
    house = House(imbalance_levels=2)
    house.play("book 10000x3 9999x4 9998x90 / 10002x1 10003x2 10004x90 @1")
    signal = house.cell["signal"]
    # (7 - 3) / 10 over two levels; (10002 x 3 + 10000 x 1) / 4; 2 / 10001 in bps.
    assert signal["imbalance"] == 0.4 and signal["microprice_ticks"] == 10001.5
    assert float(signal["spread_bps"]) == pytest.approx(20_000 / 10_001)
