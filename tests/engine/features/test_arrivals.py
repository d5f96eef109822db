"""Arrivals: how far the mid moves and trades reach, on a market whose sigma, A and k are known."""

from math import exp, log, sqrt
from random import Random
from typing import Any

import pytest

from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.limits import ARRIVAL_BUCKET_COUNT, NS_PER_S, PRICE_TICKS_MAX
from mmfold.engine.records import NO_PRICE_TICKS
from tests.engine.rows import House, book_event, event

MID = 10_000
SECOND_MS = 1_000


def arrivals(house: House) -> Any:
    """Return the record of the first instrument."""
    return house.cell["features"]["arrivals"]


def quote(house: House, mid: int) -> None:
    """Put the book around a mid, 2 ticks wide."""
    house.feed(book_event(EventKind.BOOK_SNAPSHOT, [(mid - 1, 5)], [(mid + 1, 5)], aux=house.seq + 1), 0)


def trade(house: House, distance: int, flags: int = 0) -> None:
    """Let the market trade at a distance from the mid, in ticks."""
    house.feed(event(EventKind.TRADE, price_ticks=MID + distance, qty_lots=1, side=Side.BID, flags=flags), 0)


def pass_second(house: House, milliseconds: int = SECOND_MS) -> None:
    """Let a timer fire."""
    house.feed(event(EventKind.TIMER), milliseconds)


@pytest.fixture
def house() -> House:
    """Return a core that quotes nothing, with a book and a first fold."""
    house = House(enabled=0)
    quote(house, MID)
    pass_second(house)
    return house


def test_trades_fall_into_buckets_of_doubled_width(house: House) -> None:
    """0, 1, 2 to 3, 4 to 7 half ticks ...; a block trade and one before the first fold are none."""
    for distance in (0, 1, 2, -2, 3, 4, 1 << 39):
        trade(house, distance)
    trade(house, 1, Flag.BLOCK)
    counts = arrivals(house)["fresh_counts"].tolist()
    assert counts[:5] == [1, 0, 1, 3, 1] and counts[-1] == 1 and sum(counts) == 7
    assert len(counts) == ARRIVAL_BUCKET_COUNT


@pytest.mark.parametrize("price_ticks", [NO_PRICE_TICKS, -1, 0, PRICE_TICKS_MAX + 1, 1 << 62])
def test_a_price_that_no_book_has_is_not_counted(house: House, price_ticks: int) -> None:
    """Twice such a price would not fit 64 bits."""
    house.feed(event(EventKind.TRADE, price_ticks=price_ticks, qty_lots=1, side=Side.BID), 0)
    assert arrivals(house)["fresh_counts"].sum() == 0


def test_a_fold_takes_a_second_and_fades(house: House) -> None:
    """Nothing is folded before a second has passed; half is left after 300 s."""
    for _ in range(8):
        trade(house, 1)
    pass_second(house, 999)
    assert arrivals(house)["fresh_counts"].sum() == 8
    pass_second(house, 1)
    assert (arrivals(house)["fresh_counts"].sum(), arrivals(house)["counts"].sum()) == (0, 8.0)
    pass_second(house, 300 * SECOND_MS)
    assert arrivals(house)["counts"].sum() == pytest.approx(4.0)
    assert arrivals(house)["elapsed_s"] == pytest.approx(300.5)


def test_sigma_is_the_deviation_of_the_mid(house: House) -> None:
    """Moves of 3 ticks a second, once 30 s are known; without a mid nothing moves."""
    for number in range(32):
        assert number > 30 or arrivals(house)["sigma_ticks"] == 0.0
        quote(house, MID + (3 if number % 2 == 0 else 0))
        pass_second(house)
    assert arrivals(house)["sigma_ticks"] == pytest.approx(3.0)
    moved_s = float(arrivals(house)["moved_s"])
    house.feed(event(EventKind.BOOK_CLEAR), 0)
    pass_second(house, 60 * SECOND_MS)
    assert arrivals(house)["moved_s"] < moved_s and arrivals(house)["sigma_ticks"] == 0.0


def test_a_and_k_are_those_of_the_market(house: House) -> None:
    """Distances of an exponential law are fitted within a tenth, the rate too."""
    k, a_per_s, random = 0.2, 4.0, Random(7)
    for _ in range(600):
        for _ in range(int(2 * a_per_s)):
            trade(house, int(-log(1.0 - random.random()) / k))
        pass_second(house)
    found = arrivals(house)
    assert found["k_per_tick"] == pytest.approx(k, rel=0.15)
    reached = [found["a_per_s"] * exp(-found["k_per_tick"] * x) for x in (1.0, 8.0)]
    assert reached == pytest.approx([a_per_s * exp(-k * x) for x in (1.0, 8.0)], rel=0.25)


@pytest.mark.parametrize("distances", [(), (1,) * 40, (8,) * 40, (1,) * 20], ids=["none", "near", "far", "few"])
def test_what_does_not_tell_a_k_is_not_known(house: House, distances: tuple[int, ...]) -> None:
    """One distance has no slope, and some trades are too few."""
    for distance in distances:
        trade(house, distance)
    pass_second(house)
    assert (arrivals(house)["a_per_s"], arrivals(house)["k_per_tick"]) == (0.0, 0.0)


def test_time_that_goes_by_in_one_step_is_time(house: House) -> None:
    """A day without a timer is a day: a move over it is small a second."""
    for _ in range(40):
        pass_second(house)
    quote(house, MID + 294)
    pass_second(house, 86_400 * SECOND_MS)
    assert arrivals(house)["sigma_ticks"] == pytest.approx(294 / sqrt(86_400), rel=1e-3)
    assert arrivals(house)["ts_fold_ns"] % NS_PER_S == house.ts_ns % NS_PER_S
