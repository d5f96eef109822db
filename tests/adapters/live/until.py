"""Sessions and recordings that end when they have done what a test looks at: fixed times are short on busy cores."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import aiohttp

from mmfold.adapters.live.recorder import Recorder
from mmfold.adapters.live.runner import Pace, Runner
from mmfold.adapters.live.start import Plan, make_runner
from mmfold.adapters.live.venue.endpoints import find_endpoints
from mmfold.config.load import load_config
from tests.adapters.emulator.running import RunningVenue

POLL_S, ENOUGH_S = 0.05, 30.0
SOON = Pace(warmup_s=0.1)


async def run_until(work: Runner | Recorder, is_enough: Callable[[], bool]) -> None:
    """Run until it is enough, or for a bound: what is missing then, the test tells."""

    async def watch() -> None:
        for _ in range(round(ENOUGH_S / POLL_S)):
            await asyncio.sleep(POLL_S)
            if is_enough():
                break
        work.stop_asked.set()

    watching = asyncio.create_task(watch())
    try:
        await work.run()
    finally:
        watching.cancel()


def plan_session(
    running: RunningVenue,
    journal: Path,
    *settings: str,
    symbols: tuple[str, ...] = ("BTCUSDT",),
    pace: Pace = SOON,
    adopt: bool = False,
) -> Plan:
    """Return what `mm live` would be asked for at a venue's first account."""
    return Plan(
        venue="bybit", mode="testnet", endpoints=find_endpoints("bybit", "testnet", running.urls["rest"]),
        symbols=symbols, journal=journal, config=load_config(None, None, ["mode=sent", *settings]), pace=pace,
        adopt_position=adopt,
    )  # fmt: skip


def run_session(plan: Plan, is_enough: Callable[[Runner], bool]) -> Runner:
    """Run a session and return it, closed."""

    async def run() -> Runner:
        async with aiohttp.ClientSession() as http:
            runner = await make_runner(plan, http)
            try:
                await run_until(runner, lambda: is_enough(runner))
            finally:
                runner.session.close()
            return runner

    return asyncio.run(run())
