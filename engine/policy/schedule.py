"""When policies are due, as the clock has it; must never decide anything but that.

The columns are looked up once a state: a plain number of one costs a tenth of a record's field, and a policy may be due
each second of a journal of months.
"""

from collections.abc import Iterable

import numpy as np

from mmfold.engine.codes import EventKind
from mmfold.engine.records import NO_TS_NS, NO_VALUE
from mmfold.engine.state import State


class Schedules:
    """The schedules of one state's clock, by the ids of their policies."""

    def __init__(self, state: State) -> None:
        self.state = state
        schedules = state.clock["schedules"][0]
        self.now_ns, self.first_due_ns = state.clock["ts_now_ns"], state.clock["policy_due_ns"]
        self.kind_counts = state.kind_counts
        self.active, self.due_ns, self.interval_ns = (schedules[name] for name in ("active", "due_ns", "interval_ns"))
        self.wake_kind, self.wake_count = schedules["wake_kind"], schedules["wake_count"]
        self.run_count: np.ndarray = schedules["run_count"]

    def set(self, policy_id: int, interval_ns: int | None) -> None:
        """Set a policy's interval, None for one that does not run."""
        self.active[policy_id] = interval_ns is not None
        if interval_ns is not None:
            self.interval_ns[policy_id] = interval_ns
        else:
            self.due_ns[policy_id], self.wake_kind[policy_id] = NO_TS_NS, NO_VALUE

    def is_due(self, policy_id: int) -> bool:
        """Tell whether an active policy runs at this TIMER."""
        if self.now_ns.item(0) >= self.due_ns.item(policy_id):
            return True
        kind = self.wake_kind.item(policy_id)
        return bool(kind != NO_VALUE and self.kind_counts.item(kind) >= self.wake_count.item(policy_id))

    def begin(self, policy_id: int) -> None:
        """Count a run and set when the next is due."""
        self.due_ns[policy_id] = self.now_ns.item(0) + self.interval_ns.item(policy_id)
        self.wake_kind[policy_id] = NO_VALUE
        self.run_count[policy_id] += 1

    def wake(self, policy_id: int, kind: EventKind, count: int) -> None:
        """Have a policy run after so many more events of a kind as well."""
        self.wake_kind[policy_id] = kind
        self.wake_count[policy_id] = self.kind_counts.item(kind) + count

    def set_first_due(self, active_ids: Iterable[int]) -> None:
        """Keep in the clock when the first of the active policies is due."""
        self.first_due_ns[0] = min(map(self.due_ns.item, active_ids), default=NO_TS_NS)
