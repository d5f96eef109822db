"""A table as parts of a few thousand rows, CSV in any packing or Parquet; must never hold a whole one.

What a column holds stays as it is told: text in CSV, the file's own type in Parquet.
"""

import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from mmfold.adapters.importers.outcome import ImportFailedError, Place
from mmfold.adapters.importers.streams import REFETCH, LinesHash, OnBytes, OnCut, read_ahead, read_lines
from mmfold.adapters.importers.tabular.mapping import Mapping

PARQUET_MAGIC, ZIP_MAGIC = b"PAR1", b"PK\x03\x04"
ZIP_READ_BYTES = 1 << 20
PARQUET_ROW_COUNT = 1 << 15
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

Refuse = Callable[[Place, str, bytes], None]
OnRead = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class GroupPlace(Place):
    """Where a row of a Parquet file stands: `line` is its number in the row group, both from 1."""

    group: int

    def __str__(self) -> str:
        return f"{self.path.name} row group {self.group:,} row {self.line:,}"


@dataclass(slots=True)
class Part:
    """Some rows of a table; `numbers` are their lines, in Parquet their rows in the group."""

    path: Path
    columns: dict[str, pa.Array]
    numbers: np.ndarray
    text: bytes = b""  # the lines themselves, from line `first` at `byte` on
    first: int = 1
    byte: int = 0
    group: int = 0  # of Parquet, from 1

    def place(self, index: int) -> Place:
        """Return where a row stands."""
        number = int(self.numbers[index])
        if self.group:
            return GroupPlace(self.path, number, 0, self.group)
        before = self.text.split(b"\n", number - self.first)[:-1]
        return Place(self.path, number, self.byte + sum(len(line) + 1 for line in before))

    def raw(self, index: int) -> bytes:
        """Return a row as it is told; of Parquet as JSON."""
        if self.group:
            return orjson.dumps({name: column[index].as_py() for name, column in self.columns.items()}, default=str)
        return self.text.split(b"\n", int(self.numbers[index]) - self.first + 1)[-2].removesuffix(b"\r")


class Table:
    """One file and how it is packed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                magic = file.read(4)
            self.bytes = path.stat().st_size
        except OSError as error:
            raise ImportFailedError(f"{path}: {error.strerror or error}", "check the path") from error
        self.is_parquet, self.is_zip = magic == PARQUET_MAGIC, magic == ZIP_MAGIC
        self.hash = LinesHash()

    @cached_property
    def first_line(self) -> str:
        """The first line of a CSV.

        Raises: ImportFailedError for a file without one.
        """
        with closing(self.buffers(lambda _: None, None)) as buffers:
            buffer = next(buffers, b"")
        line = buffer.partition(b"\n")[0].removeprefix(BYTE_ORDER_MARK).rstrip(b"\r")
        if not line:
            raise ImportFailedError(f"{self.path.name} line 1: empty, expected names of columns", "nothing was written")
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError:
            told = f"{self.path.name} line 1: no text"
            raise ImportFailedError(told, "CSV, plain or in gzip, zstd or zip, and Parquet are read") from None

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns of a Parquet file.

        Raises: ImportFailedError.
        """
        try:
            return pq.read_schema(self.path)
        except (OSError, pa.ArrowException) as error:
            raise ImportFailedError(f"{self.path.name}: no Parquet that can be read: {error}", REFETCH) from error

    def names(self, delimiter: str) -> list[str]:
        """Return the names of the columns: of a CSV those in its first line."""
        if self.is_parquet:
            return list(self.schema.names)
        return [name.strip().strip('"') for name in self.first_line.split(delimiter)]

    def check(self, mapping: Mapping) -> None:
        """Check that the columns of a mapping are there.

        Raises: ImportFailedError.
        """
        names = list(mapping.columns) or self.names(mapping.delimiter)
        place = f"{self.path.name} schema" if self.is_parquet else f"{self.path.name} line 1"
        if len(names) == 1 and len(mapping.used_columns()) > 1:
            told = f"one column, {names[0][:60]!r}, by the delimiter {mapping.delimiter!r}"
            raise ImportFailedError(
                f"{place}: {told}", "name the table's delimiter in the mapping; nothing was written"
            )
        if missing := [name for name in mapping.used_columns() if name not in names]:
            told = f"{place}: no column {', '.join(missing)}; found {', '.join(names)[:200]}"
            raise ImportFailedError(told, "correct the mapping's names, or choose another file; nothing was written")
        if twice := [name for name in mapping.used_columns() if names.count(name) > 1]:
            raise ImportFailedError(f"{place}: two columns are called {twice[0]}", "nothing was written")

    def parts(
        self, mapping: Mapping, on_read: OnRead, on_cut: OnCut | None, refuse: Refuse
    ) -> Generator[Part, None, None]:
        """Yield all rows; a line with too few or too many columns goes to `refuse`.

        Units:  on_read gets how many bytes of the file were read since it was called last.
        Raises: ImportFailedError.
        """
        return self.groups(mapping, on_read) if self.is_parquet else self.lines(mapping, on_read, on_cut, refuse)

    def buffers(self, on_bytes: OnBytes, on_cut: OnCut | None) -> Generator[bytes, None, None]:
        """Yield whole lines."""
        yield from read_lines(self.path, on_bytes, on_cut, read_member if self.is_zip else None)

    def lines(
        self, mapping: Mapping, on_read: OnRead, on_cut: OnCut | None, refuse: Refuse
    ) -> Generator[Part, None, None]:
        """Yield the rows of a CSV."""
        names = list(mapping.columns) or self.names(mapping.delimiter)
        line, byte = 1, 0
        with closing(read_ahead(self.hash.hashed(self.buffers(lambda data: on_read(len(data)), on_cut)))) as buffers:
            for buffer in buffers:
                head = buffer.find(b"\n") + 1 if line == 1 and not mapping.columns else 0
                part = Part(self.path, {}, np.empty(0, np.int64), buffer[head:], line + bool(head), byte + head)
                if part.text:
                    read_csv(part, mapping, names, refuse)
                    yield part
                line, byte = line + buffer.count(b"\n"), byte + len(buffer)

    def groups(self, mapping: Mapping, on_read: OnRead) -> Generator[Part, None, None]:
        """Yield the rows of a Parquet file."""
        used = mapping.used_columns()
        try:
            with pq.ParquetFile(self.path) as file:
                for group in range(file.num_row_groups):
                    row = 1
                    for batch in file.iter_batches(PARQUET_ROW_COUNT, row_groups=[group], columns=used):
                        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
                        numbers = np.arange(row, row + len(batch))
                        yield Part(self.path, columns, numbers, group=group + 1)
                        row += len(batch)
                    on_read(self.bytes // file.num_row_groups)
        except (OSError, pa.ArrowException) as error:
            raise ImportFailedError(f"{self.path.name}: no Parquet that can be read: {error}", REFETCH) from error
        with self.path.open("rb") as whole:
            for data in iter(lambda: whole.read(ZIP_READ_BYTES), b""):
                self.hash.update(data)


def read_csv(part: Part, mapping: Mapping, names: list[str], refuse: Refuse) -> None:
    """Fill a part with the columns of its text."""
    line_count = part.text.count(b"\n")
    odd: dict[int, str] = {}

    def on_odd(row: pa_csv.InvalidRow) -> str:
        odd[row.number - 1] = f"{row.actual_columns} columns, expected {row.expected_columns}"
        return "skip"

    used = mapping.used_columns()
    try:
        table = pa_csv.read_csv(
            pa.BufferReader(part.text),
            pa_csv.ReadOptions(use_threads=False, block_size=len(part.text) + 1, column_names=names),
            pa_csv.ParseOptions(delimiter=mapping.delimiter, ignore_empty_lines=False, invalid_row_handler=on_odd),
            pa_csv.ConvertOptions(
                column_types=dict.fromkeys(used, pa.string()), include_columns=used, null_values=[], check_utf8=True
            ),
        )
    except pa.ArrowException as error:
        last = part.first + line_count - 1
        told = f"{part.path.name} lines {part.first:,} to {last:,}: no CSV that can be read: {error}"
        raise ImportFailedError(told, "nothing was written") from error
    numbers = np.arange(line_count)
    for index, reason in sorted(odd.items()):
        part.numbers = np.array([part.first + index])
        refuse(part.place(0), reason, part.raw(0))
    part.numbers = part.first + np.delete(numbers, sorted(odd))
    part.columns = {name: table[name].combine_chunks() for name in used}
    assert table.num_rows == len(part.numbers), "a line is a row"


def read_member(path: Path, on_bytes: OnBytes, on_cut: OnCut | None) -> Iterator[bytes]:
    """Yield what the one file in a zip holds; what is cut short has no table of contents and is never read in part.

    Raises: ImportFailedError.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [entry for entry in archive.infolist() if not entry.is_dir()]
            if len(members) != 1:
                names = ", ".join(entry.filename for entry in members[:4]) or "none"
                told = f"{path.name}: a zip with {len(members):,} files ({names}), expected one"
                raise ImportFailedError(told, "unpack it and name the files that are wanted; nothing was written")
            with archive.open(members[0]) as member:
                done = 0
                for data in iter(lambda: member.read(ZIP_READ_BYTES), b""):
                    read = members[0].compress_size * member.tell() // max(members[0].file_size, 1)
                    on_bytes(bytes(read - done))
                    done = read
                    yield data
    except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError) as error:
        raise ImportFailedError(f"{path.name}: no zip that can be read: {error}", REFETCH) from error
    except OSError as error:
        raise ImportFailedError(f"{path}: {error.strerror or error}") from error
