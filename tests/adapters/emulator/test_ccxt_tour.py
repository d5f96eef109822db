"""A tour of ccxt: every method that it has for the venue is called, and typed results or the venue's refusals come.

A method belongs to one table below; a test finds those that are on none. `pytest --snapshot-update` writes the shapes.
"""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import ccxt
import ccxt.pro
import pytest
from syrupy.assertion import SnapshotAssertion

from tests.adapters.emulator.running import WAIT_S, RunningVenue, run_synthetic
from tests.adapters.emulator.test_ccxt import SYMBOL, aim, keys_of
from tests.adapters.emulator.touring import settle, shape_of

Call = tuple[str, list[Any]]
ETH, LOW = "ETH/USDT:USDT", 50_000.0
CONDITIONAL = {"triggerPrice": 70_000, "triggerDirection": "ascending"}


def request(**more: Any) -> dict[str, Any]:
    return {"symbol": SYMBOL, "type": "limit", "side": "buy", "amount": 0.01, "price": LOW} | more


# Calls in their order; "=NAME" is the id of the order that the call NAME made, a name after a call keeps its order.
SERVED: list[tuple[str, list[Any], str]] = [
    ("fetchTime", [], ""),
    ("fetchMarkets", [], ""),
    ("fetchCurrencies", [], ""),
    ("fetchDepositWithdrawFees", [], ""),
    ("fetchDepositWithdrawFee", ["USDT"], ""),
    ("fetchTicker", [SYMBOL], ""),
    ("fetchTickers", [[SYMBOL, ETH]], ""),
    ("fetchBidsAsks", [[SYMBOL]], ""),
    ("fetchOrderBook", [SYMBOL, 50], ""),
    ("fetchL2OrderBook", [SYMBOL], ""),
    ("fetchTrades", [SYMBOL], ""),
    ("fetchOHLCV", [SYMBOL, "1m"], ""),
    ("fetchFundingRate", [SYMBOL], ""),
    ("fetchFundingRates", [[SYMBOL, ETH]], ""),
    ("fetchFundingRateHistory", [SYMBOL], ""),
    ("fetchOpenInterest", [SYMBOL], ""),
    ("fetchOpenInterestHistory", [SYMBOL, "1h"], ""),
    ("fetchLeverageTiers", [[SYMBOL]], ""),
    ("fetchMarketLeverageTiers", [SYMBOL], ""),
    ("fetchTradingFee", [SYMBOL], ""),
    ("fetchTradingFees", [{"category": "linear"}], ""),
    ("fetchMarginMode", [SYMBOL], ""),
    ("setLeverage", [7, SYMBOL], ""),
    ("fetchLeverage", [SYMBOL], ""),
    ("setPositionMode", [True, SYMBOL], ""),
    ("setPositionMode", [False, SYMBOL], ""),
    ("cancelAllOrdersAfter", [60_000], ""),
    ("createOrder", [SYMBOL, "limit", "buy", 0.01, LOW], "one"),
    ("createLimitOrder", [SYMBOL, "buy", 0.01, LOW], "two"),
    ("createPostOnlyOrder", [SYMBOL, "limit", "buy", 0.01, LOW], "three"),
    ("createOrders", [[request(), request(side="buy", price=LOW - 1)]], ""),
    ("editOrder", ["=one", SYMBOL, "limit", "buy", 0.02, LOW], ""),
    ("editOrders", [[request(id="=two", amount=0.03), request(id="=three", amount=0.04)]], ""),
    ("fetchOpenOrder", ["=one", SYMBOL], ""),
    ("fetchOpenOrders", [SYMBOL], ""),
    ("fetchOrder", ["=one", SYMBOL, {"acknowledged": True}], ""),
    ("cancelOrder", ["=one", SYMBOL], ""),
    ("cancelOrders", [["=two"], SYMBOL], ""),
    ("cancelOrdersForSymbols", [[{"id": "=three", "symbol": SYMBOL}]], ""),
    ("cancelAllOrders", [SYMBOL], ""),
    ("createMarketOrder", [SYMBOL, "buy", 0.02], "market"),
    ("createReduceOnlyOrder", [SYMBOL, "market", "sell", 0.01], ""),
    ("fetchClosedOrder", ["=market", SYMBOL], ""),
    ("fetchClosedOrders", [SYMBOL], ""),
    ("fetchCanceledOrders", [SYMBOL], ""),
    ("fetchCanceledAndClosedOrders", [SYMBOL], ""),
    ("fetchOrderTrades", ["=market", SYMBOL], ""),
    ("fetchMyTrades", [SYMBOL], ""),
    ("fetchFundingHistory", [SYMBOL], ""),
    ("fetchPosition", [SYMBOL], ""),
    ("fetchPositions", [[SYMBOL]], ""),
    ("fetchPositionADLRank", [SYMBOL], ""),
    ("fetchPositionsADLRank", [[SYMBOL]], ""),
    ("fetchPositionHistory", [SYMBOL], ""),
    ("fetchPositionsHistory", [[SYMBOL]], ""),
    ("fetchLedger", ["USDT"], ""),
    ("fetchBalance", [], ""),
]
EMPTY: list[Call] = [  # served, and nothing of the kind is here
    ("fetchMyLiquidations", [SYMBOL]),
    ("fetchAllGreeks", []),
    ("fetchOptionChain", ["BTC"]),
]
UNSERVED: list[Call] = [  # no such route here: 10017
    ("borrowCrossMargin", ["USDT", 1]),
    ("createConvertTrade", ["1", "USDT", "BTC"]),
    ("fetchBorrowInterest", []),
    ("fetchBorrowRateHistory", ["USDT"]),
    ("fetchConvertCurrencies", []),
    ("fetchConvertQuote", ["USDT", "BTC"]),
    ("fetchConvertTrade", ["1"]),
    ("fetchConvertTradeHistory", []),
    ("fetchCrossBorrowRate", ["USDT"]),
    ("fetchDepositAddress", ["USDT"]),
    ("fetchDepositAddressesByNetwork", ["USDT"]),
    ("fetchDeposits", []),
    ("fetchIndexOHLCV", [SYMBOL]),
    ("fetchLongShortRatioHistory", [SYMBOL]),
    ("fetchMarkOHLCV", [SYMBOL]),
    ("fetchMySettlementHistory", []),
    ("fetchPremiumIndexOHLCV", [SYMBOL]),
    ("fetchSettlementHistory", []),
    ("fetchStatus", []),
    ("fetchTransfers", []),
    ("fetchVolatilityHistory", ["BTC"]),
    ("fetchWithdrawals", []),
    ("repayCrossMargin", ["USDT", 1]),
    ("setMarginMode", ["cross"]),
    ("transfer", ["USDT", 1, "unified", "fund"]),
    ("withdraw", ["USDT", 1, "0x" + "0" * 40]),
]
REFUSED: list[Call] = [  # what is asked for is not here: 10001
    ("createOrderWithTakeProfitAndStopLoss", [SYMBOL, "limit", "buy", 0.01, LOW, 70_000, 40_000]),
    ("createStopLimitOrder", [SYMBOL, "buy", 0.01, LOW, 70_000, CONDITIONAL]),
    ("createStopLossOrder", [SYMBOL, "market", "sell", 0.01, None, 40_000]),
    ("createStopMarketOrder", [SYMBOL, "buy", 0.01, 70_000, CONDITIONAL]),
    ("createStopOrder", [SYMBOL, "market", "buy", 0.01, None, 70_000, CONDITIONAL]),
    ("createTakeProfitOrder", [SYMBOL, "market", "sell", 0.01, None, 70_000]),
    ("createTriggerOrder", [SYMBOL, "market", "buy", 0.01, None, 70_000, CONDITIONAL]),
    ("fetchGreeks", [SYMBOL]),
    ("fetchOption", [SYMBOL]),
]
TRAILING: list[Call] = [("createTrailingAmountOrder", [SYMBOL, "market", "sell", 0.01, None, 100])]  # position's stop
SPOT_ONLY: list[Call] = [  # ccxt asks the venue nothing
    ("createMarketBuyOrderWithCost", [SYMBOL, 700]),
    ("createMarketSellOrderWithCost", [SYMBOL, 700]),
]
WORDS = {"CORS", "future", "margin", "option", "privateAPI", "publicAPI", "sandbox", "spot", "swap", "ws"}  # no methods

# ccxt.pro
WATCHED: list[tuple[Call, Call | None]] = [  # what is watched, and what ceases to watch it
    (("watchTicker", [SYMBOL]), ("unWatchTicker", [SYMBOL])),
    (("watchTickers", [[SYMBOL, ETH]]), ("unWatchTickers", [[SYMBOL, ETH]])),
    (("watchOrderBook", [SYMBOL, 50]), ("unWatchOrderBook", [SYMBOL, {"limit": 50}])),
    (
        ("watchOrderBookForSymbols", [[SYMBOL, ETH], 200]),
        ("unWatchOrderBookForSymbols", [[SYMBOL, ETH], {"limit": 200}]),
    ),
    (("watchTrades", [SYMBOL]), ("unWatchTrades", [SYMBOL])),
    (("watchTradesForSymbols", [[SYMBOL, ETH]]), ("unWatchTradesForSymbols", [[SYMBOL, ETH]])),
    (("watchOHLCV", [SYMBOL, "1m"]), ("unWatchOHLCV", [SYMBOL, "1m"])),
    (
        ("watchOHLCVForSymbols", [[[SYMBOL, "5m"], [ETH, "5m"]]]),
        ("unWatchOHLCVForSymbols", [[[SYMBOL, "5m"], [ETH, "5m"]]]),
    ),
    (("watchBidsAsks", [[SYMBOL]]), None),
]
PRIVATE: list[Call] = [("watchOrders", []), ("watchMyTrades", []), ("watchPositions", []), ("watchBalance", [])]
UNPRIVATE: list[Call] = [("unWatchOrders", []), ("unWatchMyTrades", []), ("unWatchPositions", [])]
SOCKET_ORDERS: list[tuple[str, list[Any], str]] = [
    ("createOrderWs", [SYMBOL, "limit", "buy", 0.01, LOW], "one"),
    ("createLimitOrderWs", [SYMBOL, "buy", 0.01, LOW], ""),
    ("editOrderWs", ["=one", SYMBOL, "limit", "buy", 0.02, LOW], ""),
    ("cancelOrderWs", ["=one", SYMBOL], ""),
    ("createMarketOrderWs", [SYMBOL, "buy", 0.01], ""),
]
SILENT: list[Call] = [("watchLiquidations", [SYMBOL])]
NOT_YET = {"fetchCurrenciesWs"}  # ccxt says that it has it and does not


def offered(exchange: Any) -> set[str]:
    return {name for name, has in exchange.has.items() if has} - WORDS - NOT_YET


def bare(value: Any) -> Any:
    """Return a result without the venue's own words; symbols are alike, which of them is told first is chance."""
    if isinstance(value, dict):
        return {SYMBOL if name == ETH else name: bare(entry) for name, entry in value.items() if name != "info"}
    return [bare(entry) for entry in value] if isinstance(value, list) else value


def filled(value: Any, orders: dict[str, str]) -> Any:
    """Return arguments with the ids of orders in their places."""
    if isinstance(value, str) and value.startswith("="):
        return orders[value[1:]]
    if isinstance(value, dict):
        return {name: filled(entry, orders) for name, entry in value.items()}
    return [filled(entry, orders) for entry in value] if isinstance(value, list) else value


def calls_of(*tables: list[Any]) -> list[str]:
    return [call[0] for table in tables for call in table]


@pytest.fixture(scope="module")
def venue() -> Iterator[RunningVenue]:
    running = run_synthetic(accounts=2)
    settle(running, 100_000)
    yield running
    assert running.server.failure is None
    running.close()


@pytest.fixture
def exchange(venue: RunningVenue) -> Any:
    made = aim(ccxt.bybit(keys_of(venue, 0)), venue)
    made.load_markets()
    return made


def test_every_method_is_on_the_list() -> None:
    rest = calls_of(SERVED, EMPTY, UNSERVED, REFUSED, TRAILING, SPOT_ONLY)
    assert set(rest) == offered(ccxt.bybit())
    assert len(rest) == len(set(rest)) + 1, "one method is called twice: switching modes and back"
    watched = [call for pair in WATCHED for call in pair if call is not None]
    sockets = calls_of(watched, PRIVATE, UNPRIVATE, SOCKET_ORDERS, SILENT)
    assert set(sockets) == offered(ccxt.pro.bybit()) - set(rest) | {"createLimitOrderWs"}


def test_results_are_typed(exchange: Any, venue: RunningVenue, snapshot: SnapshotAssertion) -> None:
    orders: dict[str, str] = {}
    lines = []
    for method, arguments, name in SERVED:
        if method == "fetchFundingHistory":
            settle(venue, 200_000)
        result = getattr(exchange, method)(*filled(arguments, orders))
        assert result not in (None, [], {}), method
        if name:
            orders[name] = result["id"]
        lines.append(f"{method}: {shape_of(bare(result))}")
    assert "\n".join(dict.fromkeys(lines)) == snapshot


@pytest.mark.parametrize("method, arguments", EMPTY, ids=calls_of(EMPTY))
def test_what_nobody_has_is_empty(method: str, arguments: list[Any], exchange: Any) -> None:
    assert not getattr(exchange, method)(*arguments)


@pytest.mark.parametrize(
    "method, arguments, error, words",
    [
        *((*call, ccxt.BadRequest, '"retCode":10017') for call in UNSERVED),
        *((*call, ccxt.BadRequest, '"retCode":10001') for call in REFUSED),
        *((*call, ccxt.BadRequest, '"retCode":10017') for call in TRAILING),
        *((*call, ccxt.NotSupported, "spot orders only") for call in SPOT_ONLY),
    ],
    ids=calls_of(UNSERVED, REFUSED, TRAILING, SPOT_ONLY),
)
def test_refusals_are_the_venues(
    method: str, arguments: list[Any], error: type[Exception], words: str, exchange: Any
) -> None:
    with pytest.raises(error) as refused:
        getattr(exchange, method)(*arguments)
    assert words in str(refused.value)


async def watch_public(venue: RunningVenue) -> list[str]:
    """Watch everything public until it has come, then cease."""
    exchange, lines = aim(ccxt.pro.bybit(keys_of(venue, 1)), venue), []
    try:
        await exchange.load_markets()
        for calls in WATCHED:
            for call in calls:
                if call is not None:
                    result = await asyncio.wait_for(getattr(exchange, call[0])(*call[1]), WAIT_S)
                    assert result, call
                    lines.append(f"{call[0]}: {shape_of(bare(result))}")
        for method, arguments in SILENT:
            with suppress(TimeoutError):
                raise AssertionError(await asyncio.wait_for(getattr(exchange, method)(*arguments), 0.5))
    finally:
        await exchange.close()
    return lines


def test_public_streams_are_typed(venue: RunningVenue, snapshot: SnapshotAssertion) -> None:
    assert "\n".join(asyncio.run(watch_public(venue))) == snapshot


async def watch_one(exchange: Any, method: str, arguments: list[Any]) -> Any:
    """Return the first result that holds something: ccxt begins with a list of no positions."""
    while not (result := await getattr(exchange, method)(*arguments)):
        pass
    return result


async def watch_private(venue: RunningVenue) -> list[str]:
    """Watch an account while orders go over the socket."""
    exchange, lines, orders = aim(ccxt.pro.bybit(keys_of(venue, 1)), venue), [], dict[str, str]()
    try:
        await exchange.load_markets()
        watching = [asyncio.ensure_future(watch_one(exchange, *call)) for call in PRIVATE]
        account = venue.venue.accounts[venue.keys[1].key]
        while sum(len(listener.__self__.topics) for listener in account.listeners) < len(PRIVATE):
            await asyncio.sleep(0.05)  # the subscriptions are on their way
        for method, arguments, name in SOCKET_ORDERS:
            result = await asyncio.wait_for(getattr(exchange, method)(*filled(arguments, orders)), WAIT_S)
            if name:
                orders[name] = result["id"]
            lines.append(f"{method}: {shape_of(bare(result))}")
        for (method, _), found in zip(PRIVATE, watching, strict=True):
            result = await asyncio.wait_for(found, WAIT_S)
            lines.append(f"{method}: {shape_of(bare(result))}")
        for method, arguments in UNPRIVATE:
            result = await asyncio.wait_for(getattr(exchange, method)(*arguments), WAIT_S)
            lines.append(f"{method}: {shape_of(bare(result))}")
    finally:
        await exchange.close()
    return lines


def test_private_streams_are_typed(venue: RunningVenue, snapshot: SnapshotAssertion) -> None:
    assert "\n".join(asyncio.run(watch_private(venue))) == snapshot
