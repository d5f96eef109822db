"""Every fault of the venue in every state of a session: the laws hold, and it quotes again when the fault is over.

One test is one fault at one place; its runs (states x seeds, MM_TEST_SEEDS of them) share a loop.
"""

import asyncio
import os
import random
from pathlib import Path
from traceback import extract_tb
from typing import Any, NamedTuple

import pytest

from mmfold.adapters.emulator.market.faults import Fault
from tests.live.laws import check_all
from tests.live.stage import TIGHT, WIDE, stage

STATES = {"idle": WIDE, "quoting": WIDE, "filling": TIGHT}
TOGETHER = 6  # runs of one loop at a time
FAULTY_S = (0.4, 0.8)
BOUND_S = 15.0  # from the end of the faults to quotes, on a busy machine that does six runs at once
SEEDS = range(int(os.environ.get("MM_TEST_SEEDS", "2")))  # 276 runs


class Case(NamedTuple):
    """A fault and where it strikes; `cut` also cuts these connections, so that what comes instead is struck."""

    fault: str
    at: str
    chance_ppm: int = 300_000
    cut: str = ""

    def rules(self, dice: random.Random) -> list[dict[str, Any]]:
        """Return the rules of one run."""
        duration_ms = dice.choice((60, 250, 1_500))
        rule = {"fault": self.fault, "at": self.at, "count": None, "chance_ppm": self.chance_ppm}
        rule |= {"duration_ms": duration_ms, "skew_ms": dice.choice((-60_000, 60_000))}
        rule |= {"status": dice.choice((403, 429, 500, 503))}
        if self.fault in ("half_open", "stale", "restart", "clock_skew"):
            rule["count"] = 1  # one is long enough
        cut = {"fault": "disconnect", "at": self.cut, "count": None, "chance_ppm": 400_000}
        return [cut, rule] if self.cut else [rule]


FEW = 60_000
CASES = [
    *[Case(fault, "public:orderbook.*", FEW)
      for fault in ("disconnect", "half_open", "malformed", "duplicate", "reorder", "drop", "stale", "restart")],
    *[Case(fault, "private:*")
      for fault in ("disconnect", "half_open", "malformed", "duplicate", "reorder", "drop", "stale")],
    Case("drop", "private:execution", 700_000), Case("drop", "private:order", 700_000),
    *[Case(fault, "control:*", cut="p*:*") for fault in ("disconnect", "malformed", "drop", "duplicate", "half_open")],
    *[Case(fault, "trade:order.*")
      for fault in ("disconnect", "half_open", "malformed", "duplicate", "ack_delayed", "ack_lost", "request_lost",
                    "http_error", "rate_limited", "server_error", "clock_skew")],
    Case("cancel_race", "trade:order.cancel", 1_000_000), Case("cancel_race", "trade:order.amend", 1_000_000),
    *[Case(fault, "rest:/v5/*", cut="[tp]r*:*")
      for fault in ("disconnect", "half_open", "malformed", "ack_delayed", "ack_lost", "request_lost", "http_error",
                    "rate_limited", "server_error", "clock_skew")],
]  # fmt: skip


def named(case: Case) -> str:
    return f"{case.fault}-{case.at}"


async def run_one(case: Case, state: str, seed: int, journal: Path) -> None:
    """Run one session through its fault."""
    dice = random.Random(f"{case}{state}{seed}")
    async with stage(journal, seed) as staged:
        await staged.begin(STATES[state])
        await staged.quoting(BOUND_S)
        if state == "idle":
            await staged.playing.command({"command": "freeze"})
        await asyncio.sleep(dice.uniform(0, 0.2))
        staged.arm(*case.rules(dice), seed=seed)
        await asyncio.sleep(dice.uniform(*FAULTY_S))
        staged.arm()
        if state == "idle":
            await staged.playing.command({"command": "unfreeze"})
        await staged.quoting(BOUND_S)
        await staged.end()
        check_all(journal, staged.account, staged.worst)


async def run_case(case: Case, seeds: range, directory: Path) -> None:
    """Run a case in every state under every seed and tell of all that failed."""
    gate = asyncio.Semaphore(TOGETHER)

    async def guarded(state: str, seed: int) -> str:
        async with gate:
            try:
                await run_one(case, state, seed, directory / f"{state}-{seed}")
            except Exception as error:
                where = " < ".join(f"{step.name}:{step.lineno}" for step in reversed(extract_tb(error.__traceback__)))
                return f"{named(case)} {state} seed {seed}: {type(error).__name__}: {error} at {where}"
            return ""

    told = await asyncio.gather(*(guarded(state, seed) for state in STATES for seed in seeds))
    assert [text for text in told if text] == []


@pytest.mark.parametrize("case", CASES, ids=named)
def test_the_laws_hold(case: Case, tmp_path: Path) -> None:
    asyncio.run(run_case(case, SEEDS, tmp_path))


def test_every_fault_is_tried() -> None:
    assert {case.fault for case in CASES} == {fault.value for fault in Fault}
