"""Bybit v5 REST requests that are no orders, and their answers; must never guess what an answer leaves out.

For the start-up and for reconciling: what the venue has is told as rows (OPEN_ORDERS of every instrument, none
included; POSITION of every instrument, flat included; BALANCE; missed FILLs), as instruments and as fees.
Lists come in pages: `next_cursor` is what the next request passes, empty at the end.
Source: Bybit v5 docs, REST pages of each path.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mmfold.adapters.importers.outcome import RefusedError
from mmfold.adapters.importers.rows import TS_MS_MAX, Row, read_ts_ns
from mmfold.adapters.importers.table import SymbolTable
from mmfold.adapters.venues.bybit.entries import (
    fee_ppm_of,
    parse_execution,
    parse_order,
    parse_position,
    parse_wallet,
    read_text,
)
from mmfold.adapters.venues.bybit.frames import keeping
from mmfold.adapters.venues.bybit.messages import MARKETS, read_instrument
from mmfold.adapters.venues.bybit.ret_codes import HTTP_OK, judge, judge_http, meaning_of
from mmfold.adapters.venues.bybit.signing import UNSAFE_IN_QUERY, get_request
from mmfold.adapters.venues.frames import load_object
from mmfold.adapters.venues.ledger import (
    Execution,
    Foreign,
    OrderLedger,
    OrderReport,
    OrderWord,
    as_rows,
    open_orders_rows,
    position_row,
)
from mmfold.adapters.venues.listing import category_of, list_manifest
from mmfold.adapters.venues.order_port import FeeRate, Page, Private, Resting
from mmfold.adapters.venues.port import MalformedFrame, RestRequest, VenueError
from mmfold.engine.codes import Side
from mmfold.engine.limits import NS_PER_MS
from mmfold.engine.manifest import Instrument, Manifest
from mmfold.engine.records import NO_PRICE_TICKS

Told = OrderReport | Execution | Row | list[Row] | Foreign
PAGE_COUNT_INSTRUMENTS = 1000
PAGE_COUNT_ORDERS = 50
PAGE_COUNT_EXECUTIONS = 100
PAGE_COUNT_POSITIONS = 200


def request_time() -> RestRequest:
    """Return the request for the venue's clock."""
    return get_request("/v5/market/time", {})


def request_instruments(category: str, symbol: str = "", cursor: str = "") -> RestRequest:
    """Return the request for a page of instruments."""
    values = {"category": category, "symbol": symbol, "limit": PAGE_COUNT_INSTRUMENTS, "cursor": cursor}
    return get_request("/v5/market/instruments-info", values)


def request_open_orders(category: str, symbol: str = "", settle_coin: str = "", cursor: str = "") -> RestRequest:
    """Return the request for a page of open orders."""
    values: dict[str, object] = {"category": category, "symbol": symbol, "settleCoin": settle_coin, "openOnly": 0}
    values |= {"limit": PAGE_COUNT_ORDERS, "cursor": cursor}
    return get_request("/v5/order/realtime", values, private=True)


def request_executions(category: str, symbol: str = "", start_ms: int | None = None, cursor: str = "") -> RestRequest:
    """Return the request for a page of executions since a time, newest first; the venue gives at most 7 days."""
    values: dict[str, object] = {"category": category, "symbol": symbol, "startTime": start_ms}
    values |= {"limit": PAGE_COUNT_EXECUTIONS, "cursor": cursor}
    return get_request("/v5/execution/list", values, private=True)


def request_positions(category: str, symbol: str = "", settle_coin: str = "", cursor: str = "") -> RestRequest:
    """Return the request for a page of positions."""
    values: dict[str, object] = {"category": category, "symbol": symbol, "settleCoin": settle_coin}
    values |= {"limit": PAGE_COUNT_POSITIONS, "cursor": cursor}
    return get_request("/v5/position/list", values, private=True)


def request_wallet(coin: str, account_type: str = "UNIFIED") -> RestRequest:
    """Return the request for the wallet balance of a coin."""
    return get_request("/v5/account/wallet-balance", {"accountType": account_type, "coin": coin}, private=True)


def request_fee_rate(category: str, symbol: str = "") -> RestRequest:
    """Return the request for the account's fee rates."""
    return get_request("/v5/account/fee-rate", {"category": category, "symbol": symbol}, private=True)


def read_result(body: bytes, status: int = HTTP_OK) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the result of an answer, and the whole answer.

    Raises: VenueError when the venue said no, MalformedFrame.
    """
    verdict = judge_http(status)
    if verdict is not None:
        raise VenueError(status, "HTTP status", verdict, meaning_of(status))
    answer = load_object(body)
    code, text = answer.get("retCode"), answer.get("retMsg", "")
    if type(code) is not int:
        raise MalformedFrame('"retCode" is missing or no integer', body)
    if code != 0:
        raise VenueError(code, str(text), judge(code), meaning_of(code))
    result = answer.get("result")
    if not isinstance(result, dict):
        raise MalformedFrame('"result" is missing or not an object', body)
    return result, answer


def read_page(body: bytes, status: int = HTTP_OK) -> Page:
    """Return one page of a list.

    Raises: VenueError, MalformedFrame.
    """
    result, answer = read_result(body, status)
    entries, category = result.get("list"), result.get("category", "")
    cursor = result.get("nextPageCursor") or ""
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise MalformedFrame('"list" is missing or not a list of objects', body)
    if not isinstance(cursor, str) or not isinstance(category, str):
        raise MalformedFrame('"nextPageCursor" or "category" is no string', body)
    if not (cursor.isascii() and cursor.isprintable()) or set(cursor) & set(UNSAFE_IN_QUERY + "&"):
        raise MalformedFrame('"nextPageCursor" cannot stand in a query', body)
    with keeping(body):
        return Page(entries, cursor, category, read_ts_ns(answer, "time"), body)


def parse_time(body: bytes, status: int = HTTP_OK) -> int:
    """Return the venue's clock.

    Units: ns UTC.
    Raises: VenueError, MalformedFrame.
    """
    result, _ = read_result(body, status)
    text = result.get("timeNano")
    if not isinstance(text, str) or not (text.isascii() and text.isdigit()) or len(text) > 19:
        raise MalformedFrame('"timeNano" is missing or no whole number', body)
    if int(text) > TS_MS_MAX * NS_PER_MS:
        raise MalformedFrame(f'"timeNano" {text} is out of range', body)
    return int(text)


def parse_instruments(
    body: bytes, status: int = HTTP_OK, odd: dict[str, str] | None = None
) -> tuple[list[Instrument], str]:
    """Return the instruments of a page, those that do not trade left out, and the cursor of the category's next page.

    Raises: VenueError, MalformedFrame.
    """
    found, _, cursor = read_instruments(body, status, odd)
    return found, cursor


def read_instruments(
    body: bytes, status: int = HTTP_OK, odd: dict[str, str] | None = None
) -> tuple[list[Instrument], str, str]:
    """Return the instruments of a page, those that do not trade left out, its category and the cursor of its next page.

    A row that cannot be taken hides no other: its symbol and the reason go into `odd`.
    Raises: VenueError; MalformedFrame, also when no row can be taken.
    """
    page = read_page(body, status)
    if page.category not in MARKETS:
        raise MalformedFrame(f"instruments of category {page.category!r}, expected one of {', '.join(MARKETS)}", body)
    found: list[Instrument] = []
    left_out: dict[str, str] = {} if odd is None else odd
    trading = [entry for entry in page.entries if entry.get("status", "Trading") == "Trading"]
    for entry in trading:
        try:
            found.append(read_instrument(entry, page.category))
        except RefusedError as error:
            left_out[ascii(entry.get("symbol"))] = str(error)
    if trading and not found:
        raise MalformedFrame(next(reversed(left_out.values())), body)
    return found, page.category, page.next_cursor


def parse_fee_rates(body: bytes, status: int = HTTP_OK) -> list[FeeRate]:
    """Return the account's fee rates.

    Raises: VenueError, MalformedFrame.
    """
    page = read_page(body, status)
    with keeping(body):
        return [
            FeeRate(
                read_text(entry, "symbol"),
                fee_ppm_of(read_text(entry, "makerFeeRate")),
                fee_ppm_of(read_text(entry, "takerFeeRate")),
            )
            for entry in page.entries
        ]


def entries_of(pages: Sequence[Page]) -> list[tuple[Page, dict[str, Any]]]:
    """Return the entries of a list's pages, each with its page."""
    return [(page, entry) for page in pages for entry in page.entries]


def read_resting(pages: Sequence[Page]) -> list[Resting]:
    """Return the open orders of all pages, whoever placed them.

    Raises: MalformedFrame.
    """
    found = []
    for page, entry in entries_of(pages):
        with keeping(page.body):
            found.append(Resting(read_text(entry, "orderLinkId"), read_text(entry, "orderId")))
    return found


class RestParser:
    """Answers of the private lists to whole events."""

    def __init__(self, manifest: Manifest, ledger: OrderLedger, coin: str = "USDT") -> None:
        self.table = list_manifest(manifest)
        self.listings = tuple(self.table.listings.values())
        self.ledger = ledger
        self.coin = coin

    def parse_open_orders(
        self, pages: list[Page], category: str, ts_receive_ns: int, symbol: str | None = None
    ) -> Private:
        """Return the OPEN_ORDERS of every instrument of a category, or of one, from all pages of the list, after what
        is news.

        News is an ACK or an AMENDED that no stream has told: once, here or there, or the core would wait for it.
        Raises: MalformedFrame: nothing of the list is taken as told.
        """
        assert pages and not pages[-1].next_cursor, "a part of the list would call the rest of the orders absent"
        told, foreign = self.read_entries(pages, parse_order, ts_receive_ns)
        news: list[Row] = []
        listed_for = self.indices_of(category) if symbol is None else [self.table.listings[symbol].index]
        orders: dict[int, list[tuple[int, Side, int, int]]] = {index: [] for index in listed_for}
        for report, entry in told:
            assert isinstance(report, OrderReport)
            news += self.ledger.fold(report, read_text(entry, "orderId"))
            if report.word == OrderWord.OPEN:
                remaining_lots = max(0, report.whole_lots - report.filled_lots)
                order = (report.order_id, report.side, report.price_ticks, remaining_lots)
                orders.setdefault(report.listing.index, []).append(order)
        times = (pages[0].ts_ns, ts_receive_ns)
        listed = [open_orders_rows(self.listings[index], times, each) for index, each in orders.items()]
        return Private(np.concatenate([as_rows(news), *listed]), tuple(foreign))

    def parse_executions(self, pages: list[Page], ts_receive_ns: int) -> Private:
        """Return the FILLs and FUNDINGs of all pages, oldest first; the session drops those it has.

        Raises: MalformedFrame: nothing of the list is taken as told.
        """
        told, foreign = self.read_entries(pages, parse_execution, ts_receive_ns)
        rows = [row for news, _ in reversed(told) for row in self.ledger.fold(news)]
        return Private(as_rows(rows), tuple(foreign))

    def read_entries(
        self,
        pages: list[Page],
        parse: Callable[[dict[str, Any], int, SymbolTable, OrderLedger], Told],
        ts_receive_ns: int,
    ) -> tuple[list[tuple[OrderReport | Execution | Row | list[Row], dict[str, Any]]], list[Foreign]]:
        """Return what the entries of all pages say, each with its entry, and what is foreign.

        Raises: MalformedFrame.
        """
        told: list[tuple[OrderReport | Execution | Row | list[Row], dict[str, Any]]] = []
        foreign: list[Foreign] = []
        for page, entry in entries_of(pages):
            with keeping(page.body):
                news = parse(entry, ts_receive_ns, self.table, self.ledger)
            if isinstance(news, Foreign):
                foreign.append(news)
            else:
                told.append((news, entry))
        return told, foreign

    def indices_of(self, category: str) -> list[int]:
        """Return the indices of a category's instruments."""
        return [listing.index for listing in self.listings if category_of(listing) == category]

    def parse_positions(self, pages: list[Page], category: str, ts_receive_ns: int) -> Private:
        """Return the POSITION of every instrument of a category; one that the venue does not list is flat.

        Raises: MalformedFrame.
        """
        assert pages and not pages[-1].next_cursor, "a part of the list would call the rest of the positions flat"
        times = (pages[0].ts_ns, ts_receive_ns)
        rows: dict[int, Row] = {
            index: position_row(self.listings[index], times, 0, NO_PRICE_TICKS) for index in self.indices_of(category)
        }
        foreign: list[Foreign] = []
        for page, entry in entries_of(pages):
            with keeping(page.body):
                told = parse_position(entry, times, self.table)
            if isinstance(told, Foreign):
                foreign.append(told)
            else:
                rows[self.table.listings[str(entry["symbol"])].index] = told
        return Private(as_rows(list(rows.values())), tuple(foreign))

    def parse_wallet(self, body: bytes, ts_receive_ns: int, status: int = HTTP_OK) -> np.ndarray:
        """Return the BALANCE of the account, no row when it does not list the coin.

        Raises: VenueError, MalformedFrame.
        """
        page = read_page(body, status)
        times = (page.ts_ns, ts_receive_ns)
        with keeping(body):
            told = [parse_wallet(entry, times, self.coin) for entry in page.entries]
        return as_rows([row for row in told if row is not None])
