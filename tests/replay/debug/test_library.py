"""Any moment of a journal: the same state as a whole replay up to there, from a checkpoint or not."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from mmfold.engine.codes import EFFECT_KIND_MAX, EFFECT_KIND_MIN, EventKind
from mmfold.journal.log.checkpoints import list_checkpoints
from mmfold.journal.log.reader import Journal
from mmfold.journal.log.writer import Writer
from mmfold.replay.debug import library
from mmfold.replay.debug.library import open_journal
from mmfold.replay.debug.moment import NoSuchEvent
from mmfold.replay.record import Recorder
from mmfold.replay.run import ReplayOptions, replay
from tests.conftest import REPO
from tests.engine.rows import PLAIN, T0_NS, book_event, make_manifest

DEMO = REPO / "fixtures" / "demo.mmj"


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """Return the demo journal, without checkpoints."""
    shutil.copytree(DEMO, tmp_path / "demo", ignore=shutil.ignore_patterns("checkpoints"))
    return tmp_path / "demo"


def rows_of(path: Path) -> np.ndarray:
    return np.concatenate([rows.copy() for rows in Journal(path).chunks()])


def is_effect(rows: np.ndarray) -> np.ndarray:
    return (rows["kind"] >= EFFECT_KIND_MIN) & (rows["kind"] <= EFFECT_KIND_MAX)


def test_a_moment_is_what_a_replay_up_to_there_leaves(demo: Path) -> None:
    rows = rows_of(demo)
    inputs = np.unique(rows["seq"][~is_effect(rows)]).tolist()
    for seq in inputs[:: len(inputs) // 9]:
        moment = open_journal(demo).at(seq)
        whole = replay(demo, ReplayOptions(until_seq=seq, checkpoints=False))
        assert moment.seq == seq and moment.core.state_digest() == whole.state_digest
        assert (moment.event == rows[rows["seq"] == seq]).all()
        following = rows[rows["seq"] > seq]
        count = int(np.argmin(is_effect(following))) if len(following) else 0
        assert moment.effects.tobytes() == following[:count].tobytes()


def test_an_effect_leads_to_its_cause_and_a_time_to_the_last_event_by_then(demo: Path) -> None:
    rows, looked = rows_of(demo), open_journal(demo)
    effect = rows[rows["kind"] == EventKind.CANCEL][-1]
    cause = int(rows["seq"][(rows["seq"] < effect["seq"]) & ~is_effect(rows)][-1])
    assert looked.at(int(effect["seq"])).seq == cause
    moment = looked.at(cause)
    assert int(effect["seq"]) in moment.effects["seq"].tolist()
    by_time = looked.at(ts_ns=moment.ts_ns)
    assert by_time.ts_ns == moment.ts_ns and by_time.seq >= cause
    assert looked.at().seq == int(rows["seq"][~is_effect(rows)][-1])


def test_checkpoints_are_left_bounded_and_change_nothing(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copies = 6
    long = demo.parent / "long"
    steps = [book_event(10, [(10_000 + i % 3, 5)], [(10_010 + i % 5, 5)], aux=i + 1, ts_receive_ns=T0_NS + i)
             for i in range(1024 * copies)]  # fmt: skip
    with Writer(long) as writer:
        recorder = Recorder(writer, make_manifest(), {"params": {"X": {**PLAIN, "mode": 0}}})
        for rows in steps:
            recorder.append(rows)
        recorder.finish()
    last = Journal(long).seq_next() - 1
    before = [open_journal(long).at(seq).core.state_digest() for seq in (5, last // 2, last)]
    assert list_checkpoints(long) == [], "a short journal needs none"
    monkeypatch.setattr(library, "CHECKPOINT_ROW_COUNT", 3000)
    assert [open_journal(long).at(seq).core.state_digest() for seq in (5, last // 2, last)] == before
    kept = len(list_checkpoints(long))
    assert 2 <= kept <= last // 1024
    assert [open_journal(long).at(seq).core.state_digest() for seq in (5, last // 2, last)] == before
    assert len(list_checkpoints(long)) == kept
    monkeypatch.setattr(library, "CHECKPOINT_COUNT_MAX", 2)
    shutil.rmtree(long / "checkpoints")
    open_journal(long).at(last)
    assert len(list_checkpoints(long)) <= 2


def test_what_is_not_there_is_said(demo: Path) -> None:
    with pytest.raises(NoSuchEvent, match="has no event at seq 1,000,000,000"):
        open_journal(demo).at(10**9)
    assert open_journal(demo).at(ts_ns=0).seq <= 1, "a manifest and a configuration have no time"
