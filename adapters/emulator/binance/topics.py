"""Streams: what of a symbol their subscribers are sent and when; must never send to a socket itself.

Source: Binance USD-M futures docs, websocket market stream pages (read 2026-11-30), and recorded frames, whose order
of keys is kept; `trade` is in recordings alone.
"""

import re
from collections.abc import Callable

import numpy as np

from mmfold.adapters.emulator.binance.payloads import (
    best_texts,
    day_figures,
    level_texts,
    next_funding_ms,
    price8,
    qty_text,
    rate_text,
)
from mmfold.adapters.emulator.binance.symbol import FIRST_AGGREGATE, Symbol
from mmfold.adapters.emulator.market.clock import Now
from mmfold.adapters.emulator.market.feed import Document, Topic
from mmfold.engine.codes import Side
from mmfold.engine.limits import NS_PER_MS

PUBLIC, MARKET = "public", "market"  # the routes that streams are on
INTERVALS_MS = {"": 250, "@100ms": 100, "@500ms": 500}
NAME = re.compile(r"(?P<symbol>[a-z0-9_]{1,32})@(?P<stream>[A-Za-z]+)(?P<count>5|10|20)?(?P<pace>@[0-9a-z]+)?")
MARK_INTERVALS_MS = {"": 3_000, "@1s": 1_000}
TICKER_INTERVAL_MS = 2_000
TICKER_NAMES = {
    "p": "priceChange", "P": "priceChangePercent", "w": "weightedAvgPrice", "c": "lastPrice", "Q": "lastQty",
    "o": "openPrice", "h": "highPrice", "l": "lowPrice", "v": "volume", "q": "quoteVolume", "O": "openTime",
    "C": "closeTime", "F": "firstId", "L": "lastId", "n": "count",
}  # fmt: skip
TICKERS = {"ticker": ("24hrTicker", "pPwcQohlvqOCFLn"), "miniTicker": ("24hrMiniTicker", "cohlvq")}


class BookTopic:
    """What the streams of a book share: their pace, and the number of what was sent last."""

    def __init__(self, symbol: Symbol, interval_ms: int) -> None:
        self.symbol, self.market = symbol, symbol.market
        self.interval_ns = interval_ms * NS_PER_MS
        self.update_id = self.market.update_id
        self.sent_ns = 0

    def first(self, now: Now) -> list[Document]:
        """Return nothing: a subscription begins with the next change."""
        return []

    def poll(self, now: Now) -> list[Document]:
        """Return the change since the last time, once the interval is over."""
        market = self.market
        if not market.live or market.update_id == self.update_id or now.pace_ns - self.sent_ns < self.interval_ns:
            return []
        bids, asks = self.levels()
        document = {
            "e": "depthUpdate",
            "E": now.ts_ns // NS_PER_MS,
            "T": market.ts_book_ns // NS_PER_MS,
            "s": market.product.symbol,
            "U": self.symbol.first_number(self.update_id),
            "u": self.symbol.number(market.update_id),
            "pu": self.symbol.number(self.update_id),
            "b": level_texts(market.product, bids),
            "a": level_texts(market.product, asks),
        }
        self.update_id, self.sent_ns = market.update_id, now.pace_ns
        return [document]

    def levels(self) -> tuple[dict[int, int], dict[int, int]]:
        """Return the levels to tell."""
        raise AssertionError


class DiffTopic(BookTopic):
    """`SYMBOL@depth`: every level that was touched, as it is now, so that it continues any book of in between."""

    def __init__(self, symbol: Symbol, interval_ms: int) -> None:
        super().__init__(symbol, interval_ms)
        self.sides = self.market.sides
        self.touched: tuple[set[int], set[int]] = (set(), set())

    def touch(self, rows: np.ndarray) -> None:
        """Note the levels of a book event; of a book that was replaced all that were and all that are."""
        if self.sides is not self.market.sides:
            for touched, old, new in zip(self.touched, self.sides, self.market.sides, strict=True):
                touched |= old.qty_lots.keys() | new.qty_lots.keys()
            self.sides = self.market.sides
            return
        for side, price_ticks in zip(rows["side"].tolist(), rows["price_ticks"].tolist(), strict=True):
            if side != Side.NONE:
                self.touched[side].add(price_ticks)

    def levels(self) -> tuple[dict[int, int], dict[int, int]]:
        """Return the touched levels, removed ones with size 0."""
        bids, asks = (
            {price: side.qty_lots.get(price, 0) for price in sorted(touched)}
            for side, touched in zip(self.market.sides, self.touched, strict=True)
        )
        self.touched = (set(), set())
        return bids, asks


class PartialTopic(BookTopic):
    """`SYMBOL@depthN`: the best levels."""

    def __init__(self, symbol: Symbol, interval_ms: int, depth: int) -> None:
        super().__init__(symbol, interval_ms)
        self.depth = depth

    def levels(self) -> tuple[dict[int, int], dict[int, int]]:
        """Return the best levels of both sides."""
        bids, asks = (side.top(self.depth) for side in self.market.sides)
        return bids, asks


class BestTopic:
    """`SYMBOL@bookTicker`."""

    def __init__(self, symbol: Symbol) -> None:
        self.symbol = symbol
        self.sent: list[str] | None = None

    def first(self, now: Now) -> list[Document]:
        """Return nothing: the next change is told."""
        return []

    def poll(self, now: Now) -> list[Document]:
        """Return the best prices when they have changed."""
        texts = best_texts(self.symbol)
        if texts is None or texts == self.sent:
            return []
        self.sent, market = texts, self.symbol.market
        head = {"e": "bookTicker", "u": self.symbol.number(market.update_id), "s": market.product.symbol}
        times = {"T": market.ts_book_ns // NS_PER_MS, "E": now.ts_ns // NS_PER_MS}
        return [head | dict(zip("bBaA", texts, strict=True)) | times]


class TradeTopic:
    """`SYMBOL@trade`."""

    def __init__(self, symbol: Symbol) -> None:
        self.symbol, self.sent_count = symbol, symbol.trade_count

    def first(self, now: Now) -> list[Document]:
        """Return nothing: only new trades are told."""
        return []

    def poll(self, now: Now) -> list[Document]:
        """Return the trades since the last time, a message each."""
        trades = self.symbol.trades_since(self.sent_count)
        self.sent_count = self.symbol.trade_count
        product, now_ms = self.symbol.market.product, now.ts_ns // NS_PER_MS
        return [
            {
                "e": "trade", "E": now_ms, "T": trade.ts_ms, "s": product.symbol, "t": trade.number,
                "p": product.price_text(trade.price_ticks), "q": qty_text(product, trade.qty_lots), "X": "MARKET",
                "m": trade.side == Side.ASK,
            }
            for trade in trades
        ]  # fmt: skip


class AggregateTopic:
    """`SYMBOL@aggTrade`."""

    def __init__(self, symbol: Symbol) -> None:
        self.symbol, self.next_number = symbol, FIRST_AGGREGATE + symbol.aggregate_count

    def first(self, now: Now) -> list[Document]:
        """Return nothing: only new trades are told."""
        return []

    def poll(self, now: Now) -> list[Document]:
        """Return what is complete since the last time."""
        now_ms, product = now.ts_ns // NS_PER_MS, self.symbol.market.product
        told = self.symbol.aggregates_since(self.next_number, now_ms)
        if told:
            self.next_number = told[-1].number + 1
        return [
            {
                "e": "aggTrade", "E": now_ms, "s": product.symbol, "a": one.number,
                "p": product.price_text(one.price_ticks), "q": qty_text(product, one.qty_lots), "f": one.first,
                "l": one.last, "T": one.ts_ms, "m": one.side == Side.ASK,
            }
            for one in told
        ]  # fmt: skip


class PacedTopic:
    """A stream that tells the same figures each so many whole ms of the venue's clock."""

    def __init__(self, symbol: Symbol, interval_ms: int) -> None:
        self.symbol, self.interval_ms = symbol, interval_ms
        self.turn = 0

    def first(self, now: Now) -> list[Document]:
        """Return nothing: the next turn is told."""
        return []

    def poll(self, now: Now) -> list[Document]:
        """Return the figures once a turn; a clock that jumps begins another one."""
        now_ms = now.ts_ns // NS_PER_MS
        turn, before = now_ms // self.interval_ms, self.turn
        self.turn = turn
        return [self.document(now_ms)] if before not in (0, turn) else []

    def document(self, now_ms: int) -> Document:
        """Return the figures."""
        raise AssertionError


class MarkTopic(PacedTopic):
    """`SYMBOL@markPrice`."""

    def document(self, now_ms: int) -> Document:
        """Return mark price, index price and funding."""
        market = self.symbol.market
        return {
            "e": "markPriceUpdate",
            "E": now_ms,
            "s": market.product.symbol,
            "p": price8(market.mark_price()),
            "P": price8(market.mark_price()),
            "i": price8(market.index_price()),
            "r": rate_text(market.funding_rate_e9),
            "T": next_funding_ms(now_ms),
        }


class TickerTopic(PacedTopic):
    """`SYMBOL@ticker`, and `SYMBOL@miniTicker` with some of its figures."""

    def __init__(self, symbol: Symbol, event: str, letters: str) -> None:
        super().__init__(symbol, TICKER_INTERVAL_MS)
        self.event, self.letters = event, letters

    def document(self, now_ms: int) -> Document:
        """Return the day's figures."""
        figures = day_figures(self.symbol, now_ms)
        head: Document = {"e": self.event, "E": now_ms, "s": figures["symbol"]}
        return head | {letter: figures[TICKER_NAMES[letter]] for letter in self.letters}


PLAIN_TOPICS: dict[str, Callable[[Symbol], Topic]] = {
    "bookTicker": BestTopic,
    "trade": TradeTopic,
    "aggTrade": AggregateTopic,
}


def make_topic(name: str, symbols: dict[str, Symbol]) -> Topic | None:
    """Return the stream of a name, None for a name that is none; symbols stand there in lower case alone."""
    found = NAME.fullmatch(name)
    symbol = symbols.get(found["symbol"].upper()) if found is not None else None
    if found is None or symbol is None:
        return None
    stream, count, pace = found["stream"], found["count"], found["pace"] or ""
    if stream == "depth" and pace in INTERVALS_MS:
        interval_ms = INTERVALS_MS[pace]
        return PartialTopic(symbol, interval_ms, int(count)) if count else DiffTopic(symbol, interval_ms)
    if count or (pace and stream != "markPrice"):
        return None
    if stream == "markPrice" and pace in MARK_INTERVALS_MS:
        return MarkTopic(symbol, MARK_INTERVALS_MS[pace])
    if stream in TICKERS:
        return TickerTopic(symbol, *TICKERS[stream])
    return PLAIN_TOPICS[stream](symbol) if stream in PLAIN_TOPICS else None


def route_of(topic: Topic) -> str:
    """Return the route on which a stream is told."""
    return PUBLIC if isinstance(topic, BookTopic | BestTopic | TradeTopic) else MARKET
