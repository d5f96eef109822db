"""Checkpoints: origin, size and root of a tree in a signed note; must never be believed before a key was asked.

Source: C2SP tlog-checkpoint (docs/proof.md).
"""

import re
from dataclasses import dataclass
from pathlib import Path

from mmfold.engine.limits import SEQ_MAX
from mmfold.journal.proof.errors import ProofError
from mmfold.journal.proof.hashing import HASH_BYTES
from mmfold.journal.proof.note import SignedNote, decode64, encode64, parse_note

SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree of `size` leaves of the log `origin`."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{encode64(self.root)}\n"


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint and the note that it stands in."""

    checkpoint: Checkpoint
    note: SignedNote


def parse_checkpoint(data: bytes, path: Path) -> SignedCheckpoint:
    """Return the checkpoint that a file holds; lines after the third are not ours, and refused.

    Raises: ProofError.
    """
    note = parse_note(data, path)
    lines = note.text[:-1].split("\n")
    if len(lines) != 3 or not lines[0] or not SIZE.fullmatch(lines[1]) or int(lines[1]) > SEQ_MAX:
        raise ProofError(path, "expected a checkpoint: a line of origin, of size and of root")
    root = decode64(lines[2])
    if root is None or len(root) != HASH_BYTES:
        raise ProofError(path, f'expected a root of {HASH_BYTES} bytes in base64, found "{lines[2][:80]}"')
    return SignedCheckpoint(Checkpoint(lines[0], int(lines[1]), root), note)
