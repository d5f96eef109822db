"""ccxt and ccxt.pro trade a full cycle on the emulator, unchanged but for their URLs."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import ccxt
import ccxt.pro
import pytest

from tests.adapters.emulator.running import WAIT_S, RunningVenue

SYMBOL = "BTC/USDT:USDT"


def aim(exchange: Any, running: RunningVenue) -> Any:
    """Point a ccxt exchange at the emulator."""
    urls = running.urls
    exchange.urls["api"] |= dict.fromkeys(("spot", "futures", "v2", "public", "private"), urls["rest"])
    if "ws" in exchange.urls["api"]:
        exchange.urls["api"]["ws"] = {
            "public": {"linear": urls["public"], "spot": urls["public"]},
            "private": {"contract": urls["private"], "usdc": urls["private"], "trade": urls["trade"]},
        }
    return exchange


def keys_of(running: RunningVenue, account: int) -> dict[str, Any]:
    key = running.keys[account]
    return {"apiKey": key.key, "secret": key.secret, "options": {"defaultType": "swap"}, "enableRateLimit": False}


def test_rest_cycle(running: RunningVenue) -> None:
    exchange = aim(ccxt.bybit(keys_of(running, 1)), running)
    markets = exchange.load_markets()
    assert set(markets) == {SYMBOL, "ETH/USDT:USDT"} and markets[SYMBOL]["precision"]["price"] == 0.1
    assert abs(exchange.fetch_time() - exchange.milliseconds()) < 5_000
    book = exchange.fetch_order_book(SYMBOL, 50)
    assert len(book["bids"]) == 50 and book["bids"][0][0] < book["asks"][0][0]
    ticker = exchange.fetch_ticker(SYMBOL)
    assert ticker["bid"] < ticker["ask"]
    assert exchange.fetch_trading_fee(SYMBOL)["maker"] == 0.0001

    price = book["bids"][0][0] - 500
    placed = exchange.create_order(SYMBOL, "limit", "buy", 0.01, price, {"postOnly": True, "clientOrderId": "ccxt-1"})
    opened = exchange.fetch_open_orders(SYMBOL)
    assert [(order["id"], order["price"], order["remaining"]) for order in opened] == [(placed["id"], price, 0.01)]
    exchange.edit_order(placed["id"], SYMBOL, "limit", "buy", 0.02, price - 10)
    assert exchange.fetch_open_order(placed["id"], SYMBOL)["amount"] == 0.02
    exchange.cancel_order(placed["id"], SYMBOL)
    with pytest.raises(ccxt.OrderNotFound):
        exchange.cancel_order(placed["id"], SYMBOL)
    exchange.create_order(SYMBOL, "limit", "buy", 0.01, price)
    assert len(exchange.cancel_all_orders(SYMBOL)) == 1

    bought = exchange.create_order(SYMBOL, "market", "buy", 0.01)
    fills = exchange.fetch_my_trades(SYMBOL)
    assert [(fill["order"], fill["amount"], fill["takerOrMaker"]) for fill in fills] == [(bought["id"], 0.01, "taker")]
    position = exchange.fetch_position(SYMBOL)
    assert (position["contracts"], position["side"], position["entryPrice"]) == (0.01, "long", fills[0]["price"])
    balance = exchange.fetch_balance()
    assert balance["USDT"]["total"] == pytest.approx(100_000 - fills[0]["fee"]["cost"], abs=20)
    exchange.set_leverage(5, SYMBOL)
    exchange.create_order(SYMBOL, "market", "sell", 0.01, None, {"reduceOnly": True})
    assert exchange.fetch_closed_order(bought["id"], SYMBOL)["status"] == "closed"
    with pytest.raises(ccxt.InvalidOrder):
        exchange.create_order(SYMBOL, "market", "sell", 0.01, None, {"reduceOnly": True})
    with pytest.raises(ccxt.InsufficientFunds):
        exchange.create_order(SYMBOL, "limit", "buy", 500, price)


def test_histories(running: RunningVenue) -> None:
    exchange = aim(ccxt.bybit(keys_of(running, 2)), running)
    for side in ("buy", "sell"):
        exchange.create_order(SYMBOL, "market", side, 0.01)
    _, first, high, low, last, volume = exchange.fetch_ohlcv(SYMBOL, "1h")[-1]
    assert low <= min(first, last) <= max(first, last) <= high and volume > 0
    assert exchange.fetch_funding_rate_history(SYMBOL) == []
    assert exchange.fetch_market_leverage_tiers(SYMBOL)[0]["maxLeverage"] == 100
    ledger = exchange.fetch_ledger("USDT")
    assert [(entry["type"], entry["currency"], entry["amount"] > 0) for entry in ledger][:1] == [
        ("trade", "USDT", True)
    ]
    assert len(ledger) == 2
    assert [one["contracts"] for one in exchange.fetch_positions_history([SYMBOL])] == [0.01]


def test_wrong_keys_are_told_apart(running: RunningVenue) -> None:
    for change, error in (({"secret": "wrong"}, ccxt.AuthenticationError), ({"apiKey": "x"}, ccxt.AuthenticationError)):
        exchange = aim(ccxt.bybit(keys_of(running, 1) | change), running)
        with pytest.raises(error):
            exchange.private_get_v5_account_info()


async def until(watch: Callable[[], Awaitable[Any]], test: Callable[[Any], bool]) -> Any:
    """Return the first result of a watch that passes a test."""
    while True:
        found = await asyncio.wait_for(watch(), WAIT_S)
        if test(found):
            return found


async def stream_cycle(running: RunningVenue) -> None:
    exchange = aim(ccxt.pro.bybit(keys_of(running, 2)), running)
    try:
        await exchange.load_markets()
        book = await until(lambda: exchange.watch_order_book(SYMBOL, 50), lambda b: len(b["bids"]) == 50)
        for _ in range(10):
            book = await asyncio.wait_for(exchange.watch_order_book(SYMBOL, 50), WAIT_S)
            assert book["bids"][0][0] < book["asks"][0][0]
        assert (await asyncio.wait_for(exchange.watch_trades(SYMBOL), WAIT_S))[0]["symbol"] == SYMBOL
        assert (await asyncio.wait_for(exchange.watch_ticker(SYMBOL), WAIT_S))["last"] > 0
        orders = asyncio.ensure_future(
            until(lambda: exchange.watch_orders(SYMBOL), lambda o: o[-1]["status"] == "open")
        )
        fills = asyncio.ensure_future(asyncio.wait_for(exchange.watch_my_trades(SYMBOL), WAIT_S))
        balance = asyncio.ensure_future(asyncio.wait_for(exchange.watch_balance(), WAIT_S))
        positions = asyncio.ensure_future(until(lambda: exchange.watch_positions([SYMBOL]), bool))
        await asyncio.sleep(0.3)  # the subscriptions are on their way
        price = book["bids"][0][0] - 500
        placed = await exchange.create_order_ws(SYMBOL, "limit", "buy", 0.01, price, {"postOnly": True})
        assert (await orders)[-1]["id"] == placed["id"]
        await exchange.edit_order_ws(placed["id"], SYMBOL, "limit", "buy", 0.02, price)
        await exchange.cancel_order_ws(placed["id"], SYMBOL)
        bought = await exchange.create_order_ws(SYMBOL, "market", "buy", 0.01)
        fill = (await fills)[0]
        assert (fill["order"], fill["amount"], fill["takerOrMaker"]) == (bought["id"], 0.01, "taker")
        assert (await balance)["USDT"]["total"] < 100_001
        assert (await positions)[0]["contracts"] == 0.01
    finally:
        await exchange.close()


def test_stream_cycle(running: RunningVenue) -> None:
    asyncio.run(stream_cycle(running))
