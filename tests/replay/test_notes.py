"""Notes in long journals: numbered behind in a backtest, cut by segments, found again by every way to replay."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mmfold.replay.backtest as backtest_module
from mmfold.config.params import config_document
from mmfold.engine.codes import EventKind
from mmfold.engine.limits import CHAIN_BLOCK_EVENT_COUNT, NS_PER_S
from mmfold.engine.policy.note import notes_in
from mmfold.journal.log.writer import Writer
from mmfold.replay import parallel
from mmfold.replay.debug.library import open_journal
from mmfold.replay.record import Recorder
from mmfold.replay.run import ReplayOptions, replay
from tests.engine import noting as noting_module
from tests.engine.noting import SWITCHED_ON, noting
from tests.engine.rows import PLAIN, T0_NS, event, make_manifest
from tests.replay.venue.market import CASES, rows_of, run_case

__all__ = ["noting"]
pytestmark = pytest.mark.usefixtures("noting")


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_a_backtest_numbers_what_follows_behind_a_note(
    case: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_noter(*arguments: Any) -> dict[str, Any]:
        document = config_document(*arguments)
        return {**document, "policies": {**document["policies"], **SWITCHED_ON}}

    monkeypatch.setattr(backtest_module, "config_document", with_noter)
    ran = run_case(tmp_path, *case)
    told = list(notes_in(ran.rows))
    assert len(told) > 10 and all(one.is_whole for one in told)
    assert [note["run"] for _, note in filter(None, (one.read() for one in told))] == list(range(1, len(told) + 1))
    found = replay(ran.path, ReplayOptions(checkpoints=False))
    assert (found.state_digest, found.effects_digest) == (ran.result.state_digest, ran.result.effects_digest)
    assert found.effect_counts == ran.result.effect_counts
    assert found.witnessed_count == sum(found.effect_counts.values())
    assert found.effect_counts["note"] == np.sum(ran.rows["kind"] == EventKind.NOTE)


def test_a_note_may_lie_across_segments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = {"x": "y" * 1_500}  # 63 parts
    monkeypatch.setattr(noting_module, "weights", lambda settings, memory: {**long, "run": memory.runs})
    path = tmp_path / "j"
    with Writer(path, segment_bytes_max=64) as writer:
        recorder = Recorder(writer, make_manifest(), {"params": {"X": PLAIN}, "policies": SWITCHED_ON})
        for second in range(1, 101):
            recorder.append(event(EventKind.TIMER, ts_receive_ns=T0_NS + second * NS_PER_S))
        recorder.finish()
    rows = rows_of(path)
    starts = rows[(rows["seq"] % CHAIN_BLOCK_EVENT_COUNT == 0) & (rows["seq"] > 0)]
    assert len(starts) >= 5 and np.any((starts["kind"] == EventKind.NOTE) & (starts["code"] > 0))
    plain = replay(path, ReplayOptions(checkpoints=False))
    assert plain.witnessed_count == sum(plain.effect_counts.values())
    first, again = replay(path, ReplayOptions()), replay(path, ReplayOptions())
    monkeypatch.setattr(parallel, "ProcessPoolExecutor", lambda *asked: ThreadPoolExecutor(1))
    split = parallel.replay_segments(path, ReplayOptions(), 2)
    assert answer(first) == answer(again) == answer(split) == answer(plain)
    notes = list(notes_in(rows))
    assert len(notes) == 100
    for told in (notes[16], notes[-1]):
        moment = open_journal(path).at(told.seq + 40)
        assert moment.seq == told.seq - 1 and next(notes_in(moment.effects)) == told


def answer(result: Any) -> Mapping[str, Any]:
    names = ("events", "rows", "head", "state_digest", "effects_digest", "effect_counts", "witnessed_count")
    return {name: getattr(result, name) for name in names}
