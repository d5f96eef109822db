"""An output, file or journal directory, that appears whole or not at all; must never replace what is not its kind."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmfold.journal.checkpoints import DIRECTORY_NAME
from mmfold.journal.errors import JournalError, Locked
from mmfold.journal.lock import LOCK_NAME, is_locked
from mmfold.journal.recover import RECOVERED_NAME
from mmfold.journal.seal import SEAL_NAME, sync_directory

JOURNAL_NAMES = frozenset((SEAL_NAME, LOCK_NAME, DIRECTORY_NAME, RECOVERED_NAME))
SEGMENT_NAME = re.compile(r"\d{6,}\.mmj")


def check_target(path: Path, *, is_directory: bool, force: bool) -> None:
    """Check that an output may be put there; `force` replaces one of the same kind.

    Raises: JournalError when something is there that may not be replaced, Locked when a writer holds it.
    """
    if not path.parent.is_dir():
        raise JournalError(path, f"expected a directory {path.parent} to put it in, found none", hint="make it first")
    if not path.exists() and not path.is_symlink():
        return
    if path.exists() and path.is_dir() != is_directory:
        expected, found = ("a journal directory", "a file") if is_directory else ("a file", "a directory")
        raise JournalError(path, f"expected a place for {expected}, found {found}", hint="choose another name")
    if not force:
        raise JournalError(path, "exists already", hint="choose another name, or replace it with --force")
    if path.is_dir():
        if is_locked(path):
            raise Locked(path, "expected no writer in what --force replaces, found a living one", hint="stop it first")
        names = sorted(name for name in os.listdir(path) if name not in JOURNAL_NAMES)
        foreign = [name for name in names if not SEGMENT_NAME.fullmatch(name)]
        if foreign:
            message = f'expected a journal and nothing else in what --force replaces, found "{foreign[0]}"'
            raise JournalError(path, message, hint="choose another name, or remove it by hand")


@contextmanager
def publishing(path: Path) -> Iterator[Path]:
    """Give a place beside `path` to write to, which takes the place of `path` at the end unless something fails.

    Raises: OSError.
    """
    try:
        work = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    try:
        yield work / path.name
        exchange(work / path.name, path, work / f"{path.name}.replaced")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    sync_directory(path.parent)


def exchange(new: Path, path: Path, aside: Path) -> None:
    """Put the new thing in its place and the one that was there aside."""
    if not new.is_dir() or not (path.exists() or path.is_symlink()):
        os.replace(new, path)
        return
    # No call puts a directory in the place of one that is not empty: for a moment there is none.
    os.rename(path, aside)
    try:
        os.rename(new, path)
    except BaseException:
        os.rename(aside, path)
        raise
