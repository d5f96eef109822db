"""What of a symbol REST and streams write alike; must never hold state.

Source: Binance USD-M futures docs, market data pages (read 2026-11-30), and recorded frames.
"""

from decimal import Decimal

from mmfold.adapters.emulator.binance.symbol import Symbol
from mmfold.adapters.emulator.market.feed import Document
from mmfold.adapters.emulator.market.product import PRICE_TICKS_LISTED, Product, plain
from mmfold.engine.codes import Side
from mmfold.engine.limits import E9, NS_PER_MS

FUNDING_INTERVAL_MS = 8 * 3_600_000
DAY_MS = 86_400_000
ONBOARD_MS, DELIVERY_MS = 1_569_398_400_000, 4_133_404_800_000
ORDER_COUNT_MAX, ALGO_COUNT_MAX = 200, 10


def qty_text(product: Product, lots: int) -> str:
    """Return a size as the venue writes it, 0 with its places too."""
    return f"{product.lot * lots:f}"


def level_texts(product: Product, levels: dict[int, int]) -> list[list[str]]:
    """Return levels as the venue writes them."""
    return [[product.price_text(price), qty_text(product, lots)] for price, lots in levels.items()]


def best_texts(symbol: Symbol) -> list[str] | None:
    """Return bid price, bid size, ask price and ask size, None where a side is empty."""
    product, texts = symbol.market.product, []
    for side in (Side.BID, Side.ASK):
        best = symbol.market.sides[side].best()
        if best is None or not symbol.market.live:
            return None
        texts += [product.price_text(best), qty_text(product, symbol.market.sides[side].qty_lots[best])]
    return texts


def price8(price: Decimal) -> str:
    """Return a mark or index price."""
    return f"{price:.8f}"


def rate_text(rate_e9: int) -> str:
    """Return a funding rate."""
    return f"{Decimal(rate_e9) / E9:.8f}"


def next_funding_ms(now_ms: int) -> int:
    """Return when funding is due next."""
    return (now_ms // FUNDING_INTERVAL_MS + 1) * FUNDING_INTERVAL_MS


def day_figures(symbol: Symbol, now_ms: int) -> dict[str, str | int]:
    """Return the figures of a day, which begins with the emulator, by the names of REST."""
    market, product = symbol.market, symbol.market.product
    last, first = market.last_price_ticks or 0, market.first_price_ticks or market.last_price_ticks or 0
    lots, ticklots = market.volume_lots, market.turnover_ticklots
    average = product.tick * ticklots / lots if lots else Decimal(0)
    change = last - first
    percent = Decimal(change * 100) / first if first else Decimal(0)
    trade = symbol.trades[-1] if symbol.trades else None
    return {
        "symbol": product.symbol,
        "priceChange": f"{product.tick * change:.{product.price_places}f}",
        "priceChangePercent": f"{percent:.3f}",
        "weightedAvgPrice": f"{average:.{product.price_places}f}",
        "lastPrice": product.price_text(last),
        "lastQty": qty_text(product, trade.qty_lots if trade else 0),
        "openPrice": product.price_text(first),
        "highPrice": product.price_text(market.high_price_ticks),
        "lowPrice": product.price_text(market.low_price_ticks),
        "volume": qty_text(product, lots),
        "quoteVolume": plain(product.tick * product.lot * ticklots),
        "openTime": now_ms - DAY_MS,
        "closeTime": now_ms,
        "firstId": trade.number - symbol.trade_count + 1 if trade else -1,
        "lastId": trade.number if trade else -1,
        "count": symbol.trade_count,
    }


def depth_document(symbol: Symbol, depth: int, now_ms: int) -> Document:
    """Return a book as REST answers it."""
    market = symbol.market
    bids, asks = (level_texts(market.product, side.top(depth)) for side in market.sides)
    return {
        "lastUpdateId": symbol.number(market.update_id),
        "E": now_ms,
        "T": market.ts_book_ns // NS_PER_MS,
        "bids": bids,
        "asks": asks,
    }


def listing(symbol: Symbol) -> Document:
    """Return one entry of exchangeInfo."""
    product = symbol.market.product
    coin, tick, lot = product.quote_coin, product.instrument.tick_size, product.instrument.lot_size
    least, most = qty_text(product, product.instrument.min_qty_lots), qty_text(product, product.order_lots_max)
    sizes = {"minQty": least, "maxQty": most, "stepSize": lot}
    prices = {"minPrice": tick, "maxPrice": product.price_text(PRICE_TICKS_LISTED), "tickSize": tick}
    band = {"multiplierUp": "1.0500", "multiplierDown": "0.9500", "multiplierDecimal": "4"}
    return {
        "symbol": product.symbol,
        "pair": product.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": DELIVERY_MS,
        "onboardDate": ONBOARD_MS,
        "status": "TRADING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": product.base_coin,
        "quoteAsset": coin,
        "marginAsset": coin,
        "pricePrecision": product.price_places,
        "quantityPrecision": len(lot.partition(".")[2]),
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "filters": [
            {"filterType": "PRICE_FILTER"} | prices,
            {"filterType": "LOT_SIZE"} | sizes,
            {"filterType": "MARKET_LOT_SIZE"} | sizes,
            {"filterType": "MAX_NUM_ORDERS", "limit": ORDER_COUNT_MAX},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": ALGO_COUNT_MAX},
            {"filterType": "MIN_NOTIONAL", "notional": plain(product.min_notional)},
            {"filterType": "PERCENT_PRICE"} | band,
        ],
        "orderTypes": ["LIMIT", "MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    }  # fmt: skip
