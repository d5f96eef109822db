"""A journal in any of its forms behind one face: directory, segment, JSONL, Parquet, bundle.

Must never interpret an event.

The codecs are imported when their form is met: a binary journal is read without a compiler or Arrow.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mmfold.engine.limits import ROW_BYTES
from mmfold.engine.manifest import Manifest, parse_manifest
from mmfold.journal.bundle import is_bundle, unpacked_journal
from mmfold.journal.errors import Corrupt, JournalError, NotAJournal, WrongVersion
from mmfold.journal.log.chain import GENESIS_BASE, Chain, check_rows
from mmfold.journal.log.reader import Journal
from mmfold.journal.log.verify import Verification, check_head, first_bad, verify

if TYPE_CHECKING:
    from mmfold.journal.jsonl.file import JsonlReader

JSONL_SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst")
PARQUET_SUFFIX = ".parquet"
CHUNK_ROW_COUNT = 1 << 16


class Form(Enum):
    """How the events of a journal are written down."""

    JOURNAL = "journal"  # a directory of segments, or one segment
    JSONL = "jsonl"
    PARQUET = "parquet"
    BUNDLE = "bundle"  # a zip with a journal in it, see bundle.py


class Counts(NamedTuple):
    """How much was read and the head there."""

    events: int
    rows: int
    head: bytes


class ParquetFacts(NamedTuple):
    """What the metadata of an export claims; its rows prove the head."""

    manifest: Manifest
    row_count: int
    head: str


NOTHING = Counts(0, 0, GENESIS_BASE)


def form_of(path: Path) -> Form:
    """Return the form of something to read: by its name, a directory is always a journal."""
    if not path.is_dir():
        if path.name.endswith(JSONL_SUFFIXES):
            return Form.JSONL
        if path.name.endswith(PARQUET_SUFFIX):
            return Form.PARQUET
        if is_bundle(path):
            return Form.BUNDLE
    return Form.JOURNAL


class Events:
    """The events of a journal in any form, verified while they are read; `counts` are known once `chunks` has ended.

    `sealed` tells of a journal whether it ends as its seal says, of a Parquet file that its head was proven, of JSONL
    whether its lines have hashes.
    `has_hashes` is False for a JSONL file that nothing vouches for; `row_count` is a guess, None where there is none.
    Raises: NotAJournal, WrongVersion, Corrupt, TornTail, JsonlError, JournalError.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.form = form_of(path)
        self.counts = NOTHING
        self.has_hashes = True
        self.row_count: int | None = None
        try:
            self.reader = self._open()
        except OSError as error:
            raise JournalError(path, f"could not be read: {error.strerror or error}", hint="check the path") from error

    @property
    def sealed(self) -> bool:
        """Whether something vouches for what was read, and for its end."""
        return self.counts is not NOTHING if isinstance(self.reader, ParquetFacts) else self.reader.sealed

    @property
    def head(self) -> str:
        """Head of the chain over what was read, hex."""
        return (self.counts.head if isinstance(self.reader, ParquetFacts) else self.reader.head).hex()

    def _open(self) -> "Journal | JsonlReader | ParquetFacts":
        """Open the reader of the form and take over what it knows."""
        if self.form in (Form.JOURNAL, Form.BUNDLE):
            with named_by(self.path, self.form):
                journal = Journal(self.path if self.form is Form.JOURNAL else unpacked_journal(self.path))
                self.manifest: Manifest = journal.manifest()
            self.row_count = sum(segment.stat().st_size for segment in journal.segments) // ROW_BYTES
            return journal
        if self.form is Form.JSONL:
            from mmfold.journal.jsonl.file import JsonlReader

            reader = JsonlReader(self.path)
            self.manifest, self.has_hashes = reader.manifest, reader.sealed
            return reader
        facts = read_facts(self.path)
        self.manifest, self.row_count = facts.manifest, facts.row_count
        return facts

    def chunks(
        self,
        row_count: int = CHUNK_ROW_COUNT,
        seq_from: int = 0,
        base: bytes | None = None,
        pool: Executor | None = None,
    ) -> Iterator[np.ndarray]:
        """Yield whole events from `seq_from` on; a Parquet file has one head only, which is checked when all is read.

        A journal is hashed from the chain's `base` at `seq_from` on, in `pool` (`Journal.verified_chunks`).
        Raises: Corrupt, TornTail, WrongVersion, JsonlError, JournalError.
        """
        try:
            with named_by(self.path, self.form):
                yield from self._chunks(row_count, seq_from, base, pool)
        except OSError as error:
            # Arrow says with an error without a number that it cannot unpack what it read.
            kind = JournalError if error.errno else Corrupt
            raise kind(self.path, f"could not be read: {error.strerror or error}", seq=0) from error

    def _chunks(self, row_count: int, seq_from: int, base: bytes | None, pool: Executor | None) -> Iterator[np.ndarray]:
        if isinstance(self.reader, Journal):
            yield from self.reader.verified_chunks(row_count, seq_from, base, pool)
        else:
            whole = self._exported() if isinstance(self.reader, ParquetFacts) else self.reader.chunks(row_count)
            for rows in whole:
                start = int(np.searchsorted(rows["seq"], seq_from))
                if start < len(rows):
                    yield rows[start:]
        if not isinstance(self.reader, ParquetFacts):
            self.counts = Counts(self.reader.events, self.reader.rows, self.reader.head)

    def _exported(self) -> Iterator[np.ndarray]:
        """Yield the rows of an export."""
        from mmfold.journal.jsonl.file import first_manifest
        from mmfold.journal.parquet import read_parquet

        assert isinstance(self.reader, ParquetFacts)
        event_count = row_count = 0
        try:
            for rows in read_parquet(self.path):
                check_rows(rows, event_count)
                if not row_count and first_manifest(rows) != self.manifest:
                    raise Corrupt(self.path, "expected the manifest of seq 0 in the metadata, found another", seq=0)
                event_count, row_count = int(rows["seq"][-1]) + 1, row_count + len(rows)
                yield rows
        except ValueError as error:  # ParquetError, ManifestError, RowFault, and text of Arrow's that is not UTF-8
            raise Corrupt(self.path, str(error).removeprefix(f"{self.path}: "), seq=0) from error
        self.counts = Counts(event_count, row_count, bytes.fromhex(self.reader.head))


@contextmanager
def named_by(path: Path, form: Form) -> Iterator[None]:
    """Let a fault of a bundle's journal name the bundle, and not the place where it was unpacked."""
    try:
        yield
    except JournalError as error:
        if form is Form.BUNDLE:
            error.path = path
        raise


def read_facts(path: Path) -> ParquetFacts:
    """Read what an export says of itself.

    Raises: NotAJournal, WrongVersion, Corrupt, OSError.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from mmfold.journal.parquet import FORMAT_VERSION

    try:
        metadata = pq.read_metadata(path)
    except (pa.ArrowException, ValueError) as error:
        raise NotAJournal(path, f"expected a Parquet file, found other bytes: {error}") from error
    ours = metadata.metadata or {}
    version = ours.get(b"mm.version")
    if version is None:
        hint = "an export of some symbols, or one that another tool wrote again, is no journal any more"
        raise NotAJournal(path, "expected an export of a whole journal, found another Parquet file", hint=hint)
    if version != FORMAT_VERSION:
        message = f"expected export version {FORMAT_VERSION.decode()}, found {version.decode(errors='replace')}"
        raise WrongVersion(path, message, hint="read it with the build that wrote it")
    try:
        head = ours.get(b"mm.head", b"").decode()
        if len(bytes.fromhex(head)) != len(GENESIS_BASE):
            raise Corrupt(path, f'expected a head in the metadata, found "{head}"', seq=0)
        return ParquetFacts(parse_manifest(ours.get(b"mm.manifest", b"")), metadata.num_rows, head)
    except ValueError as error:
        raise Corrupt(path, f"expected a head and a manifest in the metadata: {error}", seq=0) from error


def verify_form(
    path: Path,
    *,
    workers: int = 1,
    expect_head: str | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Verification:
    """Check everything that a journal in any form says; `on_progress` gets bytes of a journal, rows of other forms.

    Raises: NotAJournal, WrongVersion, JsonlError, JournalError where not even its start can be read.
    """
    report = on_progress if on_progress is not None else lambda done: None
    if form_of(path) is Form.JOURNAL:
        return verify(path, workers=workers, expect_head=expect_head, progress=lambda done, total: report(done))
    source = Events(path)
    fault: JournalError | None = None
    try:
        if source.form is Form.JSONL:
            counts, fault = verify_jsonl(source, report)
        else:
            row_count = 0
            for rows in source.chunks():
                row_count += len(rows)
                report(row_count)
            counts = source.counts
        if fault is None:
            check_head(path, expect_head, head=counts.head, events=counts.events, offset=None)
    except JournalError as error:
        fault, counts = error, source.counts
    return Verification(
        ok=fault is None,
        events=counts.events,
        rows=counts.rows,
        head=counts.head.hex(),
        sealed=source.has_hashes,
        segments=0,
        first_bad=None if fault is None else first_bad(fault, counts.events),
        torn_bytes=0,
    )


def verify_jsonl(source: Events, report: Callable[[int], None]) -> tuple[Counts, Corrupt | None]:
    """Count the events of a JSONL file up to its first bad line, and return what is wrong there."""
    from mmfold.journal.jsonl.file import JsonlError

    chain, row_count = Chain(), 0
    try:
        for rows in source.chunks():
            chain.update(rows)
            row_count += len(rows)
            report(row_count)
    except JsonlError as error:
        reason = f"line {error.line:,}: {error.message}"
        fault = Corrupt(source.path, reason, seq=error.line - 1, offset=error.offset, hint=error.hint)
        for rows in lines_between(source, chain.seq_next, error.line - 1):
            chain.update(rows)
            row_count += len(rows)
        return Counts(chain.seq_next, row_count, chain.head), fault
    return source.counts, None


def lines_between(source: Events, seq_from: int, seq_end: int) -> Iterator[np.ndarray]:
    """Yield some events of a file whose lines are known to be good there: a reader hands out whole chunks only."""
    from mmfold.journal.files.compressed import read_pieces
    from mmfold.journal.jsonl.fields import scales_of
    from mmfold.journal.jsonl.lines import parse_line, parse_object

    scales, symbols = scales_of(source.manifest), source.manifest.symbol_index()
    seq, rest = 0, b""
    pieces = read_pieces(source.path)
    while seq < seq_end:
        *lines, rest = (rest + next(pieces)).split(b"\n")
        for line in lines:
            if seq_from <= seq < seq_end:
                rows = parse_line(parse_object(line), scales, symbols).rows
                rows["seq"] = seq
                yield rows
            seq += 1
