"""What the kernels of the fast lanes work on, and the door to them; must never import numba before it is needed."""

import importlib
from collections import Counter
from typing import NamedTuple

import numpy as np

from mmfold.adapters.importers.table import AGGREGATE_TRADES, SINGLE_TRADES, TOLD_TWICE, SymbolTable, beside_text
from mmfold.adapters.importers.units import STAMPED_UNITS, Units, exchange_units_max
from mmfold.engine.codes import EventKind
from mmfold.engine.records import I8, KIND_COUNT, record

END, ODD_LINE, ROWS_FULL = 0, 1, 2  # why scan_lines came back
SKIPS = (  # as the parser names what has no event
    "ticker", "kline", "other market", TOLD_TWICE,
    beside_text(SINGLE_TRADES, AGGREGATE_TRADES), beside_text(AGGREGATE_TRADES, SINGLE_TRADES),
)  # fmt: skip
SKIP_TICKER, SKIP_KLINE, SKIP_OTHER_MARKET, SKIP_TOLD, SKIP_SINGLE, SKIP_AGGREGATE = range(len(SKIPS))
FIELD_COUNT = 20
VALUE_KIND_COUNT = 5
MESSAGE_BYTES_MAX = 1 << 20  # a longer message of a capture is the parser's
NAME_BYTES_MAX = 64
CONNECTION_COUNT_MAX = 16

CONNECTION = record(
    80,
    [
        ("name", "u1", (NAME_BYTES_MAX,)),
        ("name_bytes", I8),
        ("is_other", I8),  # of another market than the import's: its messages are passed over
    ],
)

WORK = record(
    18 * 8
    + 8 * KIND_COUNT
    + 8 * len(SKIPS)
    + 16 * FIELD_COUNT
    + 8 * VALUE_KIND_COUNT
    + CONNECTION_COUNT_MAX * CONNECTION.itemsize,
    [
        ("pos", I8),  # in the text: start of the next line
        ("line", I8),  # number of lines before it, in this file
        ("text_bytes", I8),  # of lines; behind them is room for one message of a capture, without its escapes
        ("line_end", I8),  # position after the line whose message stands there
        ("form", I8),
        ("is_futures", I8),  # of Binance's markets
        ("row_count", I8),  # rows in the buffer
        ("seq", I8),  # of the next event
        ("symbol_index", I8),  # of the message being read
        ("symbol_count", I8),
        ("ts_line_ns", I8),  # receive time of the line being read
        ("ts_receive_ns", I8),  # latest so far
        ("message_count", I8),
        ("connection_count", I8),
        ("receive_unit_ns", I8),  # of the file's receive times
        ("ts_low_ns", I8),  # a receive time before this one is not in that unit
        ("exchange_unit_ns", I8),  # of the venue's times
        ("exchange_units_max", I8),
        ("event_counts", I8, (KIND_COUNT,)),
        ("skip_counts", I8, (len(SKIPS),)),
        ("fields", I8, (FIELD_COUNT, 2)),  # start and end, or value, of what a message says, by the venue's numbers
        ("kinds", I8, (VALUE_KIND_COUNT,)),  # sets of fields, one bit each
        ("connections", CONNECTION, (CONNECTION_COUNT_MAX,)),
    ],
)


class Lane(NamedTuple):
    """What the kernels work on.

    Shape: text u1, `text_bytes` of lines, the last ending with LF, then room for one message; rows EVENT; symbols
        table.SYMBOL; work one WORK; told_keys, told_place as in journal/told.py.
    """

    text: np.ndarray
    rows: np.ndarray
    symbols: np.ndarray
    work: np.ndarray
    told_keys: np.ndarray
    told_place: np.ndarray


def new_work(units: Units) -> np.ndarray:
    """Return a WORK that knows how times are told, and nothing else."""
    work = np.zeros(1, WORK)
    set_units(work, units)
    return work


def set_units(work: np.ndarray, units: Units) -> None:
    """Tell a WORK how times are told from now on."""
    work["receive_unit_ns"], work["ts_low_ns"] = units.receive_ns, units.ts_low_ns
    work["exchange_unit_ns"] = units.exchange_ns
    work["exchange_units_max"] = exchange_units_max(units.exchange_ns)


class FastLane:
    """One venue's compiled reader of lines, and its memory, for one import; `scanner` is `module:function`."""

    def __init__(self, scanner: str) -> None:
        self.work = new_work(STAMPED_UNITS)
        self._scanner = scanner
        self._text = np.empty(0, np.uint8)

    def load(self, buffer: bytes) -> None:
        """Take a buffer of whole lines, each ending with LF."""
        assert buffer.endswith(b"\n")
        if self._text.size < len(buffer) + MESSAGE_BYTES_MAX:
            self._text = np.empty(len(buffer) + MESSAGE_BYTES_MAX, np.uint8)
        self._text[: len(buffer)] = np.frombuffer(buffer, np.uint8)
        self.work["text_bytes"] = len(buffer)

    def scan(self, rows: np.ndarray, table: SymbolTable) -> int:
        """Write the rows of the lines from `work`'s position on and say why it stopped."""
        module, _, function = self._scanner.partition(":")
        scan_lines = getattr(importlib.import_module(module), function)
        self.work["symbol_count"] = len(table.listings)
        stop: int = scan_lines(Lane(self._text, rows, table.records, self.work, *table.told))
        return stop

    def take_events(self) -> Counter[str]:
        """Return the events written since the last call, by the name of their kind."""
        counts = self.work["event_counts"][0]
        events = Counter({EventKind(kind).name.lower(): int(counts[kind]) for kind in np.flatnonzero(counts).tolist()})
        counts[:] = 0
        return events

    def take_skipped(self, table: SymbolTable) -> Counter[str]:
        """Return the messages passed over since the last call, as the parser names them."""
        counts = self.work["skip_counts"][0]
        skipped = Counter({SKIPS[index]: int(counts[index]) for index in np.flatnonzero(counts).tolist()})
        counts[:] = 0
        for index in np.flatnonzero(table.records["beside_count"]).tolist():
            symbol = table.records[index]
            what = f"orderbook.{symbol['beside_depth']} beside orderbook.{symbol['book_depth']}"
            skipped[what] += int(symbol["beside_count"])
            symbol["beside_count"] = 0
        return skipped

    def know_connection(self, name: str, is_other: bool) -> None:
        """Let the lane take a capture's lines of one connection; without this they go to the parser."""
        work = self.work[0]
        index = int(work["connection_count"])
        plain = name.isascii() and name.isprintable() and 0 < len(name) <= NAME_BYTES_MAX
        known = work["connections"]["name"][:index]
        padded = np.zeros(NAME_BYTES_MAX, np.uint8)
        if not plain or index == CONNECTION_COUNT_MAX:
            return
        padded[: len(name)] = np.frombuffer(name.encode("ascii"), np.uint8)
        if (known == padded).all(axis=1).any():
            return
        connection = work["connections"][index]
        connection["name"], connection["name_bytes"], connection["is_other"] = padded, len(name), is_other
        work["connection_count"] = index + 1

    def forget_connections(self) -> None:
        """Leave the lines of all connections to the parser until they are known again."""
        self.work["connection_count"] = 0
