"""Checkpoints of a replay: where they stand, what they depend on; disposable, must never be needed for an answer."""

import hashlib
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

from mmfold.engine import cache
from mmfold.engine.closure import source_digest
from mmfold.engine.core import Core
from mmfold.engine.manifest import Manifest, canonical_json, encode_manifest
from mmfold.journal.log.checkpoints import Checkpoint, list_checkpoints, nearest, save, seq_next_of
from mmfold.journal.log.reader import Journal


def checkpoint_key(manifest: Manifest, document: dict[str, Any], override: dict[str, Any] | None) -> str:
    """Return what a state depends on besides the events: what decides, a user's strategy, instruments, configuration.

    What decides is what this module imports: the core, and the journal's reader, which brings old rows up to date.
    """
    hasher = hashlib.sha256(f"{source_digest([__name__])} {cache.strategy_digest}".encode())
    hasher.update(encode_manifest(manifest))
    hasher.update(canonical_json(document))
    hasher.update(canonical_json(override))
    return hasher.hexdigest()


def save_checkpoint(directory: Path, key: str, core: Core, seq_next: int, base: bytes, rows: int) -> None:
    """Save the core's state at a segment's start, once; a directory that cannot be written has no cache."""
    if seq_next in {seq_next_of(path) for path in list_checkpoints(directory, key)}:
        return
    if core.is_awaiting:
        return  # the last decisions' witnesses stand behind the boundary: nothing may be drained yet
    core.drain()
    core.effects_digest.close_block()
    meta = {
        "document": core.document,
        "effects_digest": core.effects_digest.value.hex(),
        "rows": rows,
        "state_digest": core.state_digest(),
        "witnessed_count": core.witnessed_count,
    }
    with suppress(OSError):
        save(directory, key, seq_next, base, core.dump(), meta)


def find_checkpoint(directory: Path, key: str, seq: int) -> Checkpoint | None:
    """Return the last checkpoint at or before `seq` that the journal reaches; it may have lost its end.

    Raises: NotAJournal, Corrupt, WrongVersion.
    """
    return nearest(directory, key, min(seq, Journal(directory).seq_next()))


def load_checkpoint(core: Core, checkpoint: Checkpoint) -> bool:
    """Take over a checkpoint's state; False, and the core as it was, when the file is whole but no state of this core.

    Shape: `rows` of its meta is a count.
    """
    before, members = (core.state, core.effect_kind_counts, int(core.out[0]["block"])), core.lane.members
    meta = checkpoint.meta
    try:
        digest, counts = bytes.fromhex(meta["effects_digest"]), (int(meta["witnessed_count"]), int(meta["rows"]))
        if not isinstance(meta["document"], dict):
            return False
        core.load(checkpoint.state)
    except (ValueError, KeyError, TypeError, AttributeError, AssertionError, RecursionError, struct.error):
        core.state, core.effect_kind_counts, core.out[0]["block"] = before
        core.lane.take_over(members)
        return False
    core.document, core.effects_digest.value, core.witnessed_count = meta["document"], digest, counts[0]
    return True
