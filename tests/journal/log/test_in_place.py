"""A journal that is moved, removed, replaced or cut under its writer: it is seen, nothing is sealed, nothing harmed."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mmfold.journal.errors import Displaced
from mmfold.journal.log.segment import segment_paths
from mmfold.journal.log.writer import Writer
from tests.journal.make_rows import files_of, journal_rows

ROWS = journal_rows(2300)


def replaced(path: Path) -> None:
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data)


HARMS: dict[str, Callable[[Path], object]] = {
    "removed": shutil.rmtree,
    "moved": lambda j: j.rename(j.with_name("moved")),
    "another in its place": lambda j: (j.rename(j.with_name("moved")), shutil.copytree(j.with_name("moved"), j)),
    "last segment cut": lambda j: os.truncate(segment_paths(j)[-1], 200),
    "last segment longer": lambda j: os.truncate(segment_paths(j)[-1], 1 << 20),
    "last segment removed": lambda j: segment_paths(j)[-1].unlink(),
    "last segment replaced": lambda j: replaced(segment_paths(j)[-1]),
    "first segment removed": lambda j: segment_paths(j)[0].unlink(),
    "first segment cut": lambda j: os.truncate(segment_paths(j)[0], 200),
    "lock removed": lambda j: (j / "writer.lock").unlink(),
    "lock replaced": lambda j: replaced(j / "writer.lock"),
}


@pytest.mark.parametrize("reopened", [False, True])
@pytest.mark.parametrize("name", HARMS)
def test_it_is_seen_and_not_sealed(tmp_path: Path, name: str, reopened: bool) -> None:
    writer = Writer(tmp_path / "j", segment_bytes_max=100_000)
    writer.append(ROWS[ROWS["seq"] < 2200])
    writer.commit()
    if reopened:
        writer.close()
        writer = Writer(tmp_path / "j", segment_bytes_max=100_000)
    writer.check_in_place()
    HARMS[name](tmp_path / "j")
    files = files_of(tmp_path)
    with pytest.raises(Displaced) as caught:
        writer.check_in_place()
    assert caught.value.hint
    with pytest.raises(Displaced):
        writer.append(ROWS[ROWS["seq"] >= 2200])
    with pytest.raises(Displaced):
        writer.close()
    assert {name.rpartition("/")[2] for name in files} == {name.rpartition("/")[2] for name in files_of(tmp_path)}
    assert not list(tmp_path.rglob("seal.json"))


def test_what_happens_just_before_the_end_is_not_sealed(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "j")
    writer.append(ROWS)
    writer.commit()
    (tmp_path / "j").rename(tmp_path / "moved")
    with pytest.raises(Displaced):
        writer.close()
    assert not (tmp_path / "moved" / "seal.json").exists() and not (tmp_path / "j").exists()


def test_a_journal_that_grows_and_rotates_is_in_place(tmp_path: Path) -> None:
    with Writer(tmp_path / "j", segment_bytes_max=70_000) as writer:
        for first in range(0, 2300, 100):
            writer.append(ROWS[(ROWS["seq"] >= first) & (ROWS["seq"] < first + 100)])
            writer.check_in_place()
            writer.commit()
            writer.check_in_place()
    assert len(segment_paths(tmp_path / "j")) > 2
