"""What was refused, kept beside the output with its reason and place; must never lose a byte of it."""

import base64
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from mmfold.engine.manifest import canonical_json
from mmfold.journal.files.plain_file import sync_directory
from mmfold.journal.files.work import make_locked, remove_leftovers


@dataclass(slots=True)
class Quarantine:
    """The refused lines of one import: a file that appears only when something was refused."""

    path: Path
    failed_path: Path | None = None  # of an import that fails beside an earlier one's journal, which keeps its own
    count: int = 0
    first: str = ""
    file: IO[bytes] | None = field(default=None, repr=False)
    work: Path | None = field(default=None, repr=False)

    @classmethod
    def beside(cls, out: Path) -> "Quarantine":
        """Return the quarantine of an output path."""
        former = out.is_dir() and any(out.iterdir())
        failed_path = out.with_name(f"{out.name}.failed.quarantine.jsonl") if former else None
        return cls(quarantine_path(out), failed_path)

    def add(self, file_name: str, line: int, byte: int, reason: str, raw: bytes) -> None:
        """Set one line aside, as text or, where it is not UTF-8, as base64."""
        entry: dict[str, object] = {"file": file_name, "line": line, "byte": byte, "reason": reason}
        try:
            entry["raw"] = raw.decode("utf-8")
        except UnicodeDecodeError:
            entry["raw_base64"] = base64.b64encode(raw).decode("ascii")
        if self.file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            remove_leftovers(self.path)
            self.work, descriptor = make_locked(self.path, is_directory=False)
            self.file = os.fdopen(descriptor, "wb")
            self.first = f"{file_name} line {line:,} (byte {byte:,}): {reason}"
        self.file.write(canonical_json(entry) + b"\n")
        self.count += 1

    def clear(self) -> None:
        """Forget everything: the import starts over."""
        if self.file is not None:
            with suppress(OSError):  # a full disk refuses the last bytes of what goes anyway
                self.file.close()
        if self.work is not None:
            self.work.unlink(missing_ok=True)
        self.file, self.work, self.count, self.first = None, None, 0, ""

    def sync(self) -> None:
        """Put every byte on the disk, so that only the name is missing.

        Raises: OSError when the disk does not take them; nothing is left of the file then.
        """
        if self.file is None or self.file.closed:
            return
        try:
            self.file.flush()
            os.fsync(self.file.fileno())
        except OSError:
            self.clear()
            raise

    def publish(self) -> None:
        """Put the file in its place, or remove the one of an earlier import when nothing was refused."""
        remove_leftovers(self.path)
        if self.file is None:
            self.path.unlink(missing_ok=True)
            return
        self.take_name(self.path)

    def publish_failed(self) -> Path:
        """Put the file of an import that failed in its place and return that; an earlier journal keeps its own."""
        place = self.failed_path or self.path
        self.take_name(place)
        return place

    def take_name(self, path: Path) -> None:
        """Give the file its name."""
        assert self.work is not None and self.file is not None
        self.sync()
        self.work.replace(path)
        sync_directory(path.parent)
        self.file.close()  # only now: its lock goes with it
        self.file = self.work = None


def quarantine_path(out: Path) -> Path:
    """Return where the refused lines of an output are kept."""
    return out.with_name(f"{out.name}.quarantine.jsonl")
