"""Measured latencies from CSV or Parquet; must never repair or skip a row.

Columns, others are ignored: `request_ts_ns` when a request left, `venue_ts_ns` when the venue had it, `response_ts_ns`
when its answer came; ns since 1970, one row a request, by rising `request_ts_ns`.
"""

import csv
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

from mmfold.engine.limits import TS_NS_MAX
from mmfold.replay.assumptions import DURATION_NS_MAX, LatencySample
from mmfold.replay.venue.records import LATENCY_SAMPLE_COUNT_MAX

COLUMNS = ("request_ts_ns", "venue_ts_ns", "response_ts_ns")
INT_DIGITS_MAX = 19


class LatencyFileError(ValueError):
    """A file of latencies that cannot be used: file, row, column, what was expected."""

    hint = f"a header with {','.join(COLUMNS)}, then one row a request, times in ns since 1970 that rise"


def read_latencies(path: Path) -> tuple[LatencySample, ...]:
    """Return the measured latencies of a CSV file, or of a Parquet one by its name.

    Raises: LatencyFileError, OSError.
    """
    rows = parquet_rows(path) if path.suffix == ".parquet" else csv_rows(path)
    samples = tuple(check_rows(path, rows))
    if not samples:
        raise LatencyFileError(f"{path} holds no row")
    return samples


def csv_rows(path: Path) -> Iterator[tuple[str, list[int]]]:
    """Yield (where, the three times) of each line.

    Raises: LatencyFileError.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file)
        try:
            header = [name.strip() for name in next(lines, [])]
            places = find_columns(path, header)
            for cells in lines:
                where = f"{path} line {lines.line_num:,}"
                if not cells:
                    continue
                if len(cells) != len(header):
                    raise LatencyFileError(f"{where}: {len(cells)} cells under {len(header)} columns")
                yield where, [parse_time(where, name, cells[at]) for name, at in zip(COLUMNS, places, strict=True)]
        except UnicodeDecodeError as error:
            raise LatencyFileError(f"{path} is not text, as CSV is; Parquet ends in .parquet") from error
        except csv.Error as error:
            raise LatencyFileError(f"{path} line {lines.line_num:,}: {error}") from error


def find_columns(path: Path, header: list[str]) -> list[int]:
    """Return where the three columns stand.

    Raises: LatencyFileError.
    """
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        found = ", ".join(header)[:80] or "nothing"
        raise LatencyFileError(f"{path}: column {missing[0]} is missing, the first line has {found}")
    return [header.index(name) for name in COLUMNS]


def parse_time(where: str, column: str, text: str) -> int:
    """Return a cell as a time.

    Raises: LatencyFileError.
    """
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= INT_DIGITS_MAX):
        raise LatencyFileError(f'{where}: {column} "{text[:40]}" is not a whole number of ns')
    return int(text)


def parquet_rows(path: Path) -> Iterator[tuple[str, list[int]]]:
    """Yield (where, the three times) of each row.

    Raises: LatencyFileError.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        find_columns(path, file.schema_arrow.names)
        for name in COLUMNS:
            kind = file.schema_arrow.field(name).type
            if not pa.types.is_integer(kind):
                raise LatencyFileError(f"{path}: column {name} holds {kind}, not whole numbers of ns")
        number = 0
        for batch in file.iter_batches(columns=list(COLUMNS)):
            for cells in zip(*(batch.column(name).to_pylist() for name in COLUMNS), strict=True):
                number += 1
                where = f"{path} row {number:,}"
                yield where, [parse_time(where, name, str(cell)) for name, cell in zip(COLUMNS, cells, strict=True)]
    except pa.ArrowException as error:
        raise LatencyFileError(f"{path} is not a Parquet file: {error}") from error


def check_rows(path: Path, rows: Iterable[tuple[str, list[int]]]) -> Iterator[LatencySample]:
    """Yield the rows as latencies.

    Raises: LatencyFileError for times out of order or out of range, and for more rows than there is room for.
    """
    before_ns = -1
    for number, (where, (request_ns, venue_ns, response_ns)) in enumerate(rows, 1):
        if number > LATENCY_SAMPLE_COUNT_MAX:
            raise LatencyFileError(f"{path} holds more than {LATENCY_SAMPLE_COUNT_MAX:,} rows; thin them out")
        if request_ns <= before_ns:
            raise LatencyFileError(f"{where}: request_ts_ns {request_ns} is not after the row before, {before_ns}")
        times = (request_ns, venue_ns, response_ns)
        for (start_name, name), (start_ns, end_ns) in zip(pairwise(COLUMNS), pairwise(times), strict=True):
            if end_ns < start_ns:
                text = f"{name} {end_ns} is before {start_name} {start_ns}, a latency below 0"
                raise LatencyFileError(f"{where}: {text}")
            if end_ns - start_ns > DURATION_NS_MAX or end_ns > TS_NS_MAX:
                raise LatencyFileError(f"{where}: {name} {end_ns} is more than 30 days after {start_name}")
        before_ns = request_ns
        yield LatencySample(request_ns, venue_ns - request_ns, response_ns - venue_ns)
