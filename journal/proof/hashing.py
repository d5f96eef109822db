"""Hashes of the tree: leaves of events and nodes of two hashes; must never hash an event otherwise than RFC 6962 says.

Short messages are hashed many at once by the compiled kernel, long ones and few ones by the system's SHA-256.
"""

import sys
from hashlib import sha256

import numpy as np

from mmfold.engine import jit
from mmfold.engine.codes import Flag
from mmfold.engine.limits import ROW_BYTES
from mmfold.journal.log.chain import bytes_of

HASH_BYTES = 32
LEAF_PREFIX, NODE_PREFIX = 0, 1
EMPTY_ROOT = sha256(b"").digest()
HASH_DTYPE = np.dtype((np.void, HASH_BYTES))
PAIR_BYTES = 2 * HASH_BYTES
ROW_COUNT_SHORT = 8  # longer events gain nothing from being hashed together
LOAD_COUNT = 1 << 14  # from here on it pays to load the compiler
FEW = 16  # fewer fill too little of the kernel's lanes
WORD_BYTES = 4
KERNEL_MODULE = "mmfold.journal.proof.sha256_kernel"

assert PAIR_BYTES == ROW_BYTES, "a pair of hashes is as long as a row: one kernel does both"


def leaf_hash(event: bytes) -> bytes:
    """Return the hash of a leaf: an event's rows."""
    return sha256(b"\x00" + event).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


def leaf_hashes(rows: np.ndarray) -> np.ndarray:
    """Return the leaf hash of each event, of whole events.

    Shape: EVENT rows -> HASH_DTYPE, one an event.
    """
    ends = np.flatnonzero(rows["flags"] & Flag.LAST) + 1
    counts = np.diff(ends, prepend=0)
    data = bytes_of(rows)
    out = np.empty(len(ends), HASH_DTYPE)
    for count in range(1, ROW_COUNT_SHORT + 1):
        (which,) = np.nonzero(counts == count)
        if len(which):
            out[which] = hash_equals(data, (ends[which] - count) * ROW_BYTES, count * ROW_BYTES, LEAF_PREFIX)
    view = memoryview(data)
    for index in np.flatnonzero(counts > ROW_COUNT_SHORT).tolist():
        end = int(ends[index])
        out[index] = leaf_hash(bytes(view[(end - int(counts[index])) * ROW_BYTES : end * ROW_BYTES]))
    return out


def pair_hashes(hashes: np.ndarray) -> np.ndarray:
    """Return the nodes above an even number of hashes.

    Shape: HASH_DTYPE -> HASH_DTYPE, half as many.
    """
    data = hashes.tobytes()
    return hash_equals(data, np.arange(0, len(data), PAIR_BYTES), PAIR_BYTES, NODE_PREFIX)


def hash_equals(data: bytes | memoryview, starts: np.ndarray, size_bytes: int, prefix: int) -> np.ndarray:
    """Return the hashes of messages of one size, each behind a prefix byte.

    Units: starts in bytes, multiples of ROW_BYTES.
    """
    is_loaded = KERNEL_MODULE in sys.modules
    if not jit.JIT_ENABLED or len(starts) < (FEW if is_loaded else LOAD_COUNT):
        first = bytes([prefix])
        found = [sha256(first + data[start : start + size_bytes]).digest() for start in starts.tolist()]
        return np.frombuffer(b"".join(found), HASH_DTYPE)
    from mmfold.journal.proof.sha256_kernel import LANE_COUNT, SCRATCH_WORD_COUNT, hash_messages

    words = np.frombuffer(data, "<u4")
    words.flags.writeable = False  # one kind of array, so that the kernel is compiled once
    out = np.empty((len(starts), HASH_BYTES // WORD_BYTES), np.uint32)
    scratch = np.empty((SCRATCH_WORD_COUNT, LANE_COUNT), np.uint32)
    hash_messages(words, starts // WORD_BYTES, size_bytes // ROW_BYTES, prefix, out, scratch)
    return out.view(HASH_DTYPE).reshape(-1)
