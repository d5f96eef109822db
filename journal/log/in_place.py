"""Whether a journal that is being written is on the disk as it was written; must never look at more than names."""

import os
from pathlib import Path

from mmfold.journal.errors import Displaced
from mmfold.journal.log.lock import Lock

HINT = "mm journal recover says what is left; keep other programs away from a journal under its writer"


class InPlace:
    """A journal's directory, its lock and its segments before the last one, as they were opened or left."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._opened = os.stat(directory)
        self._left: list[tuple[Path, os.stat_result]] = []

    def leave(self, path: Path) -> None:
        """Note a segment that nothing is written to any more."""
        self._left.append((path, os.stat(path)))

    def check(self, lock: Lock, last: Path, fd: int | None, size_bytes: int, seq: int) -> None:
        """Compare what is there with what was opened and written; `fd` is of the last segment, of so many bytes.

        Raises: Displaced.
        """
        check_name(self._directory, self._opened, None, seq)
        if not lock.is_in_place():
            raise Displaced(lock.path, "was removed or replaced while it was held", seq=seq, hint=HINT)
        for path, left in self._left:
            check_name(path, left, left.st_size, seq)
        if fd is not None:
            check_name(last, os.fstat(fd), size_bytes, seq)


def check_name(path: Path, opened: os.stat_result, size_bytes: int | None, seq: int) -> None:
    """Check that a name still means what was opened, of the size as written.

    Raises: Displaced.
    """
    try:
        found = os.stat(path)
    except OSError:
        raise Displaced(path, "was removed or moved while it was written", seq=seq, hint=HINT) from None
    if not os.path.samestat(found, opened):
        raise Displaced(path, "was replaced while it was written", seq=seq, hint=HINT)
    if size_bytes is not None and found.st_size != size_bytes:
        message = f"was changed while it was written: expected {size_bytes:,} bytes, found {found.st_size:,}"
        raise Displaced(path, message, seq=seq, hint=HINT)
