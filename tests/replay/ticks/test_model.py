"""The two fill rules, order by order."""

from decimal import Decimal, localcontext

import pytest

from mmfold.engine.codes import Side
from mmfold.replay.ticks.load import Top
from mmfold.replay.ticks.model import QTY_STEP, Fill, FillMode, FillModel, match_order
from mmfold.replay.ticks.tally import EXACT

HALF = Decimal("0.5")
QUEUE_AWARE, CONSERVATIVE = FillMode.QUEUE_AWARE, FillMode.CONSERVATIVE

CASES = [
    # mode, side, price, best bid, best ask | qty, fee bps, taker; None: no fill
    (QUEUE_AWARE, Side.BID, 100, 100, 101, (HALF, "-2", False)),  # at the best: a maker
    (QUEUE_AWARE, Side.ASK, 101, 100, 101, (HALF, "-2", False)),
    (QUEUE_AWARE, Side.BID, 101, 100, 101, (HALF, "5.8", True)),  # reaches the other side: taker and penalty
    (QUEUE_AWARE, Side.ASK, 99, 100, 101, (HALF, "5.8", True)),
    (QUEUE_AWARE, Side.BID, 99, 100, 101, None),  # behind the best
    (QUEUE_AWARE, Side.BID, "100.5", 100, 101, None),  # inside the spread is not *at* the best
    (QUEUE_AWARE, Side.BID, 100, 100, 0, None),  # one side is empty
    (QUEUE_AWARE, Side.BID, 101, 0, 101, None),
    (QUEUE_AWARE, Side.BID, 100, 100, 100, (HALF, "5.8", True)),  # a locked book crosses before it queues
    (CONSERVATIVE, Side.BID, 100, 100, 101, None),
    (CONSERVATIVE, Side.BID, 101, 100, 101, (1, "5", True)),
    (CONSERVATIVE, Side.ASK, 100, 100, 101, (1, "5", True)),
    (CONSERVATIVE, Side.BID, 101, 0, 101, (1, "5", True)),  # asks only for the side it takes from
    (CONSERVATIVE, Side.BID, 101, 100, 0, None),
    (CONSERVATIVE, Side.ASK, 1, 0, 101, None),
]


@pytest.mark.parametrize(("mode", "side", "price", "bid", "ask", "expected"), CASES)
def test_a_rule_gives(mode: FillMode, side: Side, price: object, bid: int, ask: int, expected: tuple | None) -> None:
    top = Top(0, Decimal(bid), Decimal(ask))
    with localcontext(EXACT):
        found = match_order(FillModel(mode=mode), side, Decimal(price), Decimal(1), HALF, top)
    if expected is None:
        assert found is None
    else:
        qty, fee_bps, is_taker = expected
        assert found == Fill(Decimal(price), Decimal(qty), Decimal(fee_bps), is_taker)


def test_a_price_that_a_float_would_call_equal_is_not_the_best() -> None:
    top = Top(0, Decimal("0.30000000000000000001"), Decimal(1))
    assert float(top.bid) == 0.3
    with localcontext(EXACT):
        found = match_order(FillModel(mode=QUEUE_AWARE), Side.BID, Decimal("0.3"), Decimal(1), HALF, top)
    assert found is None


def test_an_order_below_the_grid_of_sizes_is_not_filled() -> None:
    top = Top(0, Decimal(100), Decimal(101))
    with localcontext(EXACT):
        odd = match_order(FillModel(mode=QUEUE_AWARE), Side.BID, Decimal(100), 3 * QTY_STEP, HALF, top)
        dust = match_order(FillModel(mode=QUEUE_AWARE), Side.BID, Decimal(100), QTY_STEP, HALF, top)
    assert odd is not None and odd.qty == QTY_STEP and dust is None
