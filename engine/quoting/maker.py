"""Maker-only placement of targets (spec/core.md 8); must never let a target cross or touch the other side."""

from mmfold.engine.codes import Side
from mmfold.engine.gates import cross_price
from mmfold.engine.gates.min_qty import qty_lots_min as qty_lots_min
from mmfold.engine.gates.registry import may_show
from mmfold.engine.gates.seam import begin_ask, count_block
from mmfold.engine.jit import kernel
from mmfold.engine.limits import LEVEL_COUNT_MAX
from mmfold.engine.records import SIDE_COUNT
from mmfold.engine.signals import BPS, ceil_ticks

FIELD_MAX = 1 << 62


@kernel
def policy_price_ticks(cell, side):
    """Return the most aggressive price that the maker policy allows: the own best less the post-only offset."""
    best_ticks = cell["sides"][side]["best_price_ticks"]
    # best x (1 + offset) would be off by a bit where the product is whole: 50000.00 and 1.5 bps are 50007.50.
    distance_ticks = ceil_ticks(best_ticks * cell["param"]["post_only_offset_bps"] / BPS)
    return best_ticks - distance_ticks if side == Side.BID else best_ticks + distance_ticks


@kernel
def set_target(cell, side, level, price_ticks, qty_lots):
    """Write one target after the maker policy; one that a gate refuses stays empty and is counted with its
    reason.

    The strategy's price is kept where it is more passive than the policy's (spec/core.md 8: min for buys, max for
    sells). Of a spot instrument no more is offered than is held.
    """
    assert 0 <= side < SIDE_COUNT, "set_target: the side is neither bid nor ask"
    assert 0 <= level < LEVEL_COUNT_MAX, "set_target: there is no such level"
    # Beyond 64 bits, and not a number: compiled code would store anything, the interpreter would stop.
    assert -FIELD_MAX < price_ticks < FIELD_MAX and -FIELD_MAX < qty_lots < FIELD_MAX, (
        "set_target: not a number of 64 bits"
    )
    param = cell["param"]
    ask = begin_ask(cell, side, price_ticks, qty_lots)
    ask["level"] = level
    if param["maker_only"] == 1:
        if param["post_only_block"] == 1 and not cross_price.passes(cell, ask):
            count_block(cell)
            return
        policy_ticks = policy_price_ticks(cell, side)
        passive_ticks = min(price_ticks, policy_ticks) if side == Side.BID else max(price_ticks, policy_ticks)
        cell["counter"]["post_only_adjust_count"] += (passive_ticks != price_ticks) * 1
        ask["price_ticks"] = passive_ticks
    if not may_show(cell, ask):
        count_block(cell)
        return
    target = cell["targets"][side, level]
    target["price_ticks"] = ask["price_ticks"]
    target["qty_lots"] = ask["qty_lots"]
