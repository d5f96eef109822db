"""Lists are cut as the venue's pages say: sizes and ranges outside of theirs are refused, never made to fit."""

from typing import Any

import pytest

from mmfold.adapters.emulator.bybit.codes import VenueCode, VenueError
from mmfold.adapters.emulator.bybit.paging import DAY_MS, limit_of, range_of
from tests.adapters.emulator.running import LINEAR, RunningVenue, place, price_below, rest

NOW_MS, WEEK_MS = 1_800_000_000_000, 7 * DAY_MS
HISTORIES = ("/v5/order/history", "/v5/execution/list")


def code(answer: Any) -> int:
    return int(answer.json()["retCode"])


@pytest.mark.parametrize("asked, limit", [({}, 20), ({"limit": "1"}, 1), ({"limit": 50}, 50), ({"limit": ""}, 20)])
def test_a_limit_is_taken(asked: dict[str, Any], limit: int) -> None:
    assert limit_of(asked, 20, 50) == limit


@pytest.mark.parametrize("limit", ["0", "51", "1000", "-1", "x", "1.5", 51])
def test_a_limit_beyond_its_range_is_refused(limit: object) -> None:
    with pytest.raises(VenueError) as refused:
        limit_of({"limit": limit}, 20, 50)
    assert refused.value.code == VenueCode.PARAMETER


@pytest.mark.parametrize(
    "asked, expected",
    [
        ({}, (NOW_MS - WEEK_MS, NOW_MS)),
        ({"startTime": "5"}, (5, 5 + WEEK_MS)),
        ({"startTime": 0}, (0, WEEK_MS)),
        ({"endTime": str(NOW_MS - 1)}, (NOW_MS - 1 - WEEK_MS, NOW_MS - 1)),
        ({"startTime": 7, "endTime": 7 + WEEK_MS}, (7, 7 + WEEK_MS)),
    ],
)
def test_a_range_is_seven_days_at_most(asked: dict[str, Any], expected: tuple[int, int]) -> None:
    assert range_of(asked, NOW_MS) == expected


@pytest.mark.parametrize("start, end", [(0, WEEK_MS + 1), (2, 1), ("x", 1), (1, "-1")])
def test_a_wrong_range_is_refused(start: object, end: object) -> None:
    with pytest.raises(VenueError) as refused:
        range_of({"startTime": start, "endTime": end}, NOW_MS)
    assert refused.value.code == VenueCode.PARAMETER


@pytest.mark.parametrize(
    "path, highest",
    [
        ("/v5/order/realtime", 50),
        ("/v5/order/history", 50),
        ("/v5/execution/list", 100),
        ("/v5/position/list", 200),
        ("/v5/market/orderbook", 500),
        ("/v5/market/recent-trade", 1_000),
        ("/v5/market/instruments-info", 1_000),
    ],
)
def test_every_list_has_its_largest_page(path: str, highest: int, running: RunningVenue) -> None:
    for limit, expected in ((highest, 0), (highest + 1, 10001), (0, 10001)):
        assert code(rest(running, "GET", path, LINEAR | {"limit": str(limit)}, running.keys[0])) == expected


def test_histories_tell_what_their_range_holds(running: RunningVenue) -> None:
    key, orders = running.keys[0], (place("Buy", "0.001", None), place("Buy", "0.001", price_below(running)))
    bought, placed = (rest(running, "POST", "/v5/order/create", order, key).json()["result"] for order in orders)
    rest(running, "POST", "/v5/order/cancel", LINEAR | placed, key)
    now_ms = running.call(running.venue.clock.now_ms)
    for path, ids in zip(HISTORIES, ({bought["orderId"], placed["orderId"]}, {bought["orderId"]}), strict=True):
        for asked, told in (
            ({}, ids),
            ({"startTime": str(now_ms - 60_000)}, ids),
            ({"startTime": str(now_ms - WEEK_MS - 60_000)}, set()),  # seven days from there end before
            ({"endTime": str(now_ms - 60_000)}, set()),
        ):
            listed = rest(running, "GET", path, LINEAR | asked, key).json()["result"]["list"]
            assert {entry["orderId"] for entry in listed} == told, (path, asked)
        assert code(rest(running, "GET", path, LINEAR | {"startTime": "1", "endTime": str(now_ms)}, key)) == 10001
