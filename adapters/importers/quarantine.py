"""What was refused, kept beside the output with its reason and place; must never lose a byte of it."""

import base64
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from mmfold.engine.manifest import canonical_json


@dataclass(slots=True)
class Quarantine:
    """The refused lines of one import: a file that appears only when something was refused."""

    path: Path
    count: int = 0
    first: str = ""
    file: IO[bytes] | None = field(default=None, repr=False)

    @classmethod
    def beside(cls, out: Path) -> "Quarantine":
        """Return the quarantine of an output path."""
        return cls(out.with_name(f"{out.name}.quarantine.jsonl"))

    def add(self, file_name: str, line: int, byte: int, reason: str, raw: bytes) -> None:
        """Set one line aside, as text or, where it is not UTF-8, as base64."""
        entry: dict[str, object] = {"file": file_name, "line": line, "byte": byte, "reason": reason}
        try:
            entry["raw"] = raw.decode("utf-8")
        except UnicodeDecodeError:
            entry["raw_base64"] = base64.b64encode(raw).decode("ascii")
        if self.file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.file = self.path.with_name(f".{self.path.name}.{os.getpid()}").open("wb")
            self.first = f"{file_name} line {line:,} (byte {byte:,}): {reason}"
        self.file.write(canonical_json(entry) + b"\n")
        self.count += 1

    def clear(self) -> None:
        """Forget everything: the import starts over."""
        if self.file is not None:
            with suppress(OSError):  # a full disk refuses the last bytes of what goes anyway
                self.file.close()
            Path(self.file.name).unlink(missing_ok=True)
        self.file, self.count, self.first = None, 0, ""

    def sync(self) -> None:
        """Put every byte on the disk, so that only the name is missing.

        Raises: OSError when the disk does not take them; nothing is left of the file then.
        """
        if self.file is None or self.file.closed:
            return
        try:
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()
        except OSError:
            self.clear()
            raise

    def publish(self) -> None:
        """Put the file in its place, or remove the one of an earlier import when nothing was refused."""
        if self.file is None:
            self.path.unlink(missing_ok=True)
            return
        self.sync()
        Path(self.file.name).replace(self.path)
        self.file = None
