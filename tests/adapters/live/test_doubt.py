"""How long a session waits for what may still arrive: not at all for a request that was one too many."""

from pathlib import Path

import numpy as np
import pytest

from mmfold.adapters.live.runner import Pace, Runner
from mmfold.engine.codes import AlertCode, EventKind, OrderStatus, RequestOutcome
from mmfold.engine.limits import NS_PER_S
from mmfold.journal.log.reader import Journal
from tests.adapters.emulator.running import RunningVenue
from tests.adapters.live.until import plan_session, run_session

SETTLE_MS = 60_000  # longer than a stop may take


def quotes(runner: Runner) -> bool:
    return bool((runner.session.core.state.orders["status"] == OrderStatus.ACCEPTED).any())


def test_a_cancel_beyond_the_rate_limit_is_asked_for_again_soon(
    running: RunningVenue, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    running.set_faults({"fault": "rate_limited", "at": "trade:order.cancel*", "count": 1})
    pace = Pace(warmup_s=0.1, settle_ms=SETTLE_MS, retry_s=0.3)
    plan = plan_session(running, tmp_path / "j", pace=pace)
    runner = run_session(plan, quotes)
    rows = np.concatenate([rows.copy() for rows in Journal(tmp_path / "j").verified_chunks()])
    limited = rows[(rows["kind"] == EventKind.REQUEST_RESULT) & (rows["code"] == RequestOutcome.RATE_LIMITED)]
    unknown = rows[(rows["kind"] == EventKind.ALERT) & (rows["code"] == AlertCode.ORDER_UNKNOWN)]
    assert len(limited) and set(unknown["aux"].tolist()) == set(limited["order_id"].tolist())
    again = rows[(rows["kind"] == EventKind.CANCEL) & (rows["seq"] > unknown["seq"][0])]
    assert set(limited["order_id"].tolist()) <= set(again["order_id"].tolist())
    waited_s = (again["ts_receive_ns"][-1] - limited["ts_receive_ns"][0]) / NS_PER_S
    assert 0.3 <= waited_s < 10
    assert not runner.session.open_orders()
    assert "cancel_all" not in [record.msg for record in caplog.records], "the last resort was not needed"
