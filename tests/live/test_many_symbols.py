"""A reconciliation of many symbols comes in pieces between which the loop turns, and keeps to the venue's limits."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmfold.adapters.emulator.bybit.venue import Settings
from mmfold.adapters.emulator.market.faults import FaultPlan
from mmfold.adapters.live.pieces import PIECE_EVENT_COUNT_MAX
from mmfold.adapters.live.runner import Pace, Runner
from mmfold.adapters.live.session import Session
from mmfold.engine.codes import EventKind
from mmfold.engine.records import EVENT
from mmfold.journal.log.reader import Journal
from tests.adapters.emulator.running import RunningVenue
from tests.adapters.live.until import plan_session, run_session
from tests.live.many import many_source

COUNT = 50
LISTED = (EventKind.OPEN_ORDERS, EventKind.POSITION, EventKind.FILL)


@contextmanager
def running_many(**settings: Any) -> Iterator[RunningVenue]:
    running = RunningVenue(many_source(COUNT, 2_000), Settings(latency_s=0.001, **settings), 1, FaultPlan())
    try:
        yield running
    finally:
        running.close()


class Stretches:
    """What was folded of the venue's lists between two turns of the loop, and how long the turns took."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.listed = self.worst = 0
        self.durations_s: list[float] = []
        run, fold = asyncio.events.Handle._run, Session.fold

        def timed_run(handle: asyncio.Handle) -> None:
            self.listed = 0
            began_s = time.thread_time()
            try:
                run(handle)
            finally:
                self.durations_s.append(time.thread_time() - began_s)

        def counted_fold(session: Session, rows: np.ndarray) -> np.ndarray:
            self.listed += len(np.unique(np.flatnonzero(np.isin(rows["kind"], LISTED) & (rows["flags"] & 1))))
            self.worst = max(self.worst, self.listed)
            return fold(session, rows)

        monkeypatch.setattr(asyncio.events.Handle, "_run", timed_run)
        monkeypatch.setattr(Session, "fold", counted_fold)


def test_fifty_symbols_are_reconciled_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    symbols = tuple(one.symbol for one in many_source(COUNT, 2_000).manifest.instruments)
    again: list[int] = []

    def is_enough(runner: Runner) -> bool:
        if runner.status.phase == "trading" and not again and runner.account is not None:
            again.append(runner.session.seq_next)
            runner.account.ask_venue("again, with orders that rest")
        return bool(again) and runner.account is not None and runner.account.reconciled_s > 0 and quotes(runner)

    def quotes(runner: Runner) -> bool:
        return runner.session.seq_next > again[0] + 10 * COUNT

    with running_many() as running:
        stretches = Stretches(monkeypatch)
        run_session(plan_session(running, tmp_path / "j", symbols=symbols, pace=Pace(warmup_s=0.1)), is_enough)
        monkeypatch.undo()
    rows = np.concatenate([np.zeros(0, EVENT), *(rows.copy() for rows in Journal(tmp_path / "j").verified_chunks())])
    lists = rows[(rows["kind"] == EventKind.OPEN_ORDERS) & (rows["seq"] < again[0])]
    assert set(lists["instrument_index"].tolist()) == set(range(COUNT)), "the first reconciliation was whole"
    assert 0 < stretches.worst <= PIECE_EVENT_COUNT_MAX
    failed = [record for record in caplog.records if record.msg == "reconcile_failed"]
    assert not failed, "a fresh session asks no more than the venue lets it"
    durations_ms = np.percentile(np.array(stretches.durations_s), (50, 99, 99.9)) * 1e3
    print("cpu ms of a turn: p50 {:.2f}  p99 {:.2f}  p99.9 {:.2f}".format(*durations_ms))
