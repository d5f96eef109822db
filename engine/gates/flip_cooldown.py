"""Flip cooldown: for a while after a fill of one side nothing new may open a position on the other one.

What only closes the position is no flip, what rests already rests on, and an amend that adds nothing passes. For a
quoter of both sides that means: after a bid is filled its asks are no bigger than what is held until the cooldown is
over. Source: spec/core.md 10.
"""

from mmfold.engine.codes import Reason, Side, Unit
from mmfold.engine.gates.seam import refuse
from mmfold.engine.jit import kernel

REASON = Reason.FLIP_COOLDOWN
SAYS = "what is left of `flip_cooldown_ns` after a fill of the other side, at most 0; 0 = no cooldown"


@kernel
def passes(clock, cell, ask):
    """Tell whether more lots of a side only close what the other one has opened, or come late enough after it."""
    cooldown_ns = cell["param"]["flip_cooldown_ns"]
    if cooldown_ns <= 0 or ask["qty_lots"] <= 0:
        return True
    side = ask["side"]
    left_ns = cell["quote_sides"][1 - side]["ts_fill_ns"] + cooldown_ns - clock["ts_now_ns"]
    sign = 1 if side == Side.BID else -1
    worst_lots = sign * cell["position"]["position_lots"] + cell["quote_sides"][side]["open_lots"] + ask["qty_lots"]
    return left_ns <= 0 or worst_lots <= 0 or refuse(ask, REASON, left_ns, 0, Unit.NS)
