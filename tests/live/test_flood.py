"""A session that gets more messages than it can read: timers go on, it says that it is behind, pulls, and recovers."""

import asyncio
import time
from pathlib import Path

import aiohttp
import numpy as np
import pytest

from mmfold.adapters.live.lag import BEHIND
from mmfold.adapters.live.runner import Pace
from mmfold.adapters.live.start import make_runner
from mmfold.adapters.live.venue.native_market import NativeMarket
from mmfold.engine.codes import EventKind
from mmfold.engine.json_text import parse_json
from mmfold.engine.payload import payload_bytes
from mmfold.journal.log.reader import Journal
from tests.adapters.live.until import plan_session
from tests.live.flood import Flood
from tests.live.laws import check_replay
from tests.live.processes import running_venue

RATE, CALM_RATE = 40_000, 50
BOUND_MS = 400
WAIT_S = 40.0
WIDE = ("maker.post_only_offset_bps=0", "strategy.min_spread_bps=40", "strategy.max_spread_bps=60")


def test_it_stops_quoting_while_it_is_behind(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def run(url_of: object) -> Flood:
        plan = plan_session(running, tmp_path / "j", *WIDE, f"live.max_lag_ms={BOUND_MS}", pace=Pace(warmup_s=0.1))
        async with aiohttp.ClientSession() as http:
            runner = await make_runner(plan, http)
            market = runner.market
            assert isinstance(market, NativeMarket)
            flood = Flood(market.stream, "BTCUSDT")
            task = asyncio.create_task(runner.run())

            async def until(test: object, what: str) -> None:
                end_s = time.monotonic() + WAIT_S
                while not test():  # type: ignore[operator]
                    assert not task.done() and time.monotonic() < end_s, f"{what}: {runner.status.not_ready()}"
                    await asyncio.sleep(0.02)

            try:
                await until(lambda: account.open and runner.status.phase == "trading", "quotes")
                flood.begin(RATE)
                await until(lambda: runner.status.behind, "told that it is behind")
                assert runner.status.not_ready()[0] == "behind_BTCUSDT"
                await until(lambda: not account.open, "quotes are pulled while the flood goes on")
                flood.begin(CALM_RATE)
                await until(lambda: not runner.status.behind and account.open, "quotes again")
                runner.stop_asked.set()
                await task
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                runner.session.close()
                runner.raw.close()
            return flood

    with running_venue(11) as running:
        account = next(iter(running.venue.accounts.values()))
        flood = asyncio.run(run(running))
    said = [record.msg for record in caplog.records if record.name.endswith("lag")]
    assert said == ["loop_behind", "loop_caught_up"], "one alert, one end of it"
    assert flood.worst_s * 1e3 > BOUND_MS
    rows = np.concatenate([rows.copy() for rows in Journal(tmp_path / "j").verified_chunks()])
    words = [parse_json(payload_bytes(rows[rows["seq"] == seq])) for seq in command_seqs(rows)]
    assert [(word["command"], word.get("why")) for word in words[:2]] == [("freeze", BEHIND), ("unfreeze", None)]
    timers = rows["ts_receive_ns"][rows["kind"] == EventKind.TIMER]
    print(f"{flood.read_count:,} messages, at most {flood.worst_s:.2f} s late, timer gaps "
          f"{np.percentile(np.diff(timers), (50, 99, 100)) / 1e6} ms")  # fmt: skip
    assert np.percentile(np.diff(timers), 90) < 5e8, "timers stand in no queue"
    check_replay(tmp_path / "j")


def command_seqs(rows: np.ndarray) -> list[int]:
    """Return the seqs of COMMANDs, in order."""
    return sorted(set(rows["seq"][rows["kind"] == EventKind.COMMAND].tolist()))
