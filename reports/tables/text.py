"""The cells of an Arrow table as JSON holds them and as a person reads them; must never lose a digit of a decimal."""

import math
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

TIME_FORM = "%Y-%m-%dT%H:%M:%SZ"  # the seconds bring the decimals of their column
FLOAT_DIGITS = 12  # what is shown of a float; sums of floats differ behind them
INT_BITS = 63
ID_COLUMN = "order_id"  # as text in JSON, whose readers round past 2^53


def plain_rows(table: pa.Table) -> list[tuple[Any, ...]]:
    """Return rows of what JSON can hold: times as UTC text, decimals as their exact text, order ids as text."""
    columns = [
        [plain(value) for value in texts_of(name, column).to_pylist()]
        for name, column in zip(table.column_names, table.columns, strict=True)
    ]
    return list(zip(*columns, strict=True)) if columns else []


def texts_of(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column with its times, or the ids of orders, as text."""
    if pa.types.is_timestamp(column.type):
        return pc.strftime(column, format=TIME_FORM)
    return column.cast(pa.string()) if name == ID_COLUMN and pa.types.is_integer(column.type) else column


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it."""
    match value:
        case None | bool() | str():
            return value
        case int():
            return value if value.bit_length() <= INT_BITS else str(value)
        case float():
            return value if math.isfinite(value) else None
        case Decimal():
            whole = value.as_tuple().exponent == 0  # a sum of whole numbers comes as one
            return plain(int(value)) if whole else f"{value:f}"
        case bytes():
            return value.decode("ascii", "backslashreplace")
        case dict():
            return {str(key): plain(one) for key, one in value.items()}
        case list() | tuple():
            return [plain(one) for one in value]
        case date() | time():
            return value.isoformat()
        case timedelta():
            return str(value)
    return str(value)


def cell_text(value: Any) -> str:
    """Return a plain value for a terminal; without separators, so that it can be pasted."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{Decimal(f'{value:.{FLOAT_DIGITS}g}'):f}"
    return str(value).lower() if isinstance(value, bool) else str(value)
