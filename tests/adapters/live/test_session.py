"""A session is taken up where its journal ends, whatever the end looks like."""

from pathlib import Path
from shutil import copytree

import numpy as np
import pytest

from mmfold.adapters.live.rows import connection_row, timer_row
from mmfold.adapters.live.session import Session, read_session_manifest
from mmfold.engine.codes import ConnectionState, EventKind, OrderStatus
from mmfold.engine.manifest import Instrument, Manifest
from mmfold.journal.log.checkpoints import list_checkpoints
from mmfold.journal.log.reader import Journal
from mmfold.journal.log.writer import Writer
from mmfold.replay.run import ReplayOptions, replay
from tests.engine.rows import PLAIN, book_event

MANIFEST = Manifest(run_id="t", instruments=(Instrument(symbol="A", tick_size="0.1", lot_size="0.001"),), source="live")
DOCUMENT = {"params": {"A": PLAIN | {"mode": 1}}}


def begun(directory: Path) -> Session:
    """Return a session that has just placed its first orders."""
    session = Session(directory, MANIFEST)
    session.fold_config(DOCUMENT)
    session.fold(connection_row(ConnectionState.UP, 1))
    effects = session.fold(book_event(EventKind.BOOK_SNAPSHOT, [(10_000, 5)], [(10_001, 5)], aux=10))
    assert (effects["kind"] == EventKind.PLACE).sum() == 2
    return session


def rows_of(directory: Path) -> np.ndarray:
    return np.concatenate([rows.copy() for rows in Journal(directory).chunks()])


def cut_to(rows: np.ndarray, directory: Path) -> None:
    """Write some rows as a journal that nobody sealed."""
    with Writer(directory) as writer:
        for part in np.split(rows, np.flatnonzero(rows["flags"] & 1)[:-1] + 1):
            writer.append(part)
        writer.close(seal=False)


def test_a_closed_session_goes_on(tmp_path: Path) -> None:
    session = begun(tmp_path)
    session.close()
    again = Session(tmp_path, MANIFEST)
    assert read_session_manifest(tmp_path / "none") is None
    assert again.open_orders() == session.open_orders() and again.seq_next == session.seq_next
    again.fold(timer_row(2))
    again.close()
    result = replay(tmp_path, ReplayOptions(checkpoints=False))
    assert result.witnessed_count == sum(result.effect_counts.values())


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_decisions_without_their_witness_are_written_not_sent(tmp_path: Path, lost: int) -> None:
    session = begun(tmp_path / "whole")
    session.close()
    rows = rows_of(tmp_path / "whole")
    effects = np.flatnonzero((rows["kind"] >= EventKind.PLACE) & (rows["kind"] < EventKind.DIGEST))
    cut_to(rows[: effects[-lost]], tmp_path / "cut")
    again = Session(tmp_path / "cut", MANIFEST)
    assert [status for *_, status in again.open_orders()] == [OrderStatus.CREATED] * 2, "the venue will be asked"
    assert again.decided == []
    again.fold(timer_row(3))
    again.close()
    mended = rows_of(tmp_path / "cut")
    assert (mended[: effects[-1] + 1] == rows[: effects[-1] + 1]).all()
    result = replay(tmp_path / "cut", ReplayOptions(checkpoints=False))
    assert result.witnessed_count == sum(result.effect_counts.values())


def test_nothing_is_folded_after_a_failed_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = begun(tmp_path)

    def fail() -> bytes:
        raise OSError("no")

    monkeypatch.setattr(session.writer, "commit", fail)
    with pytest.raises(OSError):
        session.fold(connection_row(ConnectionState.DOWN, 4))
    with pytest.raises(AssertionError):
        session.fold(timer_row(5))


def test_a_checkpoint_beyond_the_journals_end_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmfold.adapters.live.session.CHECKPOINT_BLOCK_COUNT", 1)
    session = begun(tmp_path / "whole")
    ts_ns = 10
    while session.seq_next < 1024 or not list_checkpoints(tmp_path / "whole"):
        session.fold(timer_row(ts_ns := ts_ns + 1))
        session.save_checkpoint()
    session.commit()
    rows = rows_of(tmp_path / "whole")
    cut_to(rows[rows["seq"] < 1000], tmp_path / "cut")  # what a power cut may leave: the checkpoint was on the disk
    copytree(tmp_path / "whole" / "checkpoints", tmp_path / "cut" / "checkpoints")
    again = Session(tmp_path / "cut", MANIFEST)
    assert again.resumed_events == again.seq_next == 1000
    assert list_checkpoints(tmp_path / "cut") == []
    again.fold(timer_row(ts_ns))
    again.close()
    replayed = replay(tmp_path / "cut", ReplayOptions(checkpoints=False))
    assert replayed.witnessed_count == sum(replayed.effect_counts.values())


def test_a_session_goes_on_from_a_checkpoint_at_its_very_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmfold.adapters.live.session.CHECKPOINT_BLOCK_COUNT", 1)
    session = begun(tmp_path)
    while not list_checkpoints(tmp_path):
        session.fold(timer_row(session.seq_next))
        session.save_checkpoint()
    session.writer.close(seal=False)
    again = Session(tmp_path, MANIFEST)
    assert again.resumed_events == again.seq_next == session.seq_next
    assert again.core.state_digest() == session.core.state_digest()
