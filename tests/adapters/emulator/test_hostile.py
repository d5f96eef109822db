"""Whatever a parameter of any route holds, the answer is a code of the venue, never a traceback, and it goes on."""

from typing import Any

import pytest

from mmfold.adapters.emulator.bybit.rest import ORDER_PATHS, PRIVATE_ROUTES, PUBLIC_ROUTES
from tests.adapters.emulator.running import LINEAR, RawSocket, RunningVenue, order_request, place, rest

NAMES = (
    "category", "symbol", "baseCoin", "settleCoin", "coin", "orderId", "orderLinkId", "orderFilter", "orderStatus",
    "openOnly", "execType", "status", "side", "orderType", "qty", "price", "timeInForce", "reduceOnly",
    "closeOnTrigger", "positionIdx", "interval", "intervalTime", "limit", "cursor", "start", "end", "startTime",
    "endTime", "accountType", "currency", "type", "mode", "buyLeverage", "sellLeverage", "timeWindow", "request",
)  # fmt: skip
TEXTS = ("", " ", "-1", "0", "1e3", "NaN", "9" * 30, "x" * 2_000, "\x00", "ü", "[]", "linear,spot", "before_")
THINGS = (*TEXTS, None, True, -1, 0, 1.5, 10**18, [], ["x"], {}, {"x": 1}, [[]], [{}], [None] * 3)
ROUTES = sorted({*PUBLIC_ROUTES, *PRIVATE_ROUTES, *(("POST", path) for path in ORDER_PATHS)})
VALID = place("Buy", "0.001", "50000", orderId="x", interval="1", intervalTime="5min", accountType="UNIFIED")


@pytest.mark.parametrize("method, path", ROUTES, ids=[path for _, path in ROUTES])
def test_any_parameter_of_any_route(method: str, path: str, running: RunningVenue) -> None:
    key, values = running.keys[0], TEXTS if method == "GET" else THINGS
    for place_of, name in enumerate(NAMES):
        running.call(running.venue.budgets[key.key].sent_ns.clear)
        for value in values if name in LINEAR else values[place_of % 5 :: 5]:
            answer = rest(running, method, path, VALID | {name: value}, key)
            assert answer.status == 200 and answer.json()["retCode"] != 10006, (name, value)
    assert running.server.failure is None


def test_any_parameter_over_the_socket(running: RunningVenue) -> None:
    key = running.keys[1]
    with RawSocket(running.urls["trade"]) as trade:
        trade.auth(key)
        for op in ("create", "amend", "cancel", "create-batch", "amend-batch", "cancel-batch"):
            for name in ("category", "symbol", "orderId", "orderLinkId", "side", "qty", "price", "request"):
                for value in THINGS:
                    params: dict[str, Any] = {"request": [VALID]} | VALID | {name: value}
                    answer = trade.ask(order_request(f"order.{op}", params))
                    assert isinstance(answer["retCode"], int), (op, name, value)
    assert running.server.failure is None
