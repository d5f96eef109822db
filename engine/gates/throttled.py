"""Throttle: a request waits while the window is full of its kind, and while the venue has had enough of us.

Never asked for a cancel that is for safety. Source: spec/core.md 12 and 13.
"""

from mmfold.engine.codes import EventKind, Reason, Unit
from mmfold.engine.gates.seam import refuse
from mmfold.engine.jit import kernel
from mmfold.engine.limits import NS_PER_S
from mmfold.engine.throttle import rate_max, sent_count

REASON = Reason.THROTTLE
SAYS = "requests of the kind in the window, below the limit; after the venue's refusal what is left of the pause"


@kernel
def passes(clock, cell, ask):
    """Tell whether another request of a kind may be sent now."""
    throttle, param = cell["throttle"], cell["param"]
    left_ns = throttle["paused_until_ns"] - clock["ts_now_ns"]
    if left_ns > 0:
        return refuse(ask, REASON, left_ns, 0, Unit.NS)
    op = ask["kind"] - EventKind.PLACE
    window_s = param["throttle_window_s"]
    limit = rate_max(param, op) * window_s
    if limit <= 0:
        return True
    count = sent_count(throttle, op, clock["ts_now_ns"] // NS_PER_S, window_s)
    return count < limit or refuse(ask, REASON, count, limit, Unit.COUNT)
