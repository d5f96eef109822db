"""Integers of the core as columns that a person reads: amounts, times, words; must never round but once, at the end."""

from collections.abc import Sequence
from fractions import Fraction
from functools import cache

import numpy as np
import pyarrow as pa

from mmfold.engine.records import NO_TS_NS
from mmfold.reports.money import decimal_count, decimal_text

UTC_NS = pa.timestamp("ns", "UTC")
DECIMAL_DIGITS = 38  # of a decimal128
LOW_BITS = (1 << 64) - 1


def amount_type(units: Sequence[Fraction], exact: bool) -> pa.DataType:
    """Return the type of a column of amounts that are counted in these units."""
    return pa.decimal128(DECIMAL_DIGITS, places(tuple(units))) if exact else pa.float64()


@cache
def places(units: tuple[Fraction, ...]) -> int:
    """Return how many decimals the units need."""
    return max((decimal_count(decimal_text(unit)) for unit in units), default=0)


def amounts(
    counts: np.ndarray,
    instruments: np.ndarray,
    units: Sequence[Fraction],
    exact: bool,
    present: np.ndarray | None = None,
) -> pa.Array:
    """Return counts of a unit per instrument as amounts: floats rounded once, or decimals that are exact.

    Shape: counts, instruments, present (n,); units by instrument_index; what is not present is NULL.
    """
    mask = np.zeros(len(counts), bool) if present is None else ~present
    if not exact:
        numerators = np.array([float(unit.numerator) for unit in units])[instruments]
        denominators = np.array([float(unit.denominator) for unit in units])[instruments]
        return pa.array(counts.astype(float) * numerators / denominators, mask=mask)
    decimals = places(tuple(units))
    factors = np.array([int(unit * 10**decimals) for unit in units], object)[instruments]
    scaled = np.where(mask, 0, counts).astype(object) * factors
    halves = np.empty((len(scaled), 2), "<i8")  # two's complement, the low half first
    halves[:, 0] = (scaled & LOW_BITS).astype(np.uint64).view(np.int64)
    halves[:, 1] = (scaled >> 64).astype(np.int64)
    valid = pa.array(~mask).buffers()[1]
    return pa.Array.from_buffers(amount_type(units, True), len(scaled), [valid, pa.py_buffer(halves.tobytes())])


def times(ts_ns: np.ndarray) -> pa.Array:
    """Return times in ns since 1970 as timestamps in UTC, absent ones as NULL."""
    return pa.array(ts_ns.astype(np.int64), mask=ts_ns == NO_TS_NS).cast(UTC_NS)


def words(codes: np.ndarray, names: Sequence[str], absent: np.ndarray | None = None) -> pa.Array:
    """Return codes as text; what is absent is NULL."""
    table = np.array(names, object)
    taken = table[codes if absent is None else np.where(absent, 0, codes)] if len(names) else np.array([], object)
    return pa.array(taken, pa.string(), mask=absent)


def with_times(table: pa.Table, unit: str) -> pa.Table:
    """Return a table with its times rounded down to s, ms or us."""
    schema = pa.schema(
        [
            field.with_type(pa.timestamp(unit, field.type.tz)) if pa.types.is_timestamp(field.type) else field
            for field in table.schema
        ]
    )
    return table.cast(schema, safe=False)
