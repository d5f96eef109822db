"""A venue's history of funding rates from CSV or JSON; must never repair or skip a row.

CSV has a header; JSON is one object a line, a list of them, or a venue's whole reply. Names of columns are ours or
those of the venues' histories, others are ignored.
Source: Bybit v5 funding/history, Binance futures fundingRate and monthly files, ccxt fetchFundingRateHistory.
"""

import csv
import hashlib
import io
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import Any

from mmfold.engine.limits import E8, E9, NS_PER_MS, NS_PER_S, TS_NS_MAX
from mmfold.engine.records import NO_VALUE
from mmfold.journal.files.plain_file import open_readable

TIME_KEYS = (
    "time", "fundingTime", "fundingRateTimestamp", "calc_time", "timestamp", "funding_time", "ts", "ts_exchange_ns",
)  # fmt: skip
RATE_KEYS = ("rate", "fundingRate", "last_funding_rate", "funding_rate")
MARK_KEYS = ("mark_price", "markPrice")
# A time since 2001 has a number of digits of its own in each unit.
UNIT_NS_BY_DIGITS = {10: NS_PER_S, 13: NS_PER_MS, 16: 1_000, 19: 1}
FILE_BYTES_MAX = 1 << 26
TEXT_CHARS_MAX = 64
MARK_E8_MAX = 10**18 - 1


class FundingFileError(ValueError):
    """A funding history that cannot be used: file, row, column, what was expected."""

    hint = "CSV with time,symbol,rate and perhaps mark_price, or JSON lines; a venue's own history is taken as it is"


@dataclass(frozen=True, slots=True)
class Settlement:
    """One settlement of the market; no symbol where the file tells none, `mark_e8` the sentinel where no price."""

    ts_ns: int
    symbol: str
    rate_e9: int
    mark_e8: int


@dataclass(frozen=True, slots=True)
class FundingHistory:
    """A file's settlements by time, each once; `digest` is of what they say."""

    path: Path
    settlements: tuple[Settlement, ...]

    @property
    def digest(self) -> str:
        """The hash that stands for the history in a run id."""
        text = "\n".join(f"{s.ts_ns} {s.symbol} {s.rate_e9} {s.mark_e8}" for s in self.settlements)
        return hashlib.sha256(text.encode()).hexdigest()


def read_funding(path: Path) -> FundingHistory:
    """Return the history of a file.

    Raises: FundingFileError, OSError.
    """
    text = read_text(path)
    rows = json_rows(path, text) if text.lstrip()[:1] in ("{", "[") else csv_rows(path, text)
    found: dict[tuple[str, int], tuple[Settlement, str]] = {}
    for where, row in rows:
        told = parse_row(where, row)
        known, first = found.setdefault((told.symbol, told.ts_ns), (told, where))
        if known != told:
            raise FundingFileError(f"{where} and {first} tell the same settlement of {told.symbol or path} differently")
    if not found:
        raise FundingFileError(f"{path} holds no settlement")
    return FundingHistory(path, tuple(sorted((s for s, _ in found.values()), key=lambda s: (s.ts_ns, s.symbol))))


def read_text(path: Path) -> str:
    """Return a file's text.

    Raises: FundingFileError, OSError.
    """
    with open(open_readable(path), "rb") as file:
        size_bytes = os.fstat(file.fileno()).st_size
        if size_bytes > FILE_BYTES_MAX:
            raise FundingFileError(f"{path} has {size_bytes:,} bytes, at most {FILE_BYTES_MAX:,} are read")
        try:
            return file.read(FILE_BYTES_MAX).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise FundingFileError(f"{path} is not text, as CSV and JSON are (byte {error.start:,})") from error


def csv_rows(path: Path, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (where, row) of each line below the header.

    Raises: FundingFileError.
    """
    lines = csv.reader(io.StringIO(text, newline=""))
    try:
        header = [name.strip() for name in next(lines, [])]
        for keys, what in ((TIME_KEYS, "time"), (RATE_KEYS, "rate")):
            if not set(keys) & set(header):
                found = ", ".join(header)[:80] or "nothing"
                raise FundingFileError(
                    f"{path}: column {what} ({', '.join(keys)}) is missing, the first line has {found}"
                )
        for cells in lines:
            where = f"{path} line {lines.line_num:,}"
            if not cells:
                continue
            if len(cells) != len(header):
                raise FundingFileError(f"{where}: {len(cells)} cells under {len(header)} columns")
            yield where, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise FundingFileError(f"{path} line {lines.line_num:,}: {error}") from error


def json_rows(path: Path, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (where, row) of each object: of a list, of a venue's reply, of lines of any of these.

    Raises: FundingFileError.
    """
    try:
        yield from rows_within(str(path), parse_json(text))
        return
    except ValueError as error:
        if isinstance(error, FundingFileError):
            raise
    for number, line in enumerate(text.splitlines(), 1):
        where = f"{path} line {number:,}"
        if not line.strip():
            continue
        try:
            document = parse_json(line)
        except ValueError as error:
            raise FundingFileError(f"{where}: not JSON: {str(error)[:80]}") from error
        yield from rows_within(where, document)


def parse_json(text: str) -> object:
    """Return a JSON document with its numbers as they are written.

    Raises: ValueError, also for what nests too deep.
    """
    try:
        return json.loads(text, parse_float=str, parse_int=str)
    except RecursionError:
        raise ValueError("nested too deep") from None


def rows_within(where: str, document: object) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the rows of a document.

    Raises: FundingFileError.
    """
    if isinstance(document, dict) and isinstance(document.get("result"), dict):
        document = document["result"]
    if isinstance(document, dict) and isinstance(document.get("list"), list):
        document = document["list"]
    rows: Iterable[object] = document if isinstance(document, list) else [document]
    for number, row in enumerate(rows, 1):
        place = f"{where} entry {number:,}" if isinstance(document, list) else where
        if not isinstance(row, dict):
            raise FundingFileError(f"{place}: {str(row)[:40]!r} is not an object")
        yield place, row


def parse_row(where: str, row: dict[str, Any]) -> Settlement:
    """Return one settlement.

    Raises: FundingFileError.
    """
    symbol = row.get("symbol") or ""
    if not isinstance(symbol, str) or len(symbol) > TEXT_CHARS_MAX:
        raise FundingFileError(f"{where}: symbol {str(symbol)[:40]!r} is not a symbol")
    rate = read_number(where, *read_cell(where, row, RATE_KEYS, "rate"))
    if abs(rate) > 1:
        raise FundingFileError(f"{where}: a rate of {float(rate):g} is beyond 100 %; it is a share, 0.0001 is 0.01 %")
    mark_e8 = NO_VALUE
    if any(row.get(key) not in (None, "") for key in MARK_KEYS):
        mark_e8 = round(read_number(where, *read_cell(where, row, MARK_KEYS, "mark price")) * E8)
        if not 0 < mark_e8 <= MARK_E8_MAX:
            raise FundingFileError(f"{where}: a mark price of {mark_e8 / E8:g} is out of range")
    # What the longs pay, rounded up by 1e-9 at most, as a live settlement is.
    return Settlement(read_time(where, row), symbol.strip(), int(-(-rate * E9 // 1)), mark_e8)


def read_cell(where: str, row: dict[str, Any], keys: tuple[str, ...], what: str) -> tuple[str, str]:
    """Return (name, text) of the first of some columns that a row has.

    Raises: FundingFileError.
    """
    for key in keys:
        value = row.get(key)
        if value not in (None, ""):
            if not isinstance(value, str) or len(value) > TEXT_CHARS_MAX:
                raise FundingFileError(f"{where}: {key} {str(value)[:40]!r} is not a number")
            return key, value.strip()
    raise FundingFileError(f"{where}: no {what} ({', '.join(keys)})")


def read_number(where: str, key: str, text: str) -> Fraction:
    """Return a decimal number, exactly.

    Raises: FundingFileError.
    """
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or abs(number.adjusted()) > TEXT_CHARS_MAX:
        raise FundingFileError(f"{where}: {key} {text!r} is not a number")
    return Fraction(number)


def read_time(where: str, row: dict[str, Any]) -> int:
    """Return a row's time in ns: a whole number of s, ms, us or ns, or a date as ISO 8601, UTC unless it says.

    Raises: FundingFileError.
    """
    key, text = read_cell(where, row, TIME_KEYS, "time")
    if text.isascii() and text.isdigit():
        unit_ns = UNIT_NS_BY_DIGITS.get(len(text))
        if unit_ns is not None and int(text) * unit_ns <= TS_NS_MAX:
            return int(text) * unit_ns
    else:
        try:
            told = datetime.fromisoformat(text)
            since = (told if told.tzinfo else told.replace(tzinfo=UTC)) - datetime.fromtimestamp(0, UTC)
            ts_ns = (since.days * 86_400 + since.seconds) * NS_PER_S + since.microseconds * 1_000
            if 0 < ts_ns <= TS_NS_MAX:
                return ts_ns
        except ValueError:
            pass
    raise FundingFileError(f"{where}: {key} {text!r} is neither s, ms, us or ns since 1970 nor a date")
