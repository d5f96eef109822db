"""Reduce-only orders are cut to the position, several may rest, and no trade takes them beyond it."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmfold.adapters.emulator.bybit.codes import VenueCode, VenueError
from mmfold.engine.codes import EventKind, Side
from tests.adapters.emulator.bench import ASK, BID, Bench
from tests.adapters.emulator.running import LINEAR, place


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize(("opened", "closes", "sign"), [("Buy", "Sell", 1), ("Sell", "Buy", -1)])
def test_a_reduce_only_order_is_cut_to_the_position(opened: str, closes: str, sign: int, bench: Bench) -> None:
    bench.place(opened, 10)
    told = bench.place(closes, 25, reduceOnly=True)
    assert (told["qty"], told["orderStatus"], bench.lots) == (bench.market.product.qty_text(10), "Filled", 0)
    for side in ("Buy", "Sell"):
        with pytest.raises(VenueError) as refused:
            bench.place(side, 1, reduceOnly=True)
        assert refused.value.code == VenueCode.REDUCE_ONLY
    bench.place(opened, 10)
    with pytest.raises(VenueError) as refused:  # it would add
        bench.place(opened, 1, reduceOnly=True)
    assert (refused.value.code, bench.lots) == (VenueCode.REDUCE_ONLY, 10 * sign)


def test_several_rest_and_shrink_with_the_position(bench: Bench) -> None:
    bench.place("Buy", 10)
    for number in range(3):
        bench.place("Sell", 8 + number, ASK + 10 + number, reduceOnly=True, orderLinkId=f"r{number}")
    bench.place("Sell", 50, ASK + 20, orderLinkId="plain")
    assert bench.resting() == [("r0", 8), ("r1", 9), ("r2", 10), ("plain", 50)]
    bench.place("Sell", 6)
    assert bench.resting() == [("r0", 4), ("r1", 4), ("r2", 4), ("plain", 50)]
    bench.place("Sell", 9)
    assert bench.lots == -5 and bench.resting() == [("plain", 50)]
    assert set(bench.ended().values()) == {"CancelByReduceOnly"}


def test_one_trade_through_several_fills_the_position_and_no_more(bench: Bench) -> None:
    bench.place("Buy", 10)
    for number in range(3):
        bench.place("Sell", 7, ASK + 10 + number, reduceOnly=True, orderLinkId=f"r{number}")
    bench.event(EventKind.TRADE, [(Side.BID, ASK + 30, 100)])
    assert bench.lots == 0 and bench.resting() == []
    ended = bench.ended()
    assert [ended[f"r{number}"] for number in range(3)] == ["UNKNOWN", "CancelByReduceOnly", "CancelByReduceOnly"]
    assert sum(order.filled_lots for order in bench.account.closed if order.link_id) == 10


def test_an_amend_is_cut_too(bench: Bench) -> None:
    bench.place("Buy", 10)
    bench.place("Sell", 4, ASK + 10, reduceOnly=True, orderLinkId="r")
    bench.account.amend(LINEAR | {"orderLinkId": "r", "qty": bench.market.product.qty_text(30)})
    assert bench.resting() == [("r", 10)]


@pytest.mark.parametrize(("opened", "closes"), [("Buy", "Sell"), ("Sell", "Buy")])
def test_size_zero_closes_the_position(opened: str, closes: str, bench: Bench) -> None:
    bench.place(opened, 13)
    told = bench.account.create(place(closes, "0", None, reduceOnly=True, closeOnTrigger=True)).payload()
    assert (bench.lots, told["qty"], told["closeOnTrigger"]) == (0, bench.market.product.qty_text(13), True)
    with pytest.raises(VenueError) as refused:
        bench.account.create(place(closes, "0", None, reduceOnly=True, closeOnTrigger=True))
    assert refused.value.code == VenueCode.REDUCE_ONLY


STEPS = st.lists(
    st.tuples(st.sampled_from(["Buy", "Sell", "trade"]), st.integers(1, 20), st.integers(-8, 8), st.booleans()),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_no_reduce_only_fill_adds_to_a_position(steps: list[tuple[str, int, int, bool]]) -> None:
    bench = Bench()
    held = 0

    def check(topic: str, entries: list[dict[str, Any]]) -> None:
        nonlocal held
        for entry in entries if topic == "execution" else ():
            lots = int(Decimal(entry["execQty"]) / bench.market.product.lot) * (1 if entry["side"] == "Buy" else -1)
            if bench.account.by_id[entry["orderId"]].reduce_only:
                assert held * lots < 0 and abs(lots) <= abs(held)
            held += lots

    bench.account.listeners.append(check)
    for kind, lots, offset, reduces in steps:
        if kind == "trade":
            side = Side.BID if reduces else Side.ASK
            bench.event(EventKind.TRADE, [(side, ASK + 9 if reduces else BID - 9, lots)])
            continue
        ticks = None if offset == 0 else BID - offset if kind == "Buy" else ASK + offset
        try:
            bench.place(kind, lots, ticks, reduceOnly=reduces)
        except VenueError as error:
            assert error.code in (VenueCode.REDUCE_ONLY, VenueCode.ORDER_COUNT)
    assert held == bench.lots
    for order in bench.account.open.values():
        slot = bench.account.desk.venues[0]["orders"][order.desk_id % 64]
        assert (slot["resting"], slot["qty_lots"]) == (1, order.left_lots), "the desk holds what the account tells"
