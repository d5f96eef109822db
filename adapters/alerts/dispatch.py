"""Where a session tells its alerts: counted, told once per window, queued for each channel; must never wait or raise.

The session's loop does no more than that: a courier process delivers (courier.py), one alert at a time per channel, and
says what came of it. Without a channel alerts are counted alone.
"""

import asyncio
import math
import time
from dataclasses import dataclass, field
from typing import Any

from mmfold.adapters.alerts.backlog import Backlog, Waiting
from mmfold.adapters.alerts.beside import CourierProcess
from mmfold.adapters.alerts.channel import Channel
from mmfold.adapters.alerts.counts import AlertCounts
from mmfold.adapters.alerts.document import Alert, Origin, Repeats, make_document
from mmfold.adapters.alerts.kinds import KIND_OF, Happening, Severity
from mmfold.adapters.alerts.window import Windows
from mmfold.adapters.logs import EventLog
from mmfold.config.models import AlertsSection
from mmfold.engine.codes import AlertCode
from mmfold.journal.errors import JournalFull

CRITICAL_S = 8.0  # at a session's end, for what is critical
REST_S = 2.0  # and for what is not
LOOK_S = 0.05
GIVE_WAY_S = 2.0  # that what is under way has before something critical takes its place
TRY_COUNT_MAX = 2  # of one alert whose courier ended under it


@dataclass
class Lane:
    """One channel: what waits for it and what is under way."""

    backlog: Backlog = field(default_factory=Backlog)
    job: Waiting | None = None
    tries: int = 0
    begun_s: float = 0.0  # when the job was handed over

    def has_critical(self) -> bool:
        """Tell whether something critical is not yet through."""
        return self.backlog.has_critical() or (self.job is not None and self.job.severity is Severity.CRITICAL)


class AlertDesk:
    """The alerts of one session."""

    def __init__(self, settings: AlertsSection | None = None, channels: tuple[Channel, ...] = ()) -> None:
        self.settings = settings
        self.counts = AlertCounts()
        self.origin = Origin()
        self.log = EventLog("alerts")
        self.lanes = {channel.name: Lane() for channel in channels}
        self.is_failure_told = False
        self.windows = Windows(0 if settings is None else float(settings.window_s))
        self.severity_min = Severity.INFO if settings is None else Severity[settings.min_severity.upper()]
        self.venue_down_s = math.inf if settings is None else float(settings.venue_down_s)
        for channel in channels:
            self.counts.begin(channel.name)
        self.setups = {channel.name: channel.setup() for channel in channels}
        self.courier: CourierProcess | None = None

    def start(self, origin: Origin) -> None:
        """Start what delivers, if there is a channel; the origin is of what is told from here on."""
        self.origin = origin
        if self.lanes:
            last = Alert(kind=KIND_OF[Happening.SESSION_DIED], ts_ns=time.time_ns())
            setup = {"channels": self.setups, "last_word": make_document(last, origin)}
            self.courier = CourierProcess(setup, self.begin, self.note_told, self.note_lost)
            self.courier.start()

    def know(self, origin: Origin) -> None:
        """Take which session it is, once that is known; the courier is told for its last word."""
        self.origin = origin
        if self.courier is not None:
            last = Alert(kind=KIND_OF[Happening.SESSION_DIED], ts_ns=time.time_ns())
            self.courier.change_last_word(make_document(last, origin))

    def tell(
        self, of: AlertCode | Happening, *, symbol: str = "", seq: int | None = None, detail: int | None = None,
        ts_ns: int | None = None, why: str = "",
    ) -> None:  # fmt: skip
        """Tell one alert: at once if it is the first of its window, else with the others at the window's end."""
        kind = KIND_OF[of]
        self.counts.raised[kind.name] += 1
        if kind.severity < self.severity_min or not self.lanes:
            return
        at_ns = time.time_ns() if ts_ns is None else ts_ns
        alert = Alert(kind=kind, ts_ns=at_ns, symbol=symbol, seq=seq, detail=detail, why=why)
        if self.windows.is_first(alert, time.monotonic()):
            self.post(alert)

    def tell_failure(self, error: BaseException) -> None:
        """Tell once what ends the session."""
        if not self.is_failure_told:
            self.is_failure_told = True
            of = Happening.JOURNAL_FULL if isinstance(error, JournalFull) else Happening.SESSION_FAILED
            self.tell(of, why=f"{type(error).__name__}: {error}")

    def tick(self, now_s: float) -> None:
        """Tell the counts of the windows that have ended, and let nothing that hangs keep back what is critical."""
        for alert, repeats in self.windows.close_due(now_s):
            self.post(alert, repeats)
        self.make_way(now_s)

    def make_way(self, now_s: float) -> None:
        """End what is under way for long where something critical waits behind it."""
        for name, lane in self.lanes.items():
            is_less = lane.job is not None and lane.job.severity < Severity.CRITICAL
            if is_less and lane.backlog.has_critical() and now_s >= lane.begun_s + GIVE_WAY_S:
                lane.begun_s = now_s  # asked once
                if self.courier is not None and self.courier.is_up:
                    self.courier.write({"drop": name})

    def post(self, alert: Alert, repeats: Repeats | None = None) -> None:
        """Queue an alert for every channel."""
        one = Waiting(alert.kind.severity, make_document(alert, self.origin, repeats))
        for name, lane in self.lanes.items():
            dropped = lane.backlog.add(one)
            if dropped is not None:
                self.note_dropped(name, [dropped])
            self.pump(name)

    def pump(self, name: str) -> None:
        """Give a channel its next alert if it has none."""
        lane = self.lanes[name]
        if lane.job is not None or self.courier is None or not self.courier.is_up:
            return
        lane.job = lane.backlog.take()
        lane.tries = 0
        if lane.job is not None:
            self.hand_over(name)

    def hand_over(self, name: str) -> None:
        """Hand the courier what is under way on a channel."""
        lane = self.lanes[name]
        assert lane.job is not None and self.courier is not None
        lane.tries += 1
        lane.begun_s = time.monotonic()
        self.courier.write({"channel": name, "document": lane.job.document})

    def begin(self) -> None:
        """Hand over what waits: the courier has begun, perhaps again."""
        for name, lane in self.lanes.items():
            if lane.job is not None:
                self.hand_over(name)
            else:
                self.pump(name)

    def note_told(self, outcome: dict[str, Any]) -> None:
        """Count and log what came of an alert, and go on with the next."""
        name = outcome["channel"]
        lane = self.lanes[name]
        if lane.job is None:
            return
        said = {"kind": lane.job.document["kind"], "route": name}
        said |= {"attempts": outcome["attempts"], "seconds": outcome["seconds"]}
        if outcome["sent"]:
            self.counts.sent[name] += 1
            self.log.info("alert_sent", **said)
        else:
            self.counts.failed[name] += 1
            self.log.error("alert_failed", reason=outcome["reason"], next="mm alerts test", **said)
        lane.job = None
        self.pump(name)

    def note_lost(self) -> None:
        """Keep what was under way for the next courier, but not for ever: it may be what ended this one."""
        for name, lane in self.lanes.items():
            if lane.job is not None and lane.tries >= TRY_COUNT_MAX:
                said = {"attempts": lane.tries, "channel": name, "reason": "the courier ended", "seconds": 0.0}
                self.note_told(said | {"sent": False})

    def note_dropped(self, name: str, dropped: list[Waiting]) -> None:
        """Count and log what is not told."""
        self.counts.dropped[name] += len(dropped)
        for one in dropped:
            self.log.warning("alert_dropped", kind=one.document["kind"], route=name)

    async def close(self) -> None:
        """Tell what the open windows have counted, wait a bounded time for what is under way, end the courier."""
        if self.courier is None:
            return
        for alert, repeats in self.windows.close_all(time.monotonic()):
            self.post(alert, repeats)
        begun_s = time.monotonic()
        try:
            while (waited_s := time.monotonic() - begun_s) < CRITICAL_S:
                lanes = self.lanes.values()
                is_idle = not any(lane.job is not None or len(lane.backlog) for lane in lanes)
                if is_idle or (waited_s >= REST_S and not any(lane.has_critical() for lane in lanes)):
                    break
                self.make_way(time.monotonic())
                await asyncio.sleep(LOOK_S)
        finally:
            await self.courier.stop()
            for name, lane in self.lanes.items():
                left = lane.backlog.drop_all() + ([] if lane.job is None else [lane.job])
                lane.job = None
                self.note_dropped(name, left)
