"""Anchoring a journal: its tree as tiles, its size and root signed; must never sign another past than it signed before.

    <journal>/proof/checkpoint            the newest checkpoint
    <journal>/proof/checkpoints/<size>    each one
    <journal>/proof/vkeys                 the public keys of those who signed the newest
    <journal>/proof/tile/...              the tree (C2SP tlog-tiles)

Every anchoring hashes the journal from its start: what lies in proof/ is compared with that, never believed. All of it
but the checkpoints can be made again from the journal.
"""

import fcntl
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmfold.engine.manifest import Manifest
from mmfold.journal.errors import Locked, NotAJournal
from mmfold.journal.files.outputs import PROOF_NAME
from mmfold.journal.files.plain_file import check_own_directory, open_plain, read_plain
from mmfold.journal.files.work import replace_file
from mmfold.journal.formats import Form, form_of
from mmfold.journal.log.reader import Journal
from mmfold.journal.proof.checkpoint import Checkpoint, SignedCheckpoint, parse_checkpoint
from mmfold.journal.proof.errors import CheckFailed, ProofError
from mmfold.journal.proof.hashing import EMPTY_ROOT, leaf_hashes
from mmfold.journal.proof.note import NOTE_BYTES_MAX, KeyKind, SignedNote, Vkey, parse_vkey
from mmfold.journal.proof.signing import COSIGNED_TEXT_BYTES_MAX, Signer, check_signed
from mmfold.journal.proof.tiles import Builder, TileFiles

CHECKPOINT_NAME = "checkpoint"
HISTORY_NAME = "checkpoints"
VKEYS_NAME = "vkeys"
VKEYS_BYTES_MAX = 1 << 16
LOCK_NAME = "anchor.lock"
ORIGIN = re.compile(r"[^\s+\x00-\x1f\x7f]+")
UNFIT = re.compile(r"[^A-Za-z0-9._~-]+")
REWRITTEN_HINT = "mm journal verify says whether it is whole; restore it from a copy, or keep both and ask who wrote"


@dataclass(frozen=True, slots=True)
class Anchored:
    """What an anchoring found and wrote."""

    signed: SignedCheckpoint
    events: int
    rows: int
    head: str
    events_before: int
    tiles_written: int
    path: Path


class Anchor:
    """The tree of a journal under way: takes its events in order, signs what it has taken.

    With a checkpoint from before, tiles up to its size are only compared until its root was found; then they are
    written. So a journal that was rewritten destroys nothing of what shows it.
    Raises: ProofError, CheckFailed where the last checkpoint is not of this origin and key.
    """

    def __init__(self, directory: Path, signers: Sequence[Signer], origin: str) -> None:
        self.directory = directory / PROOF_NAME
        self.signers = signers
        self.origin = origin
        self.files = TileFiles(self.directory)
        self.before = read_newest(directory)
        if self.before is not None:
            check_before(self.before, origin, signers[0], self.directory / CHECKPOINT_NAME)
        self.size_before = 0 if self.before is None else self.before.checkpoint.size
        self.rows = 0
        self._is_proven = not self.size_before
        self._builder = Builder(self._emit)

    @property
    def events(self) -> int:
        """How many events were taken."""
        return self._builder.size

    def take(self, rows: np.ndarray) -> None:
        """Take the next whole events.

        Raises: CheckFailed where they are not those that the last checkpoint is of; OSError.
        """
        leaves = leaf_hashes(rows)
        self.rows += len(rows)
        left = self.size_before - self._builder.size
        if 0 < left <= len(leaves):
            self._builder.add(leaves[:left])
            self._check_past()
            leaves = leaves[left:]
        self._builder.add(leaves)

    def signed(self, now_s: int, head: bytes) -> Anchored:
        """Write the tiles that are not full and a checkpoint of all that was taken; `head` is the chain's there.

        Raises: CheckFailed where that is less than the last checkpoint is of; OSError.
        """
        size, before = self._builder.size, self.size_before
        if size < before:
            message = f"expected the {before:,} anchored events, found {size:,}: the tail was cut off"
            raise CheckFailed(self.directory.parent, message, seq=size, hint=REWRITTEN_HINT)
        for level, index, data in self._builder.partial_tiles():
            self.files.put(level, index, data)
        checkpoint = Checkpoint(self.origin, size, self._builder.root())
        signatures = [signer.sign(checkpoint, now_s) for signer in self.signers]
        if self.before is not None and self.before.checkpoint == checkpoint:
            ours = {(one.name, one.key_id) for one in signatures}  # of others, such as a witness, a line stays
            signatures += [one for one in self.before.note.signatures if (one.name, one.key_id) not in ours]
        signed = SignedCheckpoint(checkpoint, SignedNote(checkpoint.text, tuple(signatures)))
        check_signed(signed, [signer.vkey for signer in self.signers], self.directory / CHECKPOINT_NAME)
        data = str(signed.note).encode()
        vkeys = "".join(f"{signer.vkey}\n" for signer in self.signers)
        replace_file(self.directory / VKEYS_NAME, vkeys.encode())
        replace_file(self.directory / HISTORY_NAME / str(size), data)
        replace_file(self.directory / CHECKPOINT_NAME, data)
        self.before, self.size_before = signed, size
        written = self.directory / CHECKPOINT_NAME
        return Anchored(signed, size, self.rows, head.hex(), before, self.files.written, written)

    def _check_past(self) -> None:
        """Compare the root with that of the last checkpoint, at its size.

        Raises: CheckFailed.
        """
        assert self.before is not None
        found = self._builder.root()
        if found != self.before.checkpoint.root:
            message = f"the first {self.size_before:,} events are not those that were anchored"
            raise CheckFailed(self.directory.parent, message, hint=REWRITTEN_HINT)
        self._is_proven = True

    def _emit(self, level: int, index: int, data: bytes) -> None:
        if self._is_proven:
            self.files.put(level, index, data)
        else:
            self.files.compare(level, index, data)

    @property
    def is_mending_needed(self) -> bool:
        """Whether tiles of a past that is proven are missing or differ."""
        return self._is_proven and self.files.differing > 0

    def mended(self) -> "Anchor":
        """Return an anchor that begins anew and writes every tile, since the past was proven."""
        assert self.is_mending_needed
        anew = Anchor(self.directory.parent, self.signers, self.origin)
        anew._is_proven = True
        return anew


def anchor_journal(
    path: Path,
    signers: Sequence[Signer],
    *,
    origin: str | None,
    now_s: int,
    on_rows: Callable[[int], None] = lambda rows: None,
) -> Anchored:
    """Verify a journal, write its tree and sign its root: with the first key as the log, with others as cosigners.

    Raises: NotAJournal, Corrupt, TornTail, SealDiffers, WrongVersion; ProofError, CheckFailed; Locked; OSError.
    """
    journal, origin = open_log(path, signers, origin)
    with alone(path):
        anchor = Anchor(path, signers, origin)
        take_all(anchor, journal, on_rows)
        if anchor.is_mending_needed:
            anchor = anchor.mended()
            take_all(anchor, journal, on_rows)
        return anchor.signed(now_s, journal.head)


def open_log(path: Path, signers: Sequence[Signer], origin: str | None) -> tuple[Journal, str]:
    """Return the journal of a directory and the origin of its log.

    Raises: NotAJournal, ProofError, Corrupt, TornTail, WrongVersion.
    """
    if path.exists() and (form_of(path) is not Form.JOURNAL or not path.is_dir()):
        raise NotAJournal(path, "expected a journal directory, to keep the tree beside it", hint="mm journal convert")
    check_kinds(path, signers)
    journal = Journal(path)
    origin = origin or origin_of(signers[0].vkey.name, journal.manifest(), journal)
    check_origin(path, origin)
    return journal, origin


def check_kinds(path: Path, signers: Sequence[Signer]) -> None:
    """Check that the log signs with Ed25519 and a cosigner with ML-DSA-44.

    Raises: ProofError.
    """
    kinds = [signer.vkey.kind for signer in signers]
    if kinds[0] is not KeyKind.ED25519:
        raise ProofError(
            path, "expected an Ed25519 key to sign with, found one of ML-DSA-44", hint="give that as --cosign"
        )
    if KeyKind.ED25519 in kinds[1:]:
        raise ProofError(path, "expected an ML-DSA-44 key to cosign with, found one of Ed25519")


def take_all(anchor: Anchor, journal: Journal, on_rows: Callable[[int], None]) -> None:
    """Feed a journal to an anchor, its chain checked on the way."""
    for rows in journal.verified_chunks():
        anchor.take(rows)
        on_rows(anchor.rows)


def origin_of(name: str, manifest: Manifest, journal: Journal) -> str:
    """Return the origin of a journal's log: the key's name, the run, and what tells two manifests of one run apart."""
    first = leaf_hashes(next(journal.chunks(1)))[0].tobytes()
    return f"{name}/{UNFIT.sub('-', manifest.run_id).strip('-') or 'run'}-{first.hex()[:8]}"


def check_origin(path: Path, origin: str) -> None:
    """Check that an origin fits a checkpoint.

    Raises: ProofError.
    """
    if not ORIGIN.fullmatch(origin) or len(origin.encode()) > COSIGNED_TEXT_BYTES_MAX:
        message = f'expected an origin of at most {COSIGNED_TEXT_BYTES_MAX} bytes without spaces and "+"'
        raise ProofError(path, f'{message}, found "{origin[:80]}"', hint="such as example.com/mm/run-1: --origin")


def check_before(before: SignedCheckpoint, origin: str, signer: Signer, path: Path) -> None:
    """Check that the last checkpoint is of this log and by this key.

    Raises: ProofError, CheckFailed.
    """
    found = before.checkpoint.origin
    if found != origin:
        hint = f"--origin {found} goes on with it; move proof/ elsewhere to begin anew"
        raise ProofError(path, f"expected the origin {origin}, found that of an earlier anchoring, {found}", hint=hint)
    try:
        check_signed(before, [signer.vkey], path)
    except CheckFailed as error:
        hint = "sign with the key of before; move proof/ elsewhere to begin anew with another"
        raise CheckFailed(path, error.message, hint=hint) from None


def read_newest(journal: Path) -> SignedCheckpoint | None:
    """Return the newest checkpoint of a journal, None when it was never anchored.

    Raises: ProofError for a file that is none, OSError.
    """
    path = journal / PROOF_NAME / CHECKPOINT_NAME
    check_own_directory(path.parent)
    try:
        return parse_checkpoint(read_plain(path, NOTE_BYTES_MAX), path)
    except FileNotFoundError:
        return None


def read_vkey(journal: Path) -> Vkey:
    """Return the key that signs as the log, by the word of whoever anchored the journal.

    Raises: ProofError where there is none, OSError.
    """
    path = journal / PROOF_NAME / VKEYS_NAME
    try:
        return parse_vkey(read_plain(path, VKEYS_BYTES_MAX).decode().partition("\n")[0])
    except (FileNotFoundError, ValueError) as error:
        raise ProofError(path, f"expected the signer's public key: {error}", hint="mm journal anchor") from None


@contextmanager
def alone(journal: Path) -> Iterator[None]:
    """Make the directory of proofs and hold its lock.

    Raises: Locked, OSError.
    """
    directory = journal / PROOF_NAME
    for place in (directory, directory / HISTORY_NAME):
        check_own_directory(place)
        place.mkdir(exist_ok=True)
    fd = open_plain(directory / LOCK_NAME, os.O_RDWR | os.O_CREAT)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Locked(directory, "expected no other anchoring, found one at work", hint="wait for it") from None
        yield
    finally:
        os.close(fd)


def root_at(chunks: Iterator[np.ndarray], size: int, on_rows: Callable[[int], None]) -> tuple[int, bytes]:
    """Return how many of the first `size` events there are, and the root over them."""
    builder, row_count = Builder(), 0
    if size:
        for rows in chunks:
            builder.add(leaf_hashes(rows)[: size - builder.size])
            row_count += len(rows)
            on_rows(row_count)
            if builder.size == size:
                break
    return builder.size, builder.root() if builder.size else EMPTY_ROOT
