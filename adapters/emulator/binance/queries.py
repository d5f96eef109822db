"""What REST tells of the market, and what each question weighs; must never change anything.

Source: Binance USD-M futures docs, market data REST pages (read 2026-11-30).
"""

from collections.abc import Callable
from typing import Any

from mmfold.adapters.emulator.binance.codes import Code, RefusedRequest, missing, not_valid
from mmfold.adapters.emulator.binance.payloads import (
    best_texts,
    day_figures,
    depth_document,
    listing,
    next_funding_ms,
    price8,
    qty_text,
    rate_text,
)
from mmfold.adapters.emulator.binance.symbol import Symbol
from mmfold.adapters.emulator.binance.venue import BinanceFeed
from mmfold.adapters.emulator.market.candles import end_of
from mmfold.adapters.emulator.market.product import plain
from mmfold.engine.codes import Side
from mmfold.engine.limits import NS_PER_MS

Params = dict[str, str]
Query = Callable[[BinanceFeed, Params], Any]
DEPTH_WEIGHTS = {5: 2, 10: 2, 20: 2, 50: 2, 100: 5, 500: 10, 1_000: 20}
KLINE_WEIGHTS = ((100, 1), (500, 2), (1_001, 5), (1_501, 10))  # below so many
INTERVALS = {
    "1m": "1", "3m": "3", "5m": "5", "15m": "15", "30m": "30", "1h": "60", "2h": "120", "4h": "240", "6h": "360",
    "12h": "720", "1d": "D", "1w": "W", "1M": "M",
}  # fmt: skip
INTEGER_DIGITS_MAX = 18


def find(venue: BinanceFeed, params: Params) -> Symbol:
    """Return the symbol that a request must name.

    Raises: RefusedRequest.
    """
    if not params.get("symbol"):
        raise missing("symbol")
    symbol = venue.symbols.get(params["symbol"])
    if symbol is None:
        raise RefusedRequest(Code.SYMBOL, "Invalid symbol.")
    return symbol


def one_or_all(venue: BinanceFeed, params: Params, tell: Callable[[Symbol], Any]) -> Any:
    """Return what is told of the named symbol, or a list of all.

    Raises: RefusedRequest.
    """
    if "symbol" in params:
        return tell(find(venue, params))
    return [tell(symbol) for symbol in venue.symbols.values()]


def integer(params: Params, name: str) -> int | None:
    """Return a parameter that is a whole number, None without it.

    Raises: RefusedRequest.
    """
    text = params.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= INTEGER_DIGITS_MAX):
        raise not_valid(name)
    return int(text)


def limit_of(params: Params, default: int, most: int) -> int:
    """Return how many entries are asked for.

    Raises: RefusedRequest.
    """
    limit = integer(params, "limit")
    if limit is None:
        return default
    if not 1 <= limit <= most:
        raise not_valid("limit")
    return limit


def depth_limit(params: Params) -> int:
    """Return how many levels are asked for: some numbers alone are taken.

    Raises: RefusedRequest.
    """
    limit = integer(params, "limit")
    if limit is not None and limit not in DEPTH_WEIGHTS:
        raise not_valid("limit")
    return 500 if limit is None else limit


def get_time(venue: BinanceFeed, params: Params) -> Any:
    """Return the venue's clock."""
    return {"serverTime": venue.clock.now_ms()}


def get_exchange_info(venue: BinanceFeed, params: Params) -> Any:
    """Return the instruments, all of them."""
    weights = {"interval": "MINUTE", "intervalNum": 1, "limit": venue.limits.weight_per_minute}
    orders = {"interval": "MINUTE", "intervalNum": 1, "limit": 1_200}
    coins = sorted({symbol.market.product.quote_coin for symbol in venue.symbols.values()})
    return {
        "timezone": "UTC",
        "serverTime": venue.clock.now_ms(),
        "futuresType": "U_MARGINED",
        "rateLimits": [{"rateLimitType": "REQUEST_WEIGHT"} | weights, {"rateLimitType": "ORDERS"} | orders],
        "exchangeFilters": [],
        "assets": [{"asset": coin, "marginAvailable": True, "autoAssetExchange": "-10000"} for coin in coins],
        "symbols": [listing(symbol) for symbol in venue.symbols.values()],
    }


def get_depth(venue: BinanceFeed, params: Params) -> Any:
    """Return a book; none where the feed has a gap.

    Raises: RefusedRequest.
    """
    symbol, limit = find(venue, params), depth_limit(params)
    if not symbol.market.live:
        raise RefusedRequest(Code.NO_DEPTH, "No orders on book for symbol.")
    return depth_document(symbol, limit, venue.clock.now_ms())


def get_trades(venue: BinanceFeed, params: Params) -> Any:
    """Return the last trades, oldest first.

    Raises: RefusedRequest.
    """
    symbol, limit = find(venue, params), limit_of(params, 500, 1_000)
    product = symbol.market.product
    return [
        {
            "id": one.number,
            "price": product.price_text(one.price_ticks),
            "qty": qty_text(product, one.qty_lots),
            "quoteQty": plain(product.value(one.price_ticks, one.qty_lots)),
            "time": one.ts_ms,
            "isBuyerMaker": one.side == Side.ASK,
        }
        for one in list(symbol.trades)[-limit:]
    ]


def get_aggregates(venue: BinanceFeed, params: Params) -> Any:
    """Return trades together, oldest first: the last ones, those from a number on, or those of a time.

    Raises: RefusedRequest.
    """
    symbol, limit = find(venue, params), limit_of(params, 500, 1_000)
    since, start_ms, end_ms = (integer(params, name) for name in ("fromId", "startTime", "endTime"))
    product = symbol.market.product
    known = [
        one
        for one in symbol.aggregates_since(since or 0, venue.clock.now_ms())
        if (start_ms is None or one.ts_ms >= start_ms) and (end_ms is None or one.ts_ms <= end_ms)
    ]
    told = known[-limit:] if since is None and start_ms is None else known[:limit]
    return [
        {
            "a": one.number,
            "p": product.price_text(one.price_ticks),
            "q": qty_text(product, one.qty_lots),
            "f": one.first,
            "l": one.last,
            "T": one.ts_ms,
            "m": one.side == Side.ASK,
        }
        for one in told
    ]


def get_premium(venue: BinanceFeed, params: Params) -> Any:
    """Return mark price and funding.

    Raises: RefusedRequest.
    """
    now_ms = venue.clock.now_ms()

    def tell(symbol: Symbol) -> Any:
        market = symbol.market
        return {
            "symbol": market.product.symbol,
            "markPrice": price8(market.mark_price()),
            "indexPrice": price8(market.index_price()),
            "estimatedSettlePrice": price8(market.mark_price()),
            "lastFundingRate": rate_text(market.funding_rate_e9),
            "interestRate": "0.00010000",
            "nextFundingTime": next_funding_ms(now_ms),
            "time": now_ms,
        }

    return one_or_all(venue, params, tell)


def get_funding(venue: BinanceFeed, params: Params) -> Any:
    """Return settled funding rates, oldest first.

    Raises: RefusedRequest.
    """
    limit, start_ms, end_ms = limit_of(params, 100, 1_000), integer(params, "startTime"), integer(params, "endTime")
    asked = [find(venue, params)] if "symbol" in params else list(venue.symbols.values())
    told: list[Any] = [
        {
            "symbol": symbol.market.product.symbol,
            "fundingRate": rate_text(rate_e9),
            "fundingTime": ts_ms,
            "markPrice": price8(symbol.market.mark_price()),
        }
        for symbol in asked
        for ts_ms, rate_e9 in symbol.market.fundings
        if (start_ms or 0) <= ts_ms and (end_ms is None or ts_ms <= end_ms)
    ]
    told.sort(key=lambda one: one["fundingTime"])
    return told[:limit] if start_ms is not None else told[-limit:]


def get_best(venue: BinanceFeed, params: Params) -> Any:
    """Return best prices.

    Raises: RefusedRequest.
    """

    def tell(symbol: Symbol) -> Any:
        market = symbol.market
        texts = best_texts(symbol) or ["0"] * 4
        names = ("bidPrice", "bidQty", "askPrice", "askQty")
        times = {"time": market.ts_book_ns // NS_PER_MS, "lastUpdateId": symbol.number(market.update_id)}
        return {"symbol": market.product.symbol} | dict(zip(names, texts, strict=True)) | times

    return one_or_all(venue, params, tell)


def get_day(venue: BinanceFeed, params: Params) -> Any:
    """Return the day's figures.

    Raises: RefusedRequest.
    """
    now_ms = venue.clock.now_ms()
    return one_or_all(venue, params, lambda symbol: day_figures(symbol, now_ms))


def get_price(venue: BinanceFeed, params: Params) -> Any:
    """Return last prices.

    Raises: RefusedRequest.
    """
    now_ms = venue.clock.now_ms()

    def tell(symbol: Symbol) -> Any:
        product, last = symbol.market.product, symbol.market.last_price_ticks or 0
        return {"symbol": product.symbol, "price": product.price_text(last), "time": now_ms}

    return one_or_all(venue, params, tell)


def get_klines(venue: BinanceFeed, params: Params) -> Any:
    """Return candles, oldest first; how many trades are in them and what takers bought is not counted.

    Raises: RefusedRequest.
    """
    symbol, limit = find(venue, params), limit_of(params, 500, 1_500)
    if params.get("interval", "") not in INTERVALS:
        raise RefusedRequest(Code.INTERVAL, "Invalid interval.")
    interval, market = INTERVALS[params["interval"]], symbol.market
    start_ms, end_ms, product = integer(params, "startTime"), integer(params, "endTime"), market.product
    candles = [
        one
        for one in market.candles.spans(interval, venue.clock.now_ms())
        if (start_ms or 0) <= one.start_ms and (end_ms is None or one.start_ms <= end_ms)
    ]
    return [
        [
            one.start_ms, *(product.price_text(price) for price in (one.open, one.high, one.low, one.close)),
            qty_text(product, one.volume), end_of(one.start_ms, interval) - 1,
            plain(product.tick * product.lot * one.turnover), 0, "0", "0", "0",
        ]
        for one in (candles[:limit] if start_ms is not None else candles[-limit:])
    ]  # fmt: skip


QUERIES: dict[str, Query] = {
    "ping": lambda venue, params: {},
    "time": get_time,
    "exchangeInfo": get_exchange_info,
    "depth": get_depth,
    "trades": get_trades,
    "aggTrades": get_aggregates,
    "premiumIndex": get_premium,
    "fundingRate": get_funding,
    "ticker/bookTicker": get_best,
    "ticker/24hr": get_day,
    "ticker/price": get_price,
    "klines": get_klines,
}
PLAIN_WEIGHTS = {"trades": 5, "aggTrades": 20}
WEIGHTS_OF_ALL = {"premiumIndex": (1, 10), "ticker/bookTicker": (2, 5), "ticker/24hr": (1, 40), "ticker/price": (1, 2)}


def weight_of(name: str, params: Params) -> int:
    """Return what a question weighs; a wrong one weighs one."""
    try:
        if name == "depth":
            return DEPTH_WEIGHTS[depth_limit(params)]
        if name == "klines":
            limit = limit_of(params, 500, 1_500)
            return next(weight for below, weight in KLINE_WEIGHTS if limit < below)
    except RefusedRequest:
        return 1
    if name in WEIGHTS_OF_ALL:
        return WEIGHTS_OF_ALL[name]["symbol" not in params]
    return PLAIN_WEIGHTS.get(name, 1)
