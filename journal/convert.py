"""From one form of a journal to another, with the same head or not at all; must never trust what it did not read back.

An export of some symbols is a table for analysis, not a journal: it has no head.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np

from mmfold.engine.codes import Flag
from mmfold.journal.errors import Corrupt, JournalError, JournalFull
from mmfold.journal.files.outputs import check_apart, check_directory, check_file, check_parent
from mmfold.journal.files.publish import publishing
from mmfold.journal.formats import JSONL_SUFFIXES, PARQUET_SUFFIX, Events, Form, verify_form
from mmfold.journal.jsonl.decimals import FieldError
from mmfold.journal.jsonl.file import write_jsonl
from mmfold.journal.log.canonical import RowError
from mmfold.journal.log.writer import FULL_ERRNOS, Writer

NOT_CANONICAL_HINT = "its rows were not made by mm: text could not give them back"
GROUP_ROW_COUNT = 1 << 16
JOURNAL_SUFFIXES = ("", ".mmj")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """What was written, read back and found to have the source's head; `head` is hex, None of some symbols only."""

    events: int
    rows: int
    head: str | None
    has_hashes: bool  # of the source: False when nothing vouched for its events
    sealed: bool  # of the source: False when nothing vouched for its end
    form: Form


def target_form(path: Path) -> Form:
    """Return the form that a name asks for.

    Raises: JournalError for a name that asks for none.
    """
    if path.name.endswith(JSONL_SUFFIXES):
        return Form.JSONL
    if path.name.endswith(PARQUET_SUFFIX):
        return Form.PARQUET
    if path.suffix in JOURNAL_SUFFIXES:
        return Form.JOURNAL
    message = f'expected {", ".join((*JSONL_SUFFIXES, PARQUET_SUFFIX))} or a journal directory, found "{path.suffix}"'
    raise JournalError(path, message, hint="a journal directory has a name without a suffix, or with .mmj")


def convert(
    source_path: Path, path: Path, *, force: bool = False, on_rows: Callable[[int], None] = lambda rows: None
) -> Conversion:
    """Write a journal in the form that `path` asks for and read it back; `on_rows` gets rows written plus read back.

    Raises: JournalError and its kinds, JsonlError; nothing is left at `path` then that was not there before.
    """
    form = target_form(path)
    with opened(source_path, path, form, force) as (source, part):
        rows = reported(source.chunks(), on_rows)
        if form is Form.JOURNAL:
            with Writer(part) as writer:
                for chunk in rows:
                    writer.append(chunk)
                head = writer.commit()
        elif form is Form.JSONL:
            head = write_jsonl(rows, part).head
        else:
            from mmfold.journal.parquet import export_parquet

            head = export_parquet(regrouped(rows), source.manifest, part)
        counts = source.counts
        if head != counts.head:
            raise Corrupt(path, f"expected head {counts.head.hex()} of {source_path}, wrote {head.hex()}")
        check_copy(part, path, source, on_rows)
    return Conversion(
        events=counts.events,
        rows=counts.rows,
        head=head.hex(),
        has_hashes=source.has_hashes,
        sealed=source.sealed,
        form=source.form,
    )


def check_copy(part: Path, path: Path, source: Events, on_rows: Callable[[int], None]) -> None:
    """Read back what was written.

    Raises: Corrupt when it is not what the source holds.
    """
    counts = source.counts
    is_journal = part.is_dir()
    found = verify_form(
        part,
        expect_head=counts.head.hex(),
        on_progress=lambda done: on_rows(counts.rows + (min(done // 64, counts.rows) if is_journal else done)),
    )
    if found.first_bad is not None or (found.events, found.rows) != (counts.events, counts.rows):
        reason = found.first_bad["reason"] if found.first_bad else f"{found.events:,} events, {found.rows:,} rows"
        raise Corrupt(path, f"what was written did not read back as {source.path}: {reason}; nothing was kept")


def export_symbols(
    source_path: Path,
    path: Path,
    symbols: frozenset[str],
    *,
    force: bool = False,
    on_rows: Callable[[int], None] = lambda rows: None,
) -> Conversion:
    """Write the events of some symbols, and those of none, as a Parquet table.

    Raises: JournalError and its kinds, JsonlError; a symbol that the journal does not have is one.
    """
    import pyarrow.parquet as pq

    from mmfold.journal.parquet import COMPRESSION, SCHEMA, export_parquet

    with opened(source_path, path, Form.PARQUET, force) as (source, part):
        known = source.manifest.symbol_index()
        unknown = sorted(symbols - known.keys())
        if unknown:
            raise JournalError(source_path, f'unknown symbol "{unknown[0]}"', hint=f"it has {', '.join(known)}")
        whole = part.with_name(f"{part.name}.whole")
        export_parquet(regrouped(reported(source.chunks(), on_rows)), source.manifest, whole)
        event_count = row_count = 0
        with pq.ParquetFile(whole) as file, pq.ParquetWriter(part, SCHEMA, compression=COMPRESSION) as writer:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group)
                words = table["symbol"].to_pylist()
                table = table.filter([word is None or word in symbols for word in words])
                seqs = table["seq"].to_numpy()
                event_count, row_count = event_count + len(np.unique(seqs)), row_count + len(seqs)
                writer.write_table(table, row_group_size=max(1, len(seqs)))
                on_rows(source.counts.rows + row_count)
    return Conversion(
        events=event_count,
        rows=row_count,
        head=None,
        has_hashes=source.has_hashes,
        sealed=source.sealed,
        form=source.form,
    )


@contextmanager
def opened(source_path: Path, path: Path, form: Form, force: bool) -> Iterator[tuple[Events, Path]]:
    """Open the source and a place to write to; say every failure in terms of the two paths that the caller knows.

    Raises: JournalError and its kinds, JsonlError.
    """
    check_apart(path, [source_path])
    source = Events(source_path)
    try:
        if form is Form.JOURNAL:
            check_parent(path)
            check_directory(path, force=force, is_empty_free=False)
        else:
            check_file(path, force=force, is_read_back=True)
        with publishing(path) as part:
            try:
                yield source, part
            except JournalError as error:
                cause = error.__cause__
                if isinstance(cause, OSError) and error.path.is_relative_to(part.parent):
                    raise_write_error(path, cause)
                raise
    except (RowError, FieldError) as error:
        raise Corrupt(source_path, str(error), hint=NOT_CANONICAL_HINT) from error
    except OSError as error:
        raise_write_error(path, error)


def raise_write_error(path: Path, error: OSError) -> NoReturn:
    """Say that an output could not be written.

    Raises: JournalFull, JournalError.
    """
    is_full = error.errno in FULL_ERRNOS
    kind = JournalFull if is_full else JournalError
    hint = "free some space and run again" if is_full else "check the path and its permissions"
    reason = os.strerror(error.errno) if error.errno else str(error)
    raise kind(path, f"could not write: {reason}; nothing was kept", hint=hint) from error


def reported(chunks: Iterator[np.ndarray], on_rows: Callable[[int], None]) -> Iterator[np.ndarray]:
    """Pass chunks on and report the rows so far."""
    row_count = 0
    for rows in chunks:
        yield rows
        row_count += len(rows)
        on_rows(row_count)


def regrouped(chunks: Iterator[np.ndarray], row_count: int = GROUP_ROW_COUNT) -> Iterator[np.ndarray]:
    """Cut events into the same chunks whatever chunks they come in, so that one head is one Parquet file."""
    rest: np.ndarray | None = None
    for rows in chunks:
        rest = rows if rest is None else np.concatenate([rest, rows])
        while len(rest) >= row_count:
            ends = np.flatnonzero(rest["flags"] & Flag.LAST) + 1
            cut = int(ends[max(0, int(np.searchsorted(ends, row_count, side="right")) - 1)])
            yield rest[:cut]
            rest = rest[cut:]
    if rest is not None and len(rest):
        yield rest
