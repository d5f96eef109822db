"""The text of proofs: that an event is in a log, that a log continues an older one; must never decide that they hold.

Source: C2SP tlog-proof and, for what shows that a log only grew, the request body of C2SP tlog-witness
(docs/proof.md). `extra` of ours is canonical JSON: the event's rows, and the key that the signer says is its own.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from mmfold.engine.json_text import parse_json
from mmfold.engine.limits import EVENT_ROW_COUNT_MAX, ROW_BYTES
from mmfold.engine.manifest import canonical_json
from mmfold.journal.proof.checkpoint import SignedCheckpoint, parse_checkpoint
from mmfold.journal.proof.errors import ProofError
from mmfold.journal.proof.hashing import HASH_BYTES
from mmfold.journal.proof.note import NOTE_BYTES_MAX, decode64, encode64

HEADER = "c2sp.org/tlog-proof@v1"
PATH_COUNT_MAX = 63
PROOF_BYTES_MAX = 2 * NOTE_BYTES_MAX + 2 * EVENT_ROW_COUNT_MAX * ROW_BYTES  # base64 in base64: 16/9 of the rows
NUMBER = r"(0|[1-9][0-9]{0,18})"


@dataclass(frozen=True, slots=True)
class EventProof:
    """That an event is at a place of the tree of a checkpoint."""

    index: int
    path: tuple[bytes, ...]
    rows: bytes
    vkey: str
    signed: SignedCheckpoint

    def __str__(self) -> str:
        extra = encode64(canonical_json({"rows": encode64(self.rows), "vkey": self.vkey}))
        return f"{HEADER}\nextra {extra}\nindex {self.index}\n{hash_lines(self.path)}\n{self.signed.note}"


@dataclass(frozen=True, slots=True)
class GrowthProof:
    """That the tree of a checkpoint begins with one of `old_size` leaves."""

    old_size: int
    path: tuple[bytes, ...]
    signed: SignedCheckpoint

    def __str__(self) -> str:
        return f"old {self.old_size}\n{hash_lines(self.path)}\n{self.signed.note}"


def hash_lines(path: tuple[bytes, ...]) -> str:
    """Return a line a hash."""
    return "".join(f"{encode64(one)}\n" for one in path)


def parse_proof(data: bytes, path: Path) -> EventProof | GrowthProof:
    """Return the proof that a file holds.

    Raises: ProofError.
    """
    if len(data) > PROOF_BYTES_MAX:
        raise ProofError(path, f"expected a proof of at most {PROOF_BYTES_MAX:,} bytes, found {len(data):,}")
    head, found, note = data.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise ProofError(path, "expected a proof, found text that is not ASCII", offset=error.start) from None
    if not found:
        raise ProofError(path, "expected a proof: its lines, an empty line, a checkpoint", hint="mm journal prove")
    if match := re.fullmatch(f"old {NUMBER}", lines[0]):
        return GrowthProof(int(match[1]), parse_path(lines[1:], path), parse_checkpoint(note, path))
    if lines[0] != HEADER:
        raise ProofError(path, f'expected "{HEADER}" or "old SIZE" in line 1, found "{lines[0][:80]}"')
    extra = lines[1].removeprefix("extra ") if len(lines) > 1 and lines[1].startswith("extra ") else None
    rest = lines[1:] if extra is None else lines[2:]
    match = re.fullmatch(f"index {NUMBER}", rest[0]) if rest else None
    if match is None:
        raise ProofError(path, "expected a line with the index")
    if extra is None:
        raise ProofError(path, "expected the event's rows as extra data, found none: it proves a hash and no event")
    rows, vkey = parse_extra(extra, path)
    return EventProof(int(match[1]), parse_path(rest[1:], path), rows, vkey, parse_checkpoint(note, path))


def parse_path(lines: list[str], path: Path) -> tuple[bytes, ...]:
    """Return the hashes of lines.

    Raises: ProofError.
    """
    hashes = [decode64(line) for line in lines]
    if len(hashes) > PATH_COUNT_MAX:
        raise ProofError(path, f"expected at most {PATH_COUNT_MAX} hashes, found {len(hashes)}")
    good = [one for one in hashes if one is not None and len(one) == HASH_BYTES]
    if len(good) != len(hashes):
        raise ProofError(path, f"expected lines of {HASH_BYTES} bytes in base64 before the checkpoint")
    return tuple(good)


def parse_extra(text: str, path: Path) -> tuple[bytes, str]:
    """Return the rows and the key that extra data of ours holds.

    Raises: ProofError.
    """
    data = decode64(text)
    try:
        document = None if data is None else parse_json(data)
        rows = decode64(document["rows"]) if isinstance(document, dict) else None
        vkey = document["vkey"] if isinstance(document, dict) else None
    except (ValueError, KeyError, TypeError):
        rows = vkey = None
    if not rows or len(rows) % ROW_BYTES or not isinstance(vkey, str):
        raise ProofError(path, 'expected extra data of a journal: {"rows":BASE64,"vkey":KEY} in base64')
    return rows, vkey
