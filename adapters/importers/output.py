"""A journal that appears whole or not at all; must never touch an output that it was not told to replace."""

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from mmfold.adapters.importers.outcome import ImportFailedError
from mmfold.engine.codes import EventKind
from mmfold.engine.manifest import Manifest, encode_manifest
from mmfold.engine.payload import payload_rows
from mmfold.journal.errors import JournalFull
from mmfold.journal.writer import FULL_ERRNOS, Writer


def check_out(out: Path, force: bool) -> None:
    """Check that an output may be written.

    Raises: ImportFailedError when something is there already.
    """
    if out.is_dir():
        occupied = any(out.iterdir())
    else:
        occupied = out.exists() or out.is_symlink()
    if occupied and not force:
        raise ImportFailedError(f"{out} exists and is not empty", "choose another --out, or replace it with --force")


@contextmanager
def work_directory(out: Path) -> Iterator[Path]:
    """Make a directory beside the output, gone again at the end whatever happens.

    Raises: ImportFailedError when it cannot be made, or when the disk becomes full.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise ImportFailedError(f"{out}: cannot write beside it: {error.strerror}") from error
    try:
        yield work
    except (JournalFull, OSError) as error:
        reason = error.__cause__ if isinstance(error, JournalFull) else error
        if not isinstance(reason, OSError) or reason.errno not in FULL_ERRNOS:
            raise
        hint = "free some space, or choose another --out; nothing was written"
        raise ImportFailedError(f"{out}: could not be written: {reason.strerror}", hint) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def write_journal(directory: Path, manifest: Manifest, parts: Iterable[np.ndarray]) -> str:
    """Write a sealed journal and return its head in hex.

    Shape:  parts are EVENT rows of whole events, seq from 1.
    """
    with Writer(directory) as writer:
        writer.append(payload_rows(EventKind.MANIFEST, 0, encode_manifest(manifest)))
        for rows in parts:
            writer.append(rows)
        head = writer.commit()
        writer.close(seal=True)
    return head.hex()


def publish(journal: Path, out: Path, work: Path) -> None:
    """Put a finished journal in its place, the old one out of the way first."""
    if out.is_dir() and not out.is_symlink() and not any(out.iterdir()):
        out.rmdir()
    elif out.exists() or out.is_symlink():
        out.replace(work / "replaced")
    journal.replace(out)
    descriptor = os.open(out.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
