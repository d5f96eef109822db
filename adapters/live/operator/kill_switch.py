"""The kill switch of a running session: every order is cancelled at once, two ways; must never wait for one of them.
The account stays stopped until a person lifts it (account_stop.py).

The core's cancels are journaled first and leave by order entry, as always; the venue's own cancel-all leaves by REST
beside them, so that a lost connection, a full disk or a fault of ours leaves no order behind.
"""

import asyncio
from typing import TYPE_CHECKING

from mmfold.adapters.alerts.kinds import Happening
from mmfold.adapters.live.account.thaw import END
from mmfold.adapters.logs import EventLog

if TYPE_CHECKING:
    from mmfold.adapters.live.runner import Runner

BY_HAND = "kill switch"
KILL_S = 10.0  # for both ways together; the session's own end comes after


class KillSwitch:
    """What SIGUSR1 pulls; once pulled it stays so."""

    def __init__(self, runner: "Runner") -> None:
        self.runner = runner
        runner.kill_switch = self
        self.reason = BY_HAND
        self.cut: asyncio.Task[None] | None = None
        self.log = EventLog("kill_switch")

    @property
    def is_pulled(self) -> bool:
        """Whether the session ends by the kill switch."""
        return self.cut is not None

    def pull(self, reason: str = BY_HAND) -> None:
        """Cancel everything now, then end the session; the first reason is the one that is kept."""
        if self.cut is None:
            self.reason = reason
            if reason == BY_HAND:  # the day's loss has an alert of its own
                self.runner.alerts.tell(Happening.KILLSWITCH_FIRED, why=reason)
            self.cut = asyncio.ensure_future(self.cancel_and_stop())

    async def keep(self) -> None:
        """Stop the account until a person lifts it; off the loop, so that no cancel waits for a disk."""
        stop = self.runner.account_stop
        if stop is None:
            return
        try:
            await asyncio.to_thread(stop.keep, self.reason)
        except OSError as error:  # the session ends as killed all the same
            self.log.error("account_stop_not_kept", account=stop.account, error=error)
            self.runner.alerts.tell(Happening.ACCOUNT_STOP_NOT_KEPT, why=str(error))

    async def cancel_and_stop(self) -> None:
        """Freeze the core and cancel at the venue, side by side; then the session winds down as ever."""
        runner = self.runner
        runner.is_stopping = True
        runner.status.phase = "stopping"
        self.log.warning("kill_switch_pulled", why=self.reason, open_orders=len(runner.session.open_orders()))
        ways = asyncio.gather(runner.command(END), runner.cancel_all(), self.keep(), return_exceptions=True)
        try:
            for outcome in await asyncio.wait_for(ways, KILL_S):
                if isinstance(outcome, BaseException):
                    runner.fail(outcome)
        except TimeoutError:
            self.log.error("kill_switch_late", waited_s=KILL_S)
        finally:
            runner.stop_asked.set()
