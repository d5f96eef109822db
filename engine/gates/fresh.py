"""Fresh: a book that nothing was heard of for `md_stale_ns` is not quoted on; 0 = no limit."""

from mmfold.engine.codes import Reason, Unit
from mmfold.engine.gates.seam import refuse
from mmfold.engine.jit import kernel
from mmfold.engine.records import NO_TS_NS

REASON = Reason.MD_STALE
SAYS = "age of the book, at most `md_stale_ns`"


@kernel
def passes(clock, cell, ask):
    """Tell whether the book is young enough."""
    ts_ns, limit_ns = cell["book"]["ts_receive_ns"], cell["param"]["md_stale_ns"]
    age_ns = clock["ts_now_ns"] - ts_ns
    stale = ts_ns != NO_TS_NS and limit_ns > 0 and age_ns > limit_ns
    return not stale or refuse(ask, REASON, age_ns, limit_ns, Unit.NS)
