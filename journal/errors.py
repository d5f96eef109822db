"""The errors of the journal; each says where, what was expected and what was found, and never drops the bytes at fault.

JournalError            anything else that stops the work (permissions, I/O)
  NotAJournal           the path is not a journal or not a segment
  WrongVersion          a schema version that this build neither reads nor upcasts
  TornTail              the last segment ends inside a frame: `mm journal recover`
  Corrupt               bytes that were once good are not any more
  Locked                another writer holds the journal
  JournalFull           the disk, a quota or a file size limit is reached; the journal is as it was before the commit
  SealDiffers           the seal and the segments disagree: a cut or a rewritten journal
  OutputRefused         an output may not be put there: an input, a journal, a device, what is there already
  Displaced             a journal that is written was removed, moved, replaced or cut by somebody else
"""

from pathlib import Path

RECOVER_HINT = "mm journal recover"


class JournalError(Exception):
    """A fault of a journal at a place."""

    def __init__(
        self, path: Path | str, message: str, *, seq: int | None = None, offset: int | None = None, hint: str = ""
    ) -> None:
        super().__init__(path, message)  # both are args, so that the error pickles across processes
        self.path = Path(path)
        self.message = message
        self.seq = seq
        self.offset = offset
        self.hint = hint

    def __str__(self) -> str:
        seq = "" if self.seq is None else f" seq {self.seq:,}"
        offset = "" if self.offset is None else f" (byte {self.offset:,})"
        return f"{self.path}{seq}{offset}: {self.message}"


class NotAJournal(JournalError):
    """The path is not a journal or not a segment."""


class WrongVersion(JournalError):
    """A schema version that this build neither reads nor upcasts."""


class TornTail(JournalError):
    """The last segment ends inside a frame."""


class Corrupt(JournalError):
    """Bytes that do not hash, count or link as they should."""


class Locked(JournalError):
    """Another writer holds the journal."""


class JournalFull(JournalError):
    """No room for the commit; nothing of it was kept."""


class SealDiffers(JournalError):
    """The seal and the segments disagree."""


class OutputRefused(JournalError):
    """An output may not be put there."""


class Displaced(JournalError):
    """What is being written is not there any more as it was written."""
