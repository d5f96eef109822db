"""REST: shapes of the answers as the venue documents them, refusals, weights."""

import time
from itertools import islice, pairwise
from typing import Any

import pytest

from mmfold.adapters.emulator.binance.rest import Weights
from tests.adapters.emulator.binance.running import RunningBinance

SYMBOL = "symbol=BTCUSDT"

# Field names of the documents, and the JSON type of each.
SHAPES: dict[str, dict[str, type]] = {
    "time": {"serverTime": int},
    f"depth?{SYMBOL}&limit=5": {"lastUpdateId": int, "E": int, "T": int, "bids": list, "asks": list},
    f"premiumIndex?{SYMBOL}": {
        "symbol": str, "markPrice": str, "indexPrice": str, "estimatedSettlePrice": str, "lastFundingRate": str,
        "interestRate": str, "nextFundingTime": int, "time": int,
    },
    f"ticker/bookTicker?{SYMBOL}": {
        "symbol": str, "bidPrice": str, "bidQty": str, "askPrice": str, "askQty": str, "time": int, "lastUpdateId": int,
    },
    f"ticker/price?{SYMBOL}": {"symbol": str, "price": str, "time": int},
    f"ticker/24hr?{SYMBOL}": {
        "symbol": str, "priceChange": str, "priceChangePercent": str, "weightedAvgPrice": str, "lastPrice": str,
        "lastQty": str, "openPrice": str, "highPrice": str, "lowPrice": str, "volume": str, "quoteVolume": str,
        "openTime": int, "closeTime": int, "firstId": int, "lastId": int, "count": int,
    },
}  # fmt: skip
ROW_SHAPES: dict[str, dict[str, type]] = {
    f"trades?{SYMBOL}&limit=3": {
        "id": int, "price": str, "qty": str, "quoteQty": str, "time": int, "isBuyerMaker": bool,
    },
    f"aggTrades?{SYMBOL}&limit=3": {"a": int, "p": str, "q": str, "f": int, "l": int, "T": int, "m": bool},
}  # fmt: skip


def types_of(document: Any) -> dict[str, type]:
    return {name: type(value) for name, value in document.items()}


@pytest.mark.parametrize("path", SHAPES)
def test_documents(binance: RunningBinance, path: str) -> None:
    assert types_of(binance.get(path)) == SHAPES[path]
    if "ticker" in path or "premium" in path:
        every = binance.get(path.partition("?")[0])
        assert [one["symbol"] for one in every] == ["BTCUSDT", "ETHUSDT"] and types_of(every[0]) == SHAPES[path]


@pytest.mark.parametrize("path", ROW_SHAPES)
def test_lists(binance: RunningBinance, path: str) -> None:
    binance.call(lambda: [binance.venue.apply(rows) for _, rows in islice(binance.venue.events, 40)])
    time.sleep(0.15)  # an aggregate is told when it is complete
    rows = binance.get(path)
    assert len(rows) == 3 and all(types_of(row) == ROW_SHAPES[path] for row in rows)
    numbers = [row.get("id", row.get("a")) for row in rows]
    assert numbers == list(range(numbers[0], numbers[0] + 3))


def test_aggregates_are_the_trades_together(binance: RunningBinance) -> None:
    time.sleep(0.15)
    together = binance.get(f"aggTrades?{SYMBOL}&limit=1000")
    trades = {one["id"]: one for one in binance.get(f"trades?{SYMBOL}&limit=1000")}
    for before, after in pairwise(together):
        assert after["f"] == before["l"] + 1 and after["a"] == before["a"] + 1
    for one in together:
        parts = [trades[number] for number in range(one["f"], one["l"] + 1)]
        assert {(part["price"], part["isBuyerMaker"]) for part in parts} == {(one["p"], one["m"])}
        assert sum(float(part["qty"]) for part in parts) == pytest.approx(float(one["q"]))
    some = binance.get(f"aggTrades?{SYMBOL}&fromId={together[2]['a']}&limit=2")
    assert some == together[2:4]


def test_exchange_info(binance: RunningBinance) -> None:
    told = binance.get("exchangeInfo")
    assert {"timezone", "serverTime", "rateLimits", "exchangeFilters", "assets", "symbols"} <= set(told)
    first = told["symbols"][0]
    assert (first["symbol"], first["status"], first["contractType"]) == ("BTCUSDT", "TRADING", "PERPETUAL")
    filters = {one["filterType"]: one for one in first["filters"]}
    assert filters["PRICE_FILTER"]["tickSize"] == "0.10" and filters["LOT_SIZE"]["stepSize"] == "0.001"
    assert filters["MIN_NOTIONAL"]["notional"] == "100"


def test_klines_and_funding(binance: RunningBinance) -> None:
    (candle,) = binance.get(f"klines?{SYMBOL}&interval=1d&limit=1")
    assert len(candle) == 12 and float(candle[3]) <= float(candle[1]) <= float(candle[2])
    assert binance.get(f"fundingRate?{SYMBOL}") == []
    assert binance.ask("/fapi/v1/ping").body == b"{}"


def test_a_book_is_best_first_and_of_the_depth_that_was_asked(binance: RunningBinance) -> None:
    for limit, count in ((5, 5), (20, 20), (1_000, 100)):
        book = binance.get(f"depth?{SYMBOL}&limit={limit}")
        bids, asks = ([float(level[0]) for level in book[side]] for side in ("bids", "asks"))
        assert len(bids) == len(asks) == count
        assert bids == sorted(bids, reverse=True) and asks == sorted(asks) and bids[0] < asks[0]


REFUSED = [
    ("depth", 400, -1102), ("depth?symbol=", 400, -1102), ("depth?symbol=btcusdt", 400, -1121),
    ("depth?symbol=DOGEUSDT", 400, -1121), (f"depth?{SYMBOL}&limit=7", 400, -1130),
    (f"depth?{SYMBOL}&limit=-5", 400, -1130), (f"trades?{SYMBOL}&limit=1001", 400, -1130),
    (f"trades?{SYMBOL}&limit=0", 400, -1130), (f"trades?{SYMBOL}&limit=x", 400, -1130),
    (f"aggTrades?{SYMBOL}&fromId=1e3", 400, -1130), (f"klines?{SYMBOL}", 400, -1120),
    (f"klines?{SYMBOL}&interval=7m", 400, -1120), ("ticker/24hr?symbol=X", 400, -1121),
    (f"fundingRate?{SYMBOL}&startTime={'9' * 30}", 400, -1130), ("order", 404, -5000), ("", 404, -5000),
    ("depth/", 404, -5000), ("userTrades", 404, -5000),
]  # fmt: skip


@pytest.mark.parametrize(("path", "status", "code"), REFUSED)
def test_refusals(binance: RunningBinance, path: str, status: int, code: int) -> None:
    answer = binance.ask(f"/fapi/v1/{path}")
    assert (answer.status, answer.json()["code"]) == (status, code) and set(answer.json()) == {"code", "msg"}


def test_other_methods_and_places_are_refused(binance: RunningBinance) -> None:
    for method, path in (
        ("POST", "/fapi/v1/order"),
        ("DELETE", "/fapi/v1/time"),
        ("GET", "/api/v3/time"),
        ("GET", "/"),
    ):
        answer = binance.ask(path, method)
        assert (answer.status, answer.json()["code"]) == (404, -5000) and method in answer.json()["msg"]


def test_weights_add_up_and_too_many_are_refused() -> None:
    venue = RunningBinance(weight_per_minute=40)
    try:
        used = []
        for path in ("time", f"depth?{SYMBOL}&limit=5", f"depth?{SYMBOL}", "depth", "ticker/price", "nothing"):
            used.append(int(venue.ask(f"/fapi/v1/{path}").headers["X-MBX-USED-WEIGHT-1M"]))
        if used == sorted(used):  # no minute has ended meanwhile
            assert used == [1, 3, 13, 23, 25, 26]
        answers = [venue.ask(f"/fapi/v1/depth?{SYMBOL}&limit=1000") for _ in range(3)]
        assert answers[-1].status == 429 and answers[-1].json()["code"] == -1003
        assert 1 <= int(answers[-1].headers["Retry-After"]) <= 61
    finally:
        venue.close()


def test_a_minute_begins_with_nothing_used() -> None:
    weights = Weights()
    assert [weights.spend("a", 5, 60_000), weights.spend("b", 2, 60_001), weights.spend("a", 1, 119_999)] == [5, 2, 6]
    assert weights.spend("a", 1, 120_000) == 1
