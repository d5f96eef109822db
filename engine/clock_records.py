"""The records of the whole process: its clock, the schedules of policies, the circuit breaker; must never hold what is
of one instrument (engine/records.py).
"""

from mmfold.engine.codes import EventKind
from mmfold.engine.limits import CIRCUIT_PROBE_ROOM, CIRCUIT_SECOND_COUNT, POLICY_ROOM
from mmfold.engine.record_types import record
from mmfold.engine.schema import I8

KIND_COUNT = int(EventKind.FRAME) + 1
RESULT_KIND_COUNT = 4  # of the circuit breaker: all, failed, those of them that were server errors, rate limits
ALL, FAILED, SERVER_ERROR, RATE_LIMITED = range(RESULT_KIND_COUNT)

SCHEDULE = record(
    48,
    [
        ("active", I8),  # 1: the policy runs
        ("interval_ns", I8),
        ("due_ns", I8),  # it runs on the first TIMER from here on
        ("wake_kind", I8),  # and when there were `wake_count` events of this kind, or the sentinel
        ("wake_count", I8),
        ("run_count", I8),
    ],
)

CIRCUIT = record(
    56 + 8 * CIRCUIT_PROBE_ROOM + 8 * RESULT_KIND_COUNT * (CIRCUIT_SECOND_COUNT + 1),
    [
        ("state", I8),
        ("ts_state_ns", I8),  # when it came to be so
        ("open_count", I8),
        ("transition_count", I8),
        ("ts_probe_ns", I8),  # of the last probe, or the sentinel; of the half-open state under way, so for the rest
        ("probe_count", I8),  # probes sent
        ("probe_ids", I8, (CIRCUIT_PROBE_ROOM,)),  # their orders, of those that are not answered yet
        ("probe_counts", I8, (RESULT_KIND_COUNT,)),  # what was answered
        ("second", I8),  # the newest that is counted
        ("counts", I8, (RESULT_KIND_COUNT, CIRCUIT_SECOND_COUNT)),  # results, a ring over seconds
    ],
)

CLOCK = record(
    136 + 8 * KIND_COUNT + SCHEDULE.itemsize * POLICY_ROOM + CIRCUIT.itemsize,
    [
        ("seq_last", I8),
        ("ts_now_ns", I8),  # the greatest receive time seen: the core's only clock
        ("kind_now", I8),  # of the event under way
        ("event_count", I8),
        ("row_count", I8),
        ("effect_count", I8),
        ("effect_slot", I8),  # effects decided by the current event so far
        ("policy_due_ns", I8),  # of the active policies the first one's
        ("policy_active", I8),  # 1: some policy is switched on, due timers stop for the policy lane
        ("connection_state", I8),
        ("cash_micros", I8),  # as the venue last reported it, or the sentinel
        ("rss_bytes", I8),
        ("policy_run_count", I8),
        ("gross_micros", I8),  # sum over symbols of |position| x last mid
        ("day_end_ns", I8),  # midnight UTC after the event under way (engine/day.py)
        ("day_pnl_micros", I8),  # sum over symbols of what they made since the day began, in quote
        ("day_stopped", I8),  # 1: the day's loss has reached its limit, nothing is quoted
        ("kind_counts", I8, (KIND_COUNT,)),  # events by kind
        ("schedules", SCHEDULE, (POLICY_ROOM,)),  # of policies, by their ids
        ("circuit", CIRCUIT),  # engine/circuit.py
    ],
)
