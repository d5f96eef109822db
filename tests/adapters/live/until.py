"""Sessions and recordings that end when they have done what a test looks at: fixed times are short on busy cores."""

import asyncio
from collections.abc import Callable

import aiohttp

from adapters.live.recorder import Recorder
from adapters.live.runner import Runner
from adapters.live.start import Plan, make_runner

POLL_S, ENOUGH_S = 0.05, 30.0


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
