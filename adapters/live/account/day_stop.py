"""The stop at the day's loss in a session: nothing is quoted any more and it ends as by the kill switch; must never
lift a stop that no person has lifted.

The account stays stopped (account_stop.py). Once a person has lifted that, the core's stop is lifted in the journal: a
COMMAND, so that a replay does the same. In paper and shadow there is no account: the core's stop alone holds, until
midnight UTC.
"""

from typing import TYPE_CHECKING

from mmfold.adapters.live.account.account_stop import AccountStop
from mmfold.engine.codes import AlertCode
from mmfold.engine.commands import RESUME
from mmfold.engine.limits import NS_PER_DAY
from mmfold.engine.state import State

if TYPE_CHECKING:
    from mmfold.adapters.live.runner import Runner

REASON = "daily loss"


def stop(runner: "Runner") -> None:
    """End the session as the kill switch does; where the journal is only taken up, nothing runs yet."""
    if runner.kill_switch is not None:
        runner.kill_switch.pull(REASON)


def is_lifted(state: State, account: AccountStop | None) -> bool:
    """Tell whether a person has lifted the stop that a state is in, or was before it."""
    day_start_ns = int(state.clock[0]["day_end_ns"]) - NS_PER_DAY
    return account is not None and account.was_lifted(REASON, day_start_ns)


async def lift(runner: "Runner") -> None:
    """Let the account be quoted again by a person's word to the session."""
    if runner.session.core.state.clock[0]["day_stopped"]:
        runner.log.warning("day_stop_lifted")
        await runner.command({"command": RESUME})


async def take_up(runner: "Runner") -> None:
    """Go on in a journal: lift a stop that was lifted, stop the account for one that a crash kept from being told."""
    state = runner.session.core.state
    if state.clock[0]["day_stopped"] == 0:
        return
    if runner.account_stop is not None and is_lifted(state, runner.account_stop):
        await runner.command({"command": RESUME})
        runner.account_stop.use_up()
    elif runner.account_stop is not None:
        runner.alerts.tell(AlertCode.DAILY_LOSS, detail=int(state.clock[0]["day_pnl_micros"]))
        stop(runner)
    else:
        runner.log.warning("still_stopped", why=REASON, hint="midnight UTC ends it, or a person: mm unfreeze")
