"""Checkpoints of a replay: where they stand, what they depend on; disposable, must never be needed for an answer."""

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine.cache import core_digest
from engine.core import Core
from engine.limits import SEQ_MAX
from engine.manifest import Manifest, canonical_json, encode_manifest
from journal.checkpoints import list_checkpoints, nearest, save, seq_next_of


def checkpoint_key(manifest: Manifest, document: dict[str, Any], override: dict[str, Any] | None) -> str:
    """Return what a state depends on besides the events: build, instruments, configuration."""
    hasher = hashlib.sha256(core_digest().encode())
    hasher.update(encode_manifest(manifest))
    hasher.update(canonical_json(document))
    hasher.update(canonical_json(override))
    return hasher.hexdigest()


def save_checkpoint(directory: Path, key: str, core: Core, seq_next: int, base: bytes, rows: int) -> None:
    """Save the core's state at a segment's start, once; a directory that cannot be written has no cache."""
    if seq_next in {seq_next_of(path) for path in list_checkpoints(directory, key)}:
        return
    if core.manifest.witnessed and core.out[0]["witness_index"] < core.out[0]["effect_count"]:
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


def restore_newest(core: Core, directory: Path, key: str) -> tuple[int, bytes]:
    """Take over the newest checkpoint of a journal; returns where it stands and the chain's base there, 0 without."""
    checkpoint = nearest(directory, key, SEQ_MAX)
    if checkpoint is None:
        return 0, b""
    core.load(checkpoint.state)
    core.document = checkpoint.meta["document"]
    core.effects_digest.value = bytes.fromhex(checkpoint.meta["effects_digest"])
    core.witnessed_count = int(checkpoint.meta["witnessed_count"])
    return checkpoint.seq_next, checkpoint.head
