"""The writer: what it acknowledged is there, what failed is not, and there is only one."""

import os
import resource
import subprocess
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from mmfold.journal.errors import JournalError, JournalFull, Locked, SealDiffers, TornTail, WrongVersion
from mmfold.journal.log.chain import Chain
from mmfold.journal.log.days import NS_PER_DAY
from mmfold.journal.log.reader import Journal
from mmfold.journal.log.seal import read_seal
from mmfold.journal.log.segment import SegmentFile, encode_segment_header, segment_paths
from mmfold.journal.log.verify import verify
from mmfold.journal.log.writer import Writer
from tests.journal.make_rows import TS_NS, book_rows, files_of, frame_ends, journal_rows, write_journal


def head_of(rows: np.ndarray) -> bytes:
    chain = Chain()
    chain.update(rows)
    return chain.head


def rows_in(directory: Path) -> np.ndarray:
    return np.concatenate(list(Journal(directory).verified_chunks()))


@pytest.mark.parametrize("frame_event_count", [1, 7, 4000])
@pytest.mark.parametrize("segment_bytes_max", [1, 100_000, 1 << 28])
def test_what_is_written_is_read(tmp_path: Path, frame_event_count: int, segment_bytes_max: int) -> None:
    rows = journal_rows(3500)
    write_journal(tmp_path, rows, frame_event_count, segment_bytes_max=segment_bytes_max)
    assert rows_in(tmp_path).tobytes() == rows.tobytes()
    verification = verify(tmp_path)
    assert verification.ok and verification.sealed and verification.head == head_of(rows).hex()
    assert (verification.events, verification.rows) == (3500, len(rows))


def test_commit_returns_the_running_digest(tmp_path: Path) -> None:
    rows = journal_rows(6)
    with Writer(tmp_path, sync="commit") as writer:
        assert writer.commit() == Chain().head
        for end in (2, 6):
            part = rows[(rows["seq"] >= writer.seq_next) & (rows["seq"] < end)]
            writer.append(part)
            assert writer.seq_next == end and writer.row_count < len(rows)
            assert writer.commit() == writer.head == head_of(rows[rows["seq"] < end])
        assert writer.row_count == len(rows)


def test_appended_rows_are_copied(tmp_path: Path) -> None:
    rows = journal_rows(5)
    given = rows.copy()
    with Writer(tmp_path) as writer:
        writer.append(given)
        given["qty_lots"] = 0
    assert rows_in(tmp_path).tobytes() == rows.tobytes()


@pytest.mark.parametrize(
    "bad",
    [
        book_rows([1, 1], seq_first=11),
        book_rows([1, 1], seq_first=9),
        book_rows([2, 2], seq_first=10)[:3],
        book_rows([1], seq_first=10).view("V64"),
        book_rows([1, 1], seq_first=10).reshape(2, 1),
    ],
    ids=["gap", "repeat", "half an event", "other records", "other shape"],
)
def test_rows_that_are_not_the_next_events_are_refused(tmp_path: Path, bad: np.ndarray) -> None:
    rows = journal_rows(10)
    with Writer(tmp_path) as writer:
        writer.append(rows)
        with pytest.raises(ValueError, match="expected"):
            writer.append(bad)
    assert rows_in(tmp_path).tobytes() == rows.tobytes()


def test_large_appends_become_frames_of_whole_events(tmp_path: Path) -> None:
    rows = book_rows([3] * 30_000 + [100_000] + [1] * 10, 1)
    with Writer(tmp_path) as writer:
        writer.append(journal_rows(1))
        writer.commit()
        writer.append(rows)
    frames = list(Journal(tmp_path).frames(1))
    # 65,535 is the last multiple of 3; the event of 100,000 rows is one frame of its own.
    assert [frame.mark.row_count for frame in frames] == [65_535, 24_465, 100_000, 10]
    assert all(frame.rows["flags"][-1] & 1 for frame in frames)
    assert np.concatenate([frame.rows for frame in frames]).tobytes() == rows.tobytes()


def test_first_event_is_the_manifest(tmp_path: Path) -> None:
    with Writer(tmp_path) as writer:
        with pytest.raises(ValueError, match="expected the manifest at seq 0, found kind 11"):
            writer.append(book_rows([1]))
        assert writer.seq_next == 0
        writer.append(journal_rows(1))
        writer.append(book_rows([1], 1))
    assert verify(tmp_path).ok and verify(tmp_path).events == 2


def test_memory_is_bounded_without_commits(tmp_path: Path) -> None:
    with Writer(tmp_path) as writer:
        writer.append(journal_rows(1))
        for start in range(1, 200_000, 20_000):
            writer.append(book_rows([1] * 20_000, start))
            assert writer.seq_next - writer.row_count < 65_536


def test_segments_rotate_at_block_boundaries_and_are_linked(tmp_path: Path) -> None:
    rows = journal_rows(9000)
    write_journal(tmp_path, rows, 333, segment_bytes_max=200_000)
    headers = [SegmentFile(path).header for path in segment_paths(tmp_path)]
    assert len(headers) > 3
    assert [header.segment_index for header in headers] == list(range(len(headers)))
    for header in headers:
        assert header.seq_first % 1024 == 0 and header.base == head_of(rows[rows["seq"] < header.seq_first])
    assert all(after.seq_first > before.seq_first for before, after in pairwise(headers))


def test_segments_rotate_when_the_day_changes(tmp_path: Path) -> None:
    day = TS_NS // NS_PER_DAY
    midnight_ns = (day + 1) * NS_PER_DAY
    rows = journal_rows(6000, (1,))
    late = rows["seq"] >= 1500
    rows["ts_receive_ns"][late] = midnight_ns + rows["seq"][late]
    rows["ts_receive_ns"][rows["seq"] == 3072] = midnight_ns - 1  # a clock that goes back does not rotate
    write_journal(tmp_path, rows, 100)
    headers = [SegmentFile(path).header for path in segment_paths(tmp_path)]
    # The manifest carries no time, so segment 0 has no day of its own.
    assert [(header.seq_first, header.day) for header in headers] == [(0, -(1 << 62)), (2048, day + 1)]


def test_reopened_journal_goes_on(tmp_path: Path) -> None:
    rows = journal_rows(5000)
    for end in (1, 700, 1024, 3000, 3000, 5000):
        with Writer(tmp_path, segment_bytes_max=100_000) as writer:
            assert read_seal(tmp_path) is None
            writer.append(rows[(rows["seq"] >= writer.seq_next) & (rows["seq"] < end)])
        assert verify(tmp_path).ok and verify(tmp_path).sealed
    once = tmp_path / "once"
    write_journal(once, rows, 5000, segment_bytes_max=100_000)
    assert rows_in(tmp_path).tobytes() == rows_in(once).tobytes()
    assert read_seal(tmp_path).head == read_seal(once).head and read_seal(tmp_path).rows == len(rows)


def test_rows_are_counted_without_a_seal(tmp_path: Path) -> None:
    rows = journal_rows(4000)
    write_journal(tmp_path, rows, segment_bytes_max=100_000, seal=False)
    with Writer(tmp_path) as writer:
        assert writer.row_count == len(rows)
    assert verify(tmp_path).ok


def test_second_writer_is_refused_and_the_lock_ends_with_the_first(tmp_path: Path) -> None:
    with Writer(tmp_path) as writer:
        with pytest.raises(Locked, match=f"found process {os.getpid()}"):
            Writer(tmp_path)
        writer.append(journal_rows(3))
    Writer(tmp_path).close()
    assert verify(tmp_path).events == 3


def test_exception_keeps_commits_and_drops_the_rest_without_a_seal(tmp_path: Path) -> None:
    rows = journal_rows(20)
    with pytest.raises(ZeroDivisionError), Writer(tmp_path) as writer:
        writer.append(rows[rows["seq"] < 10])
        writer.commit()
        writer.append(rows[rows["seq"] >= 10])
        raise ZeroDivisionError
    verification = verify(tmp_path)
    assert (verification.ok, verification.sealed, verification.events) == (True, False, 10)
    with pytest.raises(JournalError, match="closed"):
        writer.commit()


def test_writer_without_events_leaves_no_journal(tmp_path: Path) -> None:
    Writer(tmp_path / "j").close()
    assert files_of(tmp_path / "j") == {"writer.lock": b""}


def test_torn_or_cut_or_foreign_journal_is_not_opened(tmp_path: Path) -> None:
    write_journal(tmp_path, journal_rows(100))
    path = tmp_path / "000000.mmj"
    data = path.read_bytes()
    old = SegmentFile(path).header._replace(schema_version=7)
    cases = [
        (data[:-1], TornTail, "mm journal recover"),
        (data + b"\0" * 64, TornTail, "mm journal recover"),
        (b"", TornTail, "mm journal recover"),
        (data[: SegmentFile(path).header and next(SegmentFile(path).marks()).end], SealDiffers, "restore"),
        (encode_segment_header(old) + data[128:], WrongVersion, "build that wrote it"),
    ]
    for content, error, hint in cases:
        path.write_bytes(content)
        before = files_of(tmp_path)
        with pytest.raises(error) as caught:
            Writer(tmp_path)
        assert hint in caught.value.hint
        assert files_of(tmp_path) == before
    path.write_bytes(data)
    Writer(tmp_path).close()


def fill(writer: Writer, rows: np.ndarray) -> int:
    """Commit block after block until there is no room and return the events acknowledged."""
    acknowledged = 0
    with pytest.raises(JournalFull) as caught:
        for start in range(0, int(rows["seq"][-1]) + 1, 50):
            writer.append(rows[(rows["seq"] >= start) & (rows["seq"] < start + 50)])
            writer.commit()
            acknowledged = start + 50
    assert "the journal ends at its last commit" in str(caught.value) and caught.value.hint
    return acknowledged


def test_file_size_limit_takes_nothing_back_that_was_acknowledged(tmp_path: Path) -> None:
    rows = journal_rows(4000)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    writer = Writer(tmp_path)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_001, limits[1]))
        acknowledged = fill(writer, rows)
        assert frame_ends(tmp_path)[-1][1] == acknowledged  # and not a byte after it
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    writer.commit()  # what did not fit is still in memory
    writer.close()
    assert verify(tmp_path).ok and verify(tmp_path).events == acknowledged + 50


def test_first_commit_that_fails_leaves_no_segment(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    writer = Writer(tmp_path)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (130, limits[1]))
        writer.append(journal_rows(10))
        with pytest.raises(JournalFull):
            writer.commit()
        assert segment_paths(tmp_path) == []
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    writer.close()
    assert verify(tmp_path).ok and verify(tmp_path).events == 10


def test_writer_that_cannot_take_back_stops(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    writer.append(journal_rows(10))
    writer.commit()
    read_only = os.open(tmp_path / "000000.mmj", os.O_RDONLY)
    os.dup2(read_only, writer._fd)  # neither writes nor truncates from now on
    os.close(read_only)
    writer.append(book_rows([1], 10))
    for call in (writer.commit, writer.commit, lambda: writer.append(book_rows([1], 11)), writer.close):
        with pytest.raises(JournalError, match="could not take back a failed write") as caught:
            call()
        assert caught.value.hint == "mm journal recover"
    Writer(tmp_path).close()  # the lock is free
    assert verify(tmp_path).ok and verify(tmp_path).events == 10


def test_full_disk_keeps_every_acknowledged_commit(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], capture_output=True, text=True, check=False
    )
    if mount.returncode:
        pytest.skip(f"no small disk to fill: mounting a tmpfs needs root ({mount.stderr.strip()})")
    try:
        writer = Writer(disk / "j")
        acknowledged = fill(writer, journal_rows(6000))
        with pytest.raises(JournalFull):
            writer.close()
        assert frame_ends(disk / "j")[-1][1] == acknowledged
        verification = verify(disk / "j")
        assert acknowledged > 100 and verification.events == acknowledged
        assert (verification.ok, verification.sealed, verification.torn_bytes) == (True, False, 0)
    finally:
        subprocess.run(["umount", str(disk)], check=True)
