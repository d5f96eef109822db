"""A live session on the emulated venue: fills that race with cancels, a settlement, a silence and a restart."""

import asyncio
from pathlib import Path

from tests.live.stage import SPEED, TIGHT, Stage, stage

BOUND_S = 30.0
BOOKS = "public:orderbook.*"
SYMBOL = "BTCUSDT"
FILL_COUNT = 150
RATE_E9 = 100_000
CANCELLING = ("strategy.replace_threshold_bps=0",)  # an order is cancelled and placed anew, not amended
SILENCE_MS = 2_500


async def play(journal: Path) -> None:
    """Run the session."""
    async with stage(journal, speed=SPEED) as staged:
        await staged.begin((*TIGHT, *CANCELLING))
        await staged.quoting(BOUND_S)
        position = staged.playing.session.core.state.cells["position"]
        staged.arm({"fault": "cancel_race", "at": "trade:order.cancel", "count": None, "chance_ppm": 700_000})
        await staged.until(lambda: position["fill_count"][0] >= FILL_COUNT, 2 * BOUND_S, "fills")
        await settle(staged)
        await fall_silent(staged)
        # The frame that says so is lost: the deltas behind it begin anew, as in tests/live/test_restart.py.
        staged.arm({"fault": "restart", "at": BOOKS}, {"fault": "malformed", "at": BOOKS})
        book = staged.playing.session.core.state.books[:1]
        await staged.until(lambda: bool(book["restart_count"][0]), BOUND_S, "the restart")
        await asyncio.sleep(1.0)
        await staged.end()


async def settle(staged: Stage) -> None:
    """Let the venue settle a position."""
    await staged.until(lambda: staged.account.positions[SYMBOL].lots != 0, BOUND_S, "a position")
    staged.account.settle_funding(SYMBOL, RATE_E9)
    counter = staged.playing.session.core.state.cells["counter"]
    await staged.until(lambda: counter["settlement_count"][0] > 0, BOUND_S, "the settlement")


async def fall_silent(staged: Stage) -> None:
    """Let nothing be heard of the book for a while."""
    staged.arm({"fault": "stale", "at": BOOKS, "count": 1, "duration_ms": SILENCE_MS})
    await asyncio.sleep(SILENCE_MS / 1000)
    staged.arm()
    await staged.quoting(BOUND_S)


def make_session(place: Path) -> Path:
    """Write the session's journal."""
    asyncio.run(play(place / "session"))
    return place / "session"
