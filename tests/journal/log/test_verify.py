"""Verification: every change of a byte is seen and located."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mmfold.journal.errors import Corrupt, NotAJournal, WrongVersion
from mmfold.journal.log.chain import GENESIS_BASE
from mmfold.journal.log.reader import Journal
from mmfold.journal.log.segment import (
    FRAME_MARK,
    SegmentFile,
    SegmentHeader,
    encode_frame_header,
    encode_segment_header,
    segment_paths,
)
from mmfold.journal.log.verify import verify
from tests.journal.make_rows import book_rows, events_of, forge_journal, frame_ends, journal_rows, write_journal

ROWS = journal_rows(5000)
FRAME_EVENT_COUNT = 25


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_journal(tmp_path_factory.mktemp("sealed"), ROWS, FRAME_EVENT_COUNT, segment_bytes_max=120_000)


@pytest.fixture
def journal(sealed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sealed, tmp_path / "j"))


def with_frame(journal: Path, change: Callable[[list[np.ndarray]], list[np.ndarray]]) -> tuple[Path, int]:
    """Change the events of the third frame of segment 1 under a right header, return (path, its first seq)."""
    path = segment_paths(journal)[1]
    mark = list(SegmentFile(path).marks())[2]
    data = path.read_bytes()
    rows = np.frombuffer(data[mark.offset + 64 : mark.end], ROWS.dtype).copy()
    rows = np.concatenate(change(events_of(rows)))
    header = encode_frame_header(mark.digest, mark.seq_first, mark.seq_last, len(rows))
    path.write_bytes(data[: mark.offset] + header + rows.tobytes() + data[mark.end :])
    return path, mark.seq_first


def edited(events: list[np.ndarray]) -> list[np.ndarray]:
    events[4]["price_ticks"][0] += 1
    return events


def swapped_rows(events: list[np.ndarray]) -> list[np.ndarray]:
    event = max(events, key=len)
    event[[0, 1]] = event[[1, 0]]
    event["flags"][0], event["flags"][1] = event["flags"][1], event["flags"][0]
    return events


# change -> (seq after the frame's first, said)
CHANGES = {
    "edited": (edited, 0, "something between seq"),
    "rows of one event swapped": (swapped_rows, 0, "something between seq"),
    "event deleted": (lambda events: events[:4] + events[5:], 4, "expected seq"),
    "event inserted": (lambda events: [*events[:5], events[4], *events[5:]], 5, "expected seq"),
    "events swapped": (lambda events: [*events[:4], events[5], events[4], *events[6:]], 4, "expected seq"),
}


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("name", CHANGES)
def test_change_is_located(journal: Path, name: str, workers: int) -> None:
    change, place, says = CHANGES[name]
    path, seq_first = with_frame(journal, change)
    verification = verify(journal, workers=workers)
    assert not verification.ok and verification.first_bad is not None
    assert verification.first_bad["seq"] == seq_first + place
    assert verification.first_bad["file"] == str(path) and says in verification.first_bad["reason"]
    assert verification.events == seq_first  # what comes before is whole
    assert verification.rows == int(np.searchsorted(ROWS["seq"], seq_first))


def test_every_flipped_byte_is_seen_in_its_frame(journal: Path) -> None:
    path = segment_paths(journal)[1]
    data = path.read_bytes()
    marks = list(SegmentFile(path).marks())
    places = [*range(128), *range(marks[3].offset, marks[3].offset + 64 * 4), *range(5000, len(data), 4999)]
    for place in places:
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :])
        first_bad = verify(journal).first_bad
        assert first_bad is not None, place
        frame = next((mark for mark in marks if mark.offset <= place < mark.end), marks[0])
        assert frame.seq_first <= first_bad["seq"] <= frame.seq_last, place


def test_whole_frame_removed_or_segment_swapped_is_seen(journal: Path) -> None:
    path = segment_paths(journal)[1]
    data, marks = path.read_bytes(), list(SegmentFile(path).marks())
    path.write_bytes(data[: marks[2].offset] + data[marks[3].offset :])
    assert verify(journal).first_bad["seq"] == marks[2].seq_first
    path.write_bytes(data)
    other = segment_paths(journal)[2]
    path.rename(journal / "x")
    other.rename(path)
    (journal / "x").rename(other)
    assert verify(journal).first_bad["seq"] == marks[0].seq_first


def test_segments_of_another_history_do_not_link(journal: Path, tmp_path: Path) -> None:
    other = ROWS.copy()
    other["qty_lots"][20] += 1  # a level of an early event
    write_journal(tmp_path / "other", other, FRAME_EVENT_COUNT, segment_bytes_max=120_000)
    for path in segment_paths(tmp_path / "other")[1:]:
        shutil.copy(path, journal / path.name)
    seq = SegmentFile(segment_paths(journal)[1]).header.seq_first
    for workers in (1, 2):
        first_bad = verify(journal, workers=workers).first_bad
        assert first_bad["seq"] == seq and "the head before it" in first_bad["reason"]
    with pytest.raises(Corrupt, match="the head before it"):
        list(Journal(journal).verified_chunks())


def test_digest_of_a_frame_is_checked_even_with_a_right_checksum(journal: Path) -> None:
    path = segment_paths(journal)[0]
    data, mark = path.read_bytes(), list(SegmentFile(path).marks())[1]
    header = encode_frame_header(bytes(32), mark.seq_first, mark.seq_last, mark.row_count)
    path.write_bytes(data[: mark.offset] + header + data[mark.offset + 64 :])
    assert data.count(FRAME_MARK) and verify(journal).first_bad["seq"] == mark.seq_first


def test_missing_segment_is_seen(journal: Path) -> None:
    paths = segment_paths(journal)
    seq = SegmentFile(paths[2]).header.seq_first
    paths[2].unlink()
    verification = verify(journal)
    assert (verification.first_bad["seq"], verification.events) == (seq, seq)
    assert "expected segment 000002.mmj" in verification.first_bad["reason"]


def test_missing_first_segment_is_seen(journal: Path) -> None:
    segment_paths(journal)[0].unlink()
    verification = verify(journal)
    assert not verification.ok and (verification.events, verification.segments) == (0, 0) and verification.sealed
    assert verification.first_bad["seq"] == 0 and "000000.mmj, found 000001.mmj" in verification.first_bad["reason"]


def test_first_event_must_be_a_manifest(tmp_path: Path) -> None:
    verification = verify(forge_journal(tmp_path, book_rows([1, 1])))
    assert not verification.ok and (verification.events, verification.head) == (0, GENESIS_BASE.hex())
    assert verification.first_bad["reason"] == "expected the manifest at seq 0, found kind 11"
    assert (verification.first_bad["seq"], verification.first_bad["offset"]) == (0, 192)
    assert verify(forge_journal(tmp_path, ROWS[ROWS["seq"] == 0])).ok


HEADER = SegmentHeader(0, 0, GENESIS_BASE, 0)
# change of the first segment's bytes -> error: nothing can be said of what follows
UNREADABLE = {
    "other bytes": (lambda data: b"x" + data[1:], NotAJournal),
    "another version": (
        lambda data: encode_segment_header(HEADER._replace(schema_version=9)) + data[128:],
        WrongVersion,
    ),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_from_its_start_on_is_an_error(journal: Path, name: str) -> None:
    change, error = UNREADABLE[name]
    path = segment_paths(journal)[0]
    path.write_bytes(change(path.read_bytes()))
    for place in (journal, path):
        with pytest.raises(error):
            verify(place)


@pytest.mark.parametrize("cut", ["a frame", "half a frame", "a segment"])
def test_seal_shows_a_cut_tail(journal: Path, cut: str) -> None:
    path = segment_paths(journal)[-1]
    ends = frame_ends(journal)
    if cut == "a segment":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: ends[-2][0] + (64 if cut == "half a frame" else 0)])
    verification = verify(journal)
    first_bad = verification.first_bad
    assert first_bad is not None and first_bad["seq"] == verification.events < 5000 and verification.sealed
    assert verification.torn_bytes == (64 if cut == "half a frame" else 0)
    assert ("tail was cut off" in first_bad["reason"]) == (cut != "half a frame")


def test_head_kept_outside_shows_what_the_journal_cannot(journal: Path) -> None:
    (journal / "seal.json").unlink()
    path = segment_paths(journal)[-1]
    head = verify(journal).head
    assert verify(journal, expect_head=head).ok
    path.write_bytes(path.read_bytes()[: frame_ends(journal)[-2][0]])
    assert verify(journal).ok
    verification = verify(journal, expect_head=head)
    assert not verification.ok and "expected head" in verification.first_bad["reason"]


def test_workers_give_the_same_answer_and_progress_ends_at_all(sealed: Path) -> None:
    seen: list[tuple[int, int]] = []
    answers = [
        verify(sealed, workers=workers, progress=lambda done, all: seen.append((done, all))) for workers in (1, 3)
    ]
    assert answers[0] == answers[1] and answers[0].ok and answers[0].segments == len(segment_paths(sealed)) > 3
    assert seen[-1][0] <= seen[-1][1] == sum(path.stat().st_size for path in segment_paths(sealed))
    assert seen[-1][0] > 0.98 * seen[-1][1]


def test_seal_that_is_not_one_is_seen(journal: Path) -> None:
    seal = journal / "seal.json"
    text = seal.read_text()
    for bad in ("", "{}", text[:-5], text.replace('"rows":', '"rows":1'), text.replace("5000", '"5000"')):
        seal.write_text(bad)
        assert "seal" in verify(journal).first_bad["reason"]


def test_nothing_to_verify_is_an_error(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(NotAJournal):
            verify(path)
