"""An output, file or journal directory, that appears whole or not at all; must never replace what it was not told to.

What may be replaced is checked before, by journal/files/outputs.py.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from mmfold.journal.files.plain_file import sync_directory
from mmfold.journal.files.work import work_directory


@contextmanager
def publishing(path: Path) -> Iterator[Path]:
    """Give a place beside `path` to write to, which takes the place of `path` at the end unless something fails.

    Raises: OSError.
    """
    real = Path(os.path.realpath(path))
    with working(path) as work:
        yield work / path.name
        publish(work / path.name, real, work)


@contextmanager
def working(path: Path) -> Iterator[Path]:
    """Make a work directory beside what a name means, links followed.

    Raises: OSError that names `path`.
    """
    with ExitStack() as stack:
        try:
            directory = stack.enter_context(work_directory(Path(os.path.realpath(path))))
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error
        yield directory


def publish(new: Path, real: Path, work: Path) -> None:
    """Put a finished thing in its place; the one that was there goes with the work directory.

    Raises: OSError; the one that was there is back in its place then.
    """
    aside = work / f"{real.name}.replaced"
    if not new.is_dir() or not os.path.lexists(real):
        os.replace(new, real)
    else:
        # No call puts a directory in the place of one that is not empty: for a moment there is none.
        os.rename(real, aside)
        try:
            os.rename(new, real)
        except BaseException:
            os.rename(aside, real)
            raise
    sync_directory(real.parent)
