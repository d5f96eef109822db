"""Where a command may write: one rule for every output. Must never let one destroy an input, a journal or a device.

an input, a place inside of one, a directory that holds one, also through links    refused
a place inside of a journal                                                        refused
a file that exists                                                                 replaced with --force
a directory that exists                                     replaced with --force when it holds what mm writes there
a link                                                      the rule is that of its target, which is what changes
a device or a FIFO                                          written through; refused where the output is read back
a directory to put a file in                                must be there; a directory output is made with its parents
"""

import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from mmfold.journal.errors import Locked, OutputRefused
from mmfold.journal.files.work import finished_file
from mmfold.journal.log.checkpoints import DIRECTORY_NAME
from mmfold.journal.log.lock import LOCK_NAME, is_locked
from mmfold.journal.log.seal import SEAL_NAME
from mmfold.journal.recovery.recover import RECOVERED_NAME

PROOF_NAME = "proof"  # of journal/proof/, which is loaded by whoever anchors
JOURNAL_NAMES = frozenset((SEAL_NAME, LOCK_NAME, DIRECTORY_NAME, RECOVERED_NAME, PROOF_NAME))
SEGMENT_NAME = re.compile(r"\d{6,}\.mmj")
CHOOSE = "choose another name"
FORCE = f"{CHOOSE}, or --force replaces it"


def check_file(path: Path, *, inputs: Iterable[Path] = (), force: bool = False, is_read_back: bool = False) -> None:
    """Check that a file may be written.

    Raises: OutputRefused, OSError for a place that cannot be looked at.
    """
    check_apart(path, inputs)
    found = status(path)
    if found is None:
        check_parent(path)
    elif stat.S_ISDIR(found.st_mode):
        raise OutputRefused(path, "expected a place for a file, found a directory", hint=CHOOSE)
    elif not stat.S_ISREG(found.st_mode):
        if is_read_back or not (stat.S_ISCHR(found.st_mode) or stat.S_ISFIFO(found.st_mode)):
            raise OutputRefused(path, "expected a place for a file, found a special file", hint=CHOOSE)
    elif any(os.path.samestat(found, os.fstat(fd)) for fd in open_streams()):
        raise OutputRefused(path, "is where this command's own words go", hint=CHOOSE)
    elif not force:
        raise OutputRefused(path, "exists already", hint=FORCE)


def check_files(paths: Iterable[Path], *, inputs: Iterable[Path] = (), force: bool = False) -> None:
    """Check that several files may be written, each to a place of its own.

    Raises: OutputRefused, OSError.
    """
    inputs, seen = tuple(inputs), set[str]()
    for path in paths:
        check_file(path, inputs=inputs, force=force)
        real = os.path.realpath(path)
        if real in seen and not is_special(path):
            raise OutputRefused(path, "is the place of two outputs", hint=CHOOSE)
        seen.add(real)


def check_directory(
    path: Path,
    *,
    inputs: Iterable[Path] = (),
    force: bool = False,
    may_hold: frozenset[str] = JOURNAL_NAMES,
    what: str = "a journal",
    is_empty_free: bool = True,
) -> None:
    """Check that a directory may be written; `force` replaces one that holds segments and `may_hold`, nothing else.

    Raises: OutputRefused, Locked when a living writer holds it, OSError.
    """
    check_apart(path, inputs)
    found = status(path)
    if found is None:
        return
    if not stat.S_ISDIR(found.st_mode):
        raise OutputRefused(path, f"expected a place for {what} directory, found a file", hint=CHOOSE)
    names = sorted(os.listdir(path))
    if not names and is_empty_free:
        return
    if not force:
        raise OutputRefused(path, "exists already and is not empty" if names else "exists already", hint=FORCE)
    if is_locked(path):
        raise Locked(path, "expected no writer in what --force replaces, found a living one", hint="stop it first")
    foreign = [name for name in names if name not in may_hold and not SEGMENT_NAME.fullmatch(name)]
    if foreign:
        message = f'expected {what} and nothing else in what --force replaces, found "{foreign[0]}"'
        raise OutputRefused(path, message, hint=f"{CHOOSE}, or remove it by hand")


def check_apart(path: Path, inputs: Iterable[Path]) -> None:
    """Check that a place is no input, not inside of one and does not hold one, and is not inside of a journal.

    Raises: OutputRefused.
    """
    places = line_of(path)
    ids = [identity(place) for place in places]
    for source in inputs:
        line = line_of(source)
        source_ids = [identity(place) for place in line]
        if places[0] == line[0] or (source_ids[0] is not None and source_ids[0] == ids[0]):
            raise OutputRefused(path, f"expected another place than {source} itself, which is read", hint=CHOOSE)
        if line[0] in places or (source_ids[0] is not None and source_ids[0] in ids):
            raise OutputRefused(path, f"expected another place than inside of {source}, which is read", hint=CHOOSE)
        if places[0] in line or (ids[0] is not None and ids[0] in source_ids):
            raise OutputRefused(path, f"expected another place than around {source}, which is read", hint=CHOOSE)
    for place in places[1:]:
        if is_journal(place):
            raise OutputRefused(path, f"is inside of the journal {place}", hint="choose a place outside of it")


def check_parent(path: Path) -> None:
    """Check that there is a directory to put a file in.

    Raises: OutputRefused.
    """
    parent = Path(os.path.realpath(path)).parent
    if not parent.is_dir():
        named = path.parent if not os.path.islink(path) else parent
        raise OutputRefused(path, f"expected a directory {named} to put it in, found none", hint="make it first")


def make_directory(path: Path) -> list[Path]:
    """Make a directory output with its parents, and return those that were not there, outermost first.

    Raises: OSError.
    """
    missing = []
    place = path
    while not place.exists():
        missing.append(place)
        place = place.parent
    path.mkdir(parents=True, exist_ok=True)
    return missing[::-1]


@contextmanager
def writing(path: Path) -> Iterator[IO[bytes]]:
    """Give a file to write: a regular one appears whole under its name at the end, a device or FIFO is written through.

    Raises: OSError; what was there before then still is.
    """
    if is_special(path):
        with open(os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOCTTY), "wb") as file:
            yield file
        return
    with finished_file(Path(os.path.realpath(path))) as file:
        yield file


def write_file(path: Path, data: bytes) -> None:
    """Write a whole file, see `writing`.

    Raises: OSError.
    """
    with writing(path) as file:
        file.write(data)


def status(path: Path) -> os.stat_result | None:
    """Return what a name means, through links; None when nothing is there.

    Raises: OSError.
    """
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def is_special(path: Path) -> bool:
    """Tell whether a name means something that is neither a file nor a directory."""
    found = status(path)
    return found is not None and not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode))


def line_of(path: Path) -> list[Path]:
    """Return a place with its links followed, and every directory above it."""
    real = Path(os.path.realpath(path))
    return [real, *real.parents]


def identity(path: Path) -> tuple[int, int] | None:
    """Return what makes two names one thing, None when nothing is there."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def is_journal(directory: Path) -> bool:
    """Tell whether a directory is a journal's: a writer was here, or left segments."""
    try:
        names = os.listdir(directory)
    except OSError:
        return False
    return LOCK_NAME in names or any(SEGMENT_NAME.fullmatch(name) for name in names)


def open_streams() -> list[int]:
    """Return the output streams that are open."""
    found = []
    for fd in (1, 2):
        try:
            os.fstat(fd)
        except OSError:
            continue
        found.append(fd)
    return found
