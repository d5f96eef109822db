"""Proofs made from an anchored journal, and checks of what was made; must never hand out a proof that does not hold."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmfold.engine.codes import Flag
from mmfold.engine.records import EVENT
from mmfold.journal.errors import NotAJournal
from mmfold.journal.files.outputs import PROOF_NAME
from mmfold.journal.files.plain_file import open_readable
from mmfold.journal.formats import Events
from mmfold.journal.log.chain import RowFault, check_rows
from mmfold.journal.log.reader import Journal
from mmfold.journal.proof.anchor import CHECKPOINT_NAME, REWRITTEN_HINT, read_newest, read_vkey, root_at
from mmfold.journal.proof.checkpoint import Checkpoint, SignedCheckpoint, parse_checkpoint
from mmfold.journal.proof.errors import CheckFailed, ProofError
from mmfold.journal.proof.hashing import leaf_hash
from mmfold.journal.proof.note import Vkey, parse_vkey
from mmfold.journal.proof.proof_file import HEADER, PROOF_BYTES_MAX, EventProof, GrowthProof, parse_proof
from mmfold.journal.proof.signing import check_signed
from mmfold.journal.proof.tiles import TileFiles
from mmfold.journal.proof.tree import (
    PathDiffers,
    check_consistency,
    consistency_path,
    inclusion_path,
    root_by_inclusion,
)

ANCHOR_HINT = "mm journal anchor --key k.pem anchors all that is there"


@dataclass(frozen=True, slots=True)
class Checked:
    """A proof that holds; `rows` of the event, none of a proof of growth; `is_pinned` if a key came from outside."""

    proof: EventProof | GrowthProof
    rows: np.ndarray | None
    vkeys: tuple[Vkey, ...]
    is_pinned: bool


def prove_event(path: Path, seq: int) -> EventProof:
    """Return the proof that an event is in the newest checkpoint of a journal.

    Raises: ProofError for a seq that is not there, CheckFailed where event and checkpoint do not agree, JournalError.
    """
    signed = newest(path)
    size = signed.checkpoint.size
    journal = Journal(path)
    if seq >= size:
        there = journal.seq_next()
        message = f"expected a seq below {size:,}, which is what was anchored"
        if seq < there:
            raise ProofError(path, f"{message}, found a later event", seq=seq, hint=ANCHOR_HINT)
        raise ProofError(path, f"{message}, found no such event: the last is {there - 1:,}", seq=seq)
    rows = event_at(journal, seq)
    subtrees = TileFiles(path / PROOF_NAME).subtrees(size)
    leaf = leaf_hash(rows.tobytes())
    if subtrees(0, seq) != leaf:
        message = "the event is not the one that was anchored, or its tile was changed"
        raise CheckFailed(path, message, seq=seq, hint=f"mm journal verify {path} --anchor CHECKPOINT tells which")
    proof = tuple(inclusion_path(subtrees, seq, size))
    if root_by_inclusion(leaf, seq, size, proof) != signed.checkpoint.root:
        raise CheckFailed(path / PROOF_NAME, "the tiles do not lead to the checkpoint's root", hint=ANCHOR_HINT)
    vkey = read_vkey(path)
    check_signed(signed, [vkey], path / PROOF_NAME / CHECKPOINT_NAME)
    return EventProof(seq, proof, rows.tobytes(), str(vkey), signed)


def event_at(journal: Journal, seq: int) -> np.ndarray:
    """Return the rows of an event."""
    for rows in journal.chunks(1, seq_from=seq):
        end = int(np.argmax((rows["flags"] & Flag.LAST) != 0)) + 1
        return rows[:end]
    raise ProofError(journal.path, "expected an event that was anchored, found none", seq=seq, hint=REWRITTEN_HINT)


def prove_growth(path: Path, old: SignedCheckpoint, old_path: Path) -> GrowthProof:
    """Return the proof that the newest checkpoint of a journal continues an older one.

    Raises: ProofError, CheckFailed.
    """
    signed = newest(path)
    before, after = old.checkpoint, signed.checkpoint
    check_same_log(before, after, old_path)
    if before.size > after.size:
        message = f"expected a checkpoint of at most {after.size:,} events, found one of {before.size:,}"
        raise CheckFailed(old_path, message, hint=ANCHOR_HINT)
    subtrees = TileFiles(path / PROOF_NAME).subtrees(after.size)
    proof = tuple(consistency_path(subtrees, before.size, after.size))
    check_growth((before, after), proof, old_path)
    return GrowthProof(before.size, proof, signed)


def check_growth(trees: tuple[Checkpoint, Checkpoint], proof: tuple[bytes, ...], path: Path) -> None:
    """Check that a tree continues an older one.

    Raises: CheckFailed.
    """
    before, after = trees
    try:
        check_consistency((before.size, before.root), (after.size, after.root), proof)
    except PathDiffers as error:
        message = f"the log of {after.size:,} events does not continue that of {before.size:,}: {error}"
        raise CheckFailed(path, message) from None


def check_same_log(before: Checkpoint, after: Checkpoint, path: Path) -> None:
    """Check that two checkpoints are of one log.

    Raises: CheckFailed.
    """
    if before.origin != after.origin:
        raise CheckFailed(path, f"expected a checkpoint of {after.origin}, found one of {before.origin}")


def check_proof(path: Path, vkeys: tuple[Vkey, ...], old: tuple[SignedCheckpoint, Path] | None) -> Checked:
    """Check a proof without its journal; without keys the signature is checked by the key that the proof itself names.

    Raises: ProofError for a file that is no proof, CheckFailed for one that does not hold, OSError.
    """
    proof = parse_proof(read_small(path, PROOF_BYTES_MAX), path)
    after = proof.signed.checkpoint
    if isinstance(proof, GrowthProof):
        if old is None:
            raise ProofError(
                path, "expected the old checkpoint beside a proof of growth", hint="give it with --old FILE"
            )
        check_signed(proof.signed, vkeys, path)
        check_signed(old[0], vkeys, old[1])
        check_same_log(old[0].checkpoint, after, old[1])
        if old[0].checkpoint.size != proof.old_size:
            message = f"expected the checkpoint of {proof.old_size:,} events, found one of {old[0].checkpoint.size:,}"
            raise CheckFailed(old[1], message)
        check_growth((old[0].checkpoint, after), proof.path, path)
        return Checked(proof, None, vkeys, bool(vkeys))
    used = vkeys or (key_of(proof.vkey, path),)
    check_signed(proof.signed, used, path)
    rows = np.frombuffer(proof.rows, EVENT)
    try:
        root = root_by_inclusion(leaf_hash(proof.rows), proof.index, after.size, proof.path)
    except PathDiffers as error:
        raise CheckFailed(path, f"the path does not fit its place: {error}", seq=proof.index) from None
    if root != after.root:
        raise CheckFailed(path, "the event and its path do not lead to the checkpoint's root", seq=proof.index)
    try:
        check_rows(rows, proof.index)
    except RowFault as error:
        raise CheckFailed(path, f"the leaf is no event: {error}", seq=proof.index) from None
    if int(rows["seq"][-1]) != proof.index or int(np.count_nonzero(rows["flags"] & Flag.LAST)) != 1:
        raise CheckFailed(path, "the leaf holds more than one event", seq=proof.index)
    return Checked(proof, rows, used, bool(vkeys))


def key_of(text: str, path: Path) -> Vkey:
    """Return the key that a proof names.

    Raises: ProofError.
    """
    try:
        return parse_vkey(text)
    except ValueError as error:
        raise ProofError(
            path, f"the key that the proof names is none: {error}", hint="give the signer's with --vkey"
        ) from None


def read_checkpoint(path: Path) -> SignedCheckpoint:
    """Return the checkpoint of a file that a person named: a checkpoint, or a proof, which ends with one.

    Raises: ProofError, OSError.
    """
    data = read_small(path, PROOF_BYTES_MAX)
    if data.startswith((f"{HEADER}\n".encode(), b"old ")):
        return parse_proof(data, path).signed
    return parse_checkpoint(data, path)


def read_small(path: Path, bytes_max: int) -> bytes:
    """Return the content of a file that a person named, of one byte too many at most.

    Raises: OSError.
    """
    with open(open_readable(path), "rb") as file:
        return file.read(bytes_max + 1)


def check_anchor(
    path: Path, signed: SignedCheckpoint, anchor_path: Path, on_rows: Callable[[int], None] = lambda rows: None
) -> None:
    """Check that a journal in any form begins with the events that a checkpoint is of.

    Raises: CheckFailed, JournalError.
    """
    wanted = signed.checkpoint
    found, root = root_at(Events(path).chunks(), wanted.size, on_rows)
    if found < wanted.size:
        message = f"expected the {wanted.size:,} events of {anchor_path}, found {found:,}: the tail was cut off"
        raise CheckFailed(path, message, seq=found, hint="restore it from a copy")
    if root != wanted.root:
        message = f"the first {wanted.size:,} events are not those of {anchor_path}: the journal was rewritten"
        raise CheckFailed(path, message, hint="restore it from a copy")


def newest(path: Path) -> SignedCheckpoint:
    """Return the newest checkpoint of a journal.

    Raises: ProofError when it was never anchored, NotAJournal.
    """
    if not path.is_dir():
        raise NotAJournal(
            path, "expected a journal directory, which is what can be anchored", hint="mm journal convert"
        )
    signed = read_newest(path)
    if signed is None:
        raise ProofError(path, "expected an anchored journal, found no proof/checkpoint", hint=ANCHOR_HINT)
    return signed
