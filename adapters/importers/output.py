"""A journal that appears whole or not at all; must never touch an output that it was not told to replace."""

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from mmfold.adapters.importers.outcome import ImportFailedError, ImportRequest
from mmfold.adapters.importers.quarantine import quarantine_path
from mmfold.engine.codes import EventKind
from mmfold.engine.manifest import Manifest, encode_manifest
from mmfold.engine.payload import payload_rows
from mmfold.journal.errors import JournalError, JournalFull, OutputRefused
from mmfold.journal.files.outputs import CHOOSE, check_apart, check_directory, make_directory
from mmfold.journal.files.publish import working
from mmfold.journal.log.writer import FULL_ERRNOS, Writer


def check_out(request: ImportRequest) -> None:
    """Check that the output may be written: not over an input, over a former journal with --force only.

    Raises: ImportFailedError.
    """
    try:
        check_directory(request.out, inputs=request.files, force=request.force)
        aside = quarantine_path(request.out)
        check_apart(aside, request.files)
        if os.path.lexists(aside) and (aside.is_symlink() or not aside.is_file()):
            raise OutputRefused(aside, "expected a file of refused lines or none, found something else", hint=CHOOSE)
    except JournalError as error:
        raise ImportFailedError(str(error), error.hint) from error


@contextmanager
def work_directory(out: Path) -> Iterator[Path]:
    """Make a directory beside the output, gone again at the end whatever happens.

    Raises: ImportFailedError when it cannot be made, or when the disk becomes full.
    """
    with ExitStack() as stack:
        try:
            make_directory(out.parent)
            directory = stack.enter_context(working(out))
        except OSError as error:
            raise ImportFailedError(f"{out}: cannot write beside it: {error.strerror}") from error
        try:
            yield directory
        except (JournalFull, OSError) as error:
            reason = error.__cause__ if isinstance(error, JournalFull) else error
            if not isinstance(reason, OSError) or reason.errno not in FULL_ERRNOS:
                raise
            hint = "free some space, or choose another --out; nothing was written"
            raise ImportFailedError(f"{out}: could not be written: {reason.strerror}", hint) from error


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
