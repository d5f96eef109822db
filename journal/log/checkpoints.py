"""Checkpoints of a journal: state bytes at a block boundary, a disposable cache; must never be needed for an answer.

A file that is not whole is as good as none. `head` is the chain's base at `seq_next`, so reading goes on from there
without a look at what lies before. Whoever asks puts everything into `key` that the state depends on (build, run).
"""

import os
import re
import zlib
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from mmfold.engine.json_text import parse_json
from mmfold.engine.limits import CHAIN_BLOCK_EVENT_COUNT
from mmfold.engine.manifest import canonical_json
from mmfold.journal.files.plain_file import check_own_directory, read_plain
from mmfold.journal.files.work import replace_file
from mmfold.journal.log.chain import DIGEST_BYTES

DIRECTORY_NAME = "checkpoints"
MAGIC = b"MMCKPT\r\n"
NAME = re.compile(r"(\d{16})-([0-9a-f]{12})\.ckpt")
ZLIB_LEVEL = 1  # states are mostly zeros: more effort buys nothing
CHECKPOINT_BYTES_MAX = 1 << 30  # of the file and of the state: 256 instruments have 0.75 GB


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A state after all events before `seq_next`, and the chain's base there."""

    key: str
    seq_next: int
    head: bytes
    state: bytes
    meta: dict[str, Any]


def save(directory: Path, key: str, seq_next: int, head: bytes, state: bytes, meta: dict[str, Any]) -> Path:
    """Write a checkpoint of the journal in `directory` and return its path.

    Raises: ValueError when `seq_next` is not a block boundary or the head not 32 bytes; OSError.
    """
    if seq_next % CHAIN_BLOCK_EVENT_COUNT or seq_next < 0 or len(head) != DIGEST_BYTES:
        raise ValueError(f"a checkpoint stands at a block boundary with a head of 32 bytes, not at seq {seq_next}")
    head_line = canonical_json({"head": head.hex(), "key": key, "meta": meta, "seq_next": seq_next})
    body = head_line + b"\n" + zlib.compress(state, ZLIB_LEVEL)
    path = directory / DIRECTORY_NAME / f"{seq_next:016d}-{key_name(key)}.ckpt"
    check_own_directory(path.parent)
    path.parent.mkdir(exist_ok=True)
    replace_file(path, MAGIC + sha256(body).digest() + body)
    return path


def nearest(directory: Path, key: str, seq: int) -> Checkpoint | None:
    """Return the last whole checkpoint of `key` that stands at or before `seq`."""
    for path in reversed(list_checkpoints(directory, key)):
        if seq_next_of(path) <= seq:
            checkpoint = load(path)
            if checkpoint is not None and checkpoint.key == key:
                return checkpoint
    return None


def drop_after(directory: Path, seq: int) -> None:
    """Remove the checkpoints beyond `seq`: whoever appends there makes other events than they stand for."""
    for path in list_checkpoints(directory):
        if seq_next_of(path) > seq:
            path.unlink(missing_ok=True)


def list_checkpoints(directory: Path, key: str | None = None) -> list[Path]:
    """Return the checkpoint files of a journal in order of seq, whole or not."""
    try:
        check_own_directory(directory / DIRECTORY_NAME)
        names = os.listdir(directory / DIRECTORY_NAME)
    except OSError:
        return []
    matches = sorted(match.group() for match in map(NAME.fullmatch, names) if match)
    return [directory / DIRECTORY_NAME / name for name in matches if key is None or key_name(key) in name]


def load(path: Path) -> Checkpoint | None:
    """Return a checkpoint, None when the file is not a whole one."""
    try:
        data = read_plain(path, CHECKPOINT_BYTES_MAX)
        body = data[len(MAGIC) + DIGEST_BYTES :]
        if data[: len(MAGIC)] != MAGIC or data[len(MAGIC) : len(MAGIC) + DIGEST_BYTES] != sha256(body).digest():
            return None
        head_line, _, packed = body.partition(b"\n")
        document = parse_json(head_line)
        head, key, seq_next, meta = (document[name] for name in ("head", "key", "seq_next", "meta"))
        if not isinstance(meta, dict) or type(seq_next) is not int or seq_next != seq_next_of(path):
            return None
        unpacker = zlib.decompressobj()
        state = unpacker.decompress(packed, CHECKPOINT_BYTES_MAX)
        whole = unpacker.eof and len(bytes.fromhex(head)) == DIGEST_BYTES
        return Checkpoint(key, seq_next, bytes.fromhex(head), state, meta) if whole else None
    except (OSError, ValueError, KeyError, TypeError, zlib.error):
        return None


def seq_next_of(path: Path) -> int:
    """Return the seq that a checkpoint's name stands for."""
    return int(path.name.partition("-")[0])


def key_name(key: str) -> str:
    """Return the part of a file name that stands for a key."""
    return sha256(key.encode()).hexdigest()[:12]
