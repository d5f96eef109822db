"""Bybit v5 public streams to rows, live; must never do I/O and never know another rule than the import.

One rule per message: what the importer's parser (adapters/importers/bybit.py) makes of it, with three differences
that a live book needs. A message with `u` = 1 is a snapshot whatever its type, because the venue restarted; a restart
of a book that was seen before starts with a BOOK_CLEAR; and a symbol's grid is the manifest's alone. Plain deltas
take a short cut that hands over to that parser whenever anything is out of the ordinary.

A ticker is a MARK when it has a mark or an index price. Its fundingRate is a forecast that moves until the
settlement: no FUNDING comes from here, but from the private executions (adapters/bybit/entries.py).
Source: Bybit v5 docs, websocket public channels: orderbook, trade, ticker.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from adapters.bybit.frames import Control, Ignored, MalformedFrame, load_object, parse_control
from adapters.bybit.listing import list_manifest
from adapters.importers.bybit import UNUSED_TOPICS, orderbook_rows, ticker_rows, trade_rows
from adapters.importers.outcome import PassedOverError, RefusedError
from adapters.importers.rows import TS_MS_MAX, finish_event, read_price, read_qty
from adapters.importers.table import Context, Listing
from engine.codes import EventKind, Flag, Side
from engine.limits import NS_PER_MS, ROW_BYTES
from engine.manifest import Manifest
from engine.records import EVENT, NO_ORDER_ID, NO_PRICE_TICKS, NO_TS_NS, NO_VALUE
from journal.rows import EVENT_STRUCT

Parsed = np.ndarray | Control | Ignored

FLAGS_FROM_END = ROW_BYTES - 58  # where the last row's flags stand before the end of the buffer
assert EVENT.fields is not None and EVENT.fields["flags"][1] == 58
PLAIN_ROW_COUNT_MAX = 1 << 11  # a delta with more levels takes the long way
TEXT_COUNT_MAX = 1 << 12  # prices and sizes of one symbol whose numbers are remembered
SEQ_LIMIT = -NO_VALUE


class BookReader(NamedTuple):
    """How the plain deltas of one topic are read: the same texts come again and again, so their numbers are kept."""

    symbol: str
    instrument_index: int
    read_price: Callable[[str], int]
    read_qty: Callable[[str], int]


def book_reader(listing: Listing) -> BookReader:
    """Return the reader of an instrument's book."""
    price = lru_cache(TEXT_COUNT_MAX)(lambda text: read_price(text, listing))
    qty = lru_cache(TEXT_COUNT_MAX)(lambda text: read_qty(text, listing))
    return BookReader(listing.symbol, listing.index, price, qty)


class PublicParser:
    """Frames of the public streams to whole events; `seq` is 0, which the journal's writer sets."""

    def __init__(self, manifest: Manifest) -> None:
        self.context = Context(table=list_manifest(manifest), market=manifest.instruments[0].contract)
        self.readers: dict[str, BookReader] = {}  # by the topic of each book that was seen
        self.buffer = bytearray(ROW_BYTES * PLAIN_ROW_COUNT_MAX)

    def parse(self, frame: bytes, ts_receive_ns: int) -> Parsed:
        """Return the rows of one frame, or what it is where it has none.

        Shape:  EVENT rows of whole events; several events for trades and for a book that restarts.
        Raises: MalformedFrame.
        """
        message = load_object(frame)
        rows = self.parse_plain_delta(message, ts_receive_ns)
        if rows is not None:
            return rows
        try:
            return self.parse_message(message, frame, ts_receive_ns)
        except PassedOverError as passed:
            return Ignored(str(passed))
        except RefusedError as refused:
            raise MalformedFrame(str(refused), frame) from refused

    def forget_books(self) -> None:
        """Forget which books were seen: after a reconnection a first snapshot is no restart."""
        self.readers.clear()

    def parse_plain_delta(self, message: dict[str, Any], ts_receive_ns: int) -> np.ndarray | None:
        """Return the rows of a book delta in the usual form, or None for the long way."""
        topic, data, ts_ms = message.get("topic"), message.get("data"), message.get("cts")
        reader = self.readers.get(topic) if type(topic) is str else None
        if reader is None or message.get("type") != "delta" or type(data) is not dict or type(ts_ms) is not int:
            return None
        update, sides = data.get("u"), (data.get("b"), data.get("a"))
        if type(update) is not int or not 1 < update < SEQ_LIMIT or data.get("s") != reader.symbol:
            return None
        if not 0 <= ts_ms <= TS_MS_MAX:
            return None
        buffer, end, side, ts_ns = self.buffer, 0, 0, ts_ms * NS_PER_MS
        _, index, to_price_ticks, to_qty_lots = reader
        pack, before, kind = EVENT_STRUCT.pack_into, update - 1, int(EventKind.BOOK_DELTA)
        try:
            for levels in sides:
                if type(levels) is not list or len(levels) * ROW_BYTES > len(buffer) - end:
                    return None
                for level in levels:
                    if type(level) is not list:
                        return None
                    price, qty = level
                    price_ticks, qty_lots = to_price_ticks(price), to_qty_lots(qty)
                    pack(
                        buffer,
                        end,
                        0,
                        ts_ns,
                        ts_receive_ns,
                        price_ticks,
                        qty_lots,
                        before,
                        update,
                        kind,
                        side,
                        0,
                        index,
                        0,
                    )
                    end += ROW_BYTES
                side += 1
        except (ValueError, TypeError, RefusedError):
            return None  # the long way says what is wrong
        if not end:
            return None
        buffer[end - FLAGS_FROM_END] = Flag.LAST
        return np.frombuffer(buffer[:end], EVENT)  # a third of the price of copying records

    def parse_message(self, message: dict[str, Any], frame: bytes, ts_receive_ns: int) -> Parsed:
        """Return what one message says, by its topic.

        Raises: RefusedError, PassedOverError, MalformedFrame.
        """
        topic = message.get("topic")
        if topic is None:
            return parse_control(message, frame)
        if not isinstance(topic, str):
            raise RefusedError("the topic is no string")
        channel, *parts = topic.split(".")
        if channel == "orderbook" and len(parts) >= 2:
            return self.parse_book(message, topic, parts, ts_receive_ns)
        if channel == "publicTrade":
            rows = trade_rows(message, ts_receive_ns, self.context)
            rows["seq"] = 0
            return rows
        if channel == "tickers":
            return ticker_rows(message, ts_receive_ns, self.context)
        if channel in UNUSED_TOPICS:
            raise PassedOverError(UNUSED_TOPICS[channel])
        raise RefusedError(f"unknown topic {topic[:80]!r}")

    def parse_book(self, message: dict[str, Any], topic: str, parts: list[str], ts_receive_ns: int) -> np.ndarray:
        """Return a BOOK_SNAPSHOT or BOOK_DELTA, after a BOOK_CLEAR where the venue restarts a book that was seen.

        Raises: RefusedError, PassedOverError.
        """
        data = message.get("data")
        restarts = isinstance(data, dict) and type(data.get("u")) is int and data.get("u") == 1
        if restarts:
            message = {**message, "type": "snapshot"}
        rows = orderbook_rows(message, parts, ts_receive_ns, self.context)
        index = int(rows["instrument_index"][0])
        if restarts and topic in self.readers:
            rows = np.concatenate([clear_rows(index, int(rows["ts_exchange_ns"][0]), ts_receive_ns), rows])
        if topic not in self.readers:
            listing = next(each for each in self.context.table.listings.values() if each.index == index)
            self.readers[topic] = book_reader(listing)
        return rows


def clear_rows(index: int, ts_exchange_ns: int, ts_receive_ns: int) -> np.ndarray:
    """Return the BOOK_CLEAR of an instrument."""
    head = (0, ts_exchange_ns, ts_receive_ns, NO_PRICE_TICKS, 0, NO_ORDER_ID, NO_VALUE)
    return finish_event([(*head, EventKind.BOOK_CLEAR, Side.NONE, 0, index, 0)])


def gap_rows(index: int, ts_receive_ns: int) -> np.ndarray:
    """Return the BOOK_GAP of an instrument whose messages are known to be missing: its connection was lost."""
    head = (0, NO_TS_NS, ts_receive_ns, NO_PRICE_TICKS, 0, NO_ORDER_ID, NO_VALUE)
    return finish_event([(*head, EventKind.BOOK_GAP, Side.NONE, 0, index, 0)])
