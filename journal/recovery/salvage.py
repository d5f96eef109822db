"""The valid beginning of a damaged journal as a new one; must never change the damaged one, nor pass for it.

Every event keeps its seq and its bytes but the manifest, which names the parent: its run, its head as sealed, and the
head and number of events of what was whole.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mmfold.engine.codes import EventKind, Flag
from mmfold.engine.manifest import PARENT_ROWS, Manifest, encode_manifest
from mmfold.engine.payload import payload_rows
from mmfold.journal.errors import JournalError, Locked, NotAJournal, SealDiffers
from mmfold.journal.files.outputs import check_apart, check_directory, check_parent
from mmfold.journal.files.publish import publishing
from mmfold.journal.log.lock import is_locked
from mmfold.journal.log.reader import Journal
from mmfold.journal.log.seal import Seal, read_seal
from mmfold.journal.log.verify import list_segments, scan_journal
from mmfold.journal.log.writer import Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class Salvage:
    """What was written and why no more; heads are hex, `sealed_events` is None where no seal says how many there were.

    `digests` counts state digests within: they are the parent's, and hold (engine/manifest.py, PARENT_ROWS).
    """

    events: int
    rows: int
    head: str
    parent_head: str
    prefix_head: str
    fault: str
    sealed_events: int | None
    digests: int


def salvage(
    path: Path, out: Path, *, force: bool = False, on_rows: Callable[[int], None] = lambda rows: None
) -> Salvage:
    """Write the valid beginning of a damaged journal to a new one.

    Raises: Locked, OutputRefused, NotAJournal, JournalError for one that is whole or has no whole manifest.
    """
    if not path.is_dir():
        raise NotAJournal(path, "expected a journal directory to salvage, found none")
    if is_locked(path):
        raise Locked(path, "expected no writer, found a living one", hint="stop it first")
    check_apart(out, [path])
    check_parent(out)
    check_directory(out, force=force)
    prefix, seal = Prefix(path), readable_seal(path)
    scan = scan_journal(path)
    sealed_head = scan.head.hex() if seal is None else seal.head
    parent = prefix.journal.manifest()
    manifest = parented(parent, sealed_head, scan.head.hex(), scan.events, prefix.manifest_rows())
    with publishing(out) as part, Writer(part) as writer:
        for rows in prefix.chunks():
            writer.append(with_manifest(rows, manifest))
            on_rows(prefix.rows)
        if prefix.fault is None:
            raise JournalError(path, "is whole: there is nothing to salvage", hint="mm journal convert copies it")
        head, row_count, event_count = writer.commit(), writer.row_count, writer.seq_next
    return Salvage(
        events=event_count, rows=row_count, head=head.hex(), parent_head=sealed_head, prefix_head=scan.head.hex(),
        fault=str(prefix.fault), sealed_events=None if seal is None else seal.events, digests=prefix.digests,
    )  # fmt: skip


class Prefix:
    """The whole commits of a journal up to its first fault, which is known when `chunks` has ended."""

    def __init__(self, path: Path) -> None:
        segments, missing = list_segments(path)
        if not segments:
            raise missing or NotAJournal(path, "expected segments (000000.mmj, ...), found none")
        self.fault: JournalError | None = missing
        self.journal = Journal(path, segments)
        self.rows = self.digests = 0

    def manifest_rows(self) -> int:
        """Return how many rows the manifest has."""
        return int((next(self.journal.chunks())["seq"] == 0).sum())

    def chunks(self) -> Iterator[np.ndarray]:
        """Yield verified events up to the fault."""
        try:
            for rows in self.journal.verified_chunks():
                self.rows += len(rows)
                self.digests += int(((rows["kind"] == EventKind.DIGEST) & (rows["flags"] & Flag.LAST != 0)).sum())
                yield rows
        except JournalError as error:
            self.fault = self.fault or error


def readable_seal(path: Path) -> Seal | None:
    """Return the seal if there is one that can be read: it may be the very thing that is damaged."""
    try:
        return read_seal(path)
    except SealDiffers:
        return None


def parented(manifest: Manifest, sealed_head: str, prefix_head: str, prefix_events: int, row_count: int) -> Manifest:
    """Return the manifest of a part of a journal, which names the whole and how many rows its own manifest had."""
    names = {"parent_head": sealed_head, "parent_prefix_events": str(prefix_events), "parent_prefix_head": prefix_head}
    # What was salvaged before counts as its first parent did.
    return replace(manifest, parent_run=manifest.run_id, extra={PARENT_ROWS: str(row_count), **manifest.extra, **names})


def with_manifest(rows: np.ndarray, manifest: Manifest) -> np.ndarray:
    """Return rows with another manifest in place of the one at seq 0, if they hold that."""
    if rows["seq"][0] != 0:
        return rows
    rest = rows[int(np.searchsorted(rows["seq"], 1)) :]
    return np.concatenate([payload_rows(EventKind.MANIFEST, 0, encode_manifest(manifest)), rest])
