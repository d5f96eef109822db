"""ccxt's unified structures of any venue to the same rows; must never let a float near a tick unchecked.

ccxt has read the venue's decimal text as a float: its shortest form is that text again, and a number that is then not
on the grid is refused like any other. Sizes of derivatives are in contracts: times the contract size they are base
units.
Source: ccxt manual, "Order book structure", "Trade structure", "Order structure", "Position structure", "Balance".
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from fractions import Fraction
from functools import wraps
from typing import Any, TypeVar

import numpy as np

from mmfold.adapters.importers.grid import INTEGER_MAX, round_mark_e8
from mmfold.adapters.importers.outcome import PassedOverError, RefusedError
from mmfold.adapters.importers.rows import TS_MS_MAX, Row, book_rows, mark_rows, read_price, read_qty, trade_row
from mmfold.adapters.importers.table import Listing
from mmfold.adapters.venues.bybit.entries import CASH_MICROS_MAX
from mmfold.adapters.venues.ledger import (
    NOBODYS_ORDER_ID,
    Execution,
    Foreign,
    OrderLedger,
    OrderReport,
    OrderWord,
    as_rows,
    balance_row,
    fill_row,
    position_row,
)
from mmfold.adapters.venues.link_ids import execution_number
from mmfold.adapters.venues.listing import list_manifest
from mmfold.adapters.venues.order_port import Private
from mmfold.adapters.venues.port import MalformedFrame
from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.limits import E9, MICROS_PER_UNIT, NS_PER_MS, PPM
from mmfold.engine.manifest import Manifest
from mmfold.engine.records import NO_ORDER_ID, NO_PRICE_TICKS, NO_TS_NS, NO_VALUE
from mmfold.journal.told import told_again, trade_id_of

Result = TypeVar("Result")
SIDES = {"buy": Side.BID, "sell": Side.ASK}
ORDER_WORDS = {
    "open": OrderWord.OPEN,
    "closed": OrderWord.FILLED,
    "canceled": OrderWord.CANCELED,
    "canceling": OrderWord.WAITING,
    "expired": OrderWord.EXPIRED,
    "rejected": OrderWord.REJECTED,
}


def ids_of(trades: np.ndarray) -> np.ndarray:
    """Return what the venue numbers trades by, the sentinel where it does not."""
    assert NO_VALUE == NO_ORDER_ID
    return np.where(trades["aux"] != NO_VALUE, trades["aux"], trades["order_id"])


@contextmanager
def keeping_structure(structure: object) -> Iterator[None]:
    """Turn a refusal into one of the structure; it is only written out when it is refused.

    Raises: MalformedFrame.
    """
    try:
        yield
    except (RefusedError, PassedOverError) as error:
        raise MalformedFrame(str(error), repr(structure).encode()) from error


def checked(parse: Callable[..., Result]) -> Callable[..., Result]:
    """Return a `parse_` method that keeps the structure it refuses."""

    @wraps(parse)
    def keep(self: "UnifiedParser", structure: Any, *rest: Any) -> Result:
        with keeping_structure(structure):
            return parse(self, structure, *rest)

    return keep


class UnifiedParser:
    """Structures of one venue's ccxt client to whole events.

    `symbols` names the manifest's symbol of each unified one, such as {"BTC/USDT:USDT": "BTCUSDT"}; `contract_sizes`
    the base units of a contract by the manifest's symbol, where they are not 1.
    Raises: MalformedFrame from every `parse_` method: a structure that is not what the manual says, kept as text.
    """

    def __init__(
        self,
        manifest: Manifest,
        ledger: OrderLedger,
        symbols: Mapping[str, str],
        contract_sizes: Mapping[str, str] | None = None,
    ) -> None:
        self.table = list_manifest(manifest, manifest.instruments[0].venue)
        self.ledger = ledger
        self.symbols = symbols
        self.contract_sizes = contract_sizes or {}
        self.book_count = 0
        self.told_twice_count = 0  # trades that were left out

    def find_listing(self, structure: Mapping[str, Any]) -> Listing | None:
        """Return the listing of a structure's symbol, None for one that is not in the manifest."""
        symbol = self.symbols.get(str(structure.get("symbol")))
        try:
            return None if symbol is None else self.table.resolve(symbol, "")
        except PassedOverError:
            return None

    @checked
    def parse_order_book(self, book: Mapping[str, Any], ts_receive_ns: int) -> np.ndarray:
        """Return a BOOK_SNAPSHOT: a unified book is always whole; without a nonce it is numbered here."""
        listing = self.find_listing(book)
        if listing is None:
            raise RefusedError(f"order book of {book.get('symbol')!r}, which is not in the manifest")
        self.book_count += 1
        nonce = book.get("nonce")
        number = nonce if type(nonce) is int and 0 <= nonce <= INTEGER_MAX else self.book_count
        sides = tuple(self.read_levels(book.get(key), listing) for key in ("bids", "asks"))
        times = (read_time_ns(book), ts_receive_ns)
        return book_rows(EventKind.BOOK_SNAPSHOT, listing, times, (number, NO_ORDER_ID), (sides[0], sides[1]))

    def read_levels(self, levels: object, listing: Listing) -> list[list[str]]:
        """Return one side's levels as texts, those without a size left out."""
        if not isinstance(levels, list):
            raise RefusedError("a side of the book is missing or not a list")
        if not all(isinstance(level, list | tuple) and len(level) >= 2 for level in levels):
            raise RefusedError("a level is not [price, size]")
        texts = [[decimal_text(level[0]), self.size_text(level[1], listing)] for level in levels]
        return [text for text in texts if text[1] != "0"]

    @checked
    def parse_trades(self, trades: list[Mapping[str, Any]], ts_receive_ns: int) -> np.ndarray:
        """Return a TRADE per trade of instruments in the manifest that was not told before, known by the venue's id.

        Its number is that id where it is one, else its `order_id` has 62 bits of it.
        """
        rows: list[Row] = []
        for trade in trades:
            listing = self.find_listing(trade)
            if listing is None:
                continue
            text = str(trade.get("id") or "")
            number = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else NO_VALUE
            texts = (decimal_text(trade.get("price")), self.size_text(trade.get("amount"), listing))
            ids = (number, trade_id_of(text) if text and number == NO_VALUE else NO_ORDER_ID)
            rows.append(trade_row(listing, (read_time_ns(trade), ts_receive_ns), texts, read_side(trade), ids))
        found = as_rows(rows)
        again = told_again(self.table.told, found, ids_of(found))
        self.told_twice_count += int(again.sum())
        return found[~again]

    @checked
    def parse_ticker(self, ticker: Mapping[str, Any], ts_receive_ns: int) -> np.ndarray:
        """Return the MARK of a ticker, no row when it has no mark price or is of another instrument."""
        listing = self.find_listing(ticker)
        if listing is None or ticker.get("markPrice") is None:
            return as_rows([])
        mark_e8, index_e8 = read_e8(ticker["markPrice"], "mark price"), NO_VALUE
        if ticker.get("indexPrice") is not None:
            index_e8 = read_e8(ticker["indexPrice"], "index price")
        if mark_e8 == NO_VALUE:
            return as_rows([])
        return mark_rows(listing, (read_time_ns(ticker), ts_receive_ns), mark_e8, index_e8)

    @checked
    def parse_settled(self, rates: list[Mapping[str, Any]], ts_receive_ns: int, mark_e8: int) -> np.ndarray:
        """Return a FUNDING per settled rate of instruments in the manifest, at a mark price told before, if any was.

        Source: ccxt manual, "Funding Rate History Structure"; a rate that is to come is no FUNDING.
        """
        rows: list[Row] = []
        for rate in rates:
            listing = self.find_listing(rate)
            if listing is None:
                continue
            number = read_number(rate.get("fundingRate"))
            if abs(number) > 1:
                raise RefusedError(f"funding rate {rate.get('fundingRate')!r} is beyond 100 %")
            head = (0, read_time_ns(rate), ts_receive_ns, NO_PRICE_TICKS, 0, mark_e8, int(-(-number * E9 // 1)))
            rows.append((*head, EventKind.FUNDING, Side.NONE, Flag.LAST, listing.index, 0))
        return as_rows(rows)

    @checked
    def parse_orders(self, orders: list[Mapping[str, Any]], ts_receive_ns: int) -> Private:
        """Return what is new of own orders."""
        rows: list[Row] = []
        foreign: list[Foreign] = []
        for order in orders:
            link_id, venue_order_id = str(order.get("clientOrderId") or ""), str(order.get("id") or "")
            order_id, listing = self.ledger.find(link_id, venue_order_id), self.find_listing(order)
            if order_id is None or listing is None:
                symbol, what = str(order.get("symbol")), str(order.get("status"))
                foreign.append(
                    Foreign(topic="order", symbol=symbol, what=what, venue_order_id=venue_order_id, link_id=link_id)
                )
                continue
            report = self.order_report(order, order_id, listing, ts_receive_ns)
            rows += self.ledger.fold(report, venue_order_id)
        return Private(as_rows(rows), tuple(foreign))

    def order_report(
        self, order: Mapping[str, Any], order_id: int, listing: Listing, ts_receive_ns: int
    ) -> OrderReport:
        """Return the state of an own order."""
        word = ORDER_WORDS.get(str(order.get("status")))
        if word is None:
            raise RefusedError(f'order "status" {order.get("status")!r} is none that is known')
        price = order.get("price")
        return OrderReport(
            listing=listing,
            order_id=order_id,
            word=word,
            side=read_side(order),
            price_ticks=NO_PRICE_TICKS if price is None else read_price(decimal_text(price), listing),
            whole_lots=read_qty(self.size_text(order.get("amount"), listing), listing),
            filled_lots=read_qty(self.size_text(order.get("filled") or 0, listing), listing),
            times=(read_time_ns(order), ts_receive_ns),
        )

    @checked
    def parse_own_trades(self, trades: list[Mapping[str, Any]], ts_receive_ns: int) -> Private:
        """Return the FILL of each own trade; one that names no order of ours is foreign."""
        rows: list[Row] = []
        foreign: list[Foreign] = []
        for trade in trades:
            link_id, venue_order_id = str(trade.get("clientOrderId") or ""), str(trade.get("order") or "")
            order_id, listing = self.ledger.find(link_id, venue_order_id), self.find_listing(trade)
            names: dict[str, Any] = {"topic": "trade", "symbol": str(trade.get("symbol")), "what": "trade"}
            names |= {"venue_order_id": venue_order_id, "link_id": link_id}
            if listing is None:
                foreign.append(Foreign(**names))
                continue
            execution = self.execution(
                trade, NOBODYS_ORDER_ID if order_id is None else order_id, listing, ts_receive_ns
            )
            if order_id is None:
                foreign.append(Foreign(**names, row=as_rows([fill_row(execution)])))
            else:
                rows += self.ledger.fold(execution)
        return Private(as_rows(rows), tuple(foreign))

    def execution(self, trade: Mapping[str, Any], order_id: int, listing: Listing, ts_receive_ns: int) -> Execution:
        """Return one own trade."""
        name = str(trade.get("id") or "")
        if not name:
            raise RefusedError("an own trade without an id")
        fee = trade.get("fee")
        rate = fee.get("rate") if isinstance(fee, Mapping) else None
        qty_lots = read_qty(self.size_text(trade.get("amount"), listing), listing)
        if qty_lots == 0:
            raise RefusedError("an own trade of size 0")
        return Execution(
            listing=listing,
            order_id=order_id,
            side=read_side(trade),
            price_ticks=read_price(decimal_text(trade.get("price")), listing),
            qty_lots=qty_lots,
            number=execution_number(name),
            is_maker=trade.get("takerOrMaker") == "maker",
            fee_ppm=None if rate is None else int(-(-read_number(rate) * PPM // 1)),
            times=(read_time_ns(trade), ts_receive_ns),
        )

    @checked
    def parse_balance(self, balance: Mapping[str, Any], coin: str, ts_receive_ns: int) -> np.ndarray:
        """Return the BALANCE of a coin's total, rounded down to a micro; no row when it is not listed."""
        entry = balance.get(coin)
        total = entry.get("total") if isinstance(entry, Mapping) else None
        if total is None:
            return as_rows([])
        cash_micros = int(read_number(total) * MICROS_PER_UNIT // 1)
        if abs(cash_micros) > CASH_MICROS_MAX:
            raise RefusedError(f"{coin} balance {total!r} is out of range")
        return as_rows([balance_row((read_time_ns(balance), ts_receive_ns), cash_micros)])

    @checked
    def parse_positions(self, positions: list[Mapping[str, Any]], ts_receive_ns: int) -> Private:
        """Return the POSITION of each instrument; the average entry price is the tick below it."""
        rows: list[Row] = []
        foreign: list[Foreign] = []
        for position in positions:
            listing = self.find_listing(position)
            if listing is None or position.get("hedged") is True:
                what = "position" if listing is None else "position in hedge mode: mm trades in one-way mode"
                foreign.append(Foreign(topic="position", symbol=str(position.get("symbol")), what=what))
                continue
            qty_lots = read_qty(self.size_text(position.get("contracts") or 0, listing), listing)
            side, price, price_ticks = position.get("side"), position.get("entryPrice"), NO_PRICE_TICKS
            if qty_lots and side not in ("long", "short"):
                raise RefusedError(f'position "side" {side!r} is neither long nor short')
            if qty_lots and price:
                price_ticks = int(read_number(price) / Fraction(listing.tick.mantissa, 10**listing.tick.exponent))
                if not 1 <= price_ticks <= listing.price_ticks_max:
                    raise RefusedError(f"entry price {price!r} is out of range")
            sign = -1 if side == "short" else 1
            rows.append(position_row(listing, (read_time_ns(position), ts_receive_ns), sign * qty_lots, price_ticks))
        return Private(as_rows(rows), tuple(foreign))

    def size_text(self, value: object, listing: Listing) -> str:
        """Return a size in the instrument's own units as a decimal text."""
        contract_size = self.contract_sizes.get(listing.symbol)
        if contract_size is None:
            return decimal_text(value)
        return decimal_text(Decimal(decimal_text(value)) * Decimal(contract_size))


def decimal_text(value: object) -> str:
    """Return a number as the shortest decimal text without exponent.

    Raises: RefusedError for what is no number, for NaN and infinities.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise RefusedError(f"{value!r} is no number")
    try:
        number = Decimal(repr(value) if isinstance(value, float) else value)
    except ArithmeticError as error:
        raise RefusedError(f"{value!r} is no number") from error
    if not number.is_finite() or abs(number.adjusted()) > 40:
        raise RefusedError(f"{value!r} is out of range")
    text = f"{number:f}"
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


def read_number(value: object) -> Fraction:
    """Return a number exactly as its decimal text has it.

    Raises: RefusedError.
    """
    return Fraction(decimal_text(value))


def read_e8(value: object, what: str) -> int:
    """Return a positive mark or index price x 1e8, the sentinel of one too small to be told so.

    Raises: RefusedError.
    """
    price = read_number(value)
    if price <= 0:
        raise RefusedError(f"{what} {value!r} is out of range")
    return round_mark_e8(price, what)


def read_side(structure: Mapping[str, Any]) -> Side:
    """Return the side of a trade or an order.

    Raises: RefusedError.
    """
    side = SIDES.get(str(structure.get("side")))
    if side is None:
        raise RefusedError(f'"side" {structure.get("side")!r} is neither buy nor sell')
    return side


def read_time_ns(structure: Mapping[str, Any]) -> int:
    """Return a structure's `timestamp` in ns, or `NO_TS_NS` where it has none.

    Raises: RefusedError.
    """
    value = structure.get("timestamp")
    if value is None:
        return NO_TS_NS
    if type(value) is not int or not 0 <= value <= TS_MS_MAX:
        raise RefusedError(f'"timestamp" {value!r} is no time in ms')
    return value * NS_PER_MS
