"""Private keys that sign checkpoints, and the check of signatures; must never print, log or keep a private key.

Ed25519 signs the note's text (C2SP signed-note); ML-DSA-44 signs a checkpoint as a cosigner (C2SP tlog-cosignature).
`cryptography` is loaded by whoever signs or checks, and does both.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from mmfold.journal.proof.checkpoint import Checkpoint, SignedCheckpoint
from mmfold.journal.proof.errors import CheckFailed, ProofError
from mmfold.journal.proof.note import NAME, SIGNATURE_BYTES, TIMESTAMP, KeyKind, Signature, Vkey

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

COSIGNED_LABEL = b"subtree/v1\n\0"
COSIGNED_TEXT_BYTES_MAX = 255
NAME_LINE = re.compile(rb"\A(?:.*\n)*?name: (?P<name>[^\n]{1,255})\n", re.ASCII)
PEM_START = b"-----BEGIN "
PASSPHRASE_HINT = "the variable MM_PROOF_KEY_PASSPHRASE, or the file that MM_PROOF_KEY_PASSPHRASE_FILE names, has it"


class Signer:
    """A private key under a name."""

    def __init__(self, name: str, private: "Ed25519PrivateKey | MLDSA44PrivateKey", kind: KeyKind) -> None:
        self._private = private
        self.vkey = Vkey(name, kind, private.public_key().public_bytes_raw())

    def sign(self, checkpoint: Checkpoint, now_s: int) -> Signature:
        """Return the line of this key under a checkpoint."""
        vkey = self.vkey
        if vkey.kind is KeyKind.ED25519:
            return Signature(vkey.name, vkey.key_id, self._private.sign(checkpoint.text.encode()))
        signed = self._private.sign(cosigned_message(vkey.name, checkpoint, now_s))
        return Signature(vkey.name, vkey.key_id, TIMESTAMP.pack(now_s) + signed)


def parse_signer(pem: bytes, passphrase: bytes | None, path: Path) -> Signer:
    """Return the key of a PEM file (PKCS #8); a line `name: NAME` before it names it, else it has a name of its own.

    Raises: ProofError, without a byte of the key.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    problem, hint, private = "expected a private key in PEM (PKCS #8)", "mm journal key --out k.pem makes one", None
    is_encrypted = b"ENCRYPTED" in pem
    try:
        private = load_pem_private_key(pem, passphrase if is_encrypted else None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        if is_encrypted:
            problem = (
                "the key is encrypted, and there is no passphrase" if not passphrase else "the passphrase is wrong"
            )
            hint = PASSPHRASE_HINT
    if private is None:
        raise ProofError(path, problem, hint=hint)  # outside of the block above: that error may quote the file
    match = NAME_LINE.match(pem.partition(PEM_START)[0])
    name = match["name"].decode("utf-8", "replace") if match else ""
    if name and not NAME.fullmatch(name):
        raise ProofError(
            path, "expected a name without spaces and plus signs before the key", hint="such as example.com/mm"
        )
    if isinstance(private, Ed25519PrivateKey):
        return Signer(name or own_name(private.public_key().public_bytes_raw()), private, KeyKind.ED25519)
    if isinstance(private, MLDSA44PrivateKey):
        return Signer(name or own_name(private.public_key().public_bytes_raw()), private, KeyKind.ML_DSA_44)
    raise ProofError(path, "expected an Ed25519 or ML-DSA-44 key, found one of another kind", hint=hint)


def own_name(public: bytes) -> str:
    """Return the name of a key that has none."""
    from hashlib import sha256

    return f"mm-{sha256(public).hexdigest()[:8]}"


def make_key(name: str, kind: KeyKind, passphrase: bytes | None) -> bytes:
    """Return a new private key in PEM with its name before it."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

    private = Ed25519PrivateKey.generate() if kind is KeyKind.ED25519 else MLDSA44PrivateKey.generate()
    lock = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    pem = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)
    return f"name: {name}\n".encode() + pem


def cosigned_message(cosigner: str, checkpoint: Checkpoint, timestamp_s: int) -> bytes:
    """Return what an ML-DSA-44 cosigner signs of a checkpoint."""
    return b"".join(
        [
            COSIGNED_LABEL,
            short_text(cosigner),
            TIMESTAMP.pack(timestamp_s),
            short_text(checkpoint.origin),
            TIMESTAMP.pack(0),
            TIMESTAMP.pack(checkpoint.size),
            checkpoint.root,
        ]
    )


def short_text(text: str) -> bytes:
    """Return a text behind its length in one byte; a longer one was refused where it was given."""
    data = text.encode()
    assert 0 < len(data) <= COSIGNED_TEXT_BYTES_MAX
    return bytes([len(data)]) + data


def check_signed(signed: SignedCheckpoint, vkeys: Iterable[Vkey], path: Path) -> None:
    """Check that every given key has signed; lines of other keys say nothing.

    Raises: CheckFailed.
    """
    for vkey in vkeys:
        ours = [one for one in signed.note.signatures if (one.name, one.key_id) == (vkey.name, vkey.key_id)]
        if not ours:
            names = ", ".join(f"{one.name} ({one.key_id.hex()})" for one in signed.note.signatures)
            message = f"expected a signature of {vkey.name} ({vkey.key_id.hex()}), found those of {names}"
            raise CheckFailed(path, message, hint="ask the signer for the key that it published")
        if not all(is_good(vkey, one, signed.checkpoint, signed.note.text) for one in ours):
            raise CheckFailed(path, f"the signature of {vkey.name} ({vkey.key_id.hex()}) is not of this checkpoint")


def is_good(vkey: Vkey, signature: Signature, checkpoint: Checkpoint, text: str) -> bool:
    """Tell whether a key made a signature."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

    if len(signature.data) != SIGNATURE_BYTES[vkey.kind]:
        return False
    try:
        if vkey.kind is KeyKind.ED25519:
            Ed25519PublicKey.from_public_bytes(vkey.public).verify(signature.data, text.encode())
        else:
            (timestamp_s,) = TIMESTAMP.unpack_from(signature.data)
            if timestamp_s >> 63 or len(checkpoint.origin.encode()) > COSIGNED_TEXT_BYTES_MAX:
                return False
            message = cosigned_message(vkey.name, checkpoint, timestamp_s)
            MLDSA44PublicKey.from_public_bytes(vkey.public).verify(signature.data[TIMESTAMP.size :], message)
    except (InvalidSignature, ValueError):
        return False
    return True
