"""How many requests of a kind an instrument has sent in the last seconds; must never hold back a cancel for safety.

Source: spec/core.md 12: rings of one-second buckets, the bucket of second t counts for times in (now - window, now].
"""

from engine.codes import EventKind
from engine.jit import kernel
from engine.limits import NS_PER_S, THROTTLE_OP_COUNT, THROTTLE_SECOND_COUNT

assert list(EventKind)[list(EventKind).index(EventKind.PLACE) :][:THROTTLE_OP_COUNT] == [
    EventKind.PLACE, EventKind.AMEND, EventKind.CANCEL
]  # fmt: skip


@kernel
def sent_count(throttle, op, now_s, window_s):
    """Return how many requests of a kind fall into the window that ends now."""
    count = 0
    first = max(now_s - window_s, throttle["second"] - THROTTLE_SECOND_COUNT) + 1
    for second in range(first, throttle["second"] + 1):
        count += throttle["sent_counts"][op, second % THROTTLE_SECOND_COUNT]
    return count


@kernel
def rate_max(param, op):
    """Return the limit of a kind in requests per second, 0 for none."""
    if op == 0:
        return param["create_per_s_max"]
    return param["amend_per_s_max"] if op == 1 else param["cancel_per_s_max"]


@kernel
def is_throttled(clock, cell, kind):
    """Tell whether another request of a kind has to wait."""
    op = kind - EventKind.PLACE
    window_s = cell["param"]["throttle_window_s"]
    limit = rate_max(cell["param"], op) * window_s
    return limit > 0 and sent_count(cell["throttle"], op, clock["ts_now_ns"] // NS_PER_S, window_s) >= limit


@kernel
def count_request(clock, cell, kind):
    """Count a request that is sent now."""
    throttle = cell["throttle"]
    now_s = clock["ts_now_ns"] // NS_PER_S
    for second in range(max(throttle["second"], now_s - THROTTLE_SECOND_COUNT) + 1, now_s + 1):
        for op in range(THROTTLE_OP_COUNT):
            throttle["sent_counts"][op, second % THROTTLE_SECOND_COUNT] = 0
    throttle["second"] = max(throttle["second"], now_s)
    throttle["sent_counts"][kind - EventKind.PLACE, throttle["second"] % THROTTLE_SECOND_COUNT] += 1
