"""The chain: depends on rows and their order alone."""

from hashlib import sha256
from itertools import cycle, islice, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.records import EVENT, NO_VALUE
from mmfold.journal.log.chain import (
    GENESIS_BASE,
    LOAD_ROW_COUNT,
    Chain,
    RowFault,
    check_each_row,
    check_rows,
)
from mmfold.journal.log.rows_kernel import are_whole_events, number_event
from tests.journal.make_rows import book_rows, events_of, journal_rows


def oracle(rows: np.ndarray) -> list[bytes]:
    """Hash every event as docs/data.md 3 says it, the slow way."""
    base, taken, hashes = sha256(b"mm/chain/1").digest(), b"", []
    for seq, event in enumerate(events_of(rows)):
        if seq % 1024 == 0:
            base, taken = (hashes[-1] if hashes else base), b""
        taken += event.tobytes()
        hashes.append(sha256(base + taken).digest())
    return hashes


def timers(count: int) -> np.ndarray:
    """Return TIMER events; event n stands for n seconds."""
    rows = np.zeros(count, EVENT)
    rows["seq"] = np.arange(count)
    for field in ("ts_exchange_ns", "price_ticks", "order_id", "aux"):
        rows[field] = NO_VALUE
    rows["ts_receive_ns"] = np.arange(count) * 1_000_000_000
    rows["kind"], rows["side"], rows["flags"] = EventKind.TIMER, Side.NONE, Flag.LAST
    return rows


# docs/data.md 3: n TIMER events -> head. 1,024 ends the first block, 1,025 starts the second.
VECTORS = {
    0: "c52c5d24a52c9d222c20e67b277375dedaf9f566d87103ada62107bc257cf5f4",
    1: "2b82e30d72a7d58f3d95037f42ee2e38a7821ca4b3b56a19c2a1595751daa0fb",
    2: "706ae1013bc289506cf2e9f0c002e6184bbf434dac1e93a9cc497587a889f803",
    1024: "3df75b2185951c535dcc91e93c8fe54886f372fe0718df22c4d09db38ae2fc71",
    1025: "b1f2249eb4e285cc28462f265feb5dc80480509dba54d0dc4cdb02c0d42f9556",
    5000: "cee9ffbc101e0fa0259ee852606cb8c8641b7cc157e06abbb20064e04f25aea6",
}


@pytest.mark.parametrize("count", VECTORS)
def test_documented_vectors(count: int) -> None:
    chain = Chain()
    chain.update(timers(count))
    assert chain.head.hex() == VECTORS[count]


def test_hash_of_each_event_is_the_documented_one() -> None:
    rows = journal_rows(2100, (1,))
    hashes = oracle(rows)
    chain = Chain()
    assert chain.head == GENESIS_BASE
    assert chain.event_hashes(rows) == hashes
    assert (chain.head, chain.seq_next) == (hashes[-1], 2100)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=60), st.lists(st.integers(0, 2500), max_size=12))
def test_head_does_not_depend_on_batches(row_counts: list[int], cuts: list[int]) -> None:
    rows = book_rows(islice(cycle(row_counts), 2500))
    whole, parts = Chain(), Chain()
    whole.update(rows)
    for first, end in pairwise([0, *sorted(cuts), 2500]):
        parts.update(rows[np.searchsorted(rows["seq"], first) : np.searchsorted(rows["seq"], end)])
    assert parts.head == whole.head and parts.seq_next == whole.seq_next == 2500


@pytest.mark.parametrize("seq", [1024, 2048])
def test_chain_goes_on_from_a_block_boundary(seq: int) -> None:
    rows = journal_rows(3000)
    hashes = oracle(rows)
    chain = Chain(hashes[seq - 1], seq)
    chain.update(rows[rows["seq"] >= seq])
    assert chain.head == hashes[-1]


@pytest.mark.parametrize(("base", "seq_next"), [(GENESIS_BASE, 1), (GENESIS_BASE, -1024), (b"short", 0)])
def test_chain_starts_at_a_block_boundary_only(base: bytes, seq_next: int) -> None:
    with pytest.raises(ValueError, match="block boundary"):
        Chain(base, seq_next)


def test_update_that_does_not_continue_takes_nothing() -> None:
    rows = journal_rows(3000, (1,))
    for bad in (rows[rows["seq"] >= 5], rows[rows["seq"] >= 1], rows[rows["seq"] != 1024]):
        chain = Chain()
        with pytest.raises(ValueError, match="seq"):
            chain.update(bad)
        assert (chain.head, chain.seq_next) == (GENESIS_BASE, 0)


def test_copy_is_independent() -> None:
    rows = journal_rows(10)
    chain = Chain()
    twin = chain.copy()
    twin.update(rows)
    assert chain.head == GENESIS_BASE != twin.head


# Ten events of 3 rows: row 15 is the first of seq 5, row 17 its last.
FAULTS = {
    "seq skipped": (lambda rows: rows["seq"].__setitem__(slice(15, None), rows["seq"][15:] + 1), 15, 5),
    "seq repeated": (lambda rows: rows["seq"].__setitem__(slice(15, 18), 4), 15, 5),
    "seq inside an event": (lambda rows: rows["seq"].__setitem__(16, 6), 16, 5),
    "last flag lost": (lambda rows: rows["flags"].__setitem__(17, 0), 18, 5),
    "last flag too early": (lambda rows: rows["flags"].__setitem__(15, 1), 16, 6),
    "last flag lost at the end": (lambda rows: rows["flags"].__setitem__(29, 0), 29, 9),
    "kind changes inside": (lambda rows: rows["kind"].__setitem__(16, EventKind.BBO), 16, 5),
    "frame among rows": (lambda rows: rows["kind"].__setitem__(slice(15, 18), EventKind.FRAME), 15, 5),
    "starts elsewhere": (lambda rows: rows["seq"].__setitem__(slice(None), rows["seq"] + 1), 0, 0),
}


def passes_compiled(rows: np.ndarray, seq_next: int) -> bool:
    words = np.frombuffer(rows.tobytes(), "<i8")
    return bool(are_whole_events(words, seq_next))


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("check", [check_rows, check_each_row])
def test_first_row_at_fault_is_named(name: str, check) -> None:
    change, row, seq = FAULTS[name]
    rows = book_rows([3] * 10)
    check(rows, 0)
    assert passes_compiled(rows, 0)
    change(rows)
    with pytest.raises(RowFault) as caught:
        check(rows, 0)
    assert (caught.value.row, caught.value.seq) == (row, seq)
    assert not passes_compiled(rows, 0)


def test_fault_among_many_rows_is_found() -> None:
    rows = book_rows([1] * (2 * LOAD_ROW_COUNT))
    for row in (0, 1, LOAD_ROW_COUNT, len(rows) - 1):
        bad = rows.copy()
        bad["seq"][row] += 1
        with pytest.raises(RowFault) as caught:
            check_rows(bad, 0)
        assert caught.value.row == row


def test_event_longer_than_the_limit_is_refused() -> None:
    check_rows(book_rows([1 << 17]), 0)
    with pytest.raises(RowFault, match="at most 131072"):
        check_rows(book_rows([1, (1 << 17) + 1]), 0)


ROW_CHANGES = st.tuples(
    st.integers(0, 11),
    st.sampled_from([("seq", 6), ("seq", 5), ("kind", 255), ("kind", 11), ("flags", 0), ("flags", 9)]),
)


@given(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=4), changes=st.lists(ROW_CHANGES, max_size=3))
def test_both_checks_judge_alike(sizes: list[int], changes) -> None:
    rows = book_rows(sizes, 5)
    for place, (field, value) in changes:
        rows[field][place % len(rows)] = value
    try:
        check_each_row(rows, 5)
        is_good = True
    except RowFault:
        is_good = False
    assert passes_compiled(rows, 5) == is_good


@given(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_numbering_ends_each_event_where_it_ends(sizes: list[int]) -> None:
    rows, ends = book_rows(sizes), []
    expected = book_rows(sizes, 7).tobytes()
    while not ends or ends[-1] < len(rows):
        ends.append(int(number_event(rows, ends[-1] if ends else 0, 7 + len(ends))))
    assert ends == np.cumsum(sizes).tolist() and rows.tobytes() == expected


def test_numbering_an_event_without_an_end_stops_at_the_last_row() -> None:
    rows = book_rows([3])
    rows["flags"] = 0
    assert number_event(rows, 0, 5) == 3
    assert number_event(rows, 3, 5) == 3
