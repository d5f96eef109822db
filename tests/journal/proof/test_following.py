"""A journal is anchored while it grows: the same roots as from a whole one, nothing signed twice, no cut missed."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mmfold.journal.errors import Locked, NotAJournal
from mmfold.journal.log.writer import Writer
from mmfold.journal.proof import following
from mmfold.journal.proof.anchor import Anchored, anchor_journal
from mmfold.journal.proof.errors import CheckFailed
from mmfold.journal.proof.following import follow_journal
from mmfold.journal.proof.hashing import leaf_hashes
from mmfold.journal.proof.note import KeyKind
from mmfold.journal.proof.signing import Signer, make_key, parse_signer
from mmfold.journal.proof.tree import reduced
from tests.journal.make_rows import canonical_rows, events_of, write_journal

ROWS = canonical_rows(1_500)
EVENTS = events_of(ROWS)
SIGNER = parse_signer(make_key("example.com/mm", KeyKind.ED25519, None), None, Path("k.pem"))


@pytest.fixture(autouse=True)
def short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "TURN_S", 0.001)


def follow(path: Path, signer: Signer = SIGNER) -> Iterator[Anchored]:
    return follow_journal(path, [signer], origin=None, every_s=0.0, on_turn=lambda: None)


def append(writer: Writer, start: int, end: int) -> None:
    writer.append(np.concatenate(EVENTS[start:end]))
    writer.commit()


def root(count: int) -> bytes:
    return reduced(leaf_hashes(np.concatenate(EVENTS[:count])))


def test_what_has_come_is_signed_until_the_seal(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "j")
    append(writer, 0, 300)
    found = follow(tmp_path / "j")
    for before, count in ((0, 300), (300, 301), (301, 900)):
        if before:
            append(writer, before, count)
        done = next(found)
        assert (done.events, done.events_before, done.signed.checkpoint.root) == (count, before, root(count))
    append(writer, 900, 1_500)
    writer.close(seal=True)
    [*_, last] = found
    assert last.events == 1_500 and last.signed.checkpoint.root == root(1_500)
    whole = anchor_journal(write_journal(tmp_path / "w", ROWS), [SIGNER], origin=None, now_s=0)
    assert whole.signed.checkpoint == last.signed.checkpoint and whole.head == last.head
    tiles = {str(one.relative_to(tmp_path / "j")): one.read_bytes() for one in (tmp_path / "j").rglob("tile/**/???")}
    assert tiles == {
        str(one.relative_to(tmp_path / "w")): one.read_bytes() for one in (tmp_path / "w").rglob("tile/**/???")
    }


def test_a_sealed_journal_ends_at_once_and_a_later_one_goes_on(tmp_path: Path) -> None:
    path = write_journal(tmp_path / "j", np.concatenate(EVENTS[:700]))
    assert [one.events for one in follow(path)] == [700]
    with Writer(path) as writer:
        append(writer, 700, 1_500)
        found = follow(path)
        assert next(found).events_before == 700
        with pytest.raises(Locked):
            next(follow(path))
        found.close()


def test_a_tail_that_is_gone_is_not_waited_for(tmp_path: Path) -> None:
    path = write_journal(tmp_path / "j", ROWS)
    assert len(list(follow(path))) == 1
    (path / "proof").rename(tmp_path / "proof")
    shutil.rmtree(path)
    write_journal(path, np.concatenate(EVENTS[:1_000]), seal=False)
    (tmp_path / "proof").rename(path / "proof")
    with pytest.raises(CheckFailed, match=r"expected the 1,500 anchored events, found 1,000"):
        next(follow(path))


def test_tiles_are_mended_before_it_goes_on(tmp_path: Path) -> None:
    path = write_journal(tmp_path / "j", ROWS)
    assert len(list(follow(path))) == 1
    tile = path / "proof/tile/0/002"
    good = tile.read_bytes()
    tile.write_bytes(b"x")
    assert [one.tiles_written for one in follow(path)] == [1] and tile.read_bytes() == good


def test_there_must_be_a_journal(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(NotAJournal):
            next(follow(path))
