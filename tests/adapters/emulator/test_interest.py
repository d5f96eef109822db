"""Open interest is what the accounts hold, at each start of an interval; nothing is told that was not so."""

from typing import Any

import pytest

from mmfold.adapters.emulator.market.interest import DAY_MS, STEP_COUNT_MAX, STEP_MS, Interest
from tests.adapters.emulator.running import LINEAR, RunningVenue, place, rest, run_synthetic

PATH = "/v5/market/open-interest"
DAY = 20_000 * DAY_MS


def ask(running: RunningVenue, params: dict[str, Any]) -> Any:
    return rest(running, "GET", PATH, LINEAR | {"intervalTime": "5min"} | params).json()


def test_each_start_tells_what_was_held_then() -> None:
    interest = Interest(DAY + 2 * STEP_MS + 1)
    for step, lots in ((2, 5), (2, 3), (4, -2), (7, 10), (6, 1)):  # the clock goes back once
        interest.change(lots, DAY + step * STEP_MS)
    assert interest.lots == 17

    def told(interval: str, start_ms: int, end_ms: int) -> list[tuple[int, int]]:
        history = interest.history(interval, start_ms, end_ms)
        return [((ts_ms - DAY) // STEP_MS, lots) for ts_ms, lots in history]

    end_ms = DAY + 9 * STEP_MS - 1
    assert told("5min", 0, end_ms) == [(8, 17), (7, 6), (6, 6), (5, 6), (4, 8), (3, 8), (2, 0)]
    assert told("15min", 0, end_ms) == [(6, 6), (3, 8), (0, 0)]
    assert told("1d", 0, end_ms) == [(0, 0)], "the day in which the venue began found nothing"
    assert told("5min", DAY + 3 * STEP_MS, DAY + 5 * STEP_MS) == [(5, 6), (4, 8), (3, 8)]
    assert told("5min", 0, DAY) == [] == told("5min", end_ms, end_ms)


def test_what_is_forgotten_is_not_told() -> None:
    interest = Interest(DAY)
    for step in range(STEP_COUNT_MAX + 3):
        interest.change(1, DAY + step * STEP_MS)
    assert len(interest.steps) == STEP_COUNT_MAX
    told = list(interest.history("1d", 0, DAY + (STEP_COUNT_MAX + 3) * STEP_MS))
    assert told == [(DAY + day * DAY_MS, day * 288) for day in range(35, 0, -1)]


@pytest.mark.parametrize(
    "params",
    [
        {"intervalTime": ""},
        {"intervalTime": "2min"},
        {"limit": "0"},
        {"limit": "201"},
        {"startTime": "2", "endTime": "1"},
        {"startTime": "x"},
        {"cursor": "x"},
        {"symbol": "NOPE"},
        {"category": "spot"},
        {"category": "option"},
        {"category": "inverse"},  # the category has no symbol here
    ],
)
def test_wrong_questions_are_refused(params: dict[str, str], running: RunningVenue) -> None:
    assert ask(running, params)["retCode"] == 10001


def test_the_accounts_positions_are_the_open_interest() -> None:
    running = run_synthetic(accounts=2)
    try:

        def trade(account: int, side: str, qty: str) -> None:
            order = place(side, qty, None)
            assert rest(running, "POST", "/v5/order/create", order, running.keys[account]).json()["retCode"] == 0

        def ticker() -> tuple[str, str]:
            told = rest(running, "GET", "/v5/market/tickers", LINEAR).json()["result"]["list"][0]
            return told["openInterest"], told["openInterestValue"]

        assert ticker() == ("0", "0")
        trade(0, "Buy", "0.003")
        trade(1, "Sell", "0.002")
        assert ticker()[0] == "0.005" and float(ticker()[1]) > 0, "each has the market against it"
        trade(0, "Sell", "0.004")  # 0.003 closed, 0.001 opened
        assert ticker()[0] == "0.003"
        now_ms = running.call(running.venue.clock.now_ms)
        market = running.venue.markets["BTCUSDT"]
        running.call(lambda: running.venue.clock.skew(5 * STEP_MS, 60_000))
        result = ask(running, {"limit": "3"})["result"]
        assert (result["symbol"], result["category"]) == ("BTCUSDT", "linear")
        assert [entry["openInterest"] for entry in result["list"]] == ["0.003"] * 3
        starts = [int(entry["timestamp"]) for entry in result["list"]]
        assert starts == sorted(starts, reverse=True) and {start % STEP_MS for start in starts} == {0}
        rest_of = ask(running, {"limit": "3", "cursor": result["nextPageCursor"]})["result"]
        assert rest_of["nextPageCursor"] == "" and rest_of["list"][-1]["openInterest"] == "0"
        assert int(rest_of["list"][-1]["timestamp"]) == market.interest.since_ms // STEP_MS * STEP_MS
        assert int(rest_of["list"][0]["timestamp"]) == starts[-1] - STEP_MS
        assert ask(running, {"endTime": str(now_ms - DAY_MS)})["result"]["list"] == []
        other = ask(running, {"symbol": "ETHUSDT", "intervalTime": "1d"})["result"]["list"]
        assert [entry["openInterest"] for entry in other] == ["0"]
    finally:
        running.close()
