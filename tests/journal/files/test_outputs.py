"""Where an output may be put: what is there, what it would be, whether it may, and what is there afterwards."""

import errno
import fcntl
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from mmfold.journal.errors import Locked, OutputRefused
from mmfold.journal.files.outputs import check_directory, check_file, check_files, make_directory, write_file, writing
from mmfold.journal.files.work import WORK_SUFFIX, finished_file, replace_file, work_directory
from mmfold.journal.log.writer import Writer
from tests.journal.make_rows import files_of, journal_rows, write_journal


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a directory with a journal, a capture, links to both and a hard link to the capture."""
    write_journal(tmp_path / "j", journal_rows(3))
    (tmp_path / "capture").write_bytes(b"mine")
    (tmp_path / "old").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "capture")
    (tmp_path / "far").symlink_to(tmp_path / "j")
    os.link(tmp_path / "capture", tmp_path / "same")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "up").symlink_to("..")
    return tmp_path


READ = ("capture", "j")
# output, force, what is said; None: it may be written
FILES = [
    ("new", False, None),
    ("old", False, "exists already"),
    ("old", True, None),
    ("capture", True, "itself"),
    ("same", True, "itself"),
    ("link", True, "itself"),
    ("sub/up/capture", True, "itself"),
    ("sub/../capture", True, "itself"),
    ("j", True, "itself"),
    ("j/000000.mmj", True, "inside of"),
    ("j/new", False, "inside of"),
    ("far/seal.json", True, "inside of"),
    ("j/checkpoints/x", True, "inside of"),
    ("capture/x", True, "inside of"),
    ("sub", True, "found a directory"),
    ("none/x", False, "expected a directory"),
]


@pytest.mark.parametrize(("name", "force", "said"), FILES)
def test_a_file(place: Path, name: str, force: bool, said: str | None) -> None:
    files = files_of(place)
    inputs = [place / each for each in READ]
    if said is None:
        check_file(place / name, inputs=inputs, force=force)
    else:
        with pytest.raises(OutputRefused, match=said) as caught:
            check_file(place / name, inputs=inputs, force=force)
        assert caught.value.hint
    assert files_of(place) == files


@pytest.mark.parametrize("name", ["j/new", "j/000000.mmj", "far/x", "j/recovered/x"])
def test_no_output_goes_into_a_journal_that_nobody_reads(place: Path, name: str) -> None:
    with pytest.raises(OutputRefused, match="inside of the journal"):
        check_file(place / name, force=True)


def test_two_outputs_have_two_places(place: Path) -> None:
    with pytest.raises(OutputRefused, match="two outputs"):
        check_files([place / "new", place / "sub" / ".." / "new"])
    check_files([Path("/dev/null"), Path("/dev/null")])


def foreign(place: Path) -> Path:
    (place / "j" / "notes.txt").write_text("mine")
    return place / "j"


def empty(place: Path) -> Path:
    (place / "new").mkdir()
    return place / "new"


# how the directory is made, what is read, force, what is said
DIRECTORIES: list[tuple[Callable[[Path], Path], str, bool, str | None]] = [
    (lambda place: place / "new", "capture", False, None),
    (empty, "capture", False, None),
    (lambda place: place / "j", "capture", False, "not empty"),
    (lambda place: place / "j", "capture", True, None),
    (lambda place: place / "far", "capture", True, None),
    (lambda place: place / "far", "j", True, "itself"),
    (lambda place: place / "j", "j/000000.mmj", True, "around"),
    (lambda place: place / "j" / "new", "capture", True, "inside of the journal"),
    (lambda place: place, "capture", True, "around"),
    (lambda place: place / "old", "capture", True, "found a file"),
    (foreign, "capture", True, "notes.txt"),
]


@pytest.mark.parametrize(("make", "read", "force", "said"), DIRECTORIES)
def test_a_directory(place: Path, make: Callable[[Path], Path], read: str, force: bool, said: str | None) -> None:
    out = make(place)
    if said is None:
        check_directory(out, inputs=[place / read], force=force)
        return
    with pytest.raises(OutputRefused, match=said):
        check_directory(out, inputs=[place / read], force=force)


def test_a_living_writers_journal_is_not_replaced(place: Path) -> None:
    with Writer(place / "j"), pytest.raises(Locked):
        check_directory(place / "j", force=True)


def test_a_link_stays_and_its_target_changes(place: Path) -> None:
    (place / "a").symlink_to("old")
    (place / "b").symlink_to("not there yet")
    os.chmod(place / "old", 0o640)
    write_file(place / "a", b"new")
    write_file(place / "b", b"new")
    assert (place / "a").is_symlink() and (place / "b").is_symlink()
    assert (place / "old").read_bytes() == (place / "not there yet").read_bytes() == b"new"
    assert stat.S_IMODE((place / "old").stat().st_mode) == 0o640


def test_a_device_and_a_fifo_are_written_through(place: Path) -> None:
    os.mkfifo(place / "pipe")
    check_files([place / "pipe", Path("/dev/null")])
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append((place / "pipe").read_bytes()))
    reader.start()
    write_file(place / "pipe", b"through")
    write_file(Path("/dev/null"), b"away")
    reader.join(10)
    assert got == [b"through"] and stat.S_ISFIFO((place / "pipe").stat().st_mode)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    with pytest.raises(OutputRefused, match="special file"):
        check_file(place / "pipe", is_read_back=True)


def test_a_failure_leaves_what_was_there(place: Path) -> None:
    before = files_of(place)
    with pytest.raises(ZeroDivisionError), writing(place / "old") as file:
        file.write(b"half")
        raise ZeroDivisionError
    assert files_of(place) == before


def test_a_file_that_has_the_name_of_a_temporary_one_is_left_alone(place: Path) -> None:
    (place / "old.tmp").symlink_to("capture")
    write_file(place / "old", b"new")
    assert (place / "capture").read_bytes() == b"mine" and (place / "old.tmp").is_symlink()


def test_what_a_killed_process_left_goes_with_the_next_and_what_a_living_one_does_stays(place: Path) -> None:
    def hidden() -> list[str]:
        return sorted(name for name in os.listdir(place) if name.endswith(WORK_SUFFIX))

    pid = os.fork()
    if not pid:
        with work_directory(place / "new") as work, finished_file(place / "old"):
            (work / "half").write_bytes(b"x")
            os.kill(os.getpid(), 9)
    os.waitpid(pid, 0)
    assert len(hidden()) == 2
    with finished_file(place / "other"):
        assert len(hidden()) == 3, "another name's leftovers are not its business"
    with work_directory(place / "new") as first:
        assert len(hidden()) == 2
        with work_directory(place / "new") as second:
            assert first.is_dir() and second.is_dir()
    write_file(place / "old", b"new")
    assert hidden() == [] and (place / "old").read_bytes() == b"new"


def test_directories_are_made_and_told(tmp_path: Path) -> None:
    out = tmp_path / "a" / "b" / "c"
    assert make_directory(out) == [tmp_path / "a", tmp_path / "a" / "b", out] and out.is_dir()
    assert make_directory(out) == []


MODES = [
    # umask | mode of what is there | mode asked for | while it is written | at the end
    (0o022, None, None, 0o644, 0o644),
    (0o077, None, None, 0o600, 0o600),
    (0o077, 0o664, None, 0o664, 0o664),
    (0o022, 0o600, None, 0o600, 0o600),
    (0o000, None, 0o600, 0o600, 0o600),
    (0o777, None, 0o600, 0o600, 0o600),
    (0o022, 0o644, 0o600, 0o600, 0o600),
]


@pytest.mark.parametrize(("umask", "present", "asked", "during", "after"), MODES)
def test_a_file_has_its_mode_from_its_first_byte_on(
    tmp_path: Path, umask: int, present: int | None, asked: int | None, during: int, after: int
) -> None:
    path = tmp_path / "x"
    if present is not None:
        path.touch()
        path.chmod(present)
    before = os.umask(umask)
    try:
        with finished_file(path, asked) as file:
            assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) == during
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == after


def test_a_link_in_a_journal_is_replaced_and_lends_no_mode(place: Path) -> None:
    (place / "capture").chmod(0o777)
    (place / "seal.json").symlink_to("capture")
    before = os.umask(0)
    try:
        replace_file(place / "seal.json", b"{}")
    finally:
        os.umask(before)
    assert not (place / "seal.json").is_symlink() and (place / "capture").read_bytes() == b"mine"
    assert stat.S_IMODE((place / "seal.json").stat().st_mode) == 0o644


def test_a_file_system_without_locks_takes_whole_files_too(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(fd: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with finished_file(place / "old") as file:
        file.write(b"new")
        replace_file(place / "old", b"another's")
    assert (place / "old").read_bytes() == b"new"
    assert [name for name in os.listdir(place) if name.endswith(WORK_SUFFIX)] == []


def test_every_file_and_name_is_on_disk_before_it_is_said_to_be(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(fd: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else f"{os.fstat(fd).st_size} bytes")
        fsync(fd)

    def note_replace(one: Path, other: Path) -> None:
        done.append("name")
        replace(one, other)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    write_file(place / "old", b"new")
    assert done == ["3 bytes", "name", "folder"]


# What else may put a thing in a name's place: directories and work that is finished, and a stop that is lifted.
REPLACES = {"journal/files/work.py", "journal/files/publish.py", "adapters/live/account/account_stop.py"}


def test_whole_files_are_written_in_one_place() -> None:
    repo = Path(__file__).resolve().parents[3]
    folders = ("engine", "config", "journal", "replay", "reports", "adapters")
    sources = [path for folder in folders for path in (repo / folder).rglob("*.py")]
    found = {one.relative_to(repo).as_posix() for one in sources if "os.replace(" in one.read_text(encoding="utf-8")}
    assert found == REPLACES
