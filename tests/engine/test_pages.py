"""Memory that comes page by page is zeros, and what is packed comes back, whatever was written and where."""

import random

import numpy as np
import pytest

from mmfold.engine.pages import PAGE_WORD_COUNT, pack_pages, unpack_pages, zeros_by_page

PAGE_BYTES = 8 * PAGE_WORD_COUNT
WIDE = np.dtype([("name", "<i8"), ("qty_lots", "<i8", (3 * PAGE_WORD_COUNT + 5,))])
# records | words written: of the first page, of the tail, of none
SHAPES = [(1, []), (1, [0]), (1, [WIDE.itemsize // 8 - 1]), (2, [PAGE_WORD_COUNT, PAGE_WORD_COUNT * 4]), (5, None)]


def written_array(count: int, places: list[int] | None) -> np.ndarray:
    """Return an array with words at some places, at random ones for None."""
    array = zeros_by_page(count, WIDE)
    words = array.view(np.int64)
    drawn = random.Random(7)
    for place in drawn.sample(range(words.size), 40) if places is None else places:
        words[place] = drawn.randrange(-(1 << 62), 1 << 62)
    return array


@pytest.mark.parametrize(("count", "places"), SHAPES)
def test_what_is_packed_comes_back(count: int, places: list[int] | None) -> None:
    array, target = written_array(count, places), zeros_by_page(count, WIDE)
    data = b"before" * 4 + pack_pages(array) + b"behind"
    end = unpack_pages(target, data, 24)
    assert target.tobytes() == array.tobytes() and data[end:] == b"behind"


def test_pages_of_zeros_take_no_room() -> None:
    empty, one = pack_pages(zeros_by_page(64, WIDE)), pack_pages(written_array(64, [PAGE_WORD_COUNT * 9]))
    assert len(empty) < PAGE_BYTES and len(one) == len(empty) + 8 + PAGE_BYTES


def test_memory_comes_when_it_is_written_to() -> None:
    before_bytes = resident_bytes()
    array = zeros_by_page(4_000, WIDE)  # 49 MB
    assert not array.view(np.int64).any()
    array["name"][::400] = 1
    assert resident_bytes() - before_bytes < array.nbytes // 8


def resident_bytes() -> int:
    """Return the memory that the process has now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


@pytest.mark.parametrize("damage", ["size", "count", "index", "cut"])
def test_bytes_of_another_array_are_refused(damage: str) -> None:
    data = bytearray(pack_pages(written_array(2, [PAGE_WORD_COUNT])))
    head = np.frombuffer(data, np.int64)
    target = zeros_by_page(3 if damage == "size" else 2, WIDE)
    if damage == "count":
        head[1] = 1 << 40
    elif damage == "index":
        head[2] = -1
    with pytest.raises(ValueError, match="another layout"):
        unpack_pages(target, bytes(data[:-8] if damage == "cut" else data), 0)
