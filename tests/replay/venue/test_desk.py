"""The desk: the venue's kernels without a loop; takers, reduce-only and expiry line by line, answers at once."""

import numpy as np
import pytest

from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.limits import NS_PER_S
from mmfold.engine.records import NO_PRICE_TICKS
from mmfold.replay.assumptions import Assumptions
from mmfold.replay.venue.account import position_value_micros
from mmfold.replay.venue.desk import Desk
from mmfold.replay.venue.records import RejectCode
from tests.engine.rows import T0_NS, book_event, event, make_manifest

BIDS, ASKS = [(100, 5), (99, 7)], [(102, 5), (103, 4)]
IOC, FOK, REDUCE, POST = Flag.IOC, Flag.FOK, Flag.REDUCE_ONLY, Flag.POST_ONLY
MARKET = NO_PRICE_TICKS


def make_desk(**assumed: int) -> Desk:
    desk = Desk(make_manifest(), Assumptions(entry_latency_ns=0, response_latency_ns=0, **assumed))
    desk.apply_market(book_event(EventKind.BOOK_SNAPSHOT, BIDS, ASKS, aux=1), T0_NS)
    return desk


def place(desk: Desk, number: int, slot: int, price: int, qty: int, flags: int) -> list[str]:
    side = Side.BID if slot < 32 else Side.ASK
    fields = {"order_id": (number << 16) | slot, "side": side, "price_ticks": price, "qty_lots": qty, "flags": flags}
    return [text_of(row) for row in desk.request(event(EventKind.PLACE, **fields)[0], T0_NS + number)]


def text_of(row: np.void) -> str:
    kind = EventKind(row["kind"])
    if kind == EventKind.FILL:
        who = "maker" if row["flags"] & Flag.MAKER else "taker"
        return f"fill {row['price_ticks']}x{row['qty_lots']} {who}"
    return f"reject {RejectCode(row['code']).name.lower()}" if kind == EventKind.REJECT else kind.name.lower()


# slot, price, qty, flags: what is answered
TAKERS = [
    ((0, 101, 3, 0), ["ack"]),
    ((0, 102, 3, 0), ["ack", "fill 102x3 taker"]),
    ((0, 103, 12, 0), ["ack", "fill 102x5 taker", "fill 103x4 taker"]),  # 3 rest at 103
    ((0, 102, 12, IOC), ["ack", "fill 102x5 taker", "expired"]),
    ((0, MARKET, 7, IOC), ["ack", "fill 102x5 taker", "fill 103x2 taker"]),
    ((0, MARKET, 70, IOC), ["ack", "fill 102x5 taker", "fill 103x4 taker", "expired"]),
    ((0, 103, 9, FOK), ["ack", "fill 102x5 taker", "fill 103x4 taker"]),
    ((0, 103, 10, FOK), ["ack", "expired"]),
    ((0, 101, 3, IOC), ["ack", "expired"]),
    ((0, 102, 3, POST), ["expired"]),
    ((32, 99, 6, 0), ["ack", "fill 100x5 taker", "fill 99x1 taker"]),
    ((32, MARKET, 6, IOC), ["ack", "fill 100x5 taker", "fill 99x1 taker"]),
    ((0, 100, 3, POST | REDUCE), ["reject reduce_only"]),
    ((0, 0, 3, POST), ["reject price"]),
]


@pytest.mark.parametrize(("order", "answers"), TAKERS)
def test_place(order: tuple[int, int, int, int], answers: list[str]) -> None:
    assert place(make_desk(), 1, *order) == answers


def test_reduce_only_never_opens() -> None:
    desk = make_desk()
    assert place(desk, 1, 0, 102, 4, IOC) == ["ack", "fill 102x4 taker"]
    assert place(desk, 2, 32, 105, 3, POST | REDUCE) == ["ack"]
    assert place(desk, 3, 33, 105, 2, POST | REDUCE) == ["reject reduce_only"]  # 3 of the 4 are being sold already
    assert place(desk, 4, 34, 105, 1, POST | REDUCE) == ["ack"]


def test_an_order_never_meets_an_own_one() -> None:
    desk = make_desk()
    assert place(desk, 1, 32, 101, 2, POST) == ["ack"]
    assert place(desk, 2, 0, 101, 2, POST) == ["expired"]
    assert place(desk, 3, 1, 103, 2, 0) == ["ack", "expired"]
    assert place(desk, 4, 2, 103, 2, IOC) == ["ack", "expired"]


def test_an_order_ends_with_its_life() -> None:
    desk = make_desk(order_lifetime_ns=NS_PER_S)
    assert place(desk, 1, 0, 100, 2, POST) == ["ack"]
    assert len(desk.advance(T0_NS + NS_PER_S)) == 0
    assert [text_of(row) for row in desk.advance(T0_NS + 1 + NS_PER_S)] == ["expired"]


def test_a_position_beyond_its_margin_is_closed_by_the_venue() -> None:
    # Bought 9 at 102.44 of an account of 100 that may carry ten times as much; marked at 92 it has lost 94.
    desk = make_desk(equity_micros=100_000_000, initial_margin_ppm=100_000, maintenance_margin_ppm=10_000)
    assert place(desk, 1, 0, 103, 9, 0) == ["ack", "fill 102x5 taker", "fill 103x4 taker"]
    assert place(desk, 2, 1, 90, 5, POST) == ["reject margin"]
    assert place(desk, 3, 32, 110, 2, POST) == ["ack"]
    mark = event(EventKind.MARK, aux=92 * 10**8)
    answers = desk.apply_market(mark, T0_NS + 10)
    assert [text_of(row) for row in answers] == ["expired", "fill 100x5 taker", "fill 99x4 taker"]
    assert all(row["flags"] & Flag.LIQUIDATION for row in answers[1:])
    assert desk.cells[0]["position"]["position_lots"] == 0 and desk.venues[0]["liquidation_count"] == 1


@pytest.mark.parametrize(("side", "value_micros"), [(Side.BID, -29_411_765), (Side.ASK, 29_411_764)])
def test_an_inverse_position_is_valued_downward(side: Side, value_micros: int) -> None:
    # 3 contracts of 1 at a mark of 102 are 3/102 of a coin: 29 411 764.7 e-6 of a thousandth.
    desk = Desk(make_manifest(contract="inverse"), Assumptions(entry_latency_ns=0, response_latency_ns=0))
    desk.apply_market(book_event(EventKind.BOOK_SNAPSHOT, BIDS, ASKS, aux=1), T0_NS)
    assert place(desk, 1, 0 if side == Side.BID else 32, MARKET, 3, IOC)[0] == "ack"
    desk.apply_market(event(EventKind.MARK, aux=102 * 10**8), T0_NS + 10)
    assert position_value_micros(desk.cells[0]) == value_micros


def test_a_request_budget() -> None:
    desk = make_desk(request_per_s_max=2)
    assert [place(desk, number, number, 90, 2, POST) for number in (1, 2, 3)] == [["ack"], ["ack"], ["request_result"]]


def test_what_comes_before_an_order_is_what_a_trade_at_its_price_fills_first() -> None:
    desk = make_desk()
    placed = ((1, 2, 100, 3), (2, 0, 101, 4), (3, 1, 100, 5), (4, 3, 99, 6), (5, 33, 103, 7), (6, 32, 102, 8))
    for number, slot, price, qty in placed:
        assert place(desk, number, slot, price, qty, POST) == ["ack"]
    before = {slot: desk.lots_before(0, number << 16 | slot) for number, slot, _, _ in placed}
    assert before == {2: 4, 0: 0, 1: 7, 3: 12, 33: 8, 32: 0}
