"""The lock of the one writer; must never outlive its process.

flock belongs to the open file: the kernel drops it when the process dies, so no stale lock needs a person.
"""

import fcntl
import os
import time
from pathlib import Path

from mmfold.journal.errors import Locked

LOCK_NAME = "writer.lock"
TRY_COUNT = 5  # `is_locked` of a reader holds the lock for microseconds: a writer must not fail on that
TRY_PAUSE_S = 0.004


class Lock:
    """An exclusive lock on a journal directory, held until `release`.

    Raises: Locked with the holder's pid.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / LOCK_NAME
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        for attempt in range(TRY_COUNT):
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if attempt + 1 < TRY_COUNT:
                    time.sleep(TRY_PAUSE_S)
                    continue
                pid = os.pread(self._fd, 32, 0).decode(errors="replace").strip() or "unknown"
                os.close(self._fd)
                message = f"expected no other writer, found process {pid}"
                raise Locked(directory, message, hint=f"stop process {pid} first") from None
        try:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)
        except OSError:
            os.close(self._fd)
            raise

    def release(self) -> None:
        """Give the journal free; the empty file stays, so that two writers never lock two files of one name."""
        os.ftruncate(self._fd, 0)
        os.close(self._fd)


def is_locked(directory: Path) -> bool:
    """Tell whether a writer holds the journal."""
    try:
        fd = os.open(directory / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
