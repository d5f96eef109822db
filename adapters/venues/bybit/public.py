"""Bybit v5 public streams to rows, live; must never do I/O and never know another rule than the import.

One rule per message: what the importer's parser (adapters/importers/bybit.py) makes of it, with two differences that a
live book needs. A restart (`u` = 1) of a book that was seen before starts with a BOOK_CLEAR; and a symbol's grid is the
manifest's alone. Deltas and trades go through the import's compiled lane, which hands over to that parser whenever
anything is out of the ordinary.

A ticker is a MARK when it has a mark or an index price. Its fundingRate is a forecast that moves until the
settlement: no FUNDING comes from here, but from the private executions (adapters/venues/bybit/entries.py).
Source: Bybit v5 docs, websocket public channels: orderbook, trade, ticker.
"""

from typing import Any

import numpy as np

from mmfold.adapters.importers.bybit import UNUSED_TOPICS, orderbook_rows, ticker_rows, trade_rows
from mmfold.adapters.importers.lane import Lane, new_work
from mmfold.adapters.importers.outcome import PassedOverError, RefusedError
from mmfold.adapters.importers.rows import finish_event
from mmfold.adapters.importers.table import TOLD_TWICE, Context, SymbolTable
from mmfold.adapters.importers.units import STAMPED_UNITS
from mmfold.adapters.venues.bybit.frames import load_object, parse_control
from mmfold.adapters.venues.listing import list_manifest
from mmfold.adapters.venues.port import Ignored, MalformedFrame, Parsed, SnapshotDue
from mmfold.engine.codes import EventKind, Side
from mmfold.engine.limits import ROW_BYTES
from mmfold.engine.manifest import Manifest
from mmfold.engine.records import EVENT, NO_ORDER_ID, NO_PRICE_TICKS, NO_VALUE, SEQ_RESTARTED

LANE_BYTES_MAX = 1 << 16  # a longer frame takes the long way, and so does one of more rows
LANE_ROW_COUNT_MAX = 1 << 11
LF = ord("\n")


class FrameLane:
    """The import's compiled reader, one frame at a time; ready, compiled, when it is made."""

    def __init__(self, table: SymbolTable) -> None:
        from mmfold.adapters.importers.bybit_kernel import scan_frame  # only here: it loads numba

        self.scan_frame = scan_frame
        self.text = np.zeros(LANE_BYTES_MAX + 1, np.uint8)
        self.rows = np.zeros(LANE_ROW_COUNT_MAX, EVENT)
        self.text_bytes, self.row_bytes = self.text.data, self.rows.view(np.uint8).data
        work = new_work(STAMPED_UNITS)
        work["symbol_count"] = len(table.listings)
        self.lane = Lane(self.text, self.rows, table.records, work, *table.told)
        self.read(b"", 0)

    def read(self, frame: bytes, ts_receive_ns: int) -> np.ndarray | None:
        """Return the rows of a delta or of trades in the venue's own form, or None for the long way."""
        size = len(frame)
        if size > LANE_BYTES_MAX:
            return None
        self.text_bytes[:size] = frame
        self.text_bytes[size] = LF
        count = self.scan_frame(self.lane, size + 1, ts_receive_ns)
        if not count:
            return None
        return np.frombuffer(bytearray(self.row_bytes[: count * ROW_BYTES]), EVENT)


class PublicParser:
    """Frames of the public streams to whole events; `seq` is 0, which the journal's writer sets."""

    def __init__(self, manifest: Manifest) -> None:
        self.context = Context(table=list_manifest(manifest), market=manifest.instruments[0].contract)
        self.seen_topics: set[str] = set()  # of the books
        self.lane = open_lane(self.context.table)

    def parse(self, frame: bytes, ts_receive_ns: int) -> Parsed:
        """Return the rows of one frame, or what it is where it has none.

        Shape:  EVENT rows of whole events; several events for trades and for a book that restarts.
        Raises: MalformedFrame.
        """
        rows = self.lane.read(frame, ts_receive_ns) if self.lane is not None else None
        if rows is not None:
            return rows
        message = load_object(frame)
        try:
            return self.parse_message(message, frame, ts_receive_ns)
        except PassedOverError as passed:
            return Ignored(str(passed))
        except RefusedError as refused:
            raise MalformedFrame(str(refused), frame) from refused

    def forget_books(self) -> None:
        """Forget which books were seen: after a reconnection a first snapshot is no restart."""
        self.seen_topics.clear()
        self.context.table.records["book_depth"] = NO_VALUE  # the lane takes no delta before the parser saw its book

    def snapshots_due(self) -> tuple[()]:
        """Return none: the stream's first message of a book is the book."""
        return ()

    def parse_snapshot(self, due: SnapshotDue, body: bytes, http_status: int, ts_receive_ns: int) -> np.ndarray:
        """Fail: a book of the stream asks for none."""
        raise AssertionError("nobody asks Bybit for a snapshot")

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
            rows = self.context.table.new_trades(trade_rows(message, ts_receive_ns, self.context))
            if not len(rows):
                raise PassedOverError(TOLD_TWICE)
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
        rows = orderbook_rows(message, parts, ts_receive_ns, self.context)
        restarts = int(rows["aux"][0]) == SEQ_RESTARTED
        index = int(rows["instrument_index"][0])
        if restarts and topic in self.seen_topics:
            rows = np.concatenate([clear_rows(index, int(rows["ts_exchange_ns"][0]), ts_receive_ns), rows])
        self.seen_topics.add(topic)
        return rows


def open_lane(table: SymbolTable) -> FrameLane | None:
    """Return the compiled lane, or None where nothing is compiled: the parser makes the same rows."""
    from mmfold.engine.jit import JIT_ENABLED  # only here: it loads numba

    return FrameLane(table) if JIT_ENABLED else None


def clear_rows(index: int, ts_exchange_ns: int, ts_receive_ns: int) -> np.ndarray:
    """Return the BOOK_CLEAR of an instrument."""
    head = (0, ts_exchange_ns, ts_receive_ns, NO_PRICE_TICKS, 0, NO_ORDER_ID, NO_VALUE)
    return finish_event([(*head, EventKind.BOOK_CLEAR, Side.NONE, 0, index, 0)])
