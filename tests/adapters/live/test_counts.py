"""What a session counts of the venue's answers and its own freezes is what its journal says; its end is no gap."""

from pathlib import Path

import numpy as np

from mmfold.adapters.live.runner import Runner
from mmfold.engine.codes import AlertCode, BookStatus, EventKind, RequestOutcome
from mmfold.journal.log.reader import Journal
from tests.adapters.emulator.running import RunningVenue
from tests.adapters.live.until import plan_session, run_session

SYMBOLS = ("BTCUSDT", "ETHUSDT")


def has_answers(runner: Runner) -> bool:
    return runner.status.rate_limited > 0 and all(one.count > 1 for one in runner.status.order_latency)


def test_counts_are_the_journals(running: RunningVenue, tmp_path: Path) -> None:
    running.set_faults({"fault": "rate_limited", "at": "trade:order.create*", "count": 1})
    plan = plan_session(running, tmp_path / "j", symbols=SYMBOLS)
    status = run_session(plan, has_answers).status
    rows = np.concatenate([rows.copy() for rows in Journal(tmp_path / "j").verified_chunks()])
    rates = rows[rows["kind"] == EventKind.REQUEST_RESULT]
    for index, latency in enumerate(status.order_latency):
        taken = rates[(rates["code"] == RequestOutcome.OK) & (rates["instrument_index"] == index)]
        assert (latency.count, latency.sum_ns) == (len(taken), taken["aux"].sum())
    assert status.rate_limited == (rates["code"] == RequestOutcome.RATE_LIMITED).sum()
    assert status.tick_to_order.count > 0 and status.tick_to_order.sum_ns > 0
    assert status.freezes == len(SYMBOLS), "a graceful stop freezes every symbol"
    assert EventKind.BOOK_GAP not in rows["kind"]
    assert AlertCode.BOOK_GAP not in rows["code"][rows["kind"] == EventKind.ALERT]
    assert set(status.state.books["status"].tolist()) == {BookStatus.LIVE}
