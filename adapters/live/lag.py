"""Sees that a session runs behind its venue: quotes that follow a market of seconds ago are pulled until it has caught
up; must never lift what somebody else froze.

The lag is the venue's own stamp of the newest book message against the venue's time at which we read it: a loop that
cannot follow reads ever later, and nothing else tells.
"""

import asyncio
from typing import TYPE_CHECKING

import numpy as np

from mmfold.adapters.alerts.kinds import Happening
from mmfold.adapters.logs import EventLog
from mmfold.engine.limits import NS_PER_MS
from mmfold.engine.records import NO_TS_NS

if TYPE_CHECKING:
    from mmfold.adapters.live.operator.status import LiveStatus
    from mmfold.adapters.live.runner import Runner

LOOK_S = 0.1
LATE_LOOK_COUNT = 3  # looks in a row, each at a newer message: one message that comes late is none
CAUGHT_UP_LOOK_COUNT = 20
BEHIND = "behind"  # why the freeze, in its COMMAND
LOG = EventLog("lag")


def lag_of(status: "LiveStatus") -> tuple[int, int]:
    """Return when the newest book message was read and how late that was, by the venue's clock.

    Units: ns; (NO_TS_NS, 0) where there is no book yet.
    """
    books = status.state.books
    newest = books[int(np.argmax(books["ts_receive_ns"]))]
    read_ns, stamp_ns = int(newest["ts_receive_ns"]), int(newest["ts_exchange_ns"])
    if NO_TS_NS in (read_ns, stamp_ns):
        return NO_TS_NS, 0
    return read_ns, read_ns + status.clock_offset_ns - stamp_ns


class LagWatch:
    """What was seen so far; `behind` are the symbols that it froze itself."""

    def __init__(self, runner: "Runner") -> None:
        self.runner = runner
        self.bound_ns = runner.pace.lag_ms_max * NS_PER_MS
        self.read_ns = NO_TS_NS
        self.late_count = self.caught_up_count = 0

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            if self.bound_ns and not self.runner.is_ending:
                await self.look()

    async def look(self) -> None:
        """Look once at the newest message."""
        read_ns, lag_ns = lag_of(self.runner.status)
        if read_ns == self.read_ns:
            return
        self.read_ns = read_ns
        self.late_count = self.late_count + 1 if lag_ns > self.bound_ns else 0
        self.caught_up_count = self.caught_up_count + 1 if lag_ns <= self.bound_ns // 2 else 0
        behind = self.runner.status.behind
        if self.late_count == LATE_LOOK_COUNT:
            LOG.error("loop_behind", lag_ms=lag_ns // NS_PER_MS, bound_ms=self.bound_ns // NS_PER_MS)
            self.runner.alerts.tell(Happening.LOOP_BEHIND, why=f"{lag_ns // NS_PER_MS:,} ms late")
            for symbol in self.quoted():
                behind.add(symbol)
                await self.runner.command({"command": "freeze", "symbol": symbol, "why": BEHIND})
        elif behind and self.caught_up_count >= CAUGHT_UP_LOOK_COUNT:
            LOG.warning("loop_caught_up", lag_ms=lag_ns // NS_PER_MS)
            for symbol in sorted(behind - self.runner.status.unexplained.keys()):
                await self.runner.command({"command": "unfreeze", "symbol": symbol})
            behind.clear()

    def quoted(self) -> list[str]:
        """Return the symbols that are not frozen."""
        session = self.runner.session
        frozen = session.core.state.quoters["frozen"].tolist()
        return [one.symbol for one, at in zip(session.manifest.instruments, frozen, strict=True) if not at]
