"""Book live: quotes come from a book that is whole, neither crossed nor locked, with both sides."""

from mmfold.engine.codes import BookStatus, Reason, Unit
from mmfold.engine.gates.seam import refuse
from mmfold.engine.jit import kernel
from mmfold.engine.records import NO_PRICE_TICKS

REASON = Reason.BOOK_INVALID
SAYS = "`BookStatus`, 1 wanted"


@kernel
def passes(clock, cell, ask):
    """Tell whether the book is live and has a mid."""
    status = cell["book"]["status"]
    sound = status == BookStatus.LIVE and cell["signal"]["mid_half_ticks"] != NO_PRICE_TICKS
    return sound or refuse(ask, REASON, status, BookStatus.LIVE, Unit.CODE)
