"""Recovery: one case per letter of the table; what is set aside is kept, and a second time there is nothing to do."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mmfold.journal.errors import Corrupt, JournalError, Locked, NotAJournal, SealDiffers, WrongVersion
from mmfold.journal.log.seal import read_seal
from mmfold.journal.log.segment import SegmentFile, encode_segment_header, segment_paths
from mmfold.journal.log.verify import verify
from mmfold.journal.log.writer import Writer
from mmfold.journal.recovery import recover as table
from mmfold.journal.recovery.recover import recover
from tests.journal.make_rows import book_rows, files_of, frame_ends, journal_rows, write_journal

ROWS = journal_rows(2300)
EVENT_COUNT = 2300
SEGMENT_BYTES_MAX = 100_000


def last_of(journal: Path) -> Path:
    return segment_paths(journal)[-1]


def cut(journal: Path, length: int) -> None:
    path = last_of(journal)
    path.write_bytes(path.read_bytes()[:length])


def add(journal: Path, data: bytes) -> None:
    path = last_of(journal)
    path.write_bytes(path.read_bytes() + data)


def add_segment(journal: Path, data: bytes) -> None:
    (journal / f"{len(segment_paths(journal)):06d}.mmj").write_bytes(data)


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def last_frame(journal: Path) -> tuple[int, int]:
    """Return (offset, first seq) of the last frame."""
    mark = list(SegmentFile(last_of(journal)).marks())[-1]
    return mark.offset, mark.seq_first


def remove_all(journal: Path) -> None:
    for path in segment_paths(journal):
        path.unlink()


def a_frame(journal: Path) -> bytes:
    mark = next(SegmentFile(last_of(journal)).marks())
    return last_of(journal).read_bytes()[mark.offset : mark.end]


LOST = "the last frame"
# (letter, sealed before, what the crash did, what is kept)
CASES: list[tuple[str, bool, Callable[[Path], object], object]] = [
    ("A", False, remove_all, 0),
    ("B", True, lambda j: None, EVENT_COUNT),
    ("C", False, lambda j: None, EVENT_COUNT),
    ("C", False, lambda j: cut(j, 128), 2048),
    ("D", False, lambda j: add_segment(j, b""), EVENT_COUNT),
    ("D", True, lambda j: add_segment(j, b""), EVENT_COUNT),
    ("E", False, lambda j: add_segment(j, (last_of(j)).read_bytes()[:127]), EVENT_COUNT),
    ("E", False, lambda j: add_segment(j, b"M"), EVENT_COUNT),
    ("E", False, lambda j: add_segment(j, bytes(5)), EVENT_COUNT),
    ("F", False, lambda j: add_segment(j, bytes(4096)), EVENT_COUNT),
    ("G", False, lambda j: add(j, a_frame(j)[:63]), EVENT_COUNT),
    ("G", True, lambda j: add(j, b"x"), EVENT_COUNT),
    ("G", False, lambda j: cut(j, last_frame(j)[0] + 1), LOST),
    ("H", False, lambda j: cut(j, last_frame(j)[0] + 64), LOST),
    ("H", False, lambda j: cut(j, last_of(j).stat().st_size - 1), LOST),
    ("I", False, lambda j: add(j, bytes(64)), EVENT_COUNT),
    ("I", True, lambda j: add(j, bytes(5000)), EVENT_COUNT),
    ("I", False, lambda j: flip(last_of(j), last_frame(j)[0] + 3), LOST),
    ("J", False, lambda j: flip(last_of(j), last_frame(j)[0] + 64 + 24), LOST),
    ("J", False, lambda j: flip(last_of(j), last_frame(j)[0] + 64), LOST),
]


def zero_from(journal: Path, offset: int) -> None:
    """Lose everything from an offset on and keep the size, as a power cut does with pages that were not written."""
    path = last_of(journal)
    data = path.read_bytes()
    path.write_bytes(data[:offset] + bytes(len(data) - offset))


@pytest.mark.parametrize("page", range(1, 14))
@pytest.mark.parametrize("event_count", [1, 20])
def test_pages_that_a_power_cut_lost_are_a_torn_tail(tmp_path: Path, page: int, event_count: int) -> None:
    write_journal(tmp_path, ROWS, event_count, seal=False)
    marks = list(SegmentFile(last_of(tmp_path)).marks())
    offset = page * 4096
    kept = max(mark.seq_last + 1 for mark in marks if mark.end <= offset)
    zero_from(tmp_path, offset)
    before = last_of(tmp_path).read_bytes()
    done = recover(tmp_path, apply=True)
    assert done.letter in "GHIJ" and done.events == kept and done.aside_path is not None
    assert last_of(tmp_path).read_bytes() + done.aside_path.read_bytes() == before
    assert verify(tmp_path).ok and recover(tmp_path, apply=True).letter == "C"
    with Writer(tmp_path) as writer:
        assert writer.seq_next == kept


def test_zeros_that_no_power_cut_leaves_are_damage(tmp_path: Path) -> None:
    for number, harm in enumerate(
        (
            lambda j: zero_from(j, 5 * 4096 + 1216),  # from the middle of a page on
            lambda j: (flip(last_of(j), 128 + 64 + 24), zero_from(j, 5 * 4096)),  # and a changed row well before
        )
    ):
        journal = write_journal(tmp_path / str(number), ROWS, 20, seal=False)
        harm(journal)
        with pytest.raises(Corrupt):
            recover(journal, apply=True)
    journal = write_journal(tmp_path / "sealed", ROWS, 20)
    zero_from(journal, 5 * 4096)
    with pytest.raises(SealDiffers):
        recover(journal, apply=True)


@pytest.mark.parametrize(("letter", "sealed", "crash", "kept"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)])
def test_letter(tmp_path: Path, letter: str, sealed: bool, crash: Callable[[Path], object], kept: object) -> None:
    write_journal(tmp_path, ROWS, 20, seal=sealed, segment_bytes_max=SEGMENT_BYTES_MAX)
    events = last_frame(tmp_path)[1] if kept == LOST else kept
    crash(tmp_path)
    before = files_of(tmp_path)

    plan = recover(tmp_path, apply=False)
    assert files_of(tmp_path) == before
    done = recover(tmp_path, apply=True)
    assert (plan.letter, plan.events, plan.applied) == (letter, events, False)
    assert (done.letter, done.events, done.head, done.applied) == (letter, events, plan.head, True)

    after = files_of(tmp_path)
    if plan.segment is not None:
        name = plan.segment.name
        assert done.aside_path == tmp_path / "recovered" / f"torn-{plan.segment.stem}-{plan.offset}.bin"
        assert after.get(name, b"") + done.aside_path.read_bytes() == before[name]
        assert done.aside_bytes == len(before[name]) - plan.offset
        assert (name in after) == (letter not in "DEF")
    unchanged = {name for name in before if plan.segment is None or name != plan.segment.name}
    assert {name: after[name] for name in unchanged} == {name: before[name] for name in unchanged}

    again = recover(tmp_path, apply=True)
    assert again.letter in "ABC" and again.events == events and files_of(tmp_path) == after
    if events:
        assert verify(tmp_path).ok and verify(tmp_path).head == done.head and verify(tmp_path).rows == done.rows
    with Writer(tmp_path, segment_bytes_max=SEGMENT_BYTES_MAX) as writer:
        assert writer.seq_next == events
        writer.append(book_rows([1, 2], events) if events else journal_rows(2))
    assert verify(tmp_path).ok and verify(tmp_path).events == events + 2


def cut_frames(journal: Path) -> None:
    cut(journal, frame_ends(journal)[-2][0])


def old_version(journal: Path) -> None:
    path = last_of(journal)
    header = SegmentFile(path).header._replace(schema_version=9)
    path.write_bytes(encode_segment_header(header) + path.read_bytes()[128:])


# (letter, sealed before, what was done to it, error)
REFUSED: list[tuple[str, bool, Callable[[Path], object], type[JournalError]]] = [
    ("K", True, cut_frames, SealDiffers),
    ("K", True, lambda j: cut(j, last_frame(j)[0] + 70), SealDiffers),
    ("K", True, lambda j: flip(last_of(j), last_frame(j)[0] + 64 + 24), SealDiffers),
    ("K", True, lambda j: last_of(j).unlink(), SealDiffers),
    ("K", True, remove_all, SealDiffers),
    ("K", True, lambda j: (j / "seal.json").write_text("{"), SealDiffers),
    ("L", False, lambda j: flip(last_of(j), 128 + 64 + 24), Corrupt),
    ("L", False, lambda j: flip(last_of(j), 128 + 3), Corrupt),
    ("L", False, lambda j: last_of(j).write_bytes((b := last_of(j).read_bytes())[:300] + b[301:]), Corrupt),
    ("L", False, lambda j: flip(segment_paths(j)[0], 128 + 64 + 24), Corrupt),
    ("L", False, lambda j: flip(segment_paths(j)[0], segment_paths(j)[0].stat().st_size - 40), Corrupt),
    ("L", False, lambda j: segment_paths(j)[0].write_bytes(b""), Corrupt),
    ("L", False, lambda j: segment_paths(j)[0].unlink(), Corrupt),
    ("L", False, lambda j: flip(last_of(j), 30), Corrupt),
    ("L", False, lambda j: add_segment(j, b"#!/bin/sh\n" * 20), NotAJournal),
    ("L", False, lambda j: add_segment(j, segment_paths(j)[0].read_bytes()), Corrupt),
    ("L", False, lambda j: last_of(j).write_bytes(bytes(128) + last_of(j).read_bytes()[128:]), NotAJournal),
    ("L", False, old_version, WrongVersion),
]


@pytest.mark.parametrize(
    ("letter", "sealed", "harm", "error"), REFUSED, ids=[f"{c[0]}-{i}" for i, c in enumerate(REFUSED)]
)
def test_refused_letter(
    tmp_path: Path, letter: str, sealed: bool, harm: Callable[[Path], object], error: type[JournalError]
) -> None:
    write_journal(tmp_path, ROWS, 20, seal=sealed, segment_bytes_max=SEGMENT_BYTES_MAX)
    harm(tmp_path)
    before = files_of(tmp_path)
    for apply in (False, True):
        with pytest.raises(error) as caught:
            recover(tmp_path, apply=apply)
        assert "expected" in str(caught.value)
    assert files_of(tmp_path) == before
    assert f"| {letter} |" in str(table.__doc__)


def test_living_writer_is_refused(tmp_path: Path) -> None:
    with Writer(tmp_path) as writer:
        writer.append(ROWS)
        writer.commit()
        for apply in (False, True):
            with pytest.raises(Locked):
                recover(tmp_path, apply=apply)
    assert read_seal(tmp_path) is not None


def test_bytes_set_aside_earlier_are_never_written_over(tmp_path: Path) -> None:
    write_journal(tmp_path, ROWS, 20, seal=False)
    places = []
    for tail in (b"first", b"second", b"first"):
        add(tmp_path, tail)
        places.append(recover(tmp_path, apply=True).aside_path)
    assert [path.read_bytes() for path in places] == [b"first", b"second", b"first"]
    assert places[0] == places[2] != places[1]


def test_crash_of_recovery_itself_is_recovered(tmp_path: Path) -> None:
    """The bytes are set aside but not yet cut off."""
    write_journal(tmp_path, ROWS, 20, seal=False)
    path, whole = last_of(tmp_path), last_of(tmp_path).read_bytes()
    path.write_bytes(whole + b"tail")
    first = recover(tmp_path, apply=True)
    path.write_bytes(whole + b"tail")
    assert recover(tmp_path, apply=True) == first and path.read_bytes() == whole
    assert len(list((tmp_path / "recovered").iterdir())) == 1


def test_what_is_not_a_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    for path in (tmp_path, tmp_path / "notes.txt", tmp_path / "nowhere"):
        with pytest.raises(NotAJournal):
            recover(path, apply=True)
    assert files_of(tmp_path) == {"notes.txt": b"x"}
