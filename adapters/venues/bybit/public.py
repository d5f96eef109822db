"""Bybit v5 public streams to rows, live; must never do I/O and never know another rule than the import.

One rule per message: what the importer's parser (messages.py beside it) makes of it, with two differences that a
live book needs. A restart (`u` = 1) of a book that was seen before starts with a BOOK_CLEAR; and a symbol's grid is the
manifest's alone. Deltas and trades go through the import's compiled lane, which hands over to that parser whenever
anything is out of the ordinary.

A ticker is a MARK when it has a mark or an index price. Its fundingRate is a forecast that moves until the
settlement: no FUNDING comes from here, but from the private executions (adapters/venues/bybit/entries.py).
Source: Bybit v5 docs, websocket public channels: orderbook, trade, ticker.
"""

from typing import Any

import numpy as np

from mmfold.adapters.importers.fast_frames import open_lane
from mmfold.adapters.importers.outcome import PassedOverError, RefusedError
from mmfold.adapters.importers.rows import finish_event
from mmfold.adapters.importers.table import TOLD_TWICE, Context
from mmfold.adapters.venues.bybit.frames import parse_control
from mmfold.adapters.venues.bybit.messages import UNUSED_TOPICS, orderbook_rows, ticker_rows, trade_rows
from mmfold.adapters.venues.frames import load_object
from mmfold.adapters.venues.listing import list_manifest
from mmfold.adapters.venues.port import Ignored, MalformedFrame, Parsed, SnapshotDue
from mmfold.engine.codes import EventKind, Side
from mmfold.engine.manifest import Manifest
from mmfold.engine.records import NO_ORDER_ID, NO_PRICE_TICKS, NO_VALUE, SEQ_RESTARTED

SCANNER = "mmfold.adapters.venues.bybit.message_kernel:scan_frame"


class PublicParser:
    """Frames of the public streams to whole events; `seq` is 0, which the journal's writer sets."""

    def __init__(self, manifest: Manifest) -> None:
        self.context = Context(table=list_manifest(manifest), market=manifest.instruments[0].contract)
        self.seen_topics: set[str] = set()  # of the books
        self.lane = open_lane(SCANNER, self.context.table)

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


def clear_rows(index: int, ts_exchange_ns: int, ts_receive_ns: int) -> np.ndarray:
    """Return the BOOK_CLEAR of an instrument."""
    head = (0, ts_exchange_ns, ts_receive_ns, NO_PRICE_TICKS, 0, NO_ORDER_ID, NO_VALUE)
    return finish_event([(*head, EventKind.BOOK_CLEAR, Side.NONE, 0, index, 0)])
