"""Free pages of the C heap go back to the system, also those between blocks that stay; old objects are left alone."""

import ctypes
import gc
import subprocess
import sys

import pytest

from mmfold.adapters.live.heap import give_back, settled_heap

MADE_AND_MOSTLY_FREED = """
from pathlib import Path
from mmfold.adapters.live.heap import give_back

def resident_pages():
    return int(Path("/proc/self/statm").read_text().split()[1])

blocks = [bytes(3_000) for _ in range(40_000)]
kept = blocks[::100]
del blocks
before = resident_pages()
assert give_back()
print(before - resident_pages(), len(kept))
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="no glibc")
def test_pages_between_blocks_that_stay_are_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", MADE_AND_MOSTLY_FREED], capture_output=True, text=True, check=True)
    given_pages, kept_count = map(int, done.stdout.split())
    assert given_pages * 4_096 > 0.8 * 3_000 * 40_000 and kept_count == 400


def test_another_c_library_has_nothing_to_give(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmfold.adapters.live.heap.LIBRARY", object())
    assert not give_back()


def test_the_collector_leaves_what_was_there_before() -> None:
    class Ring:
        me: "Ring"

    before, held = gc.get_freeze_count(), [Ring()]
    with settled_heap():
        assert gc.get_freeze_count() > 100
        held[0].me = held[0]
        held.clear()
        assert gc.collect() == 0, "it was there before"
        fresh = Ring()
        fresh.me = fresh
        del fresh
        assert gc.collect() > 0
    assert gc.get_freeze_count() == before and gc.collect() > 0
