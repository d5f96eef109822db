"""Topics of candles: the one under way every second, each whole one once more when it has ended."""

from typing import Any

import pytest

from mmfold.adapters.emulator.bybit.topics import KlineTopic
from mmfold.adapters.emulator.market.candles import MINUTE_MS
from mmfold.adapters.emulator.market.clock import Now
from mmfold.engine.limits import NS_PER_MS, NS_PER_S
from tests.adapters.emulator.bench import Bench
from tests.adapters.emulator.running import RawSocket, RunningVenue


def test_a_candle_is_told_until_it_is_whole() -> None:
    market = Bench().market
    topic, told = KlineTopic("kline.1.BTCUSDT", market, "1"), []

    def at(second: int, *trades: tuple[int, int]) -> list[tuple[Any, ...]]:
        now = Now(second * NS_PER_S, second * NS_PER_S)
        for price, lots in trades:
            market.candles.add(now.ts_ns // NS_PER_MS, price, lots)
        documents = topic.poll(now)
        told.extend(documents)
        return [
            (one["start"] // MINUTE_MS, one["confirm"], one["volume"])
            for document in documents
            for one in document["data"]
        ]

    lots = market.product.qty_text
    assert at(60) == [], "nothing traded yet"
    assert at(61, (100, 1), (105, 2)) == [(1, False, lots(3))]
    assert at(61) == [], "a second is not over"
    assert at(62) == [(1, False, lots(3))]
    assert at(119, (90, 4)) == [(1, False, lots(7))]
    assert at(121) == [(1, True, lots(7)), (2, False, "0")]
    assert at(181, (95, 1)) == [(2, True, "0"), (3, False, lots(1))]
    assert at(245) == [(3, True, lots(1)), (4, False, "0")]
    assert at(375) == [(4, True, "0"), (5, True, "0"), (6, False, "0")], "the venue stood still for minutes"
    whole = told[3]["data"][0]
    assert (whole["open"], whole["high"], whole["low"], whole["close"]) == tuple(
        market.product.price_text(price) for price in (100, 105, 90, 90)
    )
    assert (whole["end"] - whole["start"], whole["interval"]) == (MINUTE_MS - 1, "1")


@pytest.mark.parametrize("interval", ["1", "D", "M"])
def test_candles_come_to_a_subscriber(interval: str, running: RunningVenue) -> None:
    topics = [f"kline.{interval}.BTCUSDT", "allLiquidation.BTCUSDT"]
    with RawSocket(running.urls["public"]) as public:
        assert public.ask({"op": "subscribe", "args": topics})["success"] is True
        frames = [public.next(lambda frame: "topic" in frame) for _ in range(2)]
    assert {frame["topic"] for frame in frames} == {topics[0]}, "nobody is liquidated here"
    assert float(frames[-1]["data"][0]["volume"]) >= float(frames[0]["data"][0]["volume"]) > 0


def test_a_deep_book_is_the_whole_book(running: RunningVenue) -> None:
    with RawSocket(running.urls["public"]) as public:
        public.ask({"op": "subscribe", "args": ["orderbook.1000.BTCUSDT"]})
        frames = [public.next(lambda frame: "topic" in frame) for _ in range(3)]
    assert [frame["type"] for frame in frames] == ["snapshot", "delta", "delta"]
    assert len(frames[0]["data"]["b"]) == len(frames[0]["data"]["a"]) == 100
    assert frames[2]["ts"] - frames[1]["ts"] >= 180
