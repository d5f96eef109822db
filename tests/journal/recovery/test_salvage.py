"""What is whole of a damaged journal becomes a new one that names its parent; the damaged one is left as it is."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmfold.engine.codes import EventKind
from mmfold.engine.core import Core, DigestDiffers
from mmfold.engine.manifest import PARENT_ROWS, encode_manifest
from mmfold.engine.payload import payload_rows
from mmfold.journal.errors import Corrupt, JournalError, Locked, OutputRefused
from mmfold.journal.log.reader import Journal
from mmfold.journal.log.seal import read_seal
from mmfold.journal.log.segment import SegmentFile, segment_paths
from mmfold.journal.log.verify import verify
from mmfold.journal.log.writer import Writer
from mmfold.journal.recovery.recover import PAGE_BYTES, recover
from mmfold.journal.recovery.salvage import salvage
from mmfold.replay.assumptions import Assumptions
from mmfold.replay.run import ReplayOptions, replay
from mmfold.replay.span import timer_row
from tests.engine.rows import T0_NS
from tests.journal.make_rows import files_of, journal_rows, write_journal
from tests.replay.venue.market import make_instruments, market_events, run, write_market

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


def test_state_digests_in_the_whole_part_hold(tmp_path: Path) -> None:
    source = write_market(tmp_path / "m", market_events(5, 300, faults=False), make_instruments(1))
    run(source, tmp_path / "bt", "grid", Assumptions())
    # As a session that ended and went on: a digest in the middle, then damage.
    again = Core(Journal(tmp_path / "bt").manifest())
    rows = np.concatenate(list(Journal(tmp_path / "bt").chunks()))
    again.feed(rows)
    with Writer(tmp_path / "j") as writer:
        writer.append(rows)
        for part in (payload_rows(EventKind.DIGEST, writer.seq_next, again.digest_payload()), timer_row(T0_NS * 2)):
            part["seq"] = writer.seq_next
            writer.append(part)
            writer.commit()
    damaged = segment_paths(tmp_path / "j")[-1]
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\1")
    found = salvage(tmp_path / "j", tmp_path / "k")
    assert found.digests == 2
    assert replay(tmp_path / "k", ReplayOptions(checkpoints=False)).digest_count == 2
    # What was salvaged is damaged again: the first parent's manifest is the one that counts.
    (tmp_path / "k" / "seal.json").write_text("{}")
    assert salvage(tmp_path / "k", tmp_path / "l").digests == 2
    assert replay(tmp_path / "l", ReplayOptions(checkpoints=False)).digest_count == 2
    manifest = Journal(tmp_path / "l").manifest()
    words = {name: text for name, text in manifest.extra.items() if name != PARENT_ROWS}
    with Writer(tmp_path / "other") as writer:
        writer.append(payload_rows(EventKind.MANIFEST, 0, encode_manifest(replace(manifest, extra=words))))
        writer.append(rows[rows["seq"] > 0])
    with pytest.raises(DigestDiffers):
        replay(tmp_path / "other", ReplayOptions(checkpoints=False))


@pytest.mark.parametrize("is_sealed", [True, False])
def test_zeros_in_an_earlier_segment_are_lost_data(tmp_path: Path, is_sealed: bool) -> None:
    journal = write_journal(tmp_path / "j", ROWS, 50, segment_bytes_max=100_000)
    if not is_sealed:
        (journal / "seal.json").unlink()
    first = segment_paths(journal)[0]
    data = first.read_bytes()
    cut = (len(data) - 9_000) // PAGE_BYTES * PAGE_BYTES
    first.write_bytes(data[:cut] + bytes(len(data) - cut))
    with pytest.raises(
        Corrupt, match=r"zeros from here to the segment's end, yet .* behind it: that is lost data"
    ) as found:
        recover(journal, apply=True)
    assert found.value.path == first and found.value.offset == cut
    # The same zeros at the end of all are a torn tail.
    kept = salvage(journal, tmp_path / "k")
    assert verify(tmp_path / "k").ok and 0 < kept.events < 2300
    for later in segment_paths(journal)[1:]:
        later.unlink()
    (journal / "seal.json").unlink(missing_ok=True)
    assert recover(journal, apply=False).letter == "J" and recover(journal, apply=False).events == kept.events
