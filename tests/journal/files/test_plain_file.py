"""Links, pipes, sparse files and nesting where a journal keeps files of its own: one line, bounded, nothing touched."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mmfold.journal.errors import JournalError, SealDiffers
from mmfold.journal.log import checkpoints
from mmfold.journal.log.chain import GENESIS_BASE
from mmfold.journal.log.lock import is_locked
from mmfold.journal.log.reader import Journal
from mmfold.journal.log.seal import read_seal
from mmfold.journal.log.segment import segment_paths
from mmfold.journal.log.writer import Writer
from mmfold.journal.recovery.recover import recover
from tests.journal.make_rows import journal_rows, write_journal


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    (tmp_path / "foreign").write_bytes(b"somebody's")
    (tmp_path / "elsewhere").mkdir()
    return write_journal(tmp_path / "j", journal_rows(100), 50, seal=False)


def as_link(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(path.parent.parent / "foreign")


def as_fifo(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def as_sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


def as_directory(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


STRANGE: list[Callable[[Path], None]] = [as_link, as_fifo, as_sparse, as_directory]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("make", STRANGE)
def test_a_strange_seal_is_no_seal(journal: Path, make: Callable[[Path], None]) -> None:
    make(journal / "seal.json")
    for work in (read_seal, lambda path: list(Journal(path).verified_chunks()), Writer):
        with pytest.raises(SealDiffers):
            work(journal)
    assert (journal.parent / "foreign").read_bytes() == b"somebody's"


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", ["[" * 4000, "1" * 4000, '{"events":' * 300, "\x00", '"', "[1]"])
def test_a_seal_that_is_none_is_told_in_a_line(journal: Path, text: str) -> None:
    (journal / "seal.json").write_text(text)
    with pytest.raises(SealDiffers, match="expected a seal"):
        read_seal(journal)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("make", STRANGE)
def test_a_strange_lock_is_neither_taken_nor_touched(journal: Path, make: Callable[[Path], None]) -> None:
    make(journal / "writer.lock")
    assert not is_locked(journal)
    for work in (Writer, lambda path: recover(path, apply=True)):
        with pytest.raises(JournalError):
            work(journal)
    assert (journal.parent / "foreign").read_bytes() == b"somebody's"


def test_a_lock_that_is_a_second_name_of_a_foreign_file_is_not_emptied(journal: Path) -> None:
    (journal / "writer.lock").unlink()
    (journal.parent / "foreign").write_bytes(b"x" * 100)
    os.link(journal.parent / "foreign", journal / "writer.lock")
    with pytest.raises(JournalError, match="not a lock"):
        Writer(journal)
    assert (journal.parent / "foreign").read_bytes() == b"x" * 100


def test_torn_bytes_do_not_leave_through_a_link(journal: Path) -> None:
    (journal / "recovered").symlink_to(journal.parent / "elsewhere")
    path = segment_paths(journal)[-1]
    path.write_bytes(path.read_bytes() + b"torn")
    data = path.read_bytes()
    with pytest.raises(JournalError, match="symbolic link"):
        recover(journal, apply=True)
    assert path.read_bytes() == data and not list((journal.parent / "elsewhere").iterdir())


def test_a_segment_that_is_a_link_is_read_and_not_appended_to(journal: Path) -> None:
    path = segment_paths(journal)[0]
    path.rename(journal.parent / "elsewhere" / "000000.mmj")
    path.symlink_to(journal.parent / "elsewhere" / "000000.mmj")
    assert sum(len(rows) for rows in Journal(journal).verified_chunks())
    with pytest.raises(JournalError, match="symbolic link"):
        Writer(journal)


@pytest.mark.timeout(20)
def test_nobody_waits_for_a_segment_that_is_a_pipe(journal: Path) -> None:
    as_fifo(segment_paths(journal)[0])
    for work in (lambda path: Journal(path).manifest(), Writer, lambda path: recover(path, apply=False)):
        with pytest.raises(JournalError, match="not a regular file"):
            work(journal)


def test_checkpoints_behind_a_link_are_none(journal: Path) -> None:
    (journal / "checkpoints").symlink_to(journal.parent / "elsewhere")
    with pytest.raises(OSError, match="symbolic link"):
        checkpoints.save(journal, "k", 1024, GENESIS_BASE, b"state", {})
    (journal.parent / "elsewhere" / f"{2048:016d}-{'a' * 12}.ckpt").write_bytes(b"")
    Writer(journal).close()
    assert checkpoints.list_checkpoints(journal) == [] and len(list((journal.parent / "elsewhere").iterdir())) == 1


@pytest.mark.timeout(20)
@pytest.mark.parametrize("make", STRANGE)
def test_a_strange_checkpoint_is_none(journal: Path, make: Callable[[Path], None]) -> None:
    path = checkpoints.save(journal, "k", 1024, GENESIS_BASE, b"state", {})
    assert checkpoints.nearest(journal, "k", 2000) is not None
    make(path)
    assert checkpoints.nearest(journal, "k", 2000) is None


def test_a_checkpoint_whose_words_nest_is_none(journal: Path) -> None:
    deep: object = 1
    for _ in range(200):
        deep = [deep]
    checkpoints.save(journal, "k", 1024, GENESIS_BASE, b"state", {"document": deep})
    assert checkpoints.nearest(journal, "k", 2000) is None
