"""Bybit v5 public messages to rows; must never do I/O and never read a clock.

Book numbers: `venue_seq` is `u`, a delta continues `u - 1`; a snapshot restarts the book whatever its `u` (depth 1
repeats `u`). `u` = 1 follows a restart of the venue: a snapshot whatever its type, of which sizes 0 are left out.
Source: Bybit v5 docs, websocket public channels: orderbook, trade, ticker.
"""

import re
from typing import Any

import numpy as np
import orjson

from mmfold.adapters.importers.captures import Captures
from mmfold.adapters.importers.grid import read_integer, read_mark_e8
from mmfold.adapters.importers.listed import instrument_of
from mmfold.adapters.importers.outcome import (
    ImportFailedError,
    Parsed,
    PassedOverError,
    Refusal,
    RefusedError,
    Skipped,
    UnknownSymbolError,
)
from mmfold.adapters.importers.rows import Row, book_rows, mark_rows, read_ts_ns, trade_row
from mmfold.adapters.importers.table import Context, Listing, depth_number
from mmfold.config.instruments import CONTRACT_OF_MARKET
from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.limits import EVENT_ROW_COUNT_MAX
from mmfold.engine.manifest import BOOK_DEPTH_MAX, Instrument
from mmfold.engine.records import EVENT, NO_ORDER_ID, NO_VALUE, SEQ_RESTARTED
from mmfold.journal.told import trade_id_of

MARKETS = ("linear", "inverse", "spot")
UNUSED_TOPICS = {
    "kline": "kline",
    "allLiquidation": "liquidation",
    "liquidation": "liquidation",
    "insurance": "insurance",
    "priceLimit": "price limit",
    "adlAlert": "adl alert",
}
NAMED_DEPTHS = {"rpi": 50}  # orderbook.rpi.SYMBOL
BOOK_TYPES = ("snapshot", "delta")
ZERO_SIZE = re.compile(r"0+(\.0*)?")
SIDES = {"Buy": Side.BID, "Sell": Side.ASK}
INVERSE_SYMBOL = re.compile(r"[A-Z0-9]+USD(-[0-9A-Z]+|[FGHJKMNQUVXZ][0-9]{2})?")
LINEAR_SYMBOL = re.compile(r"[A-Z0-9]+(USDT|USDC|PERP)(-[0-9A-Z]+)?")


def parse_message(raw: bytes, ts_receive_ns: int, context: Context) -> Parsed:
    """Return the rows of one received message, `seq` counting its events from 0, or why there are none.

    Shape:  EVENT rows; several events only for trades.
    Raises: UnknownSymbolError for an instrument that nothing describes, ImportFailedError.
    """
    context.named = ""
    try:
        message = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        return Refusal(f"not JSON: {error}")
    if not isinstance(message, dict):
        return Refusal("not a JSON object")
    try:
        return parse_object(message, ts_receive_ns, context)
    except UnknownSymbolError:
        raise
    except PassedOverError as passed:
        return Skipped(str(passed))
    except RefusedError as refused:
        return Refusal(str(refused))


def parse_object(message: dict[str, Any], ts_receive_ns: int, context: Context) -> np.ndarray:
    """Return the rows of one message by its topic.

    Raises: RefusedError, PassedOverError, UnknownSymbolError, ImportFailedError.
    """
    topic = message.get("topic")
    if topic is None and "retCode" in message:
        return offer_instruments(message, context)
    if topic is None and "op" in message:
        raise PassedOverError("ack")
    if topic is None and any(key in message for key in ("stream", "e", "lastUpdateId")):
        context.foreign = "binance"
        raise RefusedError("a message of Binance, without a topic: mm import binance reads such captures")
    if not isinstance(topic, str):
        raise RefusedError("unknown kind of message: it has neither topic, op nor retCode")
    channel, *parts = topic.split(".")
    context.named = parts[-1] if parts else ""
    if channel == "orderbook":
        return orderbook_rows(message, parts, ts_receive_ns, context)
    if channel == "publicTrade":
        return trade_rows(message, ts_receive_ns, context)
    if channel == "tickers":
        return ticker_rows(message, ts_receive_ns, context)
    if channel in UNUSED_TOPICS:
        raise PassedOverError(UNUSED_TOPICS[channel])
    raise RefusedError(f"unknown topic {topic!r}")


def resolve(symbol: object, context: Context) -> Listing:
    """Return the listing of a symbol.

    Bybit's messages do not say their market: where no flag and no address does, the capture's own list does, else the
    symbol's form: BTCUSD and BTCUSDZ24 are inverse, BTCUSDT and BTCPERP are not. Of linear and spot, linear is taken.
    Raises: RefusedError, PassedOverError, UnknownSymbolError; ImportFailedError for a symbol of several lists.
    """
    market, table = context.market, context.table
    if isinstance(symbol, str) and symbol not in table.listings and (not table.wanted or symbol in table.wanted):
        market = market or find_market(symbol, context)
        if (market, symbol) not in table.offered:
            check_market(symbol, market, context)
    listing = context.resolve(symbol, market)
    context.market = market
    return listing


def find_market(symbol: str, context: Context) -> str:
    """Return the market of a symbol that neither a flag nor an address names.

    Raises: ImportFailedError.
    """
    listed = sorted(market for market, name in context.table.offered if name == symbol)
    if len(listed) > 1:
        hint = " or ".join(f"--market {market}" for market in listed)
        raise ImportFailedError(f"{symbol} is in several lists of the capture: {', '.join(listed)}", f"say {hint}")
    if listed:
        return listed[0]
    market = "inverse" if INVERSE_SYMBOL.fullmatch(symbol) else "linear"
    context.table.assumed[f"market {market}, by the form of {symbol}: no address and no list says it (--market)"] = None
    return market


def check_market(symbol: str, market: str, context: Context) -> None:
    """Check that the form of a symbol is one of its market.

    Raises: RefusedError, ImportFailedError when the market is the caller's word.
    """
    is_inverse = INVERSE_SYMBOL.fullmatch(symbol) is not None
    if (market == "linear" and is_inverse) or (market == "inverse" and LINEAR_SYMBOL.fullmatch(symbol)):
        other = "inverse" if is_inverse else "linear"
        if context.market_forced:
            raise ImportFailedError(f"--market {market}: {symbol} is {other}", f"give --market {other}, or --symbols")
        raise RefusedError(f"{symbol} is {other}, in a capture of {market}; import them apart with --symbols")


def read_object(message: dict[str, Any]) -> dict[str, Any]:
    """Return the `data` object of a message.

    Raises: RefusedError.
    """
    data = message.get("data")
    if not isinstance(data, dict):
        raise RefusedError('"data" is missing or not an object')
    return data


def orderbook_rows(message: dict[str, Any], parts: list[str], ts_receive_ns: int, context: Context) -> np.ndarray:
    """Return a BOOK_SNAPSHOT or a BOOK_DELTA, stamped with the matching engine's time `cts` where there is one.

    Every depth numbers its own updates, so a symbol's book is the first depth that the capture shows.
    Raises: RefusedError; PassedOverError for further depths.
    """
    data = read_object(message)
    listing = resolve(data.get("s"), context)
    depth = ".".join(parts[:-1])
    taken = context.book_depths.setdefault(listing.symbol, depth)
    known = context.table.records[listing.index]
    known["book_depth"] = depth_number(taken)
    if taken != depth:
        known["beside_depth"] = NO_VALUE if known["book_depth"] == NO_VALUE else depth_number(depth)
        raise PassedOverError(f"orderbook.{depth} beside orderbook.{taken}")
    times = (read_ts_ns(message, "cts", "ts", unit_ns=context.exchange_unit_ns), ts_receive_ns)
    update = read_integer(data, "u")
    levels = (data.get("b"), data.get("a"))
    if update == SEQ_RESTARTED and message.get("type") in BOOK_TYPES:
        shown = (shown_levels(levels[0]), shown_levels(levels[1]))
        return book_rows(EventKind.BOOK_SNAPSHOT, listing, times, (update, NO_ORDER_ID), shown)
    if message.get("type") == "snapshot":
        return book_rows(EventKind.BOOK_SNAPSHOT, listing, times, (update, NO_ORDER_ID), levels)
    if message.get("type") == "delta":
        return book_rows(EventKind.BOOK_DELTA, listing, times, (update, update - 1), levels)
    raise RefusedError(f"orderbook message of unknown type {message.get('type')!r}")


def shown_levels(levels: Any) -> Any:
    """Return the levels of a book that begins anew: those of size 0 remove what is gone with the book before."""
    if not isinstance(levels, list):
        return levels
    return [level for level in levels if not (isinstance(level, list) and len(level) == 2 and is_zero(level[1]))]


def is_zero(text: object) -> bool:
    """Tell whether a size is a plain decimal zero."""
    return isinstance(text, str) and ZERO_SIZE.fullmatch(text) is not None


def shown_depth(topic_depth: str) -> int:
    """Return the levels of a side that the book of a topic shows at most, 0 where its name does not tell.

    Source: Bybit v5 docs, websocket public channels: orderbook, RPI orderbook.
    """
    return NAMED_DEPTHS.get(topic_depth) or min(max(0, depth_number(topic_depth)), BOOK_DEPTH_MAX)


def trade_rows(message: dict[str, Any], ts_receive_ns: int, context: Context) -> np.ndarray:
    """Return one TRADE per trade of the list; `seq` is its number, which several may share, and `i` its id.

    Raises: RefusedError: all trades of a message or none.
    """
    trades = message.get("data")
    if not isinstance(trades, list) or not 0 < len(trades) <= EVENT_ROW_COUNT_MAX:
        raise RefusedError('"data" is missing or not a list of trades')
    rows: list[Row] = []
    for trade in trades:
        if not isinstance(trade, dict):
            raise RefusedError("a trade is not an object")
        listing = resolve(trade.get("s"), context)
        side = SIDES.get(str(trade.get("S")))
        if side is None:
            raise RefusedError(f'"S" {trade.get("S")!r} is neither Buy nor Sell')
        times = (read_ts_ns(trade, "T", unit_ns=context.exchange_unit_ns), ts_receive_ns)
        number = read_integer(trade, "seq") if "seq" in trade else NO_VALUE
        rows.append(trade_row(listing, times, (trade.get("p"), trade.get("v")), side, (number, read_trade_id(trade))))
    events = np.array(rows, dtype=EVENT)
    events["seq"] = np.arange(len(rows))
    events["flags"] |= np.array([Flag.BLOCK if trade.get("BT") is True else 0 for trade in trades], "<u2")
    return events


def read_trade_id(trade: dict[str, Any]) -> int:
    """Return 62 bits of a trade's id, or `NO_ORDER_ID` where it has none: such a trade is never told twice.

    Raises: RefusedError when it is no text.
    """
    text = trade.get("i", "")
    if not isinstance(text, str):
        raise RefusedError(f'"i" {text!r} is no text')
    return trade_id_of(text) if text else NO_ORDER_ID


def ticker_rows(message: dict[str, Any], ts_receive_ns: int, context: Context) -> np.ndarray:
    """Return a MARK when the ticker says a mark or an index price.

    A delta leaves out what did not change, so an index price alone comes with the last mark price that the stream said.
    Raises: RefusedError; PassedOverError for a ticker without either, or without any mark price so far.
    """
    data = read_object(message)
    if "markPrice" not in data and "indexPrice" not in data:
        raise PassedOverError("ticker")
    listing = resolve(data.get("symbol"), context)
    known = context.table.records[listing.index]
    index_e8 = NO_VALUE
    if "indexPrice" in data:
        index_e8 = read_mark_e8(data["indexPrice"], f"{listing.symbol} index price")
    if "markPrice" in data:
        known["mark_e8"] = read_mark_e8(data["markPrice"], f"{listing.symbol} mark price")
    mark_e8 = int(known["mark_e8"])
    if mark_e8 == NO_VALUE:
        raise PassedOverError("ticker")
    times = (read_ts_ns(message, "ts", unit_ns=context.exchange_unit_ns), ts_receive_ns)
    return mark_rows(listing, times, mark_e8, index_e8)


def offer_instruments(message: dict[str, Any], context: Context) -> np.ndarray:
    """Take the grids of an instruments-info response into the symbol table; it has no rows of its own.

    Raises: PassedOverError always, unless RefusedError: the response is an error or not understood.
    Source: Bybit v5 docs, GET /v5/market/instruments-info.
    """
    if message.get("retCode") != 0:
        raise RefusedError(f"the venue answered an error: {message.get('retCode')} {message.get('retMsg')!r}")
    result = message.get("result")
    if not isinstance(result, dict) or not isinstance(result.get("list"), list):
        raise RefusedError("a response without a result list")
    category, rows = result.get("category"), result["list"]
    if not any(isinstance(row, dict) and "lotSizeFilter" in row for row in rows):
        raise PassedOverError("response")
    if category not in MARKETS:
        raise PassedOverError(f"instruments list of {category}")
    for row in rows:
        try:
            context.table.offer(read_instrument(row, category), category)
        except RefusedError as odd:
            context.table.leave_out(row.get("symbol") if isinstance(row, dict) else row, str(odd))
    raise PassedOverError("instruments list")


def read_instrument(row: object, category: str) -> Instrument:
    """Return one instrument of an instruments list.

    Raises: RefusedError when its filters are not complete decimal numbers.
    """
    assert category in CONTRACT_OF_MARKET
    if not isinstance(row, dict):
        raise RefusedError(f"instrument {row!a} of the instruments list: not an object")
    symbol, prices, sizes = row.get("symbol"), row.get("priceFilter"), row.get("lotSizeFilter")
    if not isinstance(symbol, str) or not isinstance(prices, dict) or not isinstance(sizes, dict):
        raise RefusedError(f"instrument {symbol!a} of the instruments list: no symbol, priceFilter or lotSizeFilter")
    filters = {
        "tick_size": prices.get("tickSize", ""),
        "lot_size": sizes.get("qtyStep") or sizes.get("basePrecision", ""),  # spot names it so
        "min_qty": sizes.get("minOrderQty") or "0",
        "min_notional": sizes.get("minNotionalValue") or sizes.get("minOrderAmt") or "0",
        **{f"{coin}_coin": row.get(f"{coin}Coin") or "" for coin in ("base", "quote", "settle")},
    }
    return instrument_of(symbol, "bybit", category, filters)


CAPTURES = Captures(
    venue="bybit",
    markets=MARKETS,
    parse_message=parse_message,
    scanner="mmfold.adapters.venues.bybit.message_kernel:scan_lines",
    shown_depth=shown_depth,
)
