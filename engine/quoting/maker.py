"""Maker-only placement of targets (spec/core.md 8); must never let a target cross or touch the other side."""

from mmfold.engine.codes import Contract, Reason, Side
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
def is_crossing(cell, side, price_ticks):
    """Tell whether a price reaches the other side's best (equal counts)."""
    if side == Side.BID:
        return price_ticks >= cell["sides"][Side.ASK]["best_price_ticks"]
    return price_ticks <= cell["sides"][Side.BID]["best_price_ticks"]


@kernel
def qty_lots_min(cell):
    """Return the smallest quantity that may be placed: the venue's minimum times the pad, rounded up."""
    pad = cell["param"]["min_qty_pad"]
    return ceil_ticks(cell["instrument"]["min_qty_lots"] * pad)


@kernel
def sellable_lots(cell, level):
    """Return what is held of a spot instrument and not offered by the levels before this one."""
    lots = cell["position"]["position_lots"]
    for i in range(level):
        lots -= cell["targets"][Side.ASK, i]["qty_lots"]
    return lots


@kernel
def set_target(cell, side, level, price_ticks, qty_lots):
    """Write one target after the maker policy; a target that may not be placed stays empty and is counted with its
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
    blocked = cell["blocked_counts"]
    if param["maker_only"] == 1:
        if param["post_only_block"] == 1 and is_crossing(cell, side, price_ticks):
            blocked[Reason.CROSS_PRICE] += 1
            return
        policy_ticks = policy_price_ticks(cell, side)
        passive_ticks = min(price_ticks, policy_ticks) if side == Side.BID else max(price_ticks, policy_ticks)
        cell["counter"]["post_only_adjust_count"] += (passive_ticks != price_ticks) * 1
        price_ticks = passive_ticks
    if price_ticks <= 0 or is_crossing(cell, side, price_ticks):
        blocked[Reason.CROSS_PRICE] += 1
        return
    if qty_lots <= 0:
        blocked[Reason.QTY_ZERO] += 1
        return
    if side == Side.ASK and cell["instrument"]["contract"] == Contract.SPOT:
        qty_lots = min(qty_lots, sellable_lots(cell, level))
        if qty_lots <= 0:
            blocked[Reason.RISK_LIMIT] += 1
            return
    if qty_lots < qty_lots_min(cell):
        blocked[Reason.MIN_QTY] += 1
        return
    target = cell["targets"][side, level]
    target["price_ticks"] = price_ticks
    target["qty_lots"] = qty_lots
