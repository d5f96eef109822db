"""Work beside an output: a hidden file or directory that is gone at the end; must never take its place half done.

Every file that mm writes whole comes from `finished_file`.

Named `.NAME.<8 hex digits>.mm-work` and locked (flock) by the process at work. What a killed one left is removed by
the next that works on the same name.
"""

import fcntl
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from mmfold.journal.files.plain_file import open_plain, sync_directory

WORK_SUFFIX = ".mm-work"
NAME_CHARS_MAX = 200  # of the output's own, so that the work's name fits a file system's 255


@contextmanager
def work_directory(real: Path) -> Iterator[Path]:
    """Make a directory beside an output, gone again at the end whatever happens.

    Raises: OSError.
    """
    remove_leftovers(real)
    work, fd = make_locked(real, is_directory=True)
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)
        os.close(fd)


@contextmanager
def finished_file(real: Path, mode: int | None = None, new_mode: int = 0o666) -> Iterator[IO[bytes]]:
    """Give a file that takes its name once it is whole and on disk; a link is not followed, it is replaced.

    It has `mode` from its first byte on: unless told that of the file it replaces, else `new_mode` less the umask.
    Raises: OSError; the file that was there before then still is.
    """
    remove_leftovers(real)
    mode = mode_of(real) if mode is None else mode
    work, fd = make_locked(real, is_directory=False, mode=new_mode if mode is None else mode)
    try:
        with open(fd, "wb") as file:
            if mode is not None:
                os.fchmod(fd, mode)
            yield file
            file.flush()
            os.fsync(fd)
            os.replace(work, real)
    except BaseException:
        work.unlink(missing_ok=True)
        raise
    sync_directory(real.parent)


def replace_file(path: Path, data: bytes) -> None:
    """Write a file of a journal, which others may read as they may its segments.

    Raises: OSError.
    """
    with finished_file(path, new_mode=0o644) as file:
        file.write(data)


def mode_of(path: Path) -> int | None:
    """Return the mode of a regular file, None where there is none."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    return stat.S_IMODE(found.st_mode) if stat.S_ISREG(found.st_mode) else None


def make_locked(real: Path, *, is_directory: bool, mode: int = 0o666) -> tuple[Path, int]:
    """Make and lock a work file or directory; returns its path and the descriptor that holds the lock.

    Raises: OSError.
    """
    while True:
        work = real.with_name(f"{prefix_of(real)}{secrets.token_hex(4)}{WORK_SUFFIX}")
        try:
            if is_directory:
                work.mkdir(mode=0o700)
                fd = os.open(work, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            else:
                fd = open_plain(work, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
        except (FileExistsError, FileNotFoundError):
            if not real.parent.is_dir():
                raise
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        except OSError:  # a file system without locks: nobody can take it for a leftover there
            return work, fd
        else:
            if work.exists():
                return work, fd
        os.close(fd)  # another process took it for a leftover before it was locked


def remove_leftovers(real: Path) -> None:
    """Remove what killed processes left beside an output; what a living one works on is locked and stays."""
    pattern = re.compile(re.escape(prefix_of(real)) + "[0-9a-f]{8}" + re.escape(WORK_SUFFIX))
    try:
        names = [name for name in os.listdir(real.parent) if pattern.fullmatch(name)]
    except OSError:
        return
    for name in names:
        path = real.with_name(name)
        with suppress(OSError):
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if stat.S_ISDIR(os.fstat(fd).st_mode):
                    shutil.rmtree(path)
                else:
                    path.unlink()
            finally:
                os.close(fd)


def prefix_of(real: Path) -> str:
    """Return how the names of the work on an output begin."""
    return f".{real.name[:NAME_CHARS_MAX]}."
