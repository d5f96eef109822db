"""Readers: whole committed events in order, verified when asked, whatever the frames are."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from mmfold.journal.errors import Corrupt, JournalError, NotAJournal, TornTail, WrongVersion
from mmfold.journal.log import segment
from mmfold.journal.log.chain import GENESIS_BASE, Chain
from mmfold.journal.log.reader import Journal
from mmfold.journal.log.segment import SegmentFile, encode_segment_header, segment_paths
from mmfold.journal.log.verify import verify
from mmfold.journal.log.writer import Writer
from tests.journal.make_rows import MANIFEST, book_rows, forge_journal, journal_rows, write_journal

ROWS = journal_rows(5000, (1, 3, 2, 40))


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_journal(tmp_path_factory.mktemp("journal"), ROWS, 37, segment_bytes_max=1_000_000)


def base_at(seq: int) -> bytes:
    chain = Chain()
    chain.update(ROWS[ROWS["seq"] < seq])
    return chain.head


@pytest.mark.parametrize("method", ["chunks", "verified_chunks"])
@pytest.mark.parametrize("row_count", [1, 50, 4096, 1 << 20])
@pytest.mark.parametrize("seq_from", [0, 1, 1024, 4321, 4999, 5000])
def test_chunks_are_whole_events_from_a_seq_on(journal: Path, method: str, row_count: int, seq_from: int) -> None:
    chunks = list(getattr(Journal(journal), method)(row_count, seq_from=seq_from))
    for chunk in chunks:
        assert chunk["flags"][-1] & 1 and not chunk.flags.writeable
        assert len(chunk) <= row_count or len(np.unique(chunk["seq"])) == 1
    expected = ROWS[ROWS["seq"] >= seq_from]
    assert b"".join(chunk.tobytes() for chunk in chunks) == expected.tobytes()


def test_verified_chunks_tell_what_they_verified(journal: Path) -> None:
    reader = Journal(journal)
    assert (reader.head, reader.events, reader.rows) == (GENESIS_BASE, 0, 0)
    for _ in reader.verified_chunks():
        pass
    assert (reader.head, reader.events, reader.rows) == (base_at(5000), 5000, len(ROWS))


@pytest.mark.parametrize("seq_from", [0, 1024, 2048, 4096])
def test_verification_goes_on_from_a_checkpoints_base(journal: Path, seq_from: int) -> None:
    reader = Journal(journal)
    chunks = list(reader.verified_chunks(500, seq_from=seq_from, base=base_at(seq_from)))
    assert b"".join(chunk.tobytes() for chunk in chunks) == ROWS[ROWS["seq"] >= seq_from].tobytes()
    assert reader.head == base_at(5000) and reader.events == 5000 - seq_from
    with pytest.raises(Corrupt):
        list(reader.verified_chunks(seq_from=seq_from, base=bytes(32)))


def test_one_segment_is_a_journal_of_its_own(journal: Path) -> None:
    path = segment_paths(journal)[1]
    seq_first = SegmentFile(path).header.seq_first
    chunks = list(Journal(path).verified_chunks())
    assert len(segment_paths(journal)) > 2 and chunks[0]["seq"][0] == seq_first
    assert Journal(segment_paths(journal)[0]).manifest() == Journal(journal).manifest() == MANIFEST


def test_frames_are_commits(journal: Path) -> None:
    frames = list(Journal(journal).frames())
    assert b"".join(frame.rows.tobytes() for frame in frames) == ROWS.tobytes()
    assert [frame.mark.digest for frame in frames[:3]] == [base_at(end) for end in (37, 74, 111)]
    late = next(Journal(journal).frames(seq_from=100))
    assert late.mark.seq_first == 74


def test_bad_row_is_found_before_it_is_seen(journal: Path, tmp_path: Path) -> None:
    shutil.copytree(journal, tmp_path / "j")
    path = segment_paths(tmp_path / "j")[1]
    frame = list(SegmentFile(path).frames())[5]
    data = bytearray(path.read_bytes())
    data[frame.mark.offset + 64 + 24] ^= 1  # a price
    path.write_bytes(data)
    seen = 0
    with pytest.raises(Corrupt) as caught:
        for chunk in Journal(tmp_path / "j").verified_chunks(200):
            seen = int(chunk["seq"][-1]) + 1
    assert caught.value.seq == frame.mark.seq_first and seen <= frame.mark.seq_first
    assert caught.value.path == path and caught.value.offset == frame.mark.offset


@pytest.mark.parametrize("row_count", [1, 500, 1 << 20])
@pytest.mark.parametrize("frame_index", [0, 1, 5, -1])
def test_verified_chunks_hand_out_every_frame_before_the_fault(
    journal: Path, tmp_path: Path, row_count: int, frame_index: int
) -> None:
    shutil.copytree(journal, tmp_path / "j")
    path = segment_paths(tmp_path / "j")[-1]
    mark = list(SegmentFile(path).marks())[frame_index]
    data = bytearray(path.read_bytes())
    data[mark.offset + 64 + 24] ^= 1
    path.write_bytes(data)
    reader = Journal(tmp_path / "j")
    found = b""
    with pytest.raises(Corrupt) as caught:
        for chunk in reader.verified_chunks(row_count):
            found += chunk.tobytes()
    whole = ROWS[ROWS["seq"] < mark.seq_first]
    assert caught.value.seq == mark.seq_first == reader.events and found == whole.tobytes()
    assert (reader.rows, reader.head.hex()) == (len(whole), verify(tmp_path / "j").head)


def test_torn_tail_is_an_error_unless_its_writer_lives(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    writer.append(journal_rows(100))
    writer.commit()
    path = tmp_path / "000000.mmj"
    whole = path.read_bytes()
    path.write_bytes(whole + whole[128:300])  # what a reader may see of a commit on its way
    assert sum(len(chunk) for chunk in Journal(tmp_path).verified_chunks()) == len(journal_rows(100))
    path.write_bytes(whole)
    writer.close(seal=False)
    path.write_bytes(whole + whole[128:300])
    with pytest.raises(TornTail, match=r"000000\.mmj seq 100 \(byte [\d,]+\): expected \d+ rows, found 1") as caught:
        list(Journal(tmp_path).chunks())
    assert caught.value.hint == "mm journal recover"


@pytest.mark.parametrize("cut", [0, 1, 64, 65, 2000, 7000])
def test_a_journal_tells_its_next_seq_with_and_without_a_torn_tail(journal: Path, tmp_path: Path, cut: int) -> None:
    shutil.copytree(journal, tmp_path / "j")
    last = segment_paths(tmp_path / "j")[-1]
    last.write_bytes(last.read_bytes()[: last.stat().st_size - cut])
    seq_next = 0
    try:
        for chunk in Journal(tmp_path / "j").chunks(1):
            seq_next = int(chunk["seq"][-1]) + 1
    except TornTail:
        assert cut
    assert Journal(tmp_path / "j").seq_next() == seq_next
    assert (seq_next == 5000) == (cut == 0)


def test_what_is_not_a_journal_is_a_typed_error(journal: Path, tmp_path: Path) -> None:
    header = SegmentFile(segment_paths(journal)[0]).header
    files = {
        "empty.mmj": (b"", TornTail),
        "short.mmj": (encode_segment_header(header)[:100], TornTail),
        "events.jsonl": (b'{"kind":"manifest"}\n' * 20, NotAJournal),
        "later.mmj": (encode_segment_header(header._replace(schema_version=2)), WrongVersion),
    }
    for name, (content, error) in files.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(error):
            list(Journal(tmp_path / name).chunks())
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(NotAJournal, match="expected"):
            Journal(path)


def test_unreadable_journal_is_a_one_line_error(tmp_path: Path) -> None:
    directory = write_journal(tmp_path / "j", journal_rows(3))
    (directory / "000000.mmj").chmod(0)
    is_root = os.geteuid() == 0
    tmp_path.chmod(0o755)
    cases = {0o755: "expected a readable segment: Permission denied", 0: "expected a readable directory"}
    for mode, says in cases.items():
        directory.chmod(mode)
        if is_root:
            for parent in tmp_path.parents[:-2]:
                parent.chmod(0o755)
            os.seteuid(65534)  # permissions do not bind root
        try:
            with pytest.raises(JournalError) as caught:
                list(Journal(directory).chunks())
        finally:
            if is_root:
                os.seteuid(0)
            directory.chmod(0o755)
        assert says in str(caught.value) and "\n" not in str(caught.value)


def test_manifest_must_be_the_first_event(tmp_path: Path) -> None:
    forge_journal(tmp_path, book_rows([1, 1]))
    with pytest.raises(Corrupt, match="expected the manifest at seq 0, found kind 11"):
        Journal(tmp_path).manifest()


def test_memory_stays_flat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment, "DROP_BYTES", 4 << 20)
    with Writer(tmp_path) as writer:
        writer.append(journal_rows(1))
        for start in range(1, 600_000, 20_000):
            writer.append(book_rows([1] * 20_000, start))
            writer.commit()
    before = mapped_bytes()
    most = 0
    for _ in Journal(tmp_path).verified_chunks(10_000):
        most = max(most, mapped_bytes() - before)
    assert os.path.getsize(tmp_path / "000000.mmj") > 38_000_000
    assert most < 12_000_000


def mapped_bytes() -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssFile"))
    return int(line.split()[1]) * 1024
