"""Following: exactly the committed events, in order, whatever the writer in its own process does or suffers."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mmfold.engine.codes import EventKind
from mmfold.engine.records import EVENT
from mmfold.journal.errors import Corrupt, JournalError, NotAJournal
from mmfold.journal.log.chain import GENESIS_BASE, Chain
from mmfold.journal.log.follow import NO_ROWS, Follower
from mmfold.journal.log.seal import SEAL_NAME
from mmfold.journal.log.segment import FRAME_BYTES, SEGMENT_HEADER_BYTES, segment_paths
from mmfold.journal.log.writer import Writer
from mmfold.journal.recovery.recover import recover
from tests.journal.make_rows import book_rows, frame_ends, journal_rows, write_journal

REPO = Path(__file__).resolve().parents[3]
EVENT_COUNT = 6000
ROWS = journal_rows(EVENT_COUNT)
WAIT_S = 20.0  # far beyond what a commit takes to come

# Appends the events from SEQ on in commits of 73; write number N is cut after CUT bytes and the process dies in it.
WRITER = """
import os, signal, sys
import mmfold.journal.log.writer as module
from tests.journal.make_rows import journal_rows

directory, seq, count, segment_bytes, n, cut = sys.argv[1], *map(int, sys.argv[2:])
rows = journal_rows(count)
whole, calls = module.write_all, [0]

def dying(fd, parts, offset):
    calls[0] += 1
    if calls[0] != n:
        return whole(fd, parts, offset)
    data = b"".join(parts)
    os.pwrite(fd, data[:cut % len(data)], offset)
    os.kill(os.getpid(), signal.SIGKILL)

module.write_all = dying
with module.Writer(directory, segment_bytes_max=segment_bytes) as writer:
    for start in range(seq, count, 73):
        writer.append(rows[(rows["seq"] >= start) & (rows["seq"] < start + 73)])
        writer.commit()
"""


def start_writer(directory: Path, seq: int = 0, dies_in: int = 0, cut: int = 0) -> subprocess.Popen[bytes]:
    words = [directory, seq, EVENT_COUNT, 60_000, dies_in, cut]
    environment = {**os.environ, "PYTHONPATH": str(REPO), "NUMBA_DISABLE_JIT": "1"}
    return subprocess.Popen([sys.executable, "-c", WRITER, *map(str, words)], env=environment)


def read_until(follower: Follower, seq_end: int) -> np.ndarray:
    """Return what comes until the journal has so many events."""
    found = [NO_ROWS]
    while follower.seq_next < seq_end:
        rows = follower.next_rows(WAIT_S)
        assert len(rows), f"nothing came after seq {follower.seq_next}"
        found.append(rows)
    return np.concatenate(found)


def read_all(follower: Follower) -> np.ndarray:
    """Return what is committed now."""
    found = [NO_ROWS]
    while len(rows := follower.next_rows(0.0)):
        found.append(rows)
    return np.concatenate(found)


def expected_rows(seq_from: int, seq_end: int) -> np.ndarray:
    return ROWS[(ROWS["seq"] >= seq_from) & (ROWS["seq"] < seq_end)]


def base_at(seq: int) -> bytes:
    chain = Chain()
    chain.update(ROWS[ROWS["seq"] < seq])
    return chain.head


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_journal(tmp_path_factory.mktemp("made"), ROWS, 73, segment_bytes_max=60_000)


@pytest.mark.timeout(60)
def test_every_commit_of_another_process_arrives_across_rotations(tmp_path: Path) -> None:
    with Follower(tmp_path / "j") as follower:
        assert len(follower.next_rows(0.0)) == 0 and follower.bytes_left() == 0  # nothing is there yet
        process = start_writer(tmp_path / "j")
        assert read_until(follower, EVENT_COUNT).tobytes() == ROWS.tobytes()
        assert process.wait(WAIT_S) == 0
        assert len(segment_paths(tmp_path / "j")) > 3
        assert follower.head == base_at(EVENT_COUNT) and follower.bytes_left() == 0
        assert len(follower.next_rows(0.0)) == 0


# The writer dies in its 30th write: the rest of a frame never comes, or not even all of its header, or no byte; write
# 15 starts a segment.
@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("dies_in", "cut"), [(30, 0), (30, 30), (30, FRAME_BYTES), (30, 1000), (30, -1), (15, 90), (15, 200)]
)
def test_a_writer_that_dies_in_a_commit_leaves_nothing_of_it(tmp_path: Path, dies_in: int, cut: int) -> None:
    with Follower(tmp_path) as follower:
        process = start_writer(tmp_path, 0, dies_in, cut)
        assert process.wait(WAIT_S) == -signal.SIGKILL
        first = read_all(follower)
        seq_end = follower.seq_next
        assert 900 < seq_end < EVENT_COUNT - 73
        assert first.tobytes() == expected_rows(0, seq_end).tobytes()
        assert len(follower.next_rows(0.02)) == 0  # waits, and is no error
        recover(tmp_path, apply=True)
        process = start_writer(tmp_path, seq_end)
        assert read_until(follower, EVENT_COUNT).tobytes() == expected_rows(seq_end, EVENT_COUNT).tobytes()
        assert process.wait(WAIT_S) == 0


@pytest.mark.parametrize("window_bytes", [64, 1000, 1 << 22])
@pytest.mark.parametrize("seq_from", [0, 1, 1024, 2048, 5000, 5999])
def test_it_starts_where_it_is_told_to_whatever_its_window(made: Path, seq_from: int, window_bytes: int) -> None:
    base = base_at(seq_from) if seq_from % 1024 == 0 else None
    with Follower(made, seq_from, base, window_bytes=window_bytes) as follower:
        assert read_all(follower).tobytes() == expected_rows(seq_from, EVENT_COUNT).tobytes()
        assert follower.head == base_at(EVENT_COUNT) and follower.seq_next == EVENT_COUNT


@pytest.mark.parametrize("seq_from", [1024, 2048, 5120])
def test_a_base_of_another_journal_is_refused(made: Path, seq_from: int) -> None:
    with Follower(made, seq_from, GENESIS_BASE) as follower, pytest.raises(Corrupt, match="expected base"):
        read_all(follower)


def test_what_is_read_at_once_is_bounded(made: Path) -> None:
    with Follower(made, window_bytes=10_000) as follower:
        sizes = []
        while len(rows := follower.next_rows(0.0)):
            assert not rows.flags.writeable
            sizes.append(rows.nbytes)
    assert max(sizes) <= 146 * 64 * 2 and len(sizes) > 50


def test_a_commit_longer_than_the_window_comes_whole(tmp_path: Path) -> None:
    rows = np.concatenate([journal_rows(10), book_rows([100_000, 1, 120_000], 10)])
    write_journal(tmp_path, rows)
    with Follower(tmp_path, window_bytes=1 << 12) as follower:
        assert read_all(follower).tobytes() == rows.tobytes()


def test_the_rest_of_a_commit_is_waited_for_at_every_byte(tmp_path: Path) -> None:
    write_journal(tmp_path, journal_rows(100), 10, seal=False)
    path = tmp_path / "000000.mmj"
    whole, ends = path.read_bytes(), [end for end, _ in frame_ends(tmp_path)]
    for end in (*range(SEGMENT_HEADER_BYTES), *range(ends[3], ends[4] + 1, 7), *range(ends[8], ends[9])):
        path.write_bytes(whole[:end])
        with Follower(tmp_path) as follower:
            read_all(follower)
            assert follower.seq_next == 10 * sum(one <= end for one in ends)
            path.write_bytes(whole)
            read_all(follower)
            assert follower.seq_next == 100


def zeros_at(data: bytes, start: int, end: int) -> bytes:
    return data[:start] + bytes(end - start) + data[end:]


# | bytes | what becomes of them | the first bad seq, or None: waits, with so many events |
FAULTS: list[tuple[str, Callable[[bytes, list[int]], bytes], type[JournalError] | None, int]] = [
    ("the last commit's rows are zeros", lambda b, e: zeros_at(b, e[8] + FRAME_BYTES, e[9]), None, 90),
    ("the last commit is zeros", lambda b, e: zeros_at(b, e[8], e[9]), None, 90),
    ("zeros after the last commit", lambda b, e: b + bytes(700), None, 100),
    ("the header is zeros and nothing follows", lambda b, e: bytes(300), None, 0),
    ("a commit's rows are zeros", lambda b, e: zeros_at(b, e[4] + FRAME_BYTES, e[5]), Corrupt, 50),
    ("a byte of a row is zero", lambda b, e: zeros_at(b, e[4] + 88, e[4] + 89), Corrupt, 50),
    ("a commit's header is zeros", lambda b, e: zeros_at(b, e[4], e[4] + FRAME_BYTES), Corrupt, 50),
    ("a commit is missing", lambda b, e: b[: e[4]] + b[e[5] :], Corrupt, 50),
    ("a commit stands twice", lambda b, e: b[: e[9]] + b[e[8] : e[9]], Corrupt, 100),
]  # fmt: skip


@pytest.mark.parametrize("window_bytes", [64, 1 << 22])
@pytest.mark.parametrize(
    ("change", "error", "seq"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS]
)
def test_bad_bytes_are_waited_out_at_the_end_and_told_before_it(
    tmp_path: Path,
    change: Callable[[bytes, list[int]], bytes],
    error: type[JournalError] | None,
    seq: int,
    window_bytes: int,
) -> None:
    write_journal(tmp_path, journal_rows(100), 10, seal=False)
    path = tmp_path / "000000.mmj"
    path.write_bytes(change(path.read_bytes(), [end for end, _ in frame_ends(tmp_path)]))
    with Follower(tmp_path, window_bytes=window_bytes) as follower:
        if error is None:
            read_all(follower)
        else:
            with pytest.raises(error) as caught:
                read_all(follower)
            assert caught.value.seq == seq
        assert follower.seq_next == seq  # all whole commits before came


def test_a_seal_or_a_next_segment_makes_a_torn_tail_an_error(tmp_path: Path) -> None:
    write_journal(tmp_path, ROWS, 73, segment_bytes_max=60_000)
    last = segment_paths(tmp_path)[-1]
    whole = last.read_bytes()
    last.write_bytes(whole[:-1])
    with Follower(tmp_path) as follower, pytest.raises(JournalError, match="as sealed"):
        read_all(follower)
    last.write_bytes(whole)
    (tmp_path / SEAL_NAME).unlink()
    with open(tmp_path / "000001.mmj", "ab") as file:
        file.write(bytes(10))
    with Follower(tmp_path) as follower:
        with pytest.raises(Corrupt, match="other bytes"):
            read_all(follower)
        assert follower.seq_next == 2048


def test_commits_that_are_taken_back_after_they_were_read_are_told(tmp_path: Path) -> None:
    write_journal(tmp_path, journal_rows(100), 10, seal=False)
    with Follower(tmp_path) as follower:
        read_all(follower)
        os.truncate(tmp_path / "000000.mmj", frame_ends(tmp_path)[8][0])
        with pytest.raises(Corrupt, match="were read before"):
            follower.next_rows(0.0)


def test_the_next_writer_goes_on_in_a_sealed_journal(tmp_path: Path) -> None:
    write_journal(tmp_path, expected_rows(0, 3000), 73)
    with Follower(tmp_path) as follower:
        assert read_all(follower).tobytes() == expected_rows(0, 3000).tobytes()
        with Writer(tmp_path) as writer:
            writer.append(expected_rows(3000, 4000))
            writer.commit()
            assert read_all(follower).tobytes() == expected_rows(3000, 4000).tobytes()


def test_a_file_is_no_journal_to_follow(made: Path) -> None:
    with pytest.raises(NotAJournal, match="a journal directory to follow"):
        Follower(made / "000000.mmj")


def test_an_event_of_many_rows_is_never_cut(tmp_path: Path) -> None:
    write_journal(tmp_path, journal_rows(2000, (1, 300)), 5)
    with Follower(tmp_path, window_bytes=5_000) as follower:
        while len(rows := follower.next_rows(0.0)):
            assert rows.dtype == EVENT and rows[-1]["flags"] & 1 and rows[0]["kind"] != EventKind.FRAME
    assert follower.seq_next == 2000
