"""Tiles are named, cut and read as C2SP tlog-tiles says; a builder fed in any pieces makes the same tree."""

from pathlib import Path

import numpy as np
import pytest

from mmfold.journal.proof.errors import ProofError
from mmfold.journal.proof.hashing import HASH_DTYPE
from mmfold.journal.proof.tiles import TILE_BYTES, Builder, TileFiles, tile_name
from mmfold.journal.proof.tree import inclusion_path, reduced, root_by_inclusion, root_of

LEAVES = np.frombuffer(np.random.default_rng(1).bytes(32 * 70_000), HASH_DTYPE)


@pytest.mark.parametrize(
    ("tile", "name"),
    [
        ((0, 0, 256), "tile/0/000"),
        ((2, 67, 256), "tile/2/067"),
        ((0, 1_234_067, 256), "tile/0/x001/x234/067"),
        ((1, 1_000, 256), "tile/1/x001/000"),
        ((0, 273, 112), "tile/0/273.p/112"),
        ((0, 1_234_067, 7), "tile/0/x001/x234/067.p/7"),
    ],
)
def test_names(tile: tuple[int, int, int], name: str) -> None:
    assert tile_name(*tile) == name


def built(directory: Path, leaves: np.ndarray, piece: int) -> Builder:
    files = TileFiles(directory)
    builder = Builder(files.put)
    for start in range(0, len(leaves), piece):
        builder.add(leaves[start : start + piece])
    for level, index, data in builder.partial_tiles():
        files.put(level, index, data)
    return builder


def test_a_tree_of_70_000_has_the_tiles_that_the_specification_counts(tmp_path: Path) -> None:
    builder = built(tmp_path, LEAVES, 4_096)
    sizes = {str(path.relative_to(tmp_path)): path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()}
    full = [name for name, size in sizes.items() if size == TILE_BYTES]
    assert len([name for name in full if name.startswith("tile/0/")]) == 273
    assert len([name for name in full if name.startswith("tile/1/")]) == 1 and len(full) == 274
    partial = {name: size // 32 for name, size in sizes.items() if name not in full}
    assert partial == {"tile/0/273.p/112": 112, "tile/1/001.p/17": 17, "tile/2/000.p/1": 1}
    assert builder.root() == reduced(LEAVES)


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 66_000])
def test_the_root_and_every_path_are_read_from_tiles(tmp_path: Path, size: int) -> None:
    leaves = LEAVES[:size]
    assert built(tmp_path, leaves, 1_000).root() == (root := reduced(leaves))
    subtrees = TileFiles(tmp_path).subtrees(size)
    assert root_of(subtrees, 0, size) == root
    for index in {0, size // 2, size - 1}:
        path = inclusion_path(subtrees, index, size)
        assert root_by_inclusion(leaves[index].tobytes(), index, size, path) == root


@pytest.mark.parametrize("piece", [1, 7, 256, 700])
def test_pieces_do_not_matter(tmp_path: Path, piece: int) -> None:
    builder = Builder()
    for start in range(0, 700, piece):
        builder.add(LEAVES[start : min(start + piece, 700)])
        assert builder.root() == reduced(LEAVES[: builder.size])


def test_a_full_tile_takes_the_place_of_partial_ones_and_older_sizes_are_still_read(tmp_path: Path) -> None:
    built(tmp_path, LEAVES[:300], 300)
    assert (tmp_path / "tile/0/001.p/44").exists()
    built(tmp_path, LEAVES[:600], 600)
    assert not (tmp_path / "tile/0/001.p").exists() and (tmp_path / "tile/0/001").exists()
    assert root_of(TileFiles(tmp_path).subtrees(300), 0, 300) == reduced(LEAVES[:300])


def test_a_missing_or_short_tile_is_named(tmp_path: Path) -> None:
    built(tmp_path, LEAVES[:300], 300)
    (tmp_path / "tile/0/000").write_bytes(b"short")
    with pytest.raises(ProofError, match=r"tile/0/000: expected 256 hashes"):
        root_of(TileFiles(tmp_path).subtrees(300), 0, 1)


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "proof/tile").mkdir(parents=True)
    (tmp_path / "proof/tile/0").symlink_to(outside)
    with pytest.raises(OSError, match="symbolic link"):
        TileFiles(tmp_path / "proof").put(0, 0, bytes(TILE_BYTES))
    assert not list(outside.iterdir())
