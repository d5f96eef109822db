"""A session at its alert desk: from before it starts until its journal is sealed; must never decide anything."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from mmfold.adapters.alerts.dispatch import AlertDesk
from mmfold.adapters.alerts.document import Origin
from mmfold.adapters.alerts.kinds import Happening
from mmfold.adapters.live.account.account_stop import AccountStopped
from mmfold.adapters.venues.connection import StreamStatus

if TYPE_CHECKING:
    from mmfold.adapters.live.runner import Runner
    from mmfold.adapters.live.start import Plan

LOOK_S = 0.5


@asynccontextmanager
async def at_desk(plan: "Plan") -> AsyncIterator[AlertDesk]:
    """Yield the desk of a session that starts: what ends it with an error is told, a failed start as well."""
    desk = AlertDesk(plan.config.alerts, plan.channels)
    desk.start(Origin(venue=plan.venue, mode=plan.mode, journal=str(plan.journal)))
    try:
        yield desk
    except AccountStopped:
        raise  # a person has heard of that stop
    except Exception as error:
        desk.tell_failure(error)
        raise
    finally:
        await desk.close()


def take_desk(runner: "Runner", desk: "AlertDesk") -> None:
    """Tell a session's alerts at a desk from here on, under the session's name."""
    status = runner.status
    run_id = runner.session.manifest.run_id
    desk.know(Origin(run_id=run_id, venue=status.venue, mode=status.mode, journal=status.journal))
    runner.alerts, status.alerts = desk, desk.counts


class VenueWatch:
    """Which connections have been down for too long; each is told once, and once when it is back."""

    def __init__(self, down_s: float) -> None:
        self.down_s = down_s
        self.since_s: dict[str, float] = {}  # of those that are down
        self.told: set[str] = set()

    def changes(self, streams: Iterable[StreamStatus], now_s: float) -> list[tuple[Happening, str]]:
        """Return what is to be told now."""
        found = []
        for stream in streams:
            if stream.up:
                self.since_s.pop(stream.name, None)
                if stream.name in self.told:
                    self.told.remove(stream.name)
                    found.append((Happening.VENUE_BACK, stream.name))
                continue
            since_s = self.since_s.setdefault(stream.name, now_s)
            if stream.name not in self.told and now_s - since_s >= self.down_s:
                self.told.add(stream.name)
                found.append((Happening.VENUE_DOWN, f"{stream.name} for {now_s - since_s:.0f} s"))
        return found


async def watch_alerts(runner: "Runner") -> None:
    """Tell counts when their windows end, and a venue that is gone for too long."""
    desk = runner.alerts
    watch = VenueWatch(desk.venue_down_s)
    while True:
        await asyncio.sleep(LOOK_S)
        now_s = time.monotonic()
        desk.tick(now_s)
        if not runner.is_ending:
            for happening, why in watch.changes(runner.status.streams.values(), now_s):
                runner.log.warning(happening.value, stream=why)
                desk.tell(happening, why=why)
