"""A backtest's books, kept again from its journal alone: exact integers and fractions, a book of plain dicts."""

from collections.abc import Iterator
from fractions import Fraction
from math import ceil, floor

import numpy as np

from mmfold.engine.codes import BookStatus, EventKind, Flag, Side
from mmfold.engine.limits import E8, E9, MICROS_PER_UNIT, PPM
from mmfold.replay.backtest import BacktestResult
from tests.replay.venue.market import Ran


class Mids:
    """One instrument's book by docs/data.md, section 7, fed with a journal's rows: only the mid is asked for."""

    def __init__(self, beside: bool) -> None:
        self.beside = beside
        self.book: dict[int, dict[int, int]] = {Side.BID: {}, Side.ASK: {}}
        self.status, self.seq, self.bridging = BookStatus.EMPTY, -1, False
        self.held: list[np.ndarray] = []
        self.half_mid: int | None = None

    def feed(self, rows: np.ndarray, kind: int) -> None:
        """Fold one event."""
        seq, prev = int(rows[0]["aux"]), int(rows[0]["order_id"])
        if kind in (EventKind.BOOK_GAP, EventKind.BOOK_CLEAR):
            self.status, self.held = BookStatus.STALE, []
        elif kind == EventKind.BOOK_SNAPSHOT:
            self.book = {Side.BID: {}, Side.ASK: {}}
            self.status, self.bridging = BookStatus.LIVE, self.beside
            self.set(rows, seq)
            held, self.held = self.held, []
            for delta in held:
                self.feed(delta, EventKind.BOOK_DELTA)
        elif kind == EventKind.BOOK_DELTA and self.status in (BookStatus.EMPTY, BookStatus.STALE):
            self.held += [rows] if self.beside else []
        elif kind == EventKind.BOOK_DELTA and seq > self.seq:
            if prev == self.seq or (self.bridging and prev < self.seq):
                self.bridging = False
                self.set(rows, seq)
            else:
                self.status = BookStatus.STALE
                self.held += [rows] if self.beside else []

    def set(self, rows: np.ndarray, seq: int) -> None:
        """Set an event's levels."""
        self.seq = seq
        levels = (rows[name].tolist() for name in ("side", "price_ticks", "qty_lots"))
        for side, price, qty in zip(*levels, strict=True):
            if side != Side.NONE:
                self.book[side][price] = qty
                if qty == 0:
                    del self.book[side][price]
        bid, ask = max(self.book[Side.BID], default=None), min(self.book[Side.ASK], default=None)
        self.half_mid = None if bid is None or ask is None else bid + ask
        if bid is not None and ask is not None and bid >= ask and self.status == BookStatus.LIVE:
            self.status = BookStatus.CROSSED


def half_mids(rows: np.ndarray, index: int, beside: bool) -> Iterator[tuple[np.void, int | None]]:
    """Yield an instrument's inputs with best bid + best ask after each, None without a valid book."""
    mids = Mids(beside)
    mine = rows[(rows["instrument_index"] == index) & (rows["kind"] >= EventKind.BOOK_SNAPSHOT)]
    mine = mine[mine["kind"] < EventKind.PLACE]
    starts = np.flatnonzero(np.diff(mine["seq"], prepend=-1)).tolist()
    for start, end, kind in zip(starts, [*starts[1:], len(mine)], mine["kind"][starts].tolist(), strict=True):
        if kind in (EventKind.BOOK_SNAPSHOT, EventKind.BOOK_DELTA, EventKind.BOOK_GAP, EventKind.BOOK_CLEAR):
            mids.feed(mine[start:end], kind)
        yield mine[start], mids.half_mid if mids.status == BookStatus.LIVE else None


def check_money(ran: Ran, index: int) -> None:
    """Compare one instrument's position, cash, fees, funding and PnL with the exact fold of the journal's rows."""
    instrument, position = ran.result.manifest.instruments[index], ran.result.state.positions[index]
    tick_value = Fraction(instrument.tick_size) * Fraction(instrument.lot_size) * MICROS_PER_UNIT
    lots = cash = fees = funding = spread = inventory = 0
    mid: int | None = None
    for row, half_mid in half_mids(ran.rows, index, instrument.venue == "binance"):
        if half_mid is not None and mid is not None:
            inventory += lots * (half_mid - mid)
        mid = mid if half_mid is None else half_mid
        if row["kind"] == EventKind.FILL:
            sign, price, qty = 1 if row["side"] == Side.BID else -1, int(row["price_ticks"]), int(row["qty_lots"])
            reference = 2 * price if half_mid is None else half_mid
            assert row["flags"] == Flag.LAST | Flag.MAKER and mid is not None
            lots += sign * qty
            cash -= sign * price * qty
            spread += sign * (reference - 2 * price) * qty
            inventory += sign * (mid - reference) * qty  # without a valid book: from its price to the last mid
            fees += ceil(price * qty * tick_value * instrument.maker_fee_ppm / PPM)
        if row["kind"] == EventKind.FUNDING:
            mark = Fraction(int(row["order_id"]), E8)
            paid = lots * Fraction(instrument.lot_size) * mark * Fraction(int(row["aux"]), E9) * MICROS_PER_UNIT
            funding += ceil(paid)
    assert mid is not None
    assert position["position_lots"] == lots == position["bought_lots"] - position["sold_lots"]
    assert position["realized_ticklots"] - position["cost_ticklots"] == cash
    assert position["fees_micros"] == fees and fees > 0
    assert funding <= position["funding_micros"] <= funding + position_roundings(ran.rows, index)
    assert position["spread_half_ticklots"] == spread
    # The identity, in half ticks x lots: what the fills earned against the mid and what the position then did.
    assert spread + inventory == 2 * cash + lots * mid
    total = floor(Fraction(spread + inventory, 2) * tick_value)
    assert total - 2 <= gross_micros(ran.result, index, mid) <= total


def position_roundings(rows: np.ndarray, index: int) -> int:
    """Return how many fundings were rounded: each by a micro at most."""
    return int(((rows["kind"] == EventKind.FUNDING) & (rows["instrument_index"] == index)).sum())


def gross_micros(result: BacktestResult, index: int, half_mid: int) -> int:
    """Return realised and unrealised PnL as the state has them, each rounded down."""
    position, instrument = result.state.positions[index], result.manifest.instruments[index]
    numerator, denominator = instrument.tick_value_micros()
    realized = int(position["realized_ticklots"]) * numerator // denominator
    gain = int(position["position_lots"]) * half_mid - 2 * int(position["cost_ticklots"])
    return realized + gain * numerator // (2 * denominator)


def check_sizes(ran: Ran) -> None:
    """Check each fill against the life, the price and the size of its order, from the journal alone."""
    left: dict[int, int] = {}
    price: dict[int, int] = {}
    asked: dict[int, tuple[int, int]] = {}
    for row in ran.rows[(ran.rows["kind"] >= EventKind.ACK) & (ran.rows["kind"] <= EventKind.CANCEL)]:
        order_id, kind = int(row["order_id"]), row["kind"]
        if kind == EventKind.PLACE:
            assert order_id not in asked, "an id that was used before"
            asked[order_id] = int(row["price_ticks"]), int(row["qty_lots"])
        elif kind == EventKind.ACK:
            price[order_id], left[order_id] = asked[order_id]
        elif kind == EventKind.AMENDED:
            assert left[order_id] > 0
            price[order_id], left[order_id] = int(row["price_ticks"]), int(row["qty_lots"])
        elif kind == EventKind.CANCELED:
            assert left[order_id] > 0
            left[order_id] = 0
        elif kind == EventKind.FILL:
            left[order_id] -= int(row["qty_lots"])
            assert left[order_id] >= 0 and row["price_ticks"] == price[order_id]
