"""Public topics: what of a symbol's market its subscribers are sent and when; must never send to a socket itself.

Source: Bybit v5 orderbook, trade, ticker, kline stream pages (read 2026-11-30), and recorded frames of those streams.
"""

from mmfold.adapters.emulator.bybit.payloads import SIDES, ticker_fields, trade_id
from mmfold.adapters.emulator.market.candles import LENGTHS_MS, Candle, end_of, start_of
from mmfold.adapters.emulator.market.clock import Now
from mmfold.adapters.emulator.market.feed import Document, Topic
from mmfold.adapters.emulator.market.product import PRICE_TICKS_LISTED, plain
from mmfold.adapters.emulator.market.symbol import SymbolMarket, Trade
from mmfold.engine.codes import Side
from mmfold.engine.limits import NS_PER_MS, NS_PER_S

DEPTH_INTERVAL_NS = {1: 10 * NS_PER_MS, 50: 20 * NS_PER_MS, 200: 100 * NS_PER_MS, 1_000: 200 * NS_PER_MS}
KLINE_INTERVAL_NS = NS_PER_S
TICKER_INTERVAL_NS = 100 * NS_PER_MS
REPEAT_NS = 3 * NS_PER_S  # depth 1 is told again after so long without a change
RESTART_UPDATE_ID = 1


class DepthTopic:
    """`orderbook.N.SYMBOL`."""

    def __init__(self, name: str, market: SymbolMarket, depth: int) -> None:
        self.name, self.market, self.depth = name, market, depth
        self.sent: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self.rebuilt_count = -1
        self.update_id = RESTART_UPDATE_ID
        self.seen_update_id = 0  # of the market
        self.sent_ns = 0
        self.restarting = False

    def first(self, now: Now) -> list[Document]:
        """Return the book as the last update left it, so that the next one continues it."""
        if self.rebuilt_count != self.market.rebuilt_count:
            return self.snapshot(now)
        return [self.document("snapshot", *self.sent, now)] if self.market.live else []

    def snapshot(self, now: Now) -> list[Document]:
        """Return the present book as a new beginning for everybody."""
        if not self.market.live:
            return []
        self.update_id = RESTART_UPDATE_ID if self.restarting else self.update_id + 1
        self.restarting = False
        self.rebuilt_count = self.market.rebuilt_count
        self.seen_update_id = self.market.update_id
        self.sent, self.sent_ns = self.levels(), now.pace_ns
        return [self.document("snapshot", *self.sent, now)]

    def levels(self) -> tuple[dict[int, int], dict[int, int]]:
        """Return the present best levels of both sides."""
        bids, asks = (side.top(self.depth) for side in self.market.sides)
        return bids, asks

    def poll(self, now: Now) -> list[Document]:
        """Return the change since the last time, once the topic's interval is over."""
        market = self.market
        if not market.live or now.pace_ns - self.sent_ns < DEPTH_INTERVAL_NS[self.depth]:
            return []
        if self.restarting or self.rebuilt_count != market.rebuilt_count:
            return self.snapshot(now)
        repeat = self.depth == 1 and now.pace_ns - self.sent_ns >= REPEAT_NS
        if self.seen_update_id == market.update_id and not repeat:
            return []
        self.seen_update_id = market.update_id
        before, after = self.sent, self.levels()
        bids, asks = (changed_levels(old, new) for old, new in zip(before, after, strict=True))
        changed = bool(bids or asks)
        if not changed and not repeat:
            return []
        self.update_id += changed
        self.sent, self.sent_ns = after, now.pace_ns
        # Depth 1 is told whole, and again under the same id when it has not changed for long.
        return [self.document("snapshot", *after, now) if self.depth == 1 else self.document("delta", bids, asks, now)]

    def document(self, kind: str, bids: dict[int, int], asks: dict[int, int], now: Now) -> Document:
        """Return one message; a delta's removed levels have size 0."""
        product = self.market.product
        sides = [[[product.price_text(p), product.qty_text(q)] for p, q in side.items()] for side in (bids, asks)]
        data = {"s": product.symbol, "b": sides[0], "a": sides[1], "u": self.update_id, "seq": self.market.cross_seq}
        now_ms = now.ts_ns // NS_PER_MS
        return {
            "topic": self.name,
            "type": kind,
            "ts": now_ms,
            "data": data,
            "cts": self.market.ts_book_ns // NS_PER_MS,
        }


def changed_levels(old: dict[int, int], new: dict[int, int]) -> dict[int, int]:
    """Return {price: size} of what differs, size 0 for levels that are gone."""
    gone = {price: 0 for price in old if price not in new}
    return gone | {price: qty for price, qty in new.items() if old.get(price) != qty}


class TradeTopic:
    """`publicTrade.SYMBOL`."""

    def __init__(self, name: str, market: SymbolMarket) -> None:
        self.name, self.market = name, market
        self.sent_count = market.trade_count

    def first(self, now: Now) -> list[Document]:
        """Return nothing: only new trades are told."""
        return []

    def poll(self, now: Now) -> list[Document]:
        """Return the trades since the last time, in one message."""
        count = min(self.market.trade_count - self.sent_count, len(self.market.trades))
        if count == 0:
            return []
        self.sent_count = self.market.trade_count
        trades = list(self.market.trades)[-count:]
        data = [self.entry(trade, place) for place, trade in enumerate(trades)]
        return [{"topic": self.name, "type": "snapshot", "ts": now.ts_ns // NS_PER_MS, "data": data}]

    def entry(self, trade: Trade, place: int) -> Document:
        """Return one trade."""
        product = self.market.product
        return {
            "T": trade.ts_ms,
            "s": product.symbol,
            "S": SIDES[trade.side],
            "v": product.qty_text(trade.qty_lots),
            "p": product.price_text(trade.price_ticks),
            "L": trade.direction,
            "i": trade_id(product.symbol, trade.number, 0),
            "BT": trade.is_block,
            "RPI": False,
            "seq": trade.number,
        }


class TickerTopic:
    """`tickers.SYMBOL`."""

    def __init__(self, name: str, market: SymbolMarket) -> None:
        self.name, self.market = name, market
        self.sent: Document = {}
        self.sent_ns = 0

    def first(self, now: Now) -> list[Document]:
        """Return every field."""
        if not self.sent:
            self.sent, self.sent_ns = ticker_fields(self.market, now.ts_ns), now.pace_ns
        return [self.document("snapshot", self.sent, now)]

    def poll(self, now: Now) -> list[Document]:
        """Return the fields that changed."""
        if now.pace_ns - self.sent_ns < TICKER_INTERVAL_NS:
            return []
        fields = ticker_fields(self.market, now.ts_ns)
        changed = {name: value for name, value in fields.items() if self.sent.get(name) != value}
        self.sent, self.sent_ns = fields, now.pace_ns
        return [self.document("delta", changed | {"symbol": fields["symbol"]}, now)] if changed else []

    def document(self, kind: str, data: Document, now: Now) -> Document:
        """Return one message."""
        return {
            "topic": self.name,
            "type": kind,
            "data": data,
            "cs": self.market.cross_seq,
            "ts": now.ts_ns // NS_PER_MS,
        }


class KlineTopic:
    """`kline.INTERVAL.SYMBOL`."""

    def __init__(self, name: str, market: SymbolMarket, interval: str) -> None:
        self.name, self.market, self.interval = name, market, interval
        self.sent: Candle | None = None
        self.sent_ns = 0

    def first(self, now: Now) -> list[Document]:
        """Return the candle under way."""
        return self.tell(now)

    def poll(self, now: Now) -> list[Document]:
        """Return the candle under way once a second, and before it those that have ended since."""
        return [] if now.pace_ns - self.sent_ns < KLINE_INTERVAL_NS else self.tell(now)

    def tell(self, now: Now) -> list[Document]:
        """Return what there is to tell now."""
        now_ms, minutes = now.ts_ns // NS_PER_MS, self.market.candles.minutes
        if not minutes:
            return []
        since_ms = start_of(minutes[-1].start_ms, self.interval)
        if self.sent is not None:
            since_ms = min(since_ms, self.sent.start_ms)
        told = list(self.market.candles.spans(self.interval, now_ms, since_ms))
        if self.sent is not None:
            told = [candle for candle in told if candle.start_ms >= self.sent.start_ms]
            if told and told[0].start_ms > self.sent.start_ms:
                told.insert(0, self.sent)  # nothing traded in it since
        if not told:
            return []
        self.sent, self.sent_ns = told[-1], now.pace_ns
        return [self.document(candle, candle is not told[-1], now_ms) for candle in told]

    def document(self, candle: Candle, confirm: bool, now_ms: int) -> Document:
        """Return one message."""
        product = self.market.product
        data = {
            "start": candle.start_ms,
            "end": end_of(candle.start_ms, self.interval) - 1,
            "interval": self.interval,
            "open": product.price_text(candle.open),
            "close": product.price_text(candle.close),
            "high": product.price_text(candle.high),
            "low": product.price_text(candle.low),
            "volume": product.qty_text(candle.volume),
            "turnover": plain(product.tick * product.lot * candle.turnover),
            "confirm": confirm,
            "timestamp": now_ms,
        }
        return {"topic": self.name, "type": "snapshot", "data": [data], "ts": now_ms}


class LiquidationTopic:
    """`allLiquidation.SYMBOL`: there, and silent, for nobody is liquidated here."""

    def first(self, now: Now) -> list[Document]:
        """Return nothing."""
        return []

    def poll(self, now: Now) -> list[Document]:
        """Return nothing."""
        return []


def make_topic(name: str, markets: dict[str, SymbolMarket]) -> Topic | None:
    """Return the topic of a name, None for a name that is no topic of this market."""
    kind, _, rest = name.partition(".")
    depth, _, symbol = rest.partition(".")
    if kind == "orderbook" and depth.isascii() and depth.isdigit() and int(depth) in DEPTH_INTERVAL_NS:
        return DepthTopic(name, markets[symbol], int(depth)) if symbol in markets else None
    if kind == "kline" and depth in LENGTHS_MS:
        return KlineTopic(name, markets[symbol], depth) if symbol in markets else None
    if kind == "allLiquidation" and rest in markets:
        return LiquidationTopic()
    if kind == "publicTrade" and rest in markets:
        return TradeTopic(name, markets[rest])
    return TickerTopic(name, markets[rest]) if kind == "tickers" and rest in markets else None


def orderbook_result(market: SymbolMarket, depth: int, now_ns: int) -> Document:
    """Return the REST order book."""
    product = market.product
    bids, asks = (
        [[product.price_text(price), product.qty_text(qty)] for price, qty in market.sides[side].top(depth).items()]
        for side in (Side.BID, Side.ASK)
    )
    return {
        "s": product.symbol,
        "b": bids,
        "a": asks,
        "ts": now_ns // NS_PER_MS,
        "u": market.update_id,
        "seq": market.cross_seq,
        "cts": market.ts_book_ns // NS_PER_MS,
    }


def recent_trades(market: SymbolMarket, limit: int) -> list[Document]:
    """Return the REST list of trades, newest first."""
    product = market.product
    return [
        {
            "execId": trade_id(product.symbol, trade.number, 0),
            "symbol": product.symbol,
            "price": product.price_text(trade.price_ticks),
            "size": product.qty_text(trade.qty_lots),
            "side": SIDES[trade.side],
            "time": str(trade.ts_ms),
            "isBlockTrade": trade.is_block,
            "isRPITrade": False,
            "seq": str(trade.number),
        }
        for trade in list(market.trades)[: -limit - 1 : -1]
    ]


def instrument_info(market: SymbolMarket) -> Document:
    """Return one entry of instruments-info."""
    product = market.product
    tick, lot = product.instrument.tick_size, product.instrument.lot_size
    from_lots = product.qty_text
    return {
        "symbol": product.symbol,
        "contractType": "LinearPerpetual",
        "status": "Trading",
        "baseCoin": product.base_coin,
        "quoteCoin": product.quote_coin,
        "launchTime": "1584230400000",
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": str(product.price_places),
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
        "priceFilter": {"minPrice": tick, "maxPrice": product.price_text(PRICE_TICKS_LISTED), "tickSize": tick},
        "lotSizeFilter": {
            "maxOrderQty": from_lots(product.order_lots_max),
            "minOrderQty": from_lots(product.instrument.min_qty_lots),
            "qtyStep": lot,
            "postOnlyMaxOrderQty": from_lots(product.order_lots_max),
            "maxMktOrderQty": from_lots(product.order_lots_max),
            "minNotionalValue": plain(product.min_notional),
        },
        "unifiedMarginTrade": True,
        "fundingInterval": 480,
        "settleCoin": product.quote_coin,
        "copyTrading": "none",
        "upperFundingRate": "0.005",
        "lowerFundingRate": "-0.005",
        "isPreListing": False,
        "preListingInfo": None,
        "riskParameters": {"priceLimitRatioX": "0.01", "priceLimitRatioY": "0.02"},
        "displayName": "",
        "symbolType": "",
        "forbidUplWithdrawal": False,
        "symbolId": product.index + 1,
    }
