"""The quoters in closed form: prices by hand, what they lean on, and when they do not quote."""

from math import ceil, floor, log, sqrt

import pytest

from mmfold.engine.codes import EventKind, Reason, Side, Strategy
from mmfold.engine.limits import PRICE_TICKS_MAX
from tests.engine.rows import House

BOOK = "book 9999x5 / 10001x5 @10"
GIVEN = {
    "optimal_gamma": 0.01, "optimal_sigma": 2.0, "optimal_a_per_s": 0.9, "optimal_k": 0.3, "optimal_horizon_s": 30.0,
    "optimal_qty_lots": 2, "optimal_quotes_max": 10, "replace_threshold_bps": 1e6, "amend_size_threshold": 1e6,
}  # fmt: skip


def prices(house: House) -> dict[Side, int]:
    """Return the price of each side's target."""
    return {
        side: int(house.cell["targets"][side, 0]["price_ticks"])
        for side in Side
        if side != Side.NONE and house.cell["targets"][side, 0]["qty_lots"] > 0
    }


def expected(strategy: Strategy, q: float) -> dict[Side, int]:
    """Return both prices around a mid of 10,000, by the papers' formulas."""
    gamma, sigma, a_per_s, k, tau = 0.01, 2.0, 0.9, 0.3, 30.0
    premium = log(1 + gamma / k) / gamma
    if strategy == Strategy.AVELLANEDA:
        half, fair = gamma * sigma**2 * tau / 2 + premium, 10_000 - q * gamma * sigma**2 * tau
        return {Side.BID: floor(fair - half), Side.ASK: ceil(fair + half)}
    lean = sqrt(sigma**2 * gamma / (2 * k * a_per_s) * (1 + gamma / k) ** (1 + k / gamma))
    bid, ask = premium + (2 * q + 1) / 2 * lean, premium + (1 - 2 * q) / 2 * lean
    return {Side.BID: floor(10_000 - max(bid, 0)), Side.ASK: ceil(10_000 + max(ask, 0))}


@pytest.mark.parametrize("strategy", [Strategy.AVELLANEDA, Strategy.GLFT])
@pytest.mark.parametrize("lots", [0, 4, -6])
def test_the_papers_prices(strategy: Strategy, lots: int) -> None:
    """Flat, long 2 quotes and short 3: both prices to the tick."""
    house = House(strategy=strategy, **GIVEN)
    house.play(BOOK)
    if lots:
        house.play(f"fill #{1 if lots > 0 else 2} {'9997' if lots > 0 else '10003'}x2")
        house.cell["position"]["position_lots"] = lots
        house.play("book 9999x6 / 10001x6 @11")
    wanted = expected(strategy, lots / 2)
    assert prices(house) == {Side.BID: min(wanted[Side.BID], 9_999), Side.ASK: max(wanted[Side.ASK], 10_001)}


@pytest.mark.parametrize("strategy", [Strategy.AVELLANEDA, Strategy.GLFT])
def test_a_side_that_adds_stops_at_the_most_quotes(strategy: Strategy) -> None:
    house = House(strategy=strategy, **{**GIVEN, "optimal_quotes_max": 1})
    house.play(BOOK)
    house.cell["position"]["position_lots"] = 2
    house.play("book 9999x6 / 10001x6 @11")
    assert set(prices(house)) == {Side.ASK}
    house.cell["position"]["position_lots"] = -2
    house.play("book 9999x7 / 10001x7 @12")
    assert set(prices(house)) == {Side.BID}


@pytest.mark.parametrize(
    ("strategy", "missing"),
    [
        (Strategy.AVELLANEDA, "optimal_sigma"),
        (Strategy.AVELLANEDA, "optimal_k"),
        (Strategy.AVELLANEDA, "optimal_gamma"),
        (Strategy.GLFT, "optimal_a_per_s"),
        (Strategy.GLFT, "optimal_qty_lots"),
        (Strategy.GLFT, "optimal_horizon_s"),
    ],
)
def test_what_is_not_known_is_not_quoted_on(strategy: Strategy, missing: str) -> None:
    """Counted as warm-up, with the time that mids are known for."""
    house = House(strategy=strategy, **{**GIVEN, missing: 0})
    taken = house.play(BOOK)
    assert not prices(house) and int(house.cell["blocked_counts"][Reason.WARMUP]) > 0
    assert not [one for one in taken or house.taken if one["kind"] == EventKind.PLACE]


@pytest.mark.parametrize("strategy", [Strategy.AVELLANEDA, Strategy.GLFT])
def test_no_quote_is_beyond_what_a_book_has(strategy: Strategy) -> None:
    """At the greatest mid there is room for bids alone."""
    house = House(strategy=strategy, **GIVEN)
    house.play(f"book {PRICE_TICKS_MAX - 2}x5 / {PRICE_TICKS_MAX}x5 @10")
    assert set(prices(house)) == {Side.BID}


def test_avellaneda_needs_no_a() -> None:
    house = House(strategy=Strategy.AVELLANEDA, **{**GIVEN, "optimal_a_per_s": 0.0})
    house.play(BOOK)
    assert set(prices(house)) == {Side.BID, Side.ASK}


@pytest.mark.parametrize("strategy", [Strategy.AVELLANEDA, Strategy.GLFT])
@pytest.mark.parametrize("name", ["optimal_gamma", "optimal_sigma", "optimal_horizon_s", "optimal_k"])
@pytest.mark.parametrize("value", [1e-15, 1e15])
def test_no_figure_breaks_the_core(strategy: Strategy, name: str, value: float) -> None:
    """A CONFIG may hold any number: prices stay above zero and on the passive side, or there is no quote."""
    house = House(strategy=strategy, **{**GIVEN, name: value})
    house.play(BOOK)
    house.cell["position"]["position_lots"] = 14
    house.play("book 9999x6 / 10001x6 @11")
    found = prices(house)
    assert found.get(Side.BID, 1) <= 9_999 and found.get(Side.BID, 1) >= 1 and found.get(Side.ASK, 10_001) >= 10_001
