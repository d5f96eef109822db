"""Binance USD-M market streams and snapshots to rows, live; must never do I/O and never know another rule than the
import.

One rule per message: what the importer's parser (messages.py beside it) makes of it. Depth, trades and best prices go
through the import's compiled lane, which hands over to that parser whenever anything is out of the ordinary.
Deltas go on at once, those before their snapshot included: the core holds and bridges them.
Source: Binance USD-M futures docs, "How to manage a local order book correctly", read 2026-11-30.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mmfold.adapters.importers.fast_frames import open_lane
from mmfold.adapters.importers.outcome import ImportFailedError, PassedOverError, RefusedError
from mmfold.adapters.importers.table import TOLD_TWICE, Context
from mmfold.adapters.venues.binance.books import BookWatch
from mmfold.adapters.venues.binance.messages import parse_enveloped, snapshot_rows
from mmfold.adapters.venues.binance.rest import MARKET, read_answer, request_depth
from mmfold.adapters.venues.binance.talk import parse_control
from mmfold.adapters.venues.frames import load_object
from mmfold.adapters.venues.listing import list_manifest
from mmfold.adapters.venues.port import Ignored, MalformedFrame, Parsed, SnapshotDue
from mmfold.engine.codes import EventKind
from mmfold.engine.manifest import Manifest

BOOK_DELTA = int(EventKind.BOOK_DELTA)  # compared with a plain number: NumPy takes 10 us and more over an enum
SCANNER = "mmfold.adapters.venues.binance.message_kernel:scan_frame"


class BinanceParser:
    """Frames of the market streams to whole events; `seq` is 0, which the journal's writer sets."""

    def __init__(self, manifest: Manifest) -> None:
        table = list_manifest(manifest, "binance")
        symbols = list(table.listings)
        self.context = Context(table=table, market=MARKET)
        self.books = [BookWatch() for _ in symbols]
        self.requests = [SnapshotDue(index, request_depth(symbol)) for index, symbol in enumerate(symbols)]
        self.lane = open_lane(SCANNER, table, is_futures=True)

    def parse(self, frame: bytes, ts_receive_ns: int) -> Parsed:
        """Return the rows of one frame, or what it is where it has none.

        Shape:  EVENT rows of one event.
        Raises: MalformedFrame.
        """
        rows = self.lane.read(frame, ts_receive_ns) if self.lane is not None else None
        if rows is None:
            message = load_object(frame)
            control = parse_control(message, frame)
            if control is not None:
                return control
            try:
                rows = self.parse_message(message, ts_receive_ns)
            except PassedOverError as passed:
                return Ignored(str(passed))
            except (RefusedError, ImportFailedError) as refused:
                raise MalformedFrame(str(refused), frame) from refused
        if rows["kind"].item(0) == BOOK_DELTA:
            self.books[rows["instrument_index"].item(0)].follow(rows)
        return rows

    def parse_message(self, message: dict[str, Any], ts_receive_ns: int) -> np.ndarray:
        """Return the rows of one message of a stream: an event by its name, never a list or a snapshot.

        Raises: RefusedError, PassedOverError, ImportFailedError.
        """
        data = message.get("data")
        if not isinstance(data, dict) or not isinstance(data.get("e"), str):
            raise RefusedError('"data" of the frame is no event')
        rows = parse_enveloped(message, ts_receive_ns, self.context)
        if rows["kind"][0] == EventKind.TRADE and not len(self.context.table.new_trades(rows)):
            raise PassedOverError(TOLD_TWICE)
        return rows

    def forget_books(self) -> None:
        """Forget which books were seen: a connection begins or has ended."""
        for book in self.books:
            book.forget()

    def snapshots_due(self) -> Sequence[SnapshotDue]:
        """Return the snapshots to ask for now; each is told once until it has come, or its book needs a new one."""
        due = []
        for book, request in zip(self.books, self.requests, strict=True):
            if book.waits and not book.asked:
                book.asked = True
                due.append(request)
        return due

    def parse_snapshot(self, due: SnapshotDue, body: bytes, http_status: int, ts_receive_ns: int) -> np.ndarray:
        """Return the rows of a snapshot that was asked for; none for one that leads on to nothing: it is due again,
        as it is when this raises.

        Shape:  EVENT rows of one BOOK_SNAPSHOT.
        Raises: MalformedFrame, VenueError.
        """
        book = self.books[due.instrument_index]
        book.asked = False
        listing = tuple(self.context.table.listings.values())[due.instrument_index]
        answer = read_answer(body, http_status)
        try:
            if answer.setdefault("symbol", listing.symbol) != listing.symbol:
                raise RefusedError(f"a snapshot of {answer['symbol']!a:.40} for {listing.symbol}")
            rows = snapshot_rows(answer, "", ts_receive_ns, self.context)
        except (RefusedError, PassedOverError, ImportFailedError) as refused:
            raise MalformedFrame(str(refused), body) from refused
        return rows if book.take(rows) else rows[:0]
