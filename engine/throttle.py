"""How many requests of a kind an instrument has sent in the last seconds, and how long it rests; must never judge it.

Rings of one-second buckets: the bucket of second t counts for times in (now - window, now].
Source: spec/core.md 12 and 13.
"""

from mmfold.engine.codes import EventKind
from mmfold.engine.jit import kernel
from mmfold.engine.limits import NS_PER_S, THROTTLE_OP_COUNT, THROTTLE_SECOND_COUNT
from mmfold.engine.rings import window_count

assert list(EventKind)[list(EventKind).index(EventKind.PLACE) :][:THROTTLE_OP_COUNT] == [
    EventKind.PLACE, EventKind.AMEND, EventKind.CANCEL
]  # fmt: skip


@kernel
def sent_count(throttle, op, now_s, window_s):
    """Return how many requests of a kind fall into the window that ends now."""
    return window_count(throttle["sent_counts"][op], throttle["second"], now_s, window_s)


@kernel
def rate_max(param, op):
    """Return the limit of a kind in requests per second, 0 for none."""
    if op == 0:
        return param["create_per_s_max"]
    return param["amend_per_s_max"] if op == 1 else param["cancel_per_s_max"]


@kernel
def back_off_requests(clock, cell):
    """Pause because the venue refused a request for its rate: each pause is twice as long as the one before."""
    throttle, param = cell["throttle"], cell["param"]
    if clock["ts_now_ns"] < throttle["paused_until_ns"]:
        return  # an answer to what was sent before the pause
    throttle["backoff_ns"] = min(max(2 * throttle["backoff_ns"], param["backoff_base_ns"]), param["backoff_ns_max"])
    throttle["paused_until_ns"] = clock["ts_now_ns"] + throttle["backoff_ns"]


@kernel
def end_backoff(clock, cell):
    """Forget the pauses when the venue takes requests again, as long after the last pause as it was."""
    throttle = cell["throttle"]
    if throttle["backoff_ns"] > 0 and clock["ts_now_ns"] > throttle["paused_until_ns"] + throttle["backoff_ns"]:
        throttle["backoff_ns"] = 0


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
