"""The Merkle tree of RFC 6962 over the hashes of its leaves: roots, paths and their checks; must never read a file.

Source: RFC 6962, 2.1; RFC 9162, 2.1.3.2 and 2.1.4.2 for the checks.
"""

from collections.abc import Callable, Sequence

import numpy as np

from mmfold.journal.proof.hashing import EMPTY_ROOT, node_hash, pair_hashes

# (height, index) -> the hash of the complete subtree over the leaves [index x 2^height, (index + 1) x 2^height).
Subtrees = Callable[[int, int], bytes]


class PathDiffers(ValueError):
    """A path does not lead where it should."""


def root_of(subtrees: Subtrees, start: int, end: int) -> bytes:
    """Return the hash over the leaves [start, end) as they stand in a tree; `start` is where a subtree starts."""
    count = end - start
    if not count:
        return EMPTY_ROOT
    half = split(count)
    if half * 2 == count or count == 1:
        height = count.bit_length() - 1
        if not start % count:
            return subtrees(height, start >> height)
    return node_hash(root_of(subtrees, start, start + half), root_of(subtrees, start + half, end))


def split(count: int) -> int:
    """Return the largest power of two that is smaller than a count of two and more."""
    return 1 << max(0, (count - 1).bit_length() - 1)


def inclusion_path(subtrees: Subtrees, index: int, size: int) -> list[bytes]:
    """Return the hashes beside the way from a leaf up to the root of a tree of `size` leaves."""
    assert 0 <= index < size
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + split(end - start)
        if index < middle:
            path.append(root_of(subtrees, middle, end))
            end = middle
        else:
            path.append(root_of(subtrees, start, middle))
            start = middle
    return path[::-1]


def consistency_path(subtrees: Subtrees, old_size: int, size: int) -> list[bytes]:
    """Return the hashes that show a tree of `size` leaves to begin with one of `old_size`."""
    assert 0 <= old_size <= size
    if old_size in (0, size):
        return []
    path: list[bytes] = []
    start, end, is_known = 0, size, True  # known is the old tree's own root
    while old_size != end:
        middle = start + split(end - start)
        if old_size <= middle:
            path.append(root_of(subtrees, middle, end))
            end = middle
        else:
            path.append(root_of(subtrees, start, middle))
            start, is_known = middle, False
    if not is_known:
        path.append(root_of(subtrees, start, end))
    return path[::-1]


def root_by_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """Return the root that a path leads to.

    Raises: PathDiffers when the path is no path of that index and size.
    """
    if not 0 <= index < size:
        raise PathDiffers(f"index {index:,} is not in a tree of {size:,} leaves")
    place, last, found = index, size - 1, leaf
    for sibling in path:
        if not last:
            raise PathDiffers("the path is too long")
        if place & 1 or place == last:
            found = node_hash(sibling, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        place, last = place >> 1, last >> 1
    if last:
        raise PathDiffers("the path is too short")
    return found


def check_consistency(old: tuple[int, bytes], new: tuple[int, bytes], path: Sequence[bytes]) -> None:
    """Check that a tree, as size and root, begins with an older one.

    Raises: PathDiffers.
    """
    (old_size, old_root), (size, root) = old, new
    if old_size > size:
        raise PathDiffers(f"the old tree has {old_size:,} leaves, the new one {size:,}")
    if old_size in (0, size):
        if path or (old_size == size and old_root != root) or (not old_size and old_root != EMPTY_ROOT):
            raise PathDiffers("the roots of one size differ" if not path else "the path is too long")
        return
    hashes = [old_root, *path] if old_size & (old_size - 1) == 0 else list(path)
    if not hashes:
        raise PathDiffers("the path is too short")
    place, last = old_size - 1, size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    found_old = found = hashes[0]
    for sibling in hashes[1:]:
        if not last:
            raise PathDiffers("the path is too long")
        if place & 1 or place == last:
            found_old, found = node_hash(sibling, found_old), node_hash(sibling, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        place, last = place >> 1, last >> 1
    if last:
        raise PathDiffers("the path is too short")
    if found_old != old_root or found != root:
        raise PathDiffers(
            "the path leads to another root than the " + ("old" if found_old != old_root else "new") + " one"
        )


def reduced(hashes: np.ndarray) -> bytes:
    """Return the hash over subtrees of one height, the last of which may be smaller: an odd one rises as it is.

    Shape: HASH_DTYPE, one at least.
    """
    while len(hashes) > 1:
        paired = pair_hashes(hashes[: len(hashes) // 2 * 2])
        hashes = np.concatenate([paired, hashes[-1:]]) if len(hashes) % 2 else paired
    return hashes[0].tobytes()
