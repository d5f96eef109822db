"""One import while it runs: lines in, rows into the spool, counts; must never decide what to write where.

A buffer of lines goes through the fast lane where there is one; each line that it stops at goes through the parser.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mmfold.adapters.importers.captures import Captures
from mmfold.adapters.importers.fast_path import ROWS_FULL, FastLane, set_units
from mmfold.adapters.importers.frames import FORM_UNITS, Form, Frame, Origin, market_of_url, parse_frame
from mmfold.adapters.importers.outcome import (
    ImportFailedError,
    Place,
    Refusal,
    RefusedError,
    Skipped,
    UnknownSymbolError,
    UnnamedSnapshotError,
)
from mmfold.adapters.importers.quarantine import Quarantine
from mmfold.adapters.importers.spool import Spool
from mmfold.adapters.importers.table import TOLD_TWICE, Context
from mmfold.adapters.importers.units import Units
from mmfold.adapters.importers.unknown import UnknownSymbols
from mmfold.adapters.importers.unnamed import Held, Streams
from mmfold.engine.codes import EventKind, Flag
from mmfold.engine.records import EVENT, NO_TS_NS

PlaceOf = Callable[[int, int], Place]
FUTURES = ("usdm", "coinm")
OPTIONS = "option"
SPLIT = "split the capture by connection"


class LateListError(Exception):
    """The capture's list of instruments stands behind messages that were read without it: all is read again."""


@dataclass(slots=True, kw_only=True)
class Session:
    """The state of one import.

    Units: seq is the next event's; the manifest, written at the end, has 0.
    """

    captures: Captures
    context: Context
    spool: Spool
    quarantine: Quarantine
    fast_lane: FastLane | None
    strict: bool
    seq: int = 1
    units: Units | None = None  # of the file that is read; None: those of its form
    ts_receive_ns: int = NO_TS_NS  # latest so far
    message_count: int = 0
    market_of_connection: dict[str, str] = field(default_factory=dict)
    events: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    unknown: UnknownSymbols = field(default_factory=UnknownSymbols)
    held: list[Held] = field(default_factory=list)
    seqs_unused: list[int] = field(default_factory=list)  # numbers kept for held snapshots that are nobody's

    def read_buffer(self, path: Path, form: Form, buffer: bytes, line: int, byte: int) -> int:
        """Take a buffer of whole lines and return the number of the line after it."""
        return self.read_lines(form, buffer, line, lambda number, pos: Place(path, number, byte + pos))

    def read_lines(self, form: Form, buffer: bytes, line: int, place_of: PlaceOf) -> int:
        """Take a buffer of whole lines, numbered from `line` on, and return the number of the line after it.

        Shape:  place_of gets a line's number and its position in the buffer.
        """
        self.context.exchange_unit_ns = (self.units or FORM_UNITS[form]).exchange_ns
        if self.fast_lane is not None:
            self.fast_lane.load(buffer)
        pos = 0
        while pos < len(buffer):
            if self.fast_lane is not None and self.context.market:
                pos, line = self.run_fast_lane(self.fast_lane, form, pos, line)
            end = buffer.find(b"\n", pos)
            if end < 0:
                break
            self.read_line(place_of(line, pos), form, buffer[pos:end])
            pos, line = end + 1, line + 1
        return line

    def run_fast_lane(self, lane: FastLane, form: Form, pos: int, line: int) -> tuple[int, int]:
        """Take lines up to the first one that needs the parser; return the position and number of that line."""
        work = lane.work
        work["pos"], work["line"], work["form"], work["message_count"] = pos, line, form, 0
        work["seq"], work["ts_receive_ns"] = self.seq, self.ts_receive_ns
        work["is_futures"] = self.context.market in FUTURES
        set_units(work, self.units or FORM_UNITS[form])
        stop = ROWS_FULL
        while stop == ROWS_FULL:
            work["row_count"] = self.spool.buffer_row_count
            stop = lane.scan(self.spool.buffer, self.context.table)
            self.spool.buffer_row_count = int(work["row_count"][0])
            if stop == ROWS_FULL:
                if not self.spool.buffer_row_count:
                    break  # more rows than any event may have: the parser says so
                self.spool.turn()
        self.message_count += int(work["message_count"][0])
        self.events += lane.take_events()
        self.skipped += lane.take_skipped(self.context.table)
        self.seq, self.ts_receive_ns = int(work["seq"][0]), int(work["ts_receive_ns"][0])
        return int(work["pos"][0]), int(work["line"][0])

    def read_line(self, place: Place, form: Form, line: bytes) -> None:
        """Take one line the slow way: parse it, or set it aside with its reason."""
        line = line.removesuffix(b"\r")
        if not line:
            return
        try:
            frame = parse_frame(form, line, self.units)
        except RefusedError as error:
            self.message_count += 1
            self.refuse(place, str(error), line)
            return
        self.ts_receive_ns = max(self.ts_receive_ns, frame.ts_receive_ns)
        if frame.origin in (Origin.RECEIVED, Origin.RESPONSE):
            self.message_count += 1
            self.read_message(place, frame, line)
            if self.fast_lane is not None and self.context.market:
                self.fast_lane.know_connection(frame.connection, self.is_of_other_market(frame.connection))
            return
        if frame.origin == Origin.OPENED:
            self.open_connection(place, frame)
        self.skipped[frame.origin.value] += 1

    def open_connection(self, place: Place, frame: Frame) -> None:
        """Note which market a connection is of; the first one's is the import's, unless --market says another.

        Raises: ImportFailedError for a second market in a form of capture whose lines do not name their connection.
        """
        market = market_of_url(frame.url)
        if market == OPTIONS and not frame.connection:
            raise ImportFailedError(f"{place}: a connection to options, which are not imported", SPLIT)
        if market != OPTIONS:
            self.context.market = self.context.market or market
        self.market_of_connection[frame.connection] = market
        if self.fast_lane is not None:
            self.fast_lane.forget_connections()
        if market not in ("", self.context.market) and not frame.connection:
            raise ImportFailedError(f"{place}: a connection to {market} in a {self.context.market} capture", SPLIT)

    def is_of_other_market(self, connection: str) -> bool:
        """Tell whether a connection's messages are passed over."""
        return self.market_of_connection.get(connection, "") not in ("", self.context.market)

    def read_message(self, place: Place, frame: Frame, line: bytes) -> None:
        """Take one message of the venue."""
        if self.is_of_other_market(frame.connection):
            self.skipped["other market"] += 1
            return
        self.context.url = frame.url
        try:
            parsed = self.captures.parse_message(frame.message, frame.ts_receive_ns, self.context)
        except ImportFailedError as error:
            raise ImportFailedError(f"{place}: {error}", error.hint) from error
        except UnnamedSnapshotError:
            times = (frame.ts_receive_ns, self.context.exchange_unit_ns)
            self.held.append(Held(place, frame.message, *times, line, self.seq, self.spool.open_hole()))
            self.seq += 1
            return
        except UnknownSymbolError as unknown:
            self.unknown.note(unknown, place, line)
            return
        if isinstance(parsed, Skipped):
            self.skipped[parsed.what] += 1
        elif isinstance(parsed, Refusal):
            self.refuse(place, parsed.reason, line)
        else:
            self.take(parsed)

    def take(self, rows: np.ndarray) -> None:
        """Number the events of one message, count them and put them into the spool; count trades told twice."""
        assert rows.dtype == EVENT and len(rows)
        if rows["kind"][0] == EventKind.TRADE:
            told_count, rows = len(rows), self.context.table.new_trades(rows)
            if len(rows) < told_count:
                self.skipped[TOLD_TWICE] += told_count - len(rows)
                rows["seq"] = np.arange(len(rows))
            if not len(rows):
                return
        ends = np.flatnonzero(rows["flags"] & Flag.LAST)
        assert ends[-1] == len(rows) - 1
        rows["seq"] += self.seq
        self.seq += len(ends)
        self.events[EventKind(int(rows["kind"][0])).name.lower()] += len(ends)
        for end in ends.tolist():
            self.context.table.records["event_count"][rows["instrument_index"][end]] += 1
        self.spool.append(rows)

    def finish(self) -> None:
        """Decide what only the last line shows: which symbols nothing describes, and whose the held snapshots are.

        Raises: ImportFailedError; LateListError when the capture's own list describes one after all.
        """
        table = self.context.table
        described = {symbol for _, symbol in table.offered}
        if table.has_late_list or described & self.unknown.found.keys():
            raise LateListError
        for place, reason, line in self.unknown.take_flipped(table):
            self.refuse(place, reason, line)
        if unwanted := self.unknown.take_unwanted(table):
            self.skipped["other symbol"] += unwanted
        self.unknown.check(table)
        if self.held:
            streams = Streams(self.spool)
            for held in self.held:
                self.name_snapshot(held, streams)

    def name_snapshot(self, held: Held, streams: Streams) -> None:
        """Put a held snapshot into its place as the one symbol's that it fits, or set it aside.

        Raises: ImportFailedError when the import is strict.
        """
        found: dict[str, np.ndarray] = {}
        is_alone = len(self.context.table.listings) == 1 and not self.skipped["other symbol"]
        for symbol in self.context.table.listings:
            self.context.symbol_hint, self.context.url = symbol, ""
            self.context.exchange_unit_ns = held.exchange_unit_ns
            rows = self.captures.parse_message(held.message, held.ts_receive_ns, self.context)
            if isinstance(rows, np.ndarray) and streams.fits(rows, is_alone=is_alone):
                found[symbol] = rows
        self.context.symbol_hint = ""
        if len(found) == 1:
            (rows,) = found.values()
            rows["seq"] = held.seq
            self.spool.fill_hole(held.hole, rows)
            self.events[EventKind.BOOK_SNAPSHOT.name.lower()] += 1
            self.context.table.records["event_count"][rows["instrument_index"][0]] += 1
            return
        self.seqs_unused.append(held.seq)
        if found:
            self.refuse(held.place, f"a depth snapshot without its symbol, that of {' or '.join(found)}", held.line)
        elif self.context.table.wanted:
            self.skipped["depth snapshot of no symbol asked for"] += 1
        else:
            reason = "a depth snapshot without its symbol, whose id and best prices are in no stream of the capture"
            self.refuse(held.place, reason, held.line)

    def refuse(self, place: Place, reason: str, line: bytes) -> None:
        """Set a line aside.

        Raises: ImportFailedError when the import is strict.
        """
        if self.strict:
            hint = "fix the line, or import without --strict to set such lines aside; nothing was written"
            raise ImportFailedError(f"{place}: {reason}", hint)
        self.quarantine.add(place.path.name, place.line, place.byte, reason, line)
