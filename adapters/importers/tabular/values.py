"""Columns to what rows hold: times, ticks, lots, sides; must never round, and never read a number by way of a float.

A value that repeats is read once: prices and sizes of a market are few texts, many times. A float column of Parquet
counts as the shortest text that is that float.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mmfold.adapters.importers.outcome import RefusedError
from mmfold.adapters.importers.units import TS_LOW_NS, UNITS, most_units, unit_of
from mmfold.engine.limits import TS_NS_MAX
from mmfold.engine.records import NO_TS_NS
from mmfold.journal.jsonl.decimals import FieldError, Grid, parse_units

BAD = -1  # of a value that is refused; no tick, lot, side or time is negative
READ_COUNT_MAX = 1 << 20
UNIT_ROW_COUNT = 100
UNIT_NAMES = {ns: name for name, ns in UNITS.items()}

Faults = dict[int, str]  # row: reason


class MixedUnitsError(Exception):
    """A time that is told in another unit than the table's; `row` is whose."""

    def __init__(self, row: int, reason: str) -> None:
        super().__init__(reason)
        self.row = row


class Reader:
    """One way to read values, with what it has read."""

    def __init__(self, read: Callable[[object], int]) -> None:
        self.read = read
        self.known: dict[object, int | str] = {}

    def column(self, array: pa.Array, faults: Faults) -> np.ndarray:
        """Return the values of a column, BAD where one is refused; `faults` gets why, of a row's faults the first."""
        codes, texts = distinct(array)
        if len(self.known) > READ_COUNT_MAX:
            self.known.clear()
        values, reasons = np.empty(len(texts), np.int64), dict[int, str]()
        for code, text in enumerate(texts):
            value = self.known.get(text)
            if value is None:
                value = self.known[text] = self.value(text)
            if isinstance(value, str):
                reasons[code] = value
            values[code] = BAD if isinstance(value, str) else value
        for code, reason in reasons.items():
            for row in np.flatnonzero(codes == code).tolist():
                faults.setdefault(row, reason)
        return values[codes]

    def value(self, text: object) -> int | str:
        """Return a value, or why it is refused."""
        try:
            return self.read(text)
        except RefusedError as error:
            return str(error)


def distinct(array: pa.Array) -> tuple[np.ndarray, list[Any]]:
    """Return which text each row has and the texts, None for one that is absent."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    encoded = array.dictionary_encode(null_encoding="encode")
    values = encoded.dictionary
    if pa.types.is_floating(values.type):
        texts = [
            None if number is None else np.format_float_positional(exact, unique=True, trim="-")
            for number, exact in zip(values.to_pylist(), values.to_numpy(zero_copy_only=False), strict=True)
        ]
    else:
        told = values.to_pylist()
        texts = told if pa.types.is_string(values.type) else [plain(value) for value in told]
    return encoded.indices.to_numpy(zero_copy_only=False), texts


def plain(value: Any) -> str | None:
    """Return a value as text."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


def unit_of_column(array: pa.Array) -> int:
    """Return the ns of the unit that most of a column's first times are in, 0 if they are in none."""
    if pa.types.is_timestamp(array.type):
        return 1
    heads = [(plain(value) or "").partition(".")[0] for value in array[:UNIT_ROW_COUNT].to_pylist()]
    return most_units(int(head) for head in heads if head.isascii() and head.isdigit() and len(head) <= 20)


def times_of(array: pa.Array, unit_ns: int, what: str, faults: Faults) -> np.ndarray:
    """Return times in ns, NO_TS_NS where there is none.

    Raises: MixedUnitsError.
    """
    if pa.types.is_timestamp(array.type):
        array = array.cast(pa.timestamp("ns", array.type.tz)).cast(pa.int64())
    numbers = whole_numbers(array)
    if numbers is None:
        times_ns = Reader(lambda text: read_time(text, unit_ns, what)).column(array, faults)
    else:
        too_late = numbers > TS_NS_MAX // unit_ns
        times_ns = np.where(too_late, numbers, numbers * unit_ns)  # which wraps where it is too late
        wrong = too_late | (times_ns < TS_LOW_NS) | (times_ns > TS_NS_MAX)
        for row in np.flatnonzero(wrong).tolist():
            faults.setdefault(row, check_unit(int(numbers[row]), unit_ns, what, row))
        times_ns[wrong] = BAD
    return times_ns


def whole_numbers(array: pa.Array) -> np.ndarray | None:
    """Return a column of plain integers as such, None for one that has anything else in it."""
    if array.null_count or not (pa.types.is_integer(array.type) or pa.types.is_string(array.type)):
        return None
    try:
        return pc.cast(array, pa.int64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        return None


def read_time(text: object, unit_ns: int, what: str) -> int:
    """Return a time in ns from its decimal text, NO_TS_NS where there is none.

    Raises: RefusedError.
    """
    if text is None or text == "":
        return NO_TS_NS
    try:
        time_ns = parse_units(text, Grid(1, len(str(unit_ns)) - 1))
    except FieldError as error:
        raise RefusedError(f"{what} {error} (a time in {UNIT_NAMES[unit_ns]})") from error
    if not TS_LOW_NS <= time_ns <= TS_NS_MAX:
        raise RefusedError(check_unit(time_ns // unit_ns, unit_ns, what, 0))
    return time_ns


def check_unit(number: int, unit_ns: int, what: str, row: int) -> str:
    """Return why a number is no time.

    Raises: MixedUnitsError for one that is a time in another unit.
    """
    other = unit_of(number)
    if other and other != unit_ns:
        told = f"{what} {number} is in {UNIT_NAMES[other]}, the table's times are in {UNIT_NAMES[unit_ns]}: mixed units"
        raise MixedUnitsError(row, told)
    return f"{what} {number} is no time in {UNIT_NAMES[unit_ns]} since 2001"
