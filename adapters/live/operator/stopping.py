"""Ends a running session or recording from another process, by a signal; must never signal a process that is no mm.

The process is the one that holds the journal's writer lock. It is pinned by a file descriptor before it is looked at,
so its number cannot become another process's in between.
"""

import os
import select
import signal
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from mmfold.journal.log.lock import LOCK_NAME, holder_text, is_locked
from mmfold.journal.log.seal import SEAL_NAME

STOP_S = 35.0  # a graceful stop is bounded by less
COMMANDS = ("live", "record")


class CannotStop(Exception):
    """There is nothing to stop, or something that is not ours to stop."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, kw_only=True)
class Stopped:
    """How it went: whether the process ended in time, and whether its journal is sealed."""

    pid: int
    command: str  # live or record
    ended: bool
    sealed: bool
    seconds: float


def stop_writer(directory: Path, *, now: bool, bound_s: float = STOP_S) -> Stopped:
    """Signal the mm process that writes a journal and wait until it has ended, for a bounded time.

    Units: SIGTERM ends it gracefully; SIGUSR1, with `now`, pulls the kill switch first.
    Raises: CannotStop, OSError.
    """
    pid, pidfd = find_writer(directory)
    try:
        command = check_process(directory, pid)
        started_s = time.monotonic()
        signal.pidfd_send_signal(pidfd, signal.SIGUSR1 if now else signal.SIGTERM)
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        ended = bool(poll.poll(bound_s * 1e3))
        sealed = ended and (directory / SEAL_NAME).exists()
        return Stopped(pid=pid, command=command, ended=ended, sealed=sealed, seconds=time.monotonic() - started_s)
    finally:
        os.close(pidfd)


def find_writer(directory: Path) -> tuple[int, int]:
    """Return the process that holds a journal's lock, and a descriptor that pins it.

    Raises: CannotStop.
    """
    nothing = CannotStop(f"nothing runs on {directory}", "give the --journal of a running mm live or mm record")
    if not is_locked(directory):
        raise nothing
    text = holder_text(directory)
    if not text.isdigit():
        raise nothing  # it has just begun, or just ended
    try:
        return int(text), os.pidfd_open(int(text))
    except ProcessLookupError:
        raise nothing from None


def check_process(directory: Path, pid: int) -> str:
    """Return which command of mm a process runs, once it is certain that it holds the journal's lock.

    Raises: CannotStop for any other process, PermissionError for another user's.
    """
    lock = (directory / LOCK_NAME).stat()
    held = False
    for entry in os.scandir(f"/proc/{pid}/fd"):
        try:
            opened = os.stat(entry.path)
        except FileNotFoundError:
            continue  # closed meanwhile
        held = held or (opened.st_dev, opened.st_ino) == (lock.st_dev, lock.st_ino)
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    command = command_of(words)
    if not held or command is None:
        what = " ".join(words[:4]).strip() or "unknown"
        raise CannotStop(f"process {pid} on {directory} is no mm live or mm record: {what}", f"look: ps {pid}")
    return command


def command_of(words: list[str]) -> str | None:
    """Return the command of a command line of mm, None for one that is not to be stopped by a signal."""
    for word, following in pairwise(words):
        is_mm = Path(word).name == "mm" or word == "mmfold.adapters.cli.main" or word.endswith("adapters/cli/main.py")
        if is_mm:
            return following if following in COMMANDS else None
    return None
