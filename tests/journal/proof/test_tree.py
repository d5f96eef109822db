"""The tree against the vectors of Certificate Transparency and against a definition that is written out."""

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from mmfold.journal.proof.hashing import HASH_DTYPE, leaf_hash
from mmfold.journal.proof.tree import (
    PathDiffers,
    Subtrees,
    check_consistency,
    consistency_path,
    inclusion_path,
    reduced,
    root_by_inclusion,
    root_of,
)
from tests.journal.log.test_chain import timers

# Source: the reference inputs and roots of RFC 6962's Certificate Transparency.
INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = {  # index, size -> path
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
}
CONSISTENCY = {  # old size, size -> path
    (1, 1): [],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
SIZE_MAX = 40
PAGE = Path(__file__).resolve().parents[3] / "docs" / "proof.md"


def subtrees_of(leaves: list[bytes]) -> Subtrees:
    def subtree(height: int, index: int) -> bytes:
        part = leaves[index << height : (index + 1) << height]
        assert len(part) == 1 << height, "only complete subtrees may be asked for"
        return mth(part)

    return subtree


def mth(hashes: list[bytes]) -> bytes:
    """The definition of RFC 6962, 2.1, over leaf hashes."""
    if len(hashes) < 2:
        return hashes[0] if hashes else sha256(b"").digest()
    half = max(1 << bit for bit in range(20) if 1 << bit < len(hashes))
    return sha256(b"\x01" + mth(hashes[:half]) + mth(hashes[half:])).digest()


REFERENCE = [leaf_hash(bytes.fromhex(one)) for one in INPUTS]
TIMER_ROOTS = {  # docs/proof.md: n TIMER events -> root
    1: "6a64b424defaa3ec78de8a4fa3d7f315809b66ead2b79f53e4a93e2c398bce25",
    2: "9973f06463cc2a02591c391dea244abbdc2229e9884c5b7b053dff18e50a4fc4",
    1025: "9662d7a8694a56d3319f16b8e9931a286715d13da3c2995e2f79bffd086b8453",
}
LEAVES = [leaf_hash(bytes([number])) for number in range(SIZE_MAX)]
TREE = subtrees_of(LEAVES)
TREE_ROOTS = [mth(LEAVES[:size]) for size in range(SIZE_MAX + 1)]


@pytest.mark.parametrize("size", range(9))
def test_roots_of_the_reference(size: int) -> None:
    assert root_of(subtrees_of(REFERENCE), 0, size).hex() == ROOTS[size]


@pytest.mark.parametrize(("count", "root"), TIMER_ROOTS.items())
def test_documented_vectors(count: int, root: str) -> None:
    assert mth([leaf_hash(row.tobytes()) for row in timers(count)]).hex() == root
    assert f"| {count} | `{root}` |" in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize(("place", "path"), INCLUSION.items())
def test_inclusion_of_the_reference(place: tuple[int, int], path: list[str]) -> None:
    index, size = place
    found = inclusion_path(subtrees_of(REFERENCE), index, size)
    assert [one.hex() for one in found] == path
    assert root_by_inclusion(REFERENCE[index], index, size, found).hex() == ROOTS[size]


@pytest.mark.parametrize(("sizes", "path"), CONSISTENCY.items())
def test_consistency_of_the_reference(sizes: tuple[int, int], path: list[str]) -> None:
    old, size = sizes
    found = consistency_path(subtrees_of(REFERENCE), old, size)
    assert [one.hex() for one in found] == path
    check_consistency((old, bytes.fromhex(ROOTS[old])), (size, bytes.fromhex(ROOTS[size])), found)


def test_every_root_and_path_of_small_trees() -> None:
    for size in range(1, SIZE_MAX + 1):
        assert root_of(TREE, 0, size) == reduced(np.frombuffer(b"".join(LEAVES[:size]), HASH_DTYPE)) == TREE_ROOTS[size]
        for index in range(size):
            path = inclusion_path(TREE, index, size)
            assert root_by_inclusion(LEAVES[index], index, size, path) == TREE_ROOTS[size]
        for old in range(size + 1):
            path = consistency_path(TREE, old, size)
            check_consistency((old, TREE_ROOTS[old]), (size, TREE_ROOTS[size]), path)


def test_a_wrong_inclusion_never_leads_to_the_root() -> None:
    for size, index in ((1, 0), (7, 6), (8, 3), (21, 20), (40, 33)):
        path = inclusion_path(TREE, index, size)
        wrong: list[tuple[bytes, int, int, list[bytes]]] = [(LEAVES[(index + 1) % SIZE_MAX], index, size, path)]
        wrong += [(LEAVES[index], other, size, path) for other in range(-1, size + 2) if other != index]
        wrong += [(LEAVES[index], index, size, [*path, LEAVES[0]]), (LEAVES[index], index, size, path[:-1])]
        wrong += [(LEAVES[index], index, size, [*path[:n], bytes(32), *path[n + 1 :]]) for n in range(len(path))]
        for leaf, place, count, hashes in wrong:
            if (place, hashes) == (index, path) and leaf == LEAVES[index]:
                continue
            try:
                assert root_by_inclusion(leaf, place, count, hashes) != TREE_ROOTS[size]
            except PathDiffers:
                continue


def test_a_wrong_consistency_is_refused() -> None:
    for old, size in ((1, 2), (3, 7), (4, 7), (6, 8), (8, 8), (21, 40), (32, 40)):
        path = consistency_path(TREE, old, size)
        new = (size, TREE_ROOTS[size])
        wrong = [((old, bytes(32)), new, path), ((old, TREE_ROOTS[old]), (size, bytes(32)), path)]
        wrong += [((old, TREE_ROOTS[old]), new, [*path, bytes(32)])]
        wrong += [((size + 1, TREE_ROOTS[old]), new, path)]
        wrong += [((old, TREE_ROOTS[old]), new, path[:-1])] if path else []
        wrong += [((old, TREE_ROOTS[old]), new, [*path[:n], bytes(32), *path[n + 1 :]]) for n in range(len(path))]
        for before, after, hashes in wrong:
            with pytest.raises(PathDiffers):
                check_consistency(before, after, hashes)
    with pytest.raises(PathDiffers):
        check_consistency((0, bytes(32)), (3, TREE_ROOTS[3]), [])
