"""The two fill rules on best bid and ask; must never look at anything but one order and one top of book.

conservative  an order that crosses is filled whole, as a taker; nothing else is filled
queue_aware   an order that crosses, or stands at its own side's best price, is filled but for the share of its size
              that queues behind others; crossing pays the taker fee and a penalty, the best earns the maker rebate
Source: spec/reports.md 1, spec/core.md 24.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from mmfold.engine.codes import Side
from mmfold.replay.ticks.load import DECIMAL_COUNT_MAX, Top

# An order halved over and over stays on this grid, so that its digits do not grow.
QTY_STEP = Decimal(1).scaleb(-DECIMAL_COUNT_MAX)


class FillMode(StrEnum):
    """Which fill rule."""

    CONSERVATIVE = "conservative"
    QUEUE_AWARE = "queue_aware"


@dataclass(frozen=True, slots=True, kw_only=True)
class FillModel:
    """A fill rule and its numbers.

    Units: fees in bps of notional, positive a cost; `initial_qpos_ratio` is the share of an order that queues behind
        others when it arrives, 0 inclusive to 1 exclusive.
    Source: the defaults of spec/core.md 24.
    """

    mode: FillMode
    initial_qpos_ratio: Decimal = Decimal("0.5")
    queue_penalty_bps: Decimal = Decimal("0.8")
    maker_bps: Decimal = Decimal("-2")
    taker_bps: Decimal = Decimal("5")

    def __post_init__(self) -> None:
        assert 0 <= self.initial_qpos_ratio < 1, f"initial_qpos_ratio {self.initial_qpos_ratio}"


class Fill(NamedTuple):
    """One execution, at the order's own price.

    Units: `fee_bps` of price x qty.
    """

    price: Decimal
    qty: Decimal
    fee_bps: Decimal
    is_taker: bool


def crosses(side: Side, price: Decimal, top: Top) -> bool:
    """Tell whether an order's price reaches the other side's best."""
    if side == Side.BID:
        return top.ask > 0 and price >= top.ask
    return top.bid > 0 and price <= top.bid


def match_order(model: FillModel, side: Side, price: Decimal, size: Decimal, qpos: Decimal, top: Top) -> Fill | None:
    """Return what of an order is filled against a top of book, None for nothing; the decimal context must be EXACT.

    Units: `qpos` is the share of the order still behind others, 0 to 1; after a fill it is 0.
    """
    assert 0 <= qpos < 1 and size > 0, (qpos, size)
    is_taker = crosses(side, price, top)
    if model.mode is FillMode.CONSERVATIVE:
        return Fill(price, size, model.taker_bps, True) if is_taker else None
    if top.bid <= 0 or top.ask <= 0:
        return None
    qty = size * (1 - qpos) // QTY_STEP * QTY_STEP
    if qty == 0:
        return None
    if is_taker:
        return Fill(price, qty, model.taker_bps + model.queue_penalty_bps, True)
    if price == (top.bid if side == Side.BID else top.ask):
        return Fill(price, qty, model.maker_bps, False)
    return None
