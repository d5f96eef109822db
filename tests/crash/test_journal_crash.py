"""A journal that was cut or killed anywhere recovers to whole commits, with every acknowledged one among them."""

import os
import random
import signal
import subprocess
import sys
import time
from bisect import bisect_right
from itertools import accumulate
from pathlib import Path

import numpy as np

from mmfold.journal.log.chain import GENESIS_BASE, Chain
from mmfold.journal.log.reader import Journal
from mmfold.journal.log.segment import FRAME_BYTES, SEGMENT_HEADER_BYTES, SegmentFile
from mmfold.journal.log.verify import verify
from mmfold.journal.log.writer import Writer
from mmfold.journal.recovery.recover import recover
from tests.journal.make_rows import journal_rows, write_journal

REPO = Path(__file__).resolve().parents[2]
TAIL_BYTES = 64 << 10
STRIDE_BYTES = 17  # coprime with 64: falls on every place of a row

# Commits random batches, says each acknowledged event count and head on its standard output, until it is killed.
CHILD = """
import random, sys
from pathlib import Path
sys.path.insert(0, ".")
from mmfold.journal.log.writer import Writer
from tests.journal.make_rows import book_rows, journal_rows
directory, seed = Path(sys.argv[1]), int(sys.argv[2])
pick = random.Random(seed)
with Writer(directory, segment_bytes_max=300_000) as writer:
    if writer.seq_next == 0:
        writer.append(journal_rows(1))
    while True:
        for _ in range(pick.randint(1, 3)):
            big = pick.random() < 0.02
            counts = [pick.randint(1, 3000 if big else 8) for _ in range(pick.randint(1, 5))]
            writer.append(book_rows(counts, writer.seq_next))
        head = writer.commit()
        print(writer.seq_next, head.hex(), flush=True)
"""


def test_cut_at_every_byte_of_the_tail_keeps_the_whole_commits(tmp_path: Path, seeds: range) -> None:
    """Every byte (0.5 ms each) when MM_TEST_SEEDS is above 3, else all near a frame's ends and a part of the others."""
    write_journal(tmp_path, journal_rows(290, (1, 2, 3, 1, 30, 1)), 12, seal=False, segment_bytes_max=1)
    path = tmp_path / "000000.mmj"
    data = path.read_bytes()
    marks = list(SegmentFile(path).marks())
    assert len(data) > TAIL_BYTES and len(marks) > 20
    ends = [SEGMENT_HEADER_BYTES, *(mark.end for mark in marks)]
    events = [0, *(mark.seq_last + 1 for mark in marks)]
    heads = [GENESIS_BASE.hex(), *(mark.digest.hex() for mark in marks)]
    rows = [0, *accumulate(mark.row_count for mark in marks)]
    near = {end + step for end in ends for step in range(-FRAME_BYTES - 1, FRAME_BYTES + 2)}
    for length in range(len(data) - 1, len(data) - TAIL_BYTES - 1, -1):
        if len(seeds) <= 3 and length not in near and length % STRIDE_BYTES:
            continue
        os.truncate(path, length)
        recovery = recover(tmp_path, apply=False)
        kept = bisect_right(ends, length) - 1
        assert (recovery.events, recovery.rows, recovery.head) == (events[kept], rows[kept], heads[kept]), length
        assert (recovery.offset, recovery.aside_bytes) == (ends[kept], length - ends[kept]), length


def test_recovery_after_a_cut_is_applied_to_the_byte(tmp_path: Path) -> None:
    rows = journal_rows(290, (1, 2, 3, 1, 30, 1))
    write_journal(tmp_path, rows, 12, seal=False)
    path = tmp_path / "000000.mmj"
    data = path.read_bytes()
    mark = list(SegmentFile(path).marks())[-2]
    for length in range(mark.offset, mark.end + 1, 61):
        path.write_bytes(data[:length])
        recovery = recover(tmp_path, apply=True)
        kept = mark.end if length == mark.end else mark.offset
        assert path.read_bytes() == data[:kept]
        assert length == kept or recovery.aside_path.read_bytes() == data[kept:length]
        with Writer(tmp_path) as writer:
            writer.append(rows[rows["seq"] >= writer.seq_next])
        assert np.concatenate(list(Journal(tmp_path).verified_chunks())).tobytes() == rows.tobytes()
        (tmp_path / "seal.json").unlink()


def run_until_killed(directory: Path, seed: int, pick: random.Random) -> list[tuple[int, str]]:
    """Run the child, kill it at a random moment after its first words and return what it acknowledged."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(directory), str(seed)], stdout=subprocess.PIPE, text=True, cwd=REPO
    )
    assert child.stdout is not None
    first = child.stdout.readline()
    time.sleep(pick.random() * 0.06)
    child.send_signal(signal.SIGKILL)
    said = first + child.stdout.read()
    child.stdout.close()
    assert child.wait() == -signal.SIGKILL, "the writer ended by itself"
    whole_lines = said[: said.rindex("\n") + 1].splitlines()
    return [(int(line.split()[0]), line.split()[1]) for line in whole_lines]


def test_killed_writer_keeps_every_acknowledged_commit(tmp_path: Path, seeds: range) -> None:
    for seed in seeds:
        directory, pick = tmp_path / str(seed), random.Random(seed)
        acknowledged: list[tuple[int, str]] = []
        for life in range(2):  # a second life goes on where the first one was recovered
            acknowledged += run_until_killed(directory, 1000 * seed + life, pick)
            recovery = recover(directory, apply=True)
            hashes = Chain().event_hashes(np.concatenate(list(Journal(directory).chunks())))
            verification = verify(directory, workers=2)
            where = f"seed {seed} life {life}"
            assert verification.ok and not verification.sealed, where
            assert verification.events == recovery.events == len(hashes) >= acknowledged[-1][0], where
            assert all(hashes[events - 1].hex() == head for events, head in acknowledged), where
