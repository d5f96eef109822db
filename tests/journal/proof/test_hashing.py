"""The many hashes at once are those of hashlib, one by one; compiled as well where the compiler is on."""

from hashlib import sha256

import numpy as np
import pytest

from mmfold.engine import jit
from mmfold.journal.proof import hashing
from mmfold.journal.proof.hashing import HASH_DTYPE, ROW_COUNT_SHORT, leaf_hashes, pair_hashes
from tests.journal.make_rows import events_of, journal_rows


def plain(rows: np.ndarray) -> list[bytes]:
    return [sha256(b"\x00" + event.tobytes()).digest() for event in events_of(rows)]


@pytest.mark.parametrize("row_counts", [(1,), (1, 3, 2), (ROW_COUNT_SHORT, ROW_COUNT_SHORT + 1, 1), (300, 1, 5)])
def test_a_leaf_is_a_zero_and_the_rows(row_counts: tuple[int, ...]) -> None:
    rows = journal_rows(150, row_counts)
    assert [one.tobytes() for one in leaf_hashes(rows)] == plain(rows)


@pytest.mark.skipif(not jit.JIT_ENABLED, reason="compiled only: the interpreter never runs this kernel")
@pytest.mark.parametrize("count", [16, 63, 64, 65, 1000])
def test_the_kernel_hashes_as_the_system_does(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(hashing, "LOAD_COUNT", 1)
    rows = journal_rows(8 * count, range(1, ROW_COUNT_SHORT + 1))
    assert [one.tobytes() for one in leaf_hashes(rows)] == plain(rows)
    nodes = np.random.default_rng(count).bytes(64 * count)
    expected = [sha256(b"\x01" + nodes[n : n + 64]).digest() for n in range(0, len(nodes), 64)]
    assert [one.tobytes() for one in pair_hashes(np.frombuffer(nodes, HASH_DTYPE))] == expected


def test_constants_of_the_kernel_are_those_of_the_standard() -> None:
    from mmfold.journal.proof.sha256_kernel import ROUND_WORDS, START_WORDS

    assert [hex(word) for word in START_WORDS[:2]] == ["0x6a09e667", "0xbb67ae85"]
    assert [hex(word) for word in ROUND_WORDS[[0, 1, 63]]] == ["0x428a2f98", "0x71374491", "0xc67178f2"]
