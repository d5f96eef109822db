"""Binance messages to rows (spot, USD-M, COIN-M); must never do I/O and never read a clock.

Book numbers, as the core bridges them: `venue_seq` is `u`; `venue_seq_prev` is `pu` where the market has it, else
`U - 1`; of a REST snapshot `venue_seq` is `lastUpdateId`. Deltas go out in arrival order, those before the snapshot
included. Source: Binance docs, "How to manage a local order book correctly" and the streams of spot, USD-M, COIN-M.
"""

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import orjson

from mmfold.adapters.importers.captures import Captures
from mmfold.adapters.importers.grid import read_integer, read_mark_e8
from mmfold.adapters.importers.outcome import (
    ImportFailedError,
    Parsed,
    PassedOverError,
    Refusal,
    RefusedError,
    Skipped,
    UnknownSymbolError,
    UnnamedSnapshotError,
)
from mmfold.adapters.importers.rows import bbo_rows, book_rows, finish_event, mark_rows, read_ts_ns, trade_row
from mmfold.adapters.importers.table import AGGREGATE_TRADES, SINGLE_TRADES, Context, Listing, choose_trades
from mmfold.adapters.venues.binance.exchange_info import offer_exchange_info
from mmfold.engine.codes import EventKind, Side
from mmfold.engine.records import NO_ORDER_ID, NO_VALUE

MARKETS = ("usdm", "coinm", "spot")
UNUSED_EVENTS = {
    "kline": "kline",
    "continuous_kline": "kline",
    "24hrTicker": "ticker",
    "24hrMiniTicker": "ticker",
    "forceOrder": "liquidation",
}
COINM_SYMBOL = re.compile(r"[A-Z0-9]+USD_(PERP|[0-9]{6})")
PARTIAL_DEPTH_STREAM = re.compile(r"@depth[0-9]")
BBO_KEYS = ("b", "B", "a", "A")
NUMBER_KEYS = {SINGLE_TRADES: "t", AGGREGATE_TRADES: "a"}


def parse_message(raw: bytes, ts_receive_ns: int, context: Context) -> Parsed:
    """Return the rows of one received message, with `seq` 0, or why there are none.

    Shape:  EVENT rows of one event.
    Raises: UnknownSymbolError for an instrument that nothing describes, ImportFailedError.
    """
    context.named = ""
    try:
        message = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        return Refusal(f"not JSON: {error}")
    if not isinstance(message, dict):
        return Refusal("not a JSON object")
    if isinstance(message.get("topic"), str):
        context.foreign = "bybit"
        return Refusal("a message of Bybit, by its topic: mm import bybit reads such captures")
    try:
        return parse_enveloped(message, ts_receive_ns, context)
    except UnknownSymbolError:
        raise
    except PassedOverError as passed:
        return Skipped(str(passed))
    except RefusedError as refused:
        return Refusal(str(refused))


def parse_enveloped(message: dict[str, Any], ts_receive_ns: int, context: Context) -> np.ndarray:
    """Return the rows of one message, with its envelope where it has one.

    Raises: RefusedError, PassedOverError, ImportFailedError.
    """
    stream = message.get("stream", "") if "data" in message else ""
    data = message.get("data", message)
    if not isinstance(data, dict) or not isinstance(stream, str):
        raise RefusedError('"stream" or "data" of the frame is not what it should be')
    context.named = "" if stream.startswith("!") else stream.partition("@")[0].upper()
    return parse_data(data, stream, ts_receive_ns, context)


def parse_data(data: dict[str, Any], stream: str, ts_receive_ns: int, context: Context) -> np.ndarray:
    """Return the rows of one message without its envelope.

    Raises: RefusedError, PassedOverError, ImportFailedError.
    """
    event = data.get("e")
    if event == "depthUpdate":
        return depth_rows(data, stream, ts_receive_ns, context)
    if event == "bookTicker" or (event is None and all(key in data for key in BBO_KEYS)):
        return best_rows(data, ts_receive_ns, context)
    if event in ("trade", "aggTrade"):
        return trade_rows(data, SINGLE_TRADES if event == "trade" else AGGREGATE_TRADES, ts_receive_ns, context)
    if event == "markPriceUpdate":
        return mark_price_rows(data, ts_receive_ns, context)
    if event is None and "lastUpdateId" in data:
        return snapshot_rows(data, stream, ts_receive_ns, context)
    if event is None and isinstance(data.get("symbols"), list):
        offer_exchange_info(data, context)
    if event is None and "optionSymbols" in data:
        raise PassedOverError("instruments list of options")
    if event is None and "result" in data and "id" in data:
        raise PassedOverError("ack")
    if isinstance(event, str) and event in UNUSED_EVENTS:
        raise PassedOverError(UNUSED_EVENTS[event])
    raise RefusedError(f"unknown kind of message {event!r}")


def resolve(data: dict[str, Any], symbol: object, context: Context) -> Listing:
    """Return the listing of a message's symbol; the first message settles the market of the import.

    The futures stamp every message with the transaction time `T`, spot only its trades, which alone have `M`. COIN-M is
    known by its symbols: `...USD_PERP` and `...USD_<date>`.
    Raises: RefusedError, PassedOverError, ImportFailedError.
    """
    market, wanted = context.market, context.table.wanted
    if isinstance(symbol, str):
        shown = shown_market(data, symbol)
        if not context.market_forced:
            if market not in ("", shown):
                raise RefusedError(f"a {shown} message ({symbol}) in a {market} capture; import them apart")
            market = shown
        elif shown != market and shows_market(data) and (not wanted or symbol in wanted):
            raise ImportFailedError(
                f"--market {market}: {symbol} is {shown}, as its messages show", f"--market {shown}"
            )
    listing = context.resolve(symbol, market)
    context.market = market
    return listing


def shown_market(data: dict[str, Any], symbol: str) -> str:
    """Return the market that a message looks like."""
    if "M" in data or not ("T" in data or "pu" in data):
        return "spot"
    return "coinm" if COINM_SYMBOL.fullmatch(symbol) else "usdm"


def shows_market(data: dict[str, Any]) -> bool:
    """Tell whether a message could be of no other market: spot's best prices and snapshots have no mark."""
    return "M" in data or "T" in data or "pu" in data or data.get("e") == "depthUpdate"


def depth_rows(data: dict[str, Any], stream: str, ts_receive_ns: int, context: Context) -> np.ndarray:
    """Return a BOOK_DELTA.

    Raises: RefusedError; PassedOverError for the partial book streams, which repeat the top levels.
    """
    if PARTIAL_DEPTH_STREAM.search(stream):
        raise PassedOverError("partial depth")
    listing = resolve(data, data.get("s"), context)
    first, last = read_integer(data, "U"), read_integer(data, "u")
    if first > last:
        raise RefusedError(f'"U" {first} is above "u" {last}')
    previous = read_integer(data, "pu") if "pu" in data else first - 1
    times = (read_ts_ns(data, "T", "E", unit_ns=context.exchange_unit_ns), ts_receive_ns)
    return book_rows(EventKind.BOOK_DELTA, listing, times, (last, previous), (data.get("b"), data.get("a")))


def best_rows(data: dict[str, Any], ts_receive_ns: int, context: Context) -> np.ndarray:
    """Return a BBO; spot's has no time."""
    listing = resolve(data, data.get("s"), context)
    times = (read_ts_ns(data, "T", "E", unit_ns=context.exchange_unit_ns), ts_receive_ns)
    return bbo_rows(listing, times, read_integer(data, "u"), [data.get(key) for key in BBO_KEYS])


def trade_rows(data: dict[str, Any], stream: int, ts_receive_ns: int, context: Context) -> np.ndarray:
    """Return a TRADE; `m` says that the buyer was the maker, so the aggressor sold.

    Raises: RefusedError; PassedOverError for futures trades of another type than MARKET: insurance fund, ADL and NA
        entries never met the book, and some carry a price and a size of 0; and for those of a second stream of trades.
    """
    listing = resolve(data, data.get("s"), context)
    if data.get("X", "MARKET") != "MARKET":
        raise PassedOverError("trade beside the book")
    maker_bought = data.get("m")
    if not isinstance(maker_bought, bool):
        raise RefusedError('"m" is missing or not true or false')
    side = Side.ASK if maker_bought else Side.BID
    times = (read_ts_ns(data, "T", "E", unit_ns=context.exchange_unit_ns), ts_receive_ns)
    number = read_integer(data, NUMBER_KEYS[stream])
    row = trade_row(listing, times, (data.get("p"), data.get("q")), side, (number, NO_ORDER_ID))
    choose_trades(context.table.records[listing.index], stream)
    return finish_event([row])


def mark_price_rows(data: dict[str, Any], ts_receive_ns: int, context: Context) -> np.ndarray:
    """Return a MARK; its `T` is the next funding time, so `E` is when it happened."""
    listing = resolve(data, data.get("s"), context)
    mark_e8 = read_mark_e8(data.get("p"), f"{listing.symbol} mark price")
    if mark_e8 == NO_VALUE:
        raise PassedOverError("mark price below 0.00001")
    times = (read_ts_ns(data, "E", unit_ns=context.exchange_unit_ns), ts_receive_ns)
    if not data.get("i"):  # COIN-M has no index price here
        return mark_rows(listing, times, mark_e8)
    return mark_rows(listing, times, mark_e8, read_mark_e8(data["i"], f"{listing.symbol} index price"))


def snapshot_rows(data: dict[str, Any], stream: str, ts_receive_ns: int, context: Context) -> np.ndarray:
    """Return the BOOK_SNAPSHOT of a REST depth response.

    Only COIN-M's names its symbol: else it is the URL's, else the streams of the capture show it (unnamed.py).
    Raises: UnnamedSnapshotError when neither says it; PassedOverError for a partial book stream.
    """
    if stream:
        raise PassedOverError("partial depth")
    symbol = data.get("symbol") or parse_qs(urlsplit(context.url).query).get("symbol", [context.symbol_hint])[0]
    if not symbol:
        raise UnnamedSnapshotError
    listing = resolve(data, symbol, context)
    times = (read_ts_ns(data, "T", "E", unit_ns=context.exchange_unit_ns), ts_receive_ns)
    seqs = (read_integer(data, "lastUpdateId"), NO_ORDER_ID)
    return book_rows(EventKind.BOOK_SNAPSHOT, listing, times, seqs, (data.get("bids"), data.get("asks")))


CAPTURES = Captures(
    venue="binance",
    markets=MARKETS,
    parse_message=parse_message,
    scanner="mmfold.adapters.venues.binance.message_kernel:scan_lines",
)
