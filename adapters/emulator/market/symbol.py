"""One symbol's market as the emulator knows it: whole book, last trades, mark; must never hold orders of accounts.

A recorded feed of any venue becomes one gapless in-stream feed: rules of docs/data.md 7, then an own numbering, which
the accounts' desks and the public topics share.
Source: Bybit v5 place order page (read 2026-11-30) for the band of market orders.
"""

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np

from mmfold.adapters.emulator.market.candles import Candles
from mmfold.adapters.emulator.market.interest import Interest
from mmfold.adapters.emulator.market.product import Product
from mmfold.engine.codes import Continuity, EventKind, Flag, Side
from mmfold.engine.limits import BOOK_HELD_ROW_COUNT_MAX, E8, NS_PER_MS
from mmfold.engine.numbering import Place, new_stream, run_follow_stream
from mmfold.engine.records import EVENT, NO_SEQ, NO_TS_NS, NO_VALUE

TRADE_COUNT_MAX = FUNDING_COUNT_MAX = 1_000
BAND_PERCENT, BAND_PERCENT_DEFAULT = {"BTC": 3}, 5  # how far from the last trade a market order may trade
BOOK_KINDS = (EventKind.BOOK_SNAPSHOT, EventKind.BOOK_DELTA)


class BookSide:
    """The levels of one side, best first; a key is the price for asks and the price negated for bids."""

    def __init__(self, side: Side) -> None:
        self.sign = -1 if side == Side.BID else 1
        self.qty_lots: dict[int, int] = {}  # by price
        self.keys: list[int] = []

    def set_level(self, price_ticks: int, qty_lots: int) -> None:
        """Set one level, or remove it with size 0."""
        known = price_ticks in self.qty_lots
        key = self.sign * price_ticks
        if qty_lots:
            self.qty_lots[price_ticks] = qty_lots
            if not known:
                insort(self.keys, key)
        elif known:
            del self.qty_lots[price_ticks]
            del self.keys[bisect_left(self.keys, key)]

    def top(self, depth: int | None = None) -> dict[int, int]:
        """Return {price: size} of the best levels, best first."""
        return {self.sign * key: self.qty_lots[self.sign * key] for key in self.keys[:depth]}

    def best(self) -> int | None:
        """Return the best price."""
        return self.sign * self.keys[0] if self.keys else None


@dataclass(frozen=True, slots=True)
class Trade:
    """A public trade."""

    ts_ms: int
    side: Side
    price_ticks: int
    qty_lots: int
    number: int
    is_block: bool
    direction: str


@dataclass
class SymbolMarket:
    """The market of one symbol.

    Units: prices in ticks, sizes in lots, mark and index x 1e8, rate x 1e9.
    """

    product: Product
    continuity: Continuity
    sides: tuple[BookSide, BookSide] = field(default_factory=lambda: (BookSide(Side.BID), BookSide(Side.ASK)))
    live: bool = False
    fresh: bool = False  # directly after a snapshot
    rebuilt_count: int = 0  # a topic that saw another count needs a snapshot
    feed_seq: int = NO_SEQ  # the recorded feed's number
    stream: np.ndarray = field(default_factory=new_stream)  # its numbering
    held: list[np.ndarray] = field(default_factory=list)
    held_is_cut: bool = False  # the oldest of them are gone
    update_id: int = 1  # our numbering: 1 is kept for restarts
    cross_seq: int = 1_000
    ts_book_ns: int = 0
    trades: deque[Trade] = field(default_factory=lambda: deque(maxlen=TRADE_COUNT_MAX))
    trade_count: int = 0
    last_price_ticks: int | None = None
    first_price_ticks: int | None = None
    high_price_ticks: int = 0
    low_price_ticks: int = 0
    volume_lots: int = 0
    turnover_ticklots: int = 0
    mark_e8: int | None = None
    index_e8: int | None = None
    funding_rate_e9: int = 100_000
    fundings: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=FUNDING_COUNT_MAX))  # (ms, rate)
    candles: Candles = field(default_factory=Candles)
    interest: Interest = field(default_factory=Interest)

    def restart(self) -> None:
        """Forget the book: the feed begins anew."""
        self.live, self.feed_seq = False, NO_SEQ
        self.held.clear()
        self.held_is_cut = False

    def apply(self, rows: np.ndarray, now_ns: int) -> list[np.ndarray]:
        """Take one event of the feed and return what the desks have to see of it, stamped and numbered."""
        kind = int(rows[0]["kind"])
        if kind in BOOK_KINDS:
            return self.apply_book(rows, now_ns)
        if kind in (EventKind.BOOK_CLEAR, EventKind.BOOK_GAP):
            self.restart()
            self.stream = new_stream()
        elif kind == EventKind.MARK:
            self.mark_e8 = int(rows[0]["aux"])
            self.index_e8 = int(rows[0]["order_id"]) if rows[0]["order_id"] != NO_VALUE else self.mark_e8
        elif kind == EventKind.FUNDING:
            self.funding_rate_e9 = int(rows[0]["aux"])
            self.fundings.append((now_ns // NS_PER_MS, self.funding_rate_e9))
        elif kind == EventKind.TRADE:
            return [self.apply_trade(rows, now_ns)]
        return []

    def apply_book(self, rows: np.ndarray, now_ns: int) -> list[np.ndarray]:
        """Apply a book message if it continues the book, in the recorded feed's own rules."""
        if rows[0]["kind"] == EventKind.BOOK_SNAPSHOT:
            return self.apply_snapshot(rows, now_ns)
        place = run_follow_stream(self.stream, rows)
        if place in (Place.REPEAT, Place.LATE):
            return []
        if place == Place.RESTART:
            self.restart()
        return self.join(rows, now_ns)

    def apply_snapshot(self, rows: np.ndarray, now_ns: int) -> list[np.ndarray]:
        """Rebuild the book, unless the snapshot is of before it; what was held follows."""
        venue_seq = int(rows[0]["aux"])
        if self.continuity == Continuity.IN_STREAM:
            self.stream = new_stream()
            run_follow_stream(self.stream, rows)
        elif self.live and venue_seq < self.feed_seq:
            self.end_if_later(int(rows[0]["ts_exchange_ns"]))
            return []
        held, self.held = self.held, []
        self.feed_seq = venue_seq
        told = [self.rebuild(rows, now_ns)]
        for event in held:
            told += self.join(event, now_ns)
        self.held_is_cut = self.held_is_cut and self.feed_seq < int(self.stream["stream_seq"][0])
        return told

    def end_if_later(self, ts_ns: int) -> None:
        """Give up a live book of which an older snapshot is stamped later than its stream: the venue restarted."""
        stream_ts_ns = int(self.stream["stream_ts_ns"][0])
        if ts_ns > stream_ts_ns != NO_TS_NS:
            self.restart()
            self.stream = new_stream()

    def join(self, rows: np.ndarray, now_ns: int) -> list[np.ndarray]:
        """Apply a delta that is forward in its stream, or hold it, or find that messages are missing before it."""
        venue_seq, beside = int(rows[0]["aux"]), self.continuity == Continuity.BESIDE_STREAM
        if not self.live:
            if beside:
                self.hold(rows)
            return []
        if venue_seq != NO_VALUE and self.feed_seq != NO_VALUE:
            if venue_seq <= self.feed_seq:
                return []
            previous = int(rows[0]["order_id"])
            bridging = beside and self.fresh and (previous < self.feed_seq or self.held_is_cut)
            if previous != self.feed_seq and not bridging:
                self.restart()
                return []
        self.feed_seq = venue_seq
        self.fresh = self.held_is_cut = False
        return [self.change(rows, now_ns)]

    def hold(self, rows: np.ndarray) -> None:
        """Keep a delta for the snapshot that it may continue; where there is no room the oldest go."""
        self.held.append(rows)
        while sum(map(len, self.held)) > BOOK_HELD_ROW_COUNT_MAX:
            self.held.pop(0)
            self.held_is_cut = True

    def rebuild(self, rows: np.ndarray, now_ns: int) -> np.ndarray:
        """Replace the book."""
        self.sides = (BookSide(Side.BID), BookSide(Side.ASK))
        self.live = self.fresh = True
        self.rebuilt_count += 1
        return self.change(rows, now_ns)

    def change(self, rows: np.ndarray, now_ns: int) -> np.ndarray:
        """Set levels, and number and stamp the rows."""
        for side, price_ticks, qty_lots in zip(
            rows["side"].tolist(), rows["price_ticks"].tolist(), rows["qty_lots"].tolist(), strict=True
        ):
            if side != Side.NONE:
                self.sides[side].set_level(price_ticks, qty_lots)
        self.update_id += 1
        told = self.stamp(rows, now_ns)
        told["aux"] = self.update_id
        if rows[0]["kind"] == EventKind.BOOK_DELTA:
            told["order_id"] = self.update_id - 1
        self.ts_book_ns = now_ns
        return told

    def stamp(self, rows: np.ndarray, now_ns: int) -> np.ndarray:
        """Return a copy at the venue's present time."""
        self.cross_seq += 1
        told = rows.copy()
        told["ts_exchange_ns"] = told["ts_receive_ns"] = now_ns
        return told

    def apply_trade(self, rows: np.ndarray, now_ns: int) -> np.ndarray:
        """Note a trade."""
        told = self.stamp(rows, now_ns)
        price_ticks, qty_lots = int(rows[0]["price_ticks"]), int(rows[0]["qty_lots"])
        before = self.last_price_ticks if self.last_price_ticks is not None else price_ticks
        zero = self.trades[-1].direction.removeprefix("Zero") if self.trades else "PlusTick"
        direction = "PlusTick" if price_ticks > before else "MinusTick" if price_ticks < before else f"Zero{zero}"
        is_block = bool(rows[0]["flags"] & Flag.BLOCK)
        side = Side(int(rows[0]["side"]))
        self.trades.append(Trade(now_ns // NS_PER_MS, side, price_ticks, qty_lots, self.cross_seq, is_block, direction))
        self.candles.add(now_ns // NS_PER_MS, price_ticks, qty_lots)
        self.trade_count += 1
        if self.first_price_ticks is None:
            self.first_price_ticks = self.low_price_ticks = price_ticks
        self.last_price_ticks = price_ticks
        self.high_price_ticks = max(self.high_price_ticks, price_ticks)
        self.low_price_ticks = min(self.low_price_ticks, price_ticks)
        self.volume_lots += qty_lots
        self.turnover_ticklots += qty_lots * price_ticks
        return told

    def snapshot_rows(self) -> np.ndarray | None:
        """Return the book as one BOOK_SNAPSHOT event, None without a valid one."""
        if not self.live:
            return None
        levels = [(side, price, qty) for side in (0, 1) for price, qty in self.sides[side].top().items()]
        rows = np.zeros(len(levels), EVENT)
        rows["kind"], rows["instrument_index"] = EventKind.BOOK_SNAPSHOT, self.product.index
        rows["ts_exchange_ns"] = rows["ts_receive_ns"] = self.ts_book_ns or NO_TS_NS
        rows["order_id"], rows["aux"] = NO_VALUE, self.update_id
        for name, place in (("side", 0), ("price_ticks", 1), ("qty_lots", 2)):
            rows[name] = [level[place] for level in levels]
        rows["flags"][-1] = Flag.LAST
        return rows

    def mark_price(self) -> Decimal:
        """Return the mark price: the feed's, else the mid, else the last trade."""
        if self.mark_e8 is not None:
            return Decimal(self.mark_e8) / E8
        bid, ask = (side.best() for side in self.sides)
        if bid is not None and ask is not None:
            return self.product.tick * (bid + ask) / 2
        return self.product.tick * (self.last_price_ticks or 0)

    def protective_price(self, side: Side) -> int | None:
        """Return the worst price of a market order, by the last trade or, before any, the mark; None without both."""
        last = self.last_price_ticks or int(self.mark_price() / self.product.tick)
        if not last:
            return None
        band = BAND_PERCENT.get(self.product.base_coin, BAND_PERCENT_DEFAULT)
        return last * (100 + band) // 100 if side == Side.BID else -(-last * (100 - band) // 100)

    def index_price(self) -> Decimal:
        """Return the index price: the feed's, else the mark price."""
        return self.mark_price() if self.index_e8 is None else Decimal(self.index_e8) / E8
