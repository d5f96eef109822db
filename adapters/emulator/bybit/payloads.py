"""Identifiers and tickers as the venue writes them; must never hold state."""

import hashlib
import uuid
from decimal import Decimal
from typing import Any

from mmfold.adapters.emulator.market.product import plain
from mmfold.adapters.emulator.market.symbol import SymbolMarket
from mmfold.engine.codes import Side
from mmfold.engine.limits import E9, NS_PER_MS
from mmfold.engine.records import NO_PRICE_TICKS

SIDES = {Side.BID: "Buy", Side.ASK: "Sell", Side.NONE: ""}
FUNDING_INTERVAL_MS = 8 * 3_600_000


def make_uuid(*parts: object) -> str:
    """Return the identifier of a thing, a function of what it is."""
    text = ":".join(map(str, parts)).encode()
    return str(uuid.UUID(bytes=hashlib.sha256(text).digest()[:16], version=4))


def trade_id(symbol: str, number: int, place: int) -> str:
    """Return a public trade's id."""
    return make_uuid("trade", symbol, number, place)


def rate_text(rate_e9: int) -> str:
    """Return a funding rate as the venue writes it."""
    return plain(Decimal(rate_e9) / E9)


def ticker_fields(market: SymbolMarket, now_ns: int) -> dict[str, Any]:
    """Return every field of a symbol's ticker; day figures are since the start of the emulator."""
    product = market.product
    last = market.last_price_ticks or 0
    first = market.first_price_ticks or last
    mark = market.mark_price()
    bid, ask = (side.best() for side in market.sides)
    sizes = [
        product.qty_text(side.qty_lots[best]) if best is not None else ""
        for side, best in zip(market.sides, (bid, ask), strict=True)
    ]
    prices = [product.price_text(best) if best is not None and best != NO_PRICE_TICKS else "" for best in (bid, ask)]
    interest = product.lot * market.interest.lots
    interest_value = plain(interest * mark)
    next_funding_ms = (now_ns // NS_PER_MS // FUNDING_INTERVAL_MS + 1) * FUNDING_INTERVAL_MS
    return {
        "symbol": product.symbol,
        "tickDirection": market.trades[-1].direction if market.trades else "ZeroPlusTick",
        "price24hPcnt": f"{(last - first) / first:.6f}" if first else "0",
        "lastPrice": product.price_text(last),
        "prevPrice24h": product.price_text(first),
        "highPrice24h": product.price_text(market.high_price_ticks),
        "lowPrice24h": product.price_text(market.low_price_ticks),
        "prevPrice1h": product.price_text(first),
        "markPrice": product.floor_text(mark),
        "indexPrice": product.floor_text(market.index_price()),
        "openInterest": plain(interest),
        "openInterestValue": interest_value,
        "singleOpenInterest": plain(interest),
        "singleOpenInterestValue": interest_value,
        "turnover24h": plain(product.tick * product.lot * market.turnover_ticklots),
        "volume24h": plain(product.lot * market.volume_lots),
        "fundingIntervalHour": "8",
        "fundingCap": "0.005",
        "nextFundingTime": str(next_funding_ms),
        "fundingRate": rate_text(market.funding_rate_e9),
        "bid1Price": prices[0],
        "bid1Size": sizes[0],
        "ask1Price": prices[1],
        "ask1Size": sizes[1],
        "preOpenPrice": "",
        "preQty": "",
        "curPreListingPhase": "",
    }
