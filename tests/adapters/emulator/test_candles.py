"""Candles are what traded, without a hole: every length is the sum of its minutes."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfold.adapters.emulator.market.candles import LENGTHS_MS, MINUTE_MS, Candle, Candles, end_of, start_of

TRADES = st.lists(st.tuples(st.integers(0, 400 * MINUTE_MS), st.integers(1, 100), st.integers(1, 50)), min_size=1)
T0 = int(datetime(2026, 2, 27, 23, 30, tzinfo=UTC).timestamp()) * 1_000  # a Friday, over a month's end within days


def ms(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp()) * 1_000  # type: ignore[misc]


@pytest.mark.parametrize(
    "interval, start, end",
    [
        ("1", (2026, 2, 27, 23, 47), (2026, 2, 27, 23, 48)),
        ("15", (2026, 2, 27, 23, 45), (2026, 2, 28)),
        ("240", (2026, 2, 27, 20), (2026, 2, 28)),
        ("D", (2026, 2, 27), (2026, 2, 28)),
        ("W", (2026, 2, 23), (2026, 3, 2)),
        ("M", (2026, 2, 1), (2026, 3, 1)),
    ],
)
def test_where_a_candle_begins_and_ends(interval: str, start: tuple[int, ...], end: tuple[int, ...]) -> None:
    assert start_of(ms(2026, 2, 27, 23, 47, 59) + 999, interval) == ms(*start) == start_of(ms(*start), interval)
    assert end_of(ms(*start), interval) == ms(*end)


@given(TRADES, st.sampled_from(sorted(LENGTHS_MS)), st.integers(0, 100))
def test_candles_are_the_trades(trades: list[tuple[int, int, int]], interval: str, later_minutes: int) -> None:
    candles = Candles()
    trades.sort(key=lambda trade: trade[0])
    for after_ms, price, lots in trades:
        candles.add(T0 + after_ms, price, lots)
    told = list(candles.spans(interval, T0 + trades[-1][0] + later_minutes * MINUTE_MS))
    for before, after in pairwise(told):
        assert after.start_ms == end_of(before.start_ms, interval)
    for candle in told:
        inside = [trade for trade in trades if start_of(T0 + trade[0], interval) == candle.start_ms]
        prices = [price for _, price, _ in inside]
        if not inside:
            assert candle.volume == candle.turnover == 0
            assert candle.open == candle.high == candle.low == candle.close
            continue
        assert (candle.open, candle.high, candle.low, candle.close) == (
            prices[0], max(prices), min(prices), prices[-1],
        )  # fmt: skip
        assert candle.volume == sum(lots for _, _, lots in inside)
        assert candle.turnover == sum(price * lots for _, price, lots in inside)
    assert sum(candle.volume for candle in told) == sum(lots for _, _, lots in trades)
    assert told[-1].start_ms == start_of(T0 + trades[-1][0] + later_minutes * MINUTE_MS, interval)


def test_a_clock_that_goes_back_makes_no_second_minute() -> None:
    candles = Candles()
    candles.add(10 * MINUTE_MS, 5, 1)
    candles.add(8 * MINUTE_MS, 7, 2)
    assert list(candles.minutes) == [Candle(10 * MINUTE_MS, 5, 7, 5, 7, 3, 19)]


def test_a_minute_without_a_trade_stands_at_the_last_price() -> None:
    candles = Candles()
    candles.add(0, 5, 1)
    candles.add(10, 9, 1)
    candles.add(3 * MINUTE_MS, 7, 1)
    told = [(candle.open, candle.close, candle.volume) for candle in candles.spans("1", 4 * MINUTE_MS)]
    assert told == [(5, 9, 2), (9, 9, 0), (9, 9, 0), (7, 7, 1), (7, 7, 0)]
