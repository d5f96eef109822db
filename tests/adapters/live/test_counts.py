"""What a session counts of the venue's answers and its own freezes is what its journal says; its end is no gap."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from adapters.live.endpoints import find_endpoints
from adapters.live.runner import Pace, Runner
from adapters.live.start import Plan
from config.load import load_config
from engine.codes import AlertCode, BookStatus, EventKind, RequestOutcome
from journal.reader import Journal
from tests.adapters.emulator.running import RunningVenue, run_synthetic
from tests.adapters.live.until import run_session

SYMBOLS = ("BTCUSDT", "ETHUSDT")


@pytest.fixture(scope="module")
def running() -> Iterator[RunningVenue]:
    venue = run_synthetic()
    yield venue
    venue.close()


def has_answers(runner: Runner) -> bool:
    return runner.status.rate_limited > 0 and all(one.count > 1 for one in runner.status.order_latency)


def test_counts_are_the_journals(running: RunningVenue, tmp_path: Path) -> None:
    running.set_faults({"fault": "rate_limited", "at": "trade:order.create*", "count": 1})
    plan = Plan(
        venue="bybit", mode="testnet", endpoints=find_endpoints("bybit", "testnet", running.urls["rest"]),
        symbols=SYMBOLS, journal=tmp_path / "j", config=load_config(None, None, ["mode=sent"]),
        pace=Pace(warmup_s=0.1),
    )  # fmt: skip
    status = run_session(plan, has_answers).status
    rows = np.concatenate([rows.copy() for rows in Journal(tmp_path / "j").verified_chunks()])
    rates = rows[rows["kind"] == EventKind.RATE]
    for index, latency in enumerate(status.order_latency):
        taken = rates[(rates["code"] == RequestOutcome.OK) & (rates["instrument_index"] == index)]
        assert (latency.count, latency.sum_ns) == (len(taken), taken["aux"].sum())
    assert status.rate_limited == (rates["code"] == RequestOutcome.RATE_LIMITED).sum()
    assert status.tick_to_order.count > 0 and status.tick_to_order.sum_ns > 0
    assert status.freezes == len(SYMBOLS), "a graceful stop freezes every symbol"
    assert EventKind.BOOK_GAP not in rows["kind"]
    assert AlertCode.BOOK_GAP not in rows["code"][rows["kind"] == EventKind.ALERT]
    assert set(status.state.books["status"].tolist()) == {BookStatus.LIVE}
