"""Whether an audit log is a journal's and as it was written; must never take a log that is only sound in itself.

A log's chain shows edits, not that it is another journal's, nor a cut at a line's end: a replay of the journal knows
every line.
"""

import json
from pathlib import Path
from typing import Any, Self

import numpy as np

from mmfold.engine.manifest import Manifest
from mmfold.engine.printable import printable
from mmfold.reports.audit import AuditChain, seal_record

LINE_BYTES_MAX = 1 << 16  # of what stands behind the last line, which may be anything


class AuditDiffers(Exception):
    """An audit log that is not what the replayed journal decides; the text says where and how."""


class AuditCheck:
    """Compares a log with the lines that a replay would write, and at the end that there are no more."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.chain = AuditChain(manifest)
        self.count = 0  # lines that are equal
        self.file = path.open("rb")

    def write(self, effect_rows: np.ndarray) -> None:
        """Compare the effects of a piece of the journal.

        Raises: AuditDiffers.
        """
        prev = self.chain.prev
        for line in self.chain.lines(effect_rows):
            found = self.file.readline(2 * len(line))
            if found != line:
                raise AuditDiffers(self.difference(found, prev, line))
            self.count += 1
            prev = self.chain.prev

    def difference(self, found: bytes, prev: str, line: bytes) -> str:
        """Return what is wrong with the first line that is not the replay's; empty ones stand for no line."""
        place = f"{self.path} line {self.count + 1:,}"
        log, replay = (record_text(one) if one else "nothing more" for one in (found, line))
        if found and not is_sound(found, prev):
            reason = f"{place}: edited, or not the line that followed: its hash is not that of the lines up to it"
        elif found:
            reason = f"{place}: sound, but of another journal, configuration or build"
        else:
            reason = f"{place}: cut off, or of a journal that ended before"
        return f"{reason}\n  log        {log}\n  replay     {replay}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        with self.file:
            if kind is None and (found := self.file.readline(LINE_BYTES_MAX)):
                raise AuditDiffers(self.difference(found, self.chain.prev, b""))


def is_sound(line: bytes, prev: str) -> bool:
    """Tell whether a line is, to the byte, what sealing its record after `prev` gives.

    A repeated key hashes the same and reads differently elsewhere.
    """
    try:
        record = json.loads(line)
        del record["sha256"], record["prev_sha256"]
        return seal_record(record, prev)[1] == line
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


def record_text(line: bytes) -> str:
    """Return what a line says, without its place in the chain."""
    try:
        record: Any = json.loads(line)
        words = [record.pop(name) for name in ("kind", "symbol", "ts")]
        fields = (f"{name}={value}" for name, value in record["fields"].items())
        return printable(" ".join(map(str, (*words, *fields))))
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return f"no record: {printable(line[:80].decode(errors='replace'))!r}"
