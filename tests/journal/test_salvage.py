"""What is whole of a damaged journal becomes a new one that names its parent; the damaged one is left as it is."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mmfold.journal.errors import JournalError, Locked, OutputRefused
from mmfold.journal.reader import Journal
from mmfold.journal.salvage import salvage
from mmfold.journal.seal import read_seal
from mmfold.journal.segment import SegmentFile, segment_paths
from mmfold.journal.verify import verify
from mmfold.journal.writer import Writer
from tests.journal.make_rows import files_of, journal_rows, write_journal

ROWS = journal_rows(2300)


def flip(journal: Path, segment: int, frame: int) -> None:
    path = segment_paths(journal)[segment]
    data = bytearray(path.read_bytes())
    data[list(SegmentFile(path).marks())[frame].offset + 64 + 24] ^= 1
    path.write_bytes(data)


def other_seal(journal: Path) -> None:
    (journal / "seal.json").write_text("{}")


# harm, events that are whole
HARMS: list[tuple[Callable[[Path], object], int]] = [
    (lambda j: flip(j, 1, 9), 1450),
    (lambda j: flip(j, 0, 3), 150),
    (lambda j: segment_paths(j)[-1].unlink(), 2048),
    (lambda j: segment_paths(j)[1].unlink(), 1024),
    (lambda j: segment_paths(j)[-1].write_bytes(segment_paths(j)[-1].read_bytes()[:-1]), 2250),
    (other_seal, 2300),
]


@pytest.mark.parametrize(("harm", "events"), HARMS)
def test_the_whole_part_is_a_journal_of_its_own(tmp_path: Path, harm: Callable[[Path], object], events: int) -> None:
    journal = write_journal(tmp_path / "j", ROWS, 50, segment_bytes_max=100_000)
    seal = read_seal(journal)
    assert seal is not None
    harm(journal)
    files = files_of(journal)
    found = salvage(journal, tmp_path / "k")
    manifest, checked = Journal(tmp_path / "k").manifest(), verify(tmp_path / "k")
    assert checked.ok and checked.sealed and checked.events == found.events == events
    assert checked.head == found.head and found.fault and files_of(journal) == files
    sealed_head = found.prefix_head if harm is other_seal else seal.head
    assert manifest.parent_run == manifest.run_id == Journal(tmp_path / "k").manifest().run_id
    assert manifest.extra["parent_head"] == found.parent_head == sealed_head
    assert manifest.extra["parent_prefix_head"] == found.prefix_head
    assert manifest.extra["parent_prefix_events"] == str(events)
    kept = [rows[rows["seq"] > 0].tobytes() for rows in Journal(tmp_path / "k").chunks()]
    assert b"".join(kept) == ROWS[(ROWS["seq"] > 0) & (ROWS["seq"] < events)].tobytes()


def test_what_cannot_be_salvaged_is_told(tmp_path: Path) -> None:
    journal = write_journal(tmp_path / "j", ROWS, 50, segment_bytes_max=100_000)
    with pytest.raises(JournalError, match="nothing to salvage"):
        salvage(journal, tmp_path / "k")
    flip(journal, 0, 0)
    with pytest.raises(JournalError):
        salvage(journal, tmp_path / "k")
    write_journal(tmp_path / "old", ROWS, 50)
    with pytest.raises(OutputRefused, match="exists already"):
        salvage(journal, tmp_path / "old")
    with pytest.raises(OutputRefused, match="expected another place"):
        salvage(journal, journal / "k")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["j", "old"]
    with Writer(tmp_path / "old"), pytest.raises(Locked):
        salvage(tmp_path / "old", tmp_path / "k")
