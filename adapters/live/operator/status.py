"""What a running session tells about itself: for metrics, health pages and logs; must never hold a secret."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from mmfold.adapters.alerts.counts import AlertCounts
from mmfold.adapters.venues.connection import StreamStatus
from mmfold.engine.codes import AuditKind, EventKind, Reason, RequestOutcome
from mmfold.engine.limits import NS_PER_MS
from mmfold.engine.manifest import Manifest
from mmfold.engine.policy.lane import Member, PolicyLane
from mmfold.engine.state import State
from mmfold.journal.log.rows import plain_rows

# spec/core.md 8, and the two that spec/control.md 26 adds.
LATENCY_BOUNDS_MS = (1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500)
TICK_BOUNDS_US = (10, 20, 30, 50, 75, 100, 200, 500, 1000, 5000)
PHASES = ("starting", "reconciling", "warming", "trading", "stopping", "stopped")


@dataclass
class Histogram:
    """Counts below rising bounds, their sum and number; the last count is of what exceeds all bounds."""

    bounds: tuple[int, ...]
    unit_ns: int
    counts: list[int] = field(default_factory=list)
    sum_ns: int = 0
    count: int = 0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, duration_ns: int) -> None:
        """Count one duration."""
        place = 0
        while place < len(self.bounds) and duration_ns > self.bounds[place] * self.unit_ns:
            place += 1
        self.counts[place] += 1
        self.sum_ns += duration_ns
        self.count += 1


@dataclass
class LiveStatus:
    """A running session; the runner writes it, others read it between two events of the loop."""

    mode: str
    venue: str
    manifest: Manifest
    state: State
    journal: str
    ts_started_ns: int
    params_hash: str
    lane: PolicyLane | None = None
    is_live_enabled: bool = False  # MM_LIVE_ENABLE=1, whatever the mode
    phase: str = "starting"  # one of PHASES
    streams: dict[str, StreamStatus] = field(default_factory=dict)
    seq_next: int = 0
    head: str = ""
    clock_offset_ns: int = 0
    loop_drift_ns: int = 0
    warmup_skips: int = 0
    warmup_until_ns: int = 0
    rate_limited: int = 0
    alerts: AlertCounts = field(default_factory=AlertCounts)
    freezes: int = 0  # symbols frozen by a command
    behind: set[str] = field(default_factory=set)  # symbols that are frozen while the loop runs behind the venue
    unexplained: dict[str, str] = field(default_factory=dict)  # symbol: why it is kept flat
    tick_to_order: Histogram = field(default_factory=lambda: Histogram(TICK_BOUNDS_US, 1000))
    order_latency: tuple[Histogram, ...] = field(init=False)  # by instrument

    def __post_init__(self) -> None:
        self.order_latency = tuple(Histogram(LATENCY_BOUNDS_MS, NS_PER_MS) for _ in self.manifest.instruments)

    def policies(self) -> Mapping[str, Member]:
        """Return the policies as they are now."""
        return {} if self.lane is None else self.lane.members

    def note_answers(self, rows: np.ndarray) -> None:
        """Count the venue's answers to requests: how long each took, and the refusals of its rate limit."""
        for row in plain_rows(rows):
            if row.kind == EventKind.REQUEST_RESULT and row.code == RequestOutcome.OK:
                self.order_latency[row.instrument_index].add(row.aux)
            elif row.kind == EventKind.REQUEST_RESULT and row.code == RequestOutcome.RATE_LIMITED:
                self.rate_limited += 1

    def note_audits(self, effects: np.ndarray) -> None:
        """Count the symbols that a command has frozen."""
        for row in plain_rows(effects):
            is_command = row.kind == EventKind.AUDIT and row.code == AuditKind.GUARD and row.aux == Reason.COMMAND
            self.freezes += is_command and row.price_ticks < row.qty_lots  # frozen before, after

    def not_ready(self) -> list[str]:
        """Return why the session does not trade, sorted; none when it does."""
        reasons = {f"stream_{stream.name}_down" for stream in self.streams.values() if not stream.up}
        if self.phase != "trading":
            reasons.add(self.phase)
        reasons |= {f"behind_{symbol}" for symbol in self.behind}
        reasons |= {f"unexplained_{symbol}" for symbol in self.unexplained}
        if self.mode != "shadow" and (self.state.quoters["block_reason"] == Reason.GUARD_PAUSED).any():
            reasons.add("guard_paused_effective")
        for index, instrument in enumerate(self.manifest.instruments):
            if self.state.quoters[index]["frozen"]:
                reasons.add(f"frozen_{instrument.symbol}")
        return sorted(reasons)
