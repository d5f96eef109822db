"""Memory that comes page by page, when it is written to; must never be backed by a file.

A book's window has room for a hundred thousand ticks and mostly holds a few hundred levels. NumPy asks for huge pages
for an array of that size, so that one level brings two megabytes (docs/adr/0014).
"""

import mmap
from contextlib import suppress

import numpy as np

PAGE_WORD_COUNT = 512  # 64-bit words of a page


def zeros_by_page(count: int, dtype: np.dtype) -> np.ndarray:
    """Return an array of zeros that takes memory only where something is written.

    Shape: (count,) of `dtype`, at least one.
    """
    assert count > 0
    memory = mmap.mmap(-1, count * dtype.itemsize, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError):  # a kernel without huge pages knows no such word, and gives none
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(memory, dtype, count)


def pack_pages(array: np.ndarray) -> bytes:
    """Return an array's bytes without the pages that are all zeros.

    Layout: i64 words of the array, i64 number of pages, their indices as i64, the pages, the words after the last page.
    """
    words = array.view(np.int64)
    whole = words.size - words.size % PAGE_WORD_COUNT
    pages = words[:whole].reshape(-1, PAGE_WORD_COUNT)
    written = np.flatnonzero(pages.any(axis=1))
    head = np.array([words.size, written.size, *written], np.int64)
    return b"".join((head.tobytes(), pages[written].tobytes(), words[whole:].tobytes()))


def unpack_pages(target: np.ndarray, data: bytes, offset: int) -> int:
    """Write into zeros what `pack_pages` gave the bytes of and return where they end in `data`.

    Raises: ValueError when they are of another array.
    """
    ours, words = target.view(np.int64), np.frombuffer(data, np.int64, (len(data) - offset) // 8, offset)
    whole = ours.size - ours.size % PAGE_WORD_COUNT
    if words.size < 2 or words[0] != ours.size or not 0 <= words[1] <= whole // PAGE_WORD_COUNT:
        raise ValueError("state bytes are of another layout")
    count = int(words[1])
    start, tail = 2 + count, 2 + count * (1 + PAGE_WORD_COUNT)
    end = tail + ours.size - whole
    written = words[2:start]
    if words.size < end or (count and not (written.min() >= 0 and written.max() < whole // PAGE_WORD_COUNT)):
        raise ValueError("state bytes are of another layout")
    ours[:whole].reshape(-1, PAGE_WORD_COUNT)[written] = words[start:tail].reshape(-1, PAGE_WORD_COUNT)
    ours[whole:] = words[tail:end]
    return offset + 8 * end
