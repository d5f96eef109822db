"""A session in a process of its own, at the pace of the tests: session_child.py URL JOURNAL CONFIG.yaml [FORMER]

The command line's own loop runs it, signals included; it says `ready` when it trades.
"""

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import aiohttp

from mmfold.adapters.cli.live_command import read_config, run_session
from mmfold.adapters.crash import forbid_core_dumps
from mmfold.adapters.live.operator.kill_switch import KillSwitch
from mmfold.adapters.live.start import Plan, make_runner
from mmfold.adapters.live.venue.endpoints import find_endpoints
from mmfold.adapters.logs import setup_logs
from tests.live.stage import PACE


async def main(url: str, journal: Path, config_path: Path, continue_from: Path | None) -> None:
    asked = {
        "config_path": config_path, "profile": None, "overrides": (), "mode": "testnet", "duration_s": None,
    }  # fmt: skip
    plan = Plan(
        venue="bybit", mode="testnet", endpoints=find_endpoints("bybit", "testnet", url), symbols=("BTCUSDT",),
        journal=journal, config=read_config(asked), pace=PACE, continue_from=continue_from,
    )  # fmt: skip
    async with aiohttp.ClientSession() as http:
        runner = await make_runner(plan, http)

        async def tell() -> None:
            while runner.status.phase != "trading":
                await asyncio.sleep(0.01)
            print("ready", flush=True)

        told = asyncio.ensure_future(tell())
        try:
            await run_session(runner, KillSwitch(runner), asked)
        finally:
            told.cancel()
            runner.session.close()
            runner.raw.close()


if __name__ == "__main__":
    setup_logs("INFO")
    forbid_core_dumps()
    asyncio.run(main(sys.argv[1], *map(Path, sys.argv[2:4]), Path(sys.argv[4]) if sys.argv[4:] else None))
