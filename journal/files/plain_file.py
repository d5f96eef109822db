"""Files that mm keeps beside a journal's segments; must never follow a link, wait for a pipe or read without a bound.

A stranger may have put anything there: a link to a foreign file, a FIFO, a sparse file of a terabyte.
"""

import errno
import os
import stat
from pathlib import Path

NOT_PLAIN_ERRNOS = (errno.ELOOP, errno.EINVAL, errno.ENXIO, errno.EFBIG)  # of `read_plain`, for what is no small file


def open_plain(path: Path, flags: int = os.O_RDONLY, mode: int = 0o644) -> int:
    """Open a regular file, not through a link, without waiting, and return its descriptor.

    Raises: OSError, also for anything that is no regular file.
    """
    try:
        fd = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, mode)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "a symbolic link, which is not followed here", str(path)) from None
        if error.errno == errno.ENXIO:
            raise OSError(errno.ENXIO, "not a regular file", str(path)) from None
        raise
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return fd


def open_readable(path: Path) -> int:
    """Open what a person named to be read, through links, and return its descriptor.

    Raises: OSError, also for a pipe or a device: a segment is mapped, and nobody waits for one.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        is_directory = stat.S_ISDIR(os.fstat(fd).st_mode)
        os.close(fd)
        if is_directory:
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return fd


def read_plain(path: Path, bytes_max: int) -> bytes:
    """Return the content of a small regular file.

    Raises: OSError, also for one that is longer.
    """
    fd = open_plain(path)
    try:
        size_bytes = os.fstat(fd).st_size
        data = os.read(fd, size_bytes + 1) if size_bytes <= bytes_max else b""
    finally:
        os.close(fd)
    if max(size_bytes, len(data)) > bytes_max:
        raise OSError(errno.EFBIG, f"{size_bytes:,} bytes, at most {bytes_max:,} belong there", str(path))
    return data


def check_own_directory(path: Path) -> None:
    """Check that a directory inside of a journal is one, if it is there at all.

    Raises: OSError for a link or anything else.
    """
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(mode):
        found = "a symbolic link" if stat.S_ISLNK(mode) else "no directory"
        raise OSError(errno.ENOTDIR, f"{found} where a directory of the journal belongs", str(path))


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
