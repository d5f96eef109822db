"""Histories tell what the venue has seen itself: its trades, its settlements, its tiers."""

from decimal import Decimal
from typing import Any

import pytest

from mmfold.adapters.emulator.market.synthetic import make_rows
from mmfold.engine.codes import EventKind, Side
from tests.adapters.emulator.running import LINEAR, RunningVenue, rest


def ask(running: RunningVenue, path: str, params: dict[str, Any]) -> Any:
    return rest(running, "GET", path, LINEAR | params).json()


def test_candles_add_up_to_the_day(running: RunningVenue) -> None:
    ticker = ask(running, "/v5/market/tickers", {})["result"]["list"][0]
    for interval in ("1", "5", "60", "D", "W", "M"):
        told = ask(running, "/v5/market/kline", {"interval": interval, "limit": "1000"})["result"]
        starts = [int(candle[0]) for candle in told["list"]]
        assert told["symbol"] == "BTCUSDT" and starts == sorted(starts, reverse=True)
        volume = sum(Decimal(candle[5]) for candle in told["list"])
        turnover = sum(Decimal(candle[6]) for candle in told["list"])
        assert volume >= Decimal(ticker["volume24h"]) > 0 and turnover >= Decimal(ticker["turnover24h"]) > 0
        for _, *prices, _, _ in told["list"]:
            first, high, low, last = map(Decimal, prices)
            assert low <= min(first, last) <= max(first, last) <= high
    now_ms = running.call(running.venue.clock.now_ms)
    for asked, count in (({"start": str(now_ms + 60_000)}, 0), ({"end": "1000"}, 0), ({"start": "0", "limit": "1"}, 1)):
        told = ask(running, "/v5/market/kline", {"interval": "1"} | asked)["result"]["list"]
        assert len(told) == count, asked


@pytest.mark.parametrize(
    "path, params",
    [
        ("/v5/market/kline", {}),
        ("/v5/market/kline", {"interval": "2"}),
        ("/v5/market/kline", {"interval": "1", "limit": "1001"}),
        ("/v5/market/kline", {"interval": "1", "start": "x"}),
        ("/v5/market/kline", {"interval": "1", "symbol": "NOPE"}),
        ("/v5/market/funding/history", {"startTime": "1"}),
        ("/v5/market/funding/history", {"limit": "201"}),
        ("/v5/market/risk-limit", {"symbol": "NOPE"}),
        ("/v5/market/risk-limit", {"category": "spot"}),
    ],
)
def test_wrong_questions_are_refused(path: str, params: dict[str, str], running: RunningVenue) -> None:
    assert ask(running, path, params)["retCode"] == 10001


def test_funding_history_is_what_was_settled(running: RunningVenue) -> None:
    path = "/v5/market/funding/history"
    assert ask(running, path, {})["result"]["list"] == [], "nothing was settled, nothing is told"

    def settle(rate_e9: int) -> None:
        rows = make_rows(EventKind.FUNDING, 0, [(Side.NONE, 0, 0)])
        rows["aux"] = rate_e9
        running.venue.apply(rows)

    for rate_e9 in (100_000, 0, -12_500):
        running.call(lambda rate=rate_e9: settle(rate))  # type: ignore[misc]
    told = ask(running, path, {})["result"]["list"]
    assert [entry["fundingRate"] for entry in told] == ["-0.0000125", "0", "0.0001"]
    assert {entry["symbol"] for entry in told} == {"BTCUSDT"}
    now_ms = running.call(running.venue.clock.now_ms)
    assert all(abs(int(entry["fundingRateTimestamp"]) - now_ms) < 60_000 for entry in told)
    assert len(ask(running, path, {"limit": "2"})["result"]["list"]) == 2
    assert ask(running, path, {"endTime": "1"})["result"]["list"] == []
    assert len(ask(running, path, {"startTime": "1", "endTime": str(now_ms)})["result"]["list"]) == 3
    assert ask(running, path, {"symbol": "ETHUSDT"})["result"]["list"] == []


def test_the_tier_is_the_one_that_positions_name(running: RunningVenue) -> None:
    (tier,) = ask(running, "/v5/market/risk-limit", {})["result"]["list"]
    held = rest(running, "GET", "/v5/position/list", LINEAR, running.keys[0]).json()["result"]["list"][0]
    assert (tier["id"], tier["riskLimitValue"]) == (held["riskId"], held["riskLimitValue"])
    assert (tier["maintenanceMargin"], tier["initialMargin"], tier["maxLeverage"]) == ("0.005", "0.01", "100.00")
    every = rest(running, "GET", "/v5/market/risk-limit", {"category": "linear"}).json()["result"]["list"]
    assert [entry["symbol"] for entry in every] == ["BTCUSDT", "ETHUSDT"]
