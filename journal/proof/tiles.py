"""Tiles: the hashes of the tree in files of 256 beside the journal; must never be taken for true unread.

Source: C2SP tlog-tiles (docs/proof.md). `Builder` makes them from leaves in order, `TileFiles` keeps and reads them.
A file may be missing, short or another's: whoever reads one proves that it leads to a signed root.
"""

import os
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np

from mmfold.journal.files.plain_file import check_own_directory, open_plain, read_plain
from mmfold.journal.proof.errors import ProofError
from mmfold.journal.proof.hashing import EMPTY_ROOT, HASH_BYTES, HASH_DTYPE, pair_hashes
from mmfold.journal.proof.tree import Subtrees, reduced

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
TILE_BYTES = TILE_WIDTH * HASH_BYTES
READ_TILE_COUNT = 64  # kept in memory while a path is made: it takes two of each level
NO_HASHES = np.empty(0, HASH_DTYPE)

Emit = Callable[[int, int, bytes], None]  # level, index, the hashes of a full tile


class Builder:
    """The tree's right edge: takes leaves, hands out full tiles, knows the root at every size."""

    def __init__(self, emit: Emit | None = None) -> None:
        self.size = 0
        self._emit = emit
        self._pending: list[np.ndarray] = []  # by level, less than a tile of each
        self._tile_counts: list[int] = []

    def add(self, leaves: np.ndarray) -> None:
        """Take the next leaves.

        Shape: HASH_DTYPE.
        """
        self.size += len(leaves)
        level, hashes = 0, leaves
        while len(hashes):
            if level == len(self._pending):
                self._pending.append(NO_HASHES)
                self._tile_counts.append(0)
            held = np.concatenate([self._pending[level], hashes])
            full = held[: len(held) // TILE_WIDTH * TILE_WIDTH]
            self._pending[level] = held[len(full) :]
            self._hand_out(level, full)
            for _ in range(TILE_HEIGHT):
                full = pair_hashes(full)
            level, hashes = level + 1, full

    def root(self) -> bytes:
        """Return the root over all leaves so far."""
        found: bytes | None = None
        for pending in self._pending:
            edge = pending if found is None else np.concatenate([pending, np.frombuffer(found, HASH_DTYPE)])
            found = reduced(edge) if len(edge) else found
        return EMPTY_ROOT if found is None else found

    def partial_tiles(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield level, index and hashes of the tiles that are not full."""
        for level, pending in enumerate(self._pending):
            if len(pending):
                yield level, self._tile_counts[level], pending.tobytes()

    def _hand_out(self, level: int, full: np.ndarray) -> None:
        """Hand out full tiles of one level."""
        index = self._tile_counts[level]
        self._tile_counts[level] += len(full) // TILE_WIDTH
        if self._emit is not None:
            data = full.tobytes()
            for start in range(0, len(data), TILE_BYTES):
                self._emit(level, index, data[start : start + TILE_BYTES])
                index += 1


def tile_name(level: int, index: int, width: int = TILE_WIDTH) -> str:
    """Return the path of a tile below the log's prefix."""
    digits = f"{index:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    parts = [digits[start : start + 3] for start in range(0, len(digits), 3)]
    name = "/".join([f"x{part}" for part in parts[:-1]] + parts[-1:])
    return f"tile/{level}/{name}" if width == TILE_WIDTH else f"tile/{level}/{name}.p/{width}"


class TileFiles:
    """The tiles below a directory; `written` and `differing` count what `put` and `compare` found."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.written = 0
        self.differing = 0
        self._made: set[str] = set()

    def compare(self, level: int, index: int, data: bytes) -> None:
        """Count a full tile that is not there as it should be, and leave it."""
        self.differing += self._found(tile_name(level, index)) != data

    def put(self, level: int, index: int, data: bytes) -> None:
        """Write a tile unless it is there as it should be; a full one takes the place of partial ones.

        Raises: OSError, also for a link or anything else in its place.
        """
        width = len(data) // HASH_BYTES
        name = tile_name(level, index, width)
        if self._found(name) == data:
            return
        self._make_directory(name.rpartition("/")[0])
        fd = open_plain(self.directory / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            os.write(fd, data)
        finally:
            os.close(fd)
        self.written += 1
        if width == TILE_WIDTH:
            self._remove_partial(f"{name}.p")

    def subtrees(self, size: int) -> Subtrees:
        """Return the hashes of a tree's complete subtrees, read from its tiles.

        Raises (when called): ProofError for a tile that is missing or short.
        """

        @lru_cache(READ_TILE_COUNT)
        def tile(level: int, index: int) -> np.ndarray:
            width = min(TILE_WIDTH, (size >> (TILE_HEIGHT * level)) - index * TILE_WIDTH)
            for name in dict.fromkeys((tile_name(level, index, width), tile_name(level, index))):
                data = self._found(name)
                if data is not None and len(data) >= width * HASH_BYTES and not len(data) % HASH_BYTES:
                    return np.frombuffer(data, HASH_DTYPE)[:width]
            message = f"expected {width} hashes, found none or fewer"
            raise ProofError(self.directory / tile_name(level, index, width), message, hint="mm journal anchor")

        def subtree(height: int, index: int) -> bytes:
            level, above = divmod(height, TILE_HEIGHT)
            place, first = divmod(index << above, TILE_WIDTH)
            return reduced(tile(level, place)[first : first + (1 << above)])

        return subtree

    def _found(self, name: str) -> bytes | None:
        """Return what stands in a tile's file, None where none can be read."""
        try:
            return read_plain(self.directory / name, TILE_BYTES)
        except OSError:
            return None

    def _make_directory(self, name: str) -> None:
        """Make a directory of tiles; none on the way may be a link."""
        if name in self._made:
            return
        parent = name.rpartition("/")[0]
        if parent:
            self._make_directory(parent)
        check_own_directory(self.directory / name)
        (self.directory / name).mkdir(exist_ok=True)
        self._made.add(name)

    def _remove_partial(self, name: str) -> None:
        """Remove the partial tiles that a full one replaces."""
        directory = self.directory / name
        if directory.is_dir() and not directory.is_symlink():
            for path in directory.iterdir():
                path.unlink()
            directory.rmdir()
