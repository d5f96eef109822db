"""ccxt's unified market structures of any venue to the same rows; must never let a float near a tick unchecked.

ccxt has read the venue's decimal text as a float: its shortest form is that text again, and a number that is then not
on the grid is refused like any other. Sizes of derivatives are in contracts: times the contract size they are base
units.
Source: ccxt manual, "Order book structure", "Trade structure", "Ticker structure".
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
from mmfold.adapters.importers.rows import TS_MS_MAX, Row, book_rows, mark_rows, trade_row
from mmfold.adapters.importers.table import Listing
from mmfold.adapters.venues.ledger import (
    as_rows,
)
from mmfold.adapters.venues.listing import list_manifest
from mmfold.adapters.venues.port import MalformedFrame
from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.limits import E9, NS_PER_MS
from mmfold.engine.manifest import Manifest
from mmfold.engine.records import NO_ORDER_ID, NO_PRICE_TICKS, NO_TS_NS, NO_VALUE
from mmfold.journal.told import told_again, trade_id_of

Result = TypeVar("Result")
SIDES = {"buy": Side.BID, "sell": Side.ASK}


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
        symbols: Mapping[str, str],
        contract_sizes: Mapping[str, str] | None = None,
    ) -> None:
        self.table = list_manifest(manifest, manifest.instruments[0].venue)
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
