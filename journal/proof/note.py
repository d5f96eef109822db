"""Signed notes and verifier keys, as text; must never say that a signature is good: journal/proof/signing.py does.

Source: C2SP signed-note (docs/proof.md).
"""

import base64
import binascii
import re
import struct
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from pathlib import Path

from mmfold.journal.proof.errors import ProofError

NOTE_BYTES_MAX = 1 << 18  # 16 signatures of 5 kB, and more
SIGNATURE_COUNT_MAX = 64
KEY_ID_BYTES = 4
TIMESTAMP = struct.Struct(">Q")
DASH = "— "
NAME = re.compile(r"[^\s+\x00-\x1f\x7f]{1,255}")
VKEY = re.compile(r"(?P<name>[^\s+]+)\+(?P<id>[0-9a-f]{8})\+(?P<key>[A-Za-z0-9+/]+={0,2})")


class KeyKind(IntEnum):
    """The signature types that are understood, by their byte."""

    ED25519 = 0x01
    ML_DSA_44 = 0x06


PUBLIC_BYTES = {KeyKind.ED25519: 32, KeyKind.ML_DSA_44: 1312}
SIGNATURE_BYTES = {KeyKind.ED25519: 64, KeyKind.ML_DSA_44: TIMESTAMP.size + 2420}


@dataclass(frozen=True, slots=True)
class Vkey:
    """A public key under a name."""

    name: str
    kind: KeyKind
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The four bytes that signatures of this key begin with."""
        return sha256(f"{self.name}\n".encode() + bytes([self.kind]) + self.public).digest()[:KEY_ID_BYTES]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{encode64(bytes([self.kind]) + self.public)}"


@dataclass(frozen=True, slots=True)
class Signature:
    """One line under a note."""

    name: str
    key_id: bytes
    data: bytes

    def __str__(self) -> str:
        return f"{DASH}{self.name} {encode64(self.key_id + self.data)}\n"


@dataclass(frozen=True, slots=True)
class SignedNote:
    """A text that ends with a line end, and the lines under it."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return f"{self.text}\n{''.join(map(str, self.signatures))}"


def parse_note(data: bytes, path: Path) -> SignedNote:
    """Return the note that a file holds.

    Raises: ProofError.
    """
    if len(data) > NOTE_BYTES_MAX:
        raise ProofError(path, f"expected a signed note of at most {NOTE_BYTES_MAX:,} bytes, found {len(data):,}")
    try:
        whole = data.decode()
    except UnicodeDecodeError as error:
        raise ProofError(path, "expected a signed note in UTF-8", offset=error.start) from None
    body, found, lines = whole.rpartition("\n\n")
    if not found or not lines.endswith("\n") or re.search(r"[\x00-\x09\x0b-\x1f]", whole):
        raise ProofError(path, "expected a signed note: text, an empty line, lines of signatures")
    signatures = [parse_signature(line, path) for line in lines[:-1].split("\n")]
    if len(signatures) > SIGNATURE_COUNT_MAX:
        raise ProofError(path, f"expected at most {SIGNATURE_COUNT_MAX} signatures, found {len(signatures)}")
    return SignedNote(f"{body}\n", tuple(signatures))


def parse_signature(line: str, path: Path) -> Signature:
    """Return the signature of a line.

    Raises: ProofError.
    """
    name, _, text = line.removeprefix(DASH).partition(" ")
    data = decode64(text)
    if not line.startswith(DASH) or not NAME.fullmatch(name) or data is None or len(data) <= KEY_ID_BYTES:
        raise ProofError(path, f'expected a signature line ("{DASH}NAME BASE64"), found "{line[:80]}"')
    return Signature(name, data[:KEY_ID_BYTES], data[KEY_ID_BYTES:])


def parse_vkey(text: str) -> Vkey:
    """Return a verifier key.

    Raises: ValueError that says what is wrong with it.
    """
    match = VKEY.fullmatch(text.strip())
    data = None if match is None else decode64(match["key"])
    if match is None or not data:
        raise ValueError("expected NAME+8 hex digits+BASE64")
    kind = next((kind for kind in KeyKind if kind == data[0]), None)
    if kind is None or len(data) != 1 + PUBLIC_BYTES[kind]:
        raise ValueError(f"expected a key of type 1 (Ed25519) or 6 (ML-DSA-44), found type {data[0]}")
    vkey = Vkey(match["name"], kind, data[1:])
    if vkey.key_id.hex() != match["id"]:
        raise ValueError(f"expected the id {vkey.key_id.hex()} of this name and key, found {match['id']}")
    return vkey


def encode64(data: bytes) -> str:
    """Return base64 as RFC 4648, section 4 has it."""
    return base64.b64encode(data).decode()


def decode64(text: str) -> bytes | None:
    """Return what base64 stands for, None for any other text than `encode64` makes."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if encode64(data) == text else None
