"""What runs beside a session's streams and timers: looks at its journal and its lag, takes its commands."""

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from mmfold.adapters.live.lag import LagWatch
from mmfold.adapters.live.operator.alerting import watch_alerts
from mmfold.adapters.live.operator.control import ControlServer
from mmfold.adapters.live.watch_journal import watch_journal

if TYPE_CHECKING:
    from mmfold.adapters.live.runner import Runner


def beside(runner: "Runner") -> list[Awaitable[None]]:
    """Return the loops, which end with the session."""
    looks = [watch_journal(runner), LagWatch(runner).run(), watch_alerts(runner)]
    return [*looks, runner.blocks.run(), ControlServer(runner).serve()]
