"""ccxt and ccxt.pro read the emulator, unchanged but for their URLs."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import ccxt
import ccxt.pro
import pytest

from tests.adapters.emulator.binance.running import RunningBinance
from tests.adapters.emulator.running import WAIT_S

SYMBOL, OTHER = "BTC/USDT:USDT", "ETH/USDT:USDT"


def aim(exchange: Any, binance: RunningBinance) -> Any:
    """Point a ccxt exchange at the emulator."""
    rest = f"http://127.0.0.1:{binance.server.port}"
    exchange.urls["api"]["fapiPublic"] = f"{rest}/fapi/v1"
    if "ws" in exchange.urls["api"]:
        exchange.urls["api"]["ws"]["linear"] = f"ws://127.0.0.1:{binance.server.port}/ws"
    return exchange


def test_rest(binance: RunningBinance) -> None:
    exchange = aim(ccxt.binanceusdm({"enableRateLimit": False}), binance)
    markets = exchange.load_markets()
    assert set(markets) == {SYMBOL, OTHER}
    market = markets[SYMBOL]
    assert (market["precision"]["price"], market["precision"]["amount"], market["limits"]["cost"]["min"]) == (
        0.1,
        0.001,
        100,
    )
    assert market["active"] and market["swap"] and market["linear"]
    assert abs(exchange.fetch_time() - exchange.milliseconds()) < 5_000
    book = exchange.fetch_order_book(SYMBOL, 50)
    assert len(book["bids"]) == 50 and book["bids"][0][0] < book["asks"][0][0] and book["nonce"] > 0
    assert exchange.fetch_ticker(SYMBOL)["last"] > 0
    assert exchange.fetch_bids_asks([SYMBOL])[SYMBOL]["bid"] > 0
    assert len(exchange.fetch_trades(SYMBOL, limit=5)) == 5
    assert exchange.fetch_mark_price(SYMBOL)["markPrice"] > 0
    assert exchange.fetch_funding_rate(SYMBOL)["fundingRate"] == 0.0001
    assert exchange.fetch_funding_rate_history(SYMBOL) == []
    assert exchange.fetch_ohlcv(SYMBOL, "1h")[-1][5] > 0
    with pytest.raises(ccxt.BadSymbol):
        exchange.fapiPublicGetDepth({"symbol": "DOGEUSDT"})
    binance.set_faults({"fault": "rate_limited", "at": "rest:/fapi/v1/time"})
    with pytest.raises(ccxt.DDoSProtection):
        exchange.fetch_time()


async def until(watch: Callable[[], Awaitable[Any]], test: Callable[[Any], bool]) -> Any:
    """Return the first result of a watch that passes a test."""
    while True:
        found = await asyncio.wait_for(watch(), WAIT_S)
        if test(found):
            return found


async def streams(binance: RunningBinance) -> None:
    exchange = aim(ccxt.pro.binanceusdm({"enableRateLimit": False}), binance)
    try:
        await exchange.load_markets()
        book = await until(lambda: exchange.watch_order_book(SYMBOL), lambda one: len(one["bids"]) >= 100)
        nonces = [book["nonce"]]
        for _ in range(20):
            book = await asyncio.wait_for(exchange.watch_order_book(SYMBOL), WAIT_S)
            assert book["bids"][0][0] < book["asks"][0][0]
            nonces.append(book["nonce"])
        assert nonces == sorted(nonces) and nonces[-1] > nonces[0]
        assert (await asyncio.wait_for(exchange.watch_trades(SYMBOL), WAIT_S))[-1]["amount"] > 0
        bid = (await asyncio.wait_for(exchange.watch_bids_asks([SYMBOL]), WAIT_S))[SYMBOL]
        assert bid["bid"] < bid["ask"]
        assert (await asyncio.wait_for(exchange.watch_mark_price(SYMBOL), WAIT_S))["markPrice"] > 0
        assert (await asyncio.wait_for(exchange.watch_ticker(SYMBOL), WAIT_S))["last"] > 0
        other = await asyncio.wait_for(exchange.watch_order_book(OTHER), WAIT_S)
        assert other["symbol"] == OTHER
    finally:
        await exchange.close()


def test_streams(binance: RunningBinance) -> None:
    asyncio.run(streams(binance))
