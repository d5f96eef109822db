"""Where a request names orders in several ways, the venue's order of precedence decides and the others do not count."""

from typing import Any

import pytest

from tests.adapters.emulator.running import LINEAR, RunningVenue, place, rest, run_synthetic

REALTIME, HISTORY, EXECUTIONS = "/v5/order/realtime", "/v5/order/history", "/v5/execution/list"
ETH = {"category": "linear", "symbol": "ETHUSDT"}


class Book:
    """An account with orders a (BTC) and e (ETH) that rest, and f (BTC) and g (ETH) that are filled."""

    def __init__(self, running: RunningVenue) -> None:
        self.running, self.key = running, running.keys[0]
        self.ids: dict[str, str] = {}
        for link_id, symbol, qty, price in (
            ("a", "BTCUSDT", "0.001", True), ("e", "ETHUSDT", "0.01", True),
            ("f", "BTCUSDT", "0.001", False), ("g", "ETHUSDT", "0.01", False),
        ):  # fmt: skip
            market = {"category": "linear", "symbol": symbol}
            bid = rest(running, "GET", "/v5/market/orderbook", market).json()["result"]["b"][0][0]
            order = place("Buy", qty, f"{float(bid) * 0.99:.1f}" if price else None, orderLinkId=link_id) | market
            self.ids[link_id] = self.post("create", order)["result"]["orderId"]

    def post(self, name: str, params: dict[str, Any]) -> Any:
        return rest(self.running, "POST", f"/v5/order/{name}", params, self.key).json()

    def get(self, path: str, params: dict[str, Any]) -> list[str]:
        """Return the link ids of what is listed; ids are given by link id."""
        asked = {"category": "linear"} | params
        if "orderId" in asked:
            asked["orderId"] = self.ids.get(asked["orderId"], asked["orderId"])
        answer = rest(self.running, "GET", path, asked, self.key).json()
        assert answer["retCode"] == 0, answer
        return [entry["orderLinkId"] for entry in answer["result"]["list"]]


@pytest.fixture(scope="module")
def book() -> Any:
    running = run_synthetic()
    yield Book(running)
    running.close()


@pytest.mark.parametrize(
    "path, params, listed",
    [
        (REALTIME, {"orderId": "a", "orderLinkId": "e"}, ["a"]),
        (REALTIME, {"orderId": "a", "symbol": "ETHUSDT"}, ["a"]),
        (REALTIME, {"orderId": "nothing", "orderLinkId": "a"}, []),
        (REALTIME, {"orderLinkId": "e", "symbol": "BTCUSDT"}, ["e"]),
        (REALTIME, {"symbol": "BTCUSDT", "baseCoin": "ETH"}, ["a"]),
        (REALTIME, {"baseCoin": "ETH"}, ["e"]),
        (REALTIME, {"baseCoin": "ETH", "settleCoin": "USDC"}, ["e"]),
        (REALTIME, {"settleCoin": "USDT"}, ["e", "a"]),
        (REALTIME, {"settleCoin": "USDC"}, []),
        (REALTIME, {"settleCoin": "USDT", "openOnly": "1"}, ["g", "f"]),
        (REALTIME, {"settleCoin": "USDT", "orderFilter": "Order"}, ["e", "a"]),
        (REALTIME, {"settleCoin": "USDT", "orderFilter": "StopOrder"}, []),
        (HISTORY, {"orderId": "f", "orderLinkId": "g"}, ["f"]),
        (HISTORY, {"orderLinkId": "g", "symbol": "BTCUSDT"}, ["g"]),
        (HISTORY, {"baseCoin": "BTC"}, ["f"]),
        (HISTORY, {"settleCoin": "USDC"}, []),
        (HISTORY, {"orderFilter": "tpslOrder"}, []),
        (HISTORY, {"orderStatus": "Cancelled"}, []),
        (EXECUTIONS, {"orderId": "f", "orderLinkId": "g"}, ["f"]),
        (EXECUTIONS, {"orderLinkId": "g", "symbol": "BTCUSDT"}, ["g"]),
        (EXECUTIONS, {"orderLinkId": "g", "execType": "Funding"}, ["g"]),
        (EXECUTIONS, {"orderLinkId": "g", "startTime": "1", "endTime": "2"}, ["g"]),
        (EXECUTIONS, {"symbol": "ETHUSDT", "baseCoin": "BTC"}, ["g"]),
        (EXECUTIONS, {"baseCoin": "BTC"}, ["f"]),
        (EXECUTIONS, {"settleCoin": "USDC"}, []),
        (EXECUTIONS, {"execType": "Trade"}, ["g", "f"]),
        (EXECUTIONS, {"execType": "Funding"}, []),
        (EXECUTIONS, {}, ["g", "f"]),
    ],
)
def test_lists(path: str, params: dict[str, str], listed: list[str], book: Book) -> None:
    assert book.get(path, params) == listed


def test_an_unknown_filter_is_refused(book: Book) -> None:
    for path in (REALTIME, HISTORY):
        asked = LINEAR | {"orderFilter": "Everything"}
        assert rest(book.running, "GET", path, asked, book.key).json()["retCode"] == 10001
    assert book.post("cancel-all", LINEAR | {"orderFilter": "Everything"})["retCode"] == 10001
    for symbol in ("NOPE", ["BTCUSDT"], {"BTCUSDT": 1}, 7):
        assert book.post("cancel-all", LINEAR | {"symbol": symbol})["retCode"] == 10001
    assert book.get(REALTIME, {"settleCoin": "USDT"}) == ["e", "a"]


@pytest.mark.parametrize(
    "params, symbols",
    [
        ({"settleCoin": "USDT"}, ["BTCUSDT", "ETHUSDT"]),
        ({"settleCoin": "USDC"}, []),
        ({"symbol": "ETHUSDT", "settleCoin": "USDC"}, ["ETHUSDT"]),
    ],
)
def test_positions(params: dict[str, str], symbols: list[str], book: Book) -> None:
    told = rest(book.running, "GET", "/v5/position/list", {"category": "linear"} | params, book.key).json()["result"]
    assert [entry["symbol"] for entry in told["list"]] == symbols and told["nextPageCursor"] == ""


@pytest.mark.parametrize(
    "path, params", [("/v5/position/list", {"settleCoin": "USDT"}), ("/v5/market/instruments-info", {})]
)
def test_short_lists_have_pages_too(path: str, params: dict[str, str], book: Book) -> None:
    asked, seen = {"category": "linear", "limit": "1"} | params, []
    while True:
        told = rest(book.running, "GET", path, asked, book.key).json()["result"]
        assert len(told["list"]) == 1
        seen += [entry["symbol"] for entry in told["list"]]
        if not told["nextPageCursor"]:
            break
        asked["cursor"] = told["nextPageCursor"]
    assert seen == ["BTCUSDT", "ETHUSDT"]


@pytest.mark.parametrize(
    "params, count", [({}, 2), ({"status": "Trading"}, 2), ({"status": "PreLaunch"}, 0), ({"baseCoin": "ETH"}, 1)]
)
def test_instruments_are_those_that_are_asked_for(params: dict[str, str], count: int, book: Book) -> None:
    told = rest(book.running, "GET", "/v5/market/instruments-info", {"category": "linear"} | params).json()["result"]
    assert len(told["list"]) == count


def test_an_order_id_goes_before_a_link_id_in_order_entry() -> None:
    running = run_synthetic()
    try:
        book = Book(running)
        named = LINEAR | {"orderId": book.ids["a"], "orderLinkId": "e"}
        assert book.post("amend", named | {"qty": "0.002"})["result"]["orderLinkId"] == "a"
        assert book.post("cancel", named | {"orderId": "nothing", "orderLinkId": "a"})["retCode"] == 110001
        assert book.post("cancel", named)["result"]["orderLinkId"] == "a"
        assert book.get(REALTIME, {"settleCoin": "USDT"}) == ["e"]
        for asked, ended in (
            ({"settleCoin": "USDC"}, []),
            ({"baseCoin": "BTC", "settleCoin": "USDT"}, []),
            ({"symbol": "BTCUSDT", "baseCoin": "ETH"}, []),
            ({"settleCoin": "USDT", "orderFilter": "StopOrder"}, []),
            ({"baseCoin": "ETH"}, ["e"]),
        ):
            told = book.post("cancel-all", {"category": "linear"} | asked)["result"]["list"]
            assert [entry["orderLinkId"] for entry in told] == ended, asked
    finally:
        running.close()
