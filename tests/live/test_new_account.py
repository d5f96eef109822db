"""A session on defaults at a venue with a new account's limits is refused nothing for its rate."""

from pathlib import Path

import numpy as np
import pytest

from mmfold.adapters.emulator.bybit.codes import VenueCode
from mmfold.adapters.emulator.bybit.venue import Settings
from mmfold.adapters.emulator.market.faults import FaultPlan
from mmfold.adapters.live.runner import Pace, Runner
from mmfold.engine.codes import EventKind, RequestOutcome
from mmfold.journal.log.reader import Journal
from tests.adapters.emulator.running import RunningVenue
from tests.adapters.live.until import plan_session, run_session
from tests.live.laws import check_replay
from tests.live.many import many_source

EAGER = ("strategy.quote_refresh_ms=100", "strategy.min_time_in_book_ms=100", "throttle.max_amends_per_sec=100")
REQUEST_COUNT = 150


@pytest.mark.parametrize("symbol_count", [1, 5])
@pytest.mark.parametrize("settings", [(), EAGER], ids=["defaults", "eager"])
def test_nothing_is_refused_for_its_rate(
    tmp_path: Path, symbol_count: int, settings: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    source = many_source(symbol_count, 50)
    symbols = tuple(one.symbol for one in source.manifest.instruments)
    enough = 3 * REQUEST_COUNT if settings else REQUEST_COUNT // 2

    def is_enough(runner: Runner) -> bool:
        counters = runner.session.core.state.counters
        return int(counters["placed_count"].sum() + counters["amended_count"].sum()) >= enough

    running = RunningVenue(source, Settings(speed=2.0, latency_s=0.001), 1, FaultPlan())
    try:
        plan = plan_session(running, tmp_path / "j", *settings, symbols=symbols, pace=Pace(warmup_s=0.1))
        run_session(plan, is_enough)
    finally:
        running.close()
    rows = np.concatenate([rows.copy() for rows in Journal(tmp_path / "j").verified_chunks()])
    rates = rows["code"][rows["kind"] == EventKind.REQUEST_RESULT]
    sent = np.isin(rows["kind"], (EventKind.PLACE, EventKind.AMEND)).sum()
    assert sent >= enough / 3, "nothing was asked of the limits"
    refused = [record for record in caplog.records if record.msg == "request_refused"]
    assert VenueCode.RATE_LIMIT not in {one.__dict__["fields"]["code"] for one in refused}, "by the venue"
    assert settings or not (rates == RequestOutcome.RATE_LIMITED).any(), "nor by ourselves, on defaults"
    check_replay(tmp_path / "j")
