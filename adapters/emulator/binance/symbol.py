"""A symbol as Binance tells it: numbers of its book, trades one by one and together; must never hold orders.

Source: Binance USD-M futures docs, aggregate trade streams (read 2026-11-30), and recorded frames.
"""

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from mmfold.adapters.emulator.market.symbol import SymbolMarket
from mmfold.engine.codes import EventKind, Side
from mmfold.engine.limits import NS_PER_MS

STRIDE, STEP_FIRST = 8, 3  # the venue numbers all its markets in one: a symbol's numbers have holes, also inside `U`
FIRST_NUMBER, RESTART_NUMBER = 5_000_000_000_000, 1_000_000
FIRST_TRADE, FIRST_AGGREGATE = 4_000_000, 1_000_000
TRADE_COUNT_MAX = 1_000
AGGREGATE_MS = 100
assert 1 < STEP_FIRST < STRIDE


@dataclass(frozen=True, slots=True)
class Single:
    """A trade."""

    number: int
    ts_ms: int
    side: Side  # the taker's
    price_ticks: int
    qty_lots: int


@dataclass(slots=True)
class Aggregate:
    """Trades at one price and side within a tenth of a second."""

    number: int
    ts_ms: int
    side: Side
    price_ticks: int
    qty_lots: int
    first: int
    last: int

    def takes(self, trade: Single) -> bool:
        """Tell whether a trade belongs to it."""
        same = (self.side, self.price_ticks) == (trade.side, trade.price_ticks)
        return same and 0 <= trade.ts_ms - self.ts_ms < AGGREGATE_MS


@dataclass
class Symbol:
    """One market, its numbering and its last trades."""

    market: SymbolMarket
    base: int = FIRST_NUMBER
    trade_count: int = 0
    aggregate_count: int = 0
    trades: deque[Single] = field(default_factory=lambda: deque(maxlen=TRADE_COUNT_MAX))
    aggregates: deque[Aggregate] = field(default_factory=lambda: deque(maxlen=TRADE_COUNT_MAX))

    def number(self, update_id: int) -> int:
        """Return the venue's number of an update of the market."""
        return self.base + STRIDE * update_id

    def first_number(self, update_id: int) -> int:
        """Return the first number of what follows an update."""
        return self.number(update_id) + STEP_FIRST

    def restart(self) -> None:
        """Number from below again, from the present book on."""
        self.base = RESTART_NUMBER - STRIDE * self.market.update_id

    def add_trade(self, row: np.void) -> None:
        """Note a trade of the feed."""
        number = FIRST_TRADE + self.trade_count
        ts_ms = int(row["ts_exchange_ns"]) // NS_PER_MS
        trade = Single(number, ts_ms, Side(int(row["side"])), int(row["price_ticks"]), int(row["qty_lots"]))
        self.trade_count += 1
        self.trades.append(trade)
        if self.aggregates and self.aggregates[-1].takes(trade):
            self.aggregates[-1].qty_lots += trade.qty_lots
            self.aggregates[-1].last = number
            return
        together = FIRST_AGGREGATE + self.aggregate_count
        self.aggregate_count += 1
        self.aggregates.append(
            Aggregate(together, ts_ms, trade.side, trade.price_ticks, trade.qty_lots, number, number)
        )

    def trades_since(self, count: int) -> list[Single]:
        """Return the trades after the first so many, those that are still known."""
        left = min(self.trade_count - count, len(self.trades))
        return list(self.trades)[-left:] if left > 0 else []

    def aggregates_since(self, number: int, now_ms: int) -> list[Aggregate]:
        """Return the aggregates from a number on to which no trade is added any more."""
        known = [one for one in self.aggregates if one.number >= number]
        if known and known[-1] is self.aggregates[-1] and now_ms - known[-1].ts_ms < AGGREGATE_MS:
            known.pop()
        return known


def is_trade(rows: np.ndarray) -> bool:
    """Tell whether an event is a trade."""
    return bool(rows[0]["kind"] == EventKind.TRADE)
