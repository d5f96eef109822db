"""Cross price: a maker's quote must neither touch nor cross the other side's best (spec/core.md 8); equal counts."""

from mmfold.engine.codes import Reason, Side, Unit
from mmfold.engine.gates.seam import refuse
from mmfold.engine.jit import kernel

REASON = Reason.CROSS_PRICE
SAYS = "price of a bid, below the best ask; of an ask, above the best bid"


@kernel
def passes(cell, ask):
    """Tell whether a price stays on its own side, and is one."""
    side, price_ticks = ask["side"], ask["price_ticks"]
    other_ticks = cell["sides"][1 - side]["best_price_ticks"]
    crosses = price_ticks >= other_ticks if side == Side.BID else price_ticks <= other_ticks
    return (price_ticks > 0 and not crosses) or refuse(ask, REASON, price_ticks, other_ticks, Unit.TICKS)
