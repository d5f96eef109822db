"""JSON lines of best bid and ask, and of order events; must never guess at a line that it cannot read.

E_BT_LOADER:io_error       the file cannot be read
E_BT_LOADER:bad_json       not a JSON object, or a value of the wrong type or out of range
E_BT_LOADER:missing_field  a required key is absent or null
E_BT_LOADER:bad_ts         ts_ms is not a whole number of milliseconds since 1970
Source: spec/core.md 1, spec/reports.md 1.
"""

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from mmfold.engine.codes import Side

LINE_BYTES_MAX = 1 << 16
# Inside these bounds every product and every sum of a file's figures is exact (replay/ticks/tally.py, EXACT).
NUMBER_LIMIT = Decimal(10) ** 15
DECIMAL_COUNT_MAX = 20
TS_MS_LIMIT = 253_402_300_800_000  # the year 10000: what comes before has a UTC text
PROGRESS_LINE_COUNT = 4_096
SIDES = {
    **dict.fromkeys(("buy", "b", "bid"), Side.BID),
    **dict.fromkeys(("sell", "s", "ask"), Side.ASK),
}
ZERO = Decimal(0)


class TickFileError(ValueError):
    """A file or a line that cannot be read; the message starts with the code and names the line."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Top(NamedTuple):
    """Best bid and best ask at a time; 0 or less stands for none."""

    ts_ms: int
    bid: Decimal
    ask: Decimal


class Place(NamedTuple):
    """A new order."""

    ts_ms: int
    order_id: str
    side: Side
    price: Decimal
    size: Decimal


class Replace(NamedTuple):
    """A new price, a new size to remain, or both; None keeps what there is."""

    ts_ms: int
    order_id: str
    price: Decimal | None
    size: Decimal | None


class Cancel(NamedTuple):
    """The end of an order."""

    ts_ms: int
    order_id: str


OrderEvent = Top | Place | Replace | Cancel
Report = Callable[[int], None]


class Line(NamedTuple):
    """One line of a file, its position and its keys."""

    path: Path
    number: int
    offset_bytes: int
    values: dict[str, Any]

    def refuse(self, reason: str, what: str, hint: str) -> NoReturn:
        """Give up on the file."""
        place = f"{self.path} line {self.number:,} (byte {self.offset_bytes:,})"
        raise TickFileError(f"E_BT_LOADER:{reason}: {place}: {what}", hint)

    def required(self, key: str) -> Any:
        """Return the value of a key that must be there."""
        value = self.values.get(key)
        if value is None:
            self.refuse("missing_field", f'"{key}" is missing', f'give "{key}" in every such line')
        return value

    def ts_ms(self) -> int:
        """Return the line's time; it may be before that of the line above."""
        value = self.required("ts_ms")
        if not isinstance(value, Decimal) or value % 1 or not 0 <= value < TS_MS_LIMIT:
            self.refuse(
                "bad_ts", f"ts_ms {shown(value)} is not a time", "ts_ms is a whole number of milliseconds since 1970"
            )
        return int(value)

    def number_of(self, key: str) -> Decimal:
        """Return a number that must be there."""
        value = self.required(key)
        if not isinstance(value, Decimal):
            self.refuse("bad_json", f'"{key}" {shown(value)} is not a number', "give it without quotes: 100.5")
        return value

    def positive(self, key: str) -> Decimal:
        """Return a number above zero that must be there."""
        value = self.number_of(key)
        if value <= 0:
            self.refuse("bad_json", f'"{key}" {value} is not above 0', "an order has a price and a size")
        return value

    def positive_or_none(self, key: str) -> Decimal | None:
        """Return a number above zero, None when the key is not there."""
        return None if self.values.get(key) is None else self.positive(key)

    def text(self, key: str) -> str:
        """Return a text that must be there."""
        value = self.required(key)
        if not isinstance(value, str) or not value:
            self.refuse("bad_json", f'"{key}" {shown(value)} is not a text', 'give it in quotes: "A1"')
        return value


def read_ticks(path: Path, on_progress: Report) -> Iterator[Top]:
    """Yield the best bid and ask of each line; sizes and trades are allowed and not used by any fill rule.

    Units: `on_progress` is told how many bytes have been read, now and then.
    Raises: TickFileError at the first line that cannot be read.
    """
    for line in read_lines(path, on_progress):
        yield Top(line.ts_ms(), line.number_of("bid"), line.number_of("ask"))


def read_order_events(path: Path, on_progress: Report) -> Iterator[OrderEvent]:
    """Yield the book and order events of a file, which is about one symbol.

    Units: `on_progress` is told how many bytes have been read, now and then.
    Raises: TickFileError at the first line that cannot be read.
    """
    symbol: str | None = None
    for line in read_lines(path, on_progress):
        match line.text("type"):
            case "book":
                yield Top(line.ts_ms(), line.number_of("bid"), line.number_of("ask"))
            case "place":
                found = line.text("symbol").upper()
                symbol = symbol or found
                if found != symbol:
                    line.refuse("bad_json", f"an order for {found} among those for {symbol}", "one file, one symbol")
                yield Place(
                    line.ts_ms(), line.text("cl_id"), side_of(line), line.positive("price"), line.positive("size")
                )
            case "replace":
                prices = line.positive_or_none("price"), line.positive_or_none("size")
                yield Replace(line.ts_ms(), line.text("cl_id"), *prices)
            case "cancel":
                yield Cancel(line.ts_ms(), line.text("cl_id"))
            case other:
                line.refuse("bad_json", f'type "{other}" is not known', "one of book, place, replace, cancel")


def side_of(line: Line) -> Side:
    """Return the side of an order."""
    side = SIDES.get(line.text("side").lower())
    if side is None:
        line.refuse("bad_json", f'side "{line.text("side")}" is not known', "buy or sell")
    return side


def read_lines(path: Path, on_progress: Report) -> Iterator[Line]:
    """Yield the JSON objects of a file, one a line; blank lines are skipped.

    Raises: TickFileError.
    """
    offset_bytes = number = 0
    try:
        with path.open("rb") as file:
            while raw := file.readline(LINE_BYTES_MAX + 1):
                number += 1
                line = Line(path, number, offset_bytes, {})
                if len(raw) > LINE_BYTES_MAX:
                    line.refuse("bad_json", f"longer than {LINE_BYTES_MAX:,} bytes", "one JSON object a line")
                if raw.strip():
                    yield line._replace(values=parse_object(line, raw))
                offset_bytes += len(raw)
                if number % PROGRESS_LINE_COUNT == 0:
                    on_progress(offset_bytes)
    except OSError as error:
        raise TickFileError(
            f"E_BT_LOADER:io_error: {path}: {error.strerror or error}", "check the path and its permissions"
        ) from error


def parse_object(line: Line, raw: bytes) -> dict[str, Any]:
    """Return the keys of one line, numbers as exact decimals."""
    try:
        found = json.loads(
            raw.decode(),
            parse_float=parse_number,
            parse_int=parse_number,
            parse_constant=lambda name: ZERO,  # NaN and infinities stand for nothing (spec/core.md 1)
            object_pairs_hook=unique_keys,
        )
    except (ValueError, RecursionError) as error:
        line.refuse("bad_json", str(error) or "nested too deep", "one JSON object a line")
    if not isinstance(found, dict):
        line.refuse("bad_json", f"expected an object, found {shown(found)}", 'such as {"ts_ms":0,"bid":100,"ask":101}')
    return found


def parse_number(text: str) -> Decimal:
    """Return a number exactly.

    Raises: ValueError outside the bounds within which all sums are exact.
    """
    shape = f"the number {shown(text)} needs more than {DECIMAL_COUNT_MAX} decimals or is not below {NUMBER_LIMIT:,f}"
    try:
        number = Decimal(text)
    except ArithmeticError as error:
        raise ValueError(shape) from error
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int), "JSON spells NaN and infinity as constants, not as numbers"
    if exponent < -DECIMAL_COUNT_MAX or abs(number) >= NUMBER_LIMIT:
        raise ValueError(shape)
    return number


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object whose keys are all different.

    Raises: ValueError for a key that stands twice: which one was meant?
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def shown(value: Any) -> str:
    """Return a value as a message shows it: short."""
    text = str(value) if isinstance(value, Decimal) else repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
