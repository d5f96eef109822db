"""The lock of the one writer; must never outlive its process.

flock belongs to the open file: the kernel drops it when the process dies, so no stale lock needs a person.
"""

import errno
import fcntl
import os
import time
from pathlib import Path

from mmfold.journal.errors import Locked
from mmfold.journal.files.plain_file import open_plain, read_plain

LOCK_NAME = "writer.lock"
TRY_COUNT = 5  # `is_locked` of a reader holds the lock for microseconds: a writer must not fail on that
TRY_PAUSE_S = 0.004
LOCK_BYTES_MAX = 32  # it holds a process number: a longer file is somebody else's


class Lock:
    """An exclusive lock on a journal directory, held until `release`.

    Raises: Locked with the holder's pid; OSError, also for a lock that is a link or no file of ours.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / LOCK_NAME
        self._fd = open_plain(self.path, os.O_RDWR | os.O_CREAT)
        if os.fstat(self._fd).st_size > LOCK_BYTES_MAX:
            os.close(self._fd)
            raise OSError(errno.EEXIST, "not a lock: it holds more than a process number", str(self.path))
        for attempt in range(TRY_COUNT):
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if attempt + 1 < TRY_COUNT:
                    time.sleep(TRY_PAUSE_S)
                    continue
                pid = os.pread(self._fd, LOCK_BYTES_MAX, 0).decode(errors="replace").strip() or "unknown"
                os.close(self._fd)
                message = f"expected no other writer, found process {pid}"
                raise Locked(directory, message, hint=f"stop process {pid} first") from None
        try:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)
        except OSError:
            os.close(self._fd)
            raise

    def is_in_place(self) -> bool:
        """Tell whether the lock's name still means this file: else another writer could take the journal as well."""
        try:
            named = os.lstat(self.path)
        except OSError:
            return False
        return os.path.samestat(named, os.fstat(self._fd))

    def release(self) -> None:
        """Give the journal free; the empty file stays, so that two writers never lock two files of one name."""
        os.ftruncate(self._fd, 0)
        os.close(self._fd)


def is_locked(directory: Path) -> bool:
    """Tell whether a writer holds the journal."""
    try:
        fd = open_plain(directory / LOCK_NAME)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def holder_text(directory: Path) -> str:
    """Return what a lock says of its holder: a process number, empty when there is none.

    Raises: OSError.
    """
    return read_plain(directory / LOCK_NAME, LOCK_BYTES_MAX).decode("ascii", "replace").strip()
