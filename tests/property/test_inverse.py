"""Inverse contracts end to end against exact fractions: the books balance, no rounding is ours, the split adds up."""

from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfold.engine.codes import EventKind, Side
from mmfold.engine.limits import E8, E9, PPM
from mmfold.engine.records import FEE_CODE_ZERO
from mmfold.reports.position import position_amounts
from mmfold.reports.tearsheet.fold import pnl_parts
from tests.engine.rows import House, book_event, event, make_manifest
from tests.property.test_position import MAKER_PPM, TAKER_PPM, fill_row, pnl_micros

# tick, lot, contract value
GRIDS = [("0.1", "1", "100"), ("0.01", "1", "10"), ("0.5", "1", "1"), ("0.0001", "1", "10"), ("3", "0.5", "7")]
grids = st.sampled_from(GRIDS)
fills = st.tuples(
    st.sampled_from([Side.BID, Side.ASK]),
    st.one_of(st.integers(500_000, 700_000), st.integers(1_000, 10_000_000)),
    st.one_of(st.integers(1, 9), st.integers(1, 50_000)),
    st.booleans(),
)
Fill = tuple[Side, int, int, bool]


def house_of(grid: tuple[str, str, str], maker_ppm: int = MAKER_PPM, taker_ppm: int = TAKER_PPM) -> House:
    tick, lot, value = grid
    fields = {"tick_size": tick, "lot_size": lot, "contract_value": value, "contract": "inverse"}
    return House(make_manifest("XUSD", **fields, maker_fee_ppm=maker_ppm, taker_fee_ppm=taker_ppm), enabled=0)


def base_e9(grid: tuple[str, str, str], price: Fraction | int, lots: int) -> Fraction:
    """Return what lots are worth at a price in ticks, in 1e-9 base, by the contract's definition."""
    tick, lot, value = (Fraction(text) for text in grid)
    return lots * lot * value / (price * tick) * E9


def sign_of(side: Side) -> int:
    return 1 if side == Side.BID else -1


def check_split(house: House) -> int:
    """Check that the reports' parts are whole micros that add up to the core's own net, and return it."""
    parts, net = pnl_parts(house.core.state, 0), pnl_micros(house)
    assert parts.spread + parts.inventory - parts.fees - parts.funding == parts.total == net
    amounts = position_amounts(house.manifest, house.core.state, 0)
    assert amounts.net is not None and amounts.net * 1_000_000 == net
    return net


@given(grids, st.lists(fills, min_size=1, max_size=10), st.integers(1_000, 2_000_000), st.integers(1, 40))
def test_fills_against_fractions(grid: tuple[str, str, str], history: list[Fill], bid: int, width: int) -> None:
    house = house_of(grid)
    house.feed(book_event(EventKind.BOOK_SNAPSHOT, [(bid, 1)], [(bid + width, 1)]))
    mid = Fraction(2 * bid + width, 2)
    cash = exact_cash = exact_spread = Fraction(0)
    lots = fees = 0
    for side, price, qty, maker in history:
        house.feed(fill_row((side, price, qty, maker)))
        sign, value = sign_of(side), base_e9(grid, price, qty)
        lots += sign * qty
        # A buy gives away floor(value) short of the base, a sell takes on ceil(value): less than one unit against us.
        cash += floor(value) if sign > 0 else -ceil(value)
        exact_cash += sign * value
        exact_spread += sign * (value - base_e9(grid, mid, qty))
        fees += ceil(value * (MAKER_PPM if maker else TAKER_PPM) / PPM)
        position = house.cell["position"]
        assert (position["position_lots"], position["fees_micros"]) == (lots, fees)
        assert position["realized_ticklots"] - position["cost_ticklots"] == cash
        assert position["cost_ticklots"] == 0 or lots != 0
    assert exact_cash - len(history) < cash <= exact_cash
    assert abs(Fraction(int(house.cell["position"]["spread_half_ticklots"]), 2) - exact_spread) < len(history)
    exact_net = exact_cash - base_e9(grid, mid, lots) - fees
    assert exact_net - len(history) - 1 < check_split(house) <= exact_net


@given(grids, st.integers(1_000, 10_000_000), st.lists(st.integers(1, 20_000), min_size=1, max_size=6), st.data())
def test_a_round_trip_at_one_price_costs_its_fees(
    grid: tuple[str, str, str], price: int, opened: list[int], data: st.DataObject
) -> None:
    house, side = house_of(grid, 0, 0), data.draw(st.sampled_from([Side.BID, Side.ASK]))
    house.feed(book_event(EventKind.BOOK_SNAPSHOT, [(price, 1)], [(price + 1, 1)]))
    left, count = sum(opened), len(opened)
    rate_ppm = data.draw(st.integers(0, 700))
    for qty in opened:
        row = fill_row((side, price, qty, True))
        row["code"] = FEE_CODE_ZERO + rate_ppm
        house.feed(row)
    while left:
        qty = data.draw(st.integers(1, left))
        row = fill_row((Side(1 - side), price, qty, False))
        row["code"] = FEE_CODE_ZERO + rate_ppm
        house.feed(row)
        left, count = left - qty, count + 1
    net, fees = check_split(house), int(house.cell["position"]["fees_micros"])
    assert house.cell["position"]["position_lots"] == house.cell["position"]["cost_ticklots"] == 0
    assert -fees - count < net <= -fees
    assert ceil(2 * base_e9(grid, price, sum(opened)) * rate_ppm / PPM) <= fees


@given(grids, st.integers(-100_000, 100_000).filter(bool), st.integers(10**8, 10**14), st.integers(-(10**7), 10**7))
def test_funding_is_charged_in_base(grid: tuple[str, str, str], lots: int, mark_e8: int, rate_e9: int) -> None:
    house = house_of(grid)
    house.feed(fill_row((Side.BID if lots > 0 else Side.ASK, 100_000, abs(lots), True)))
    house.feed(event(EventKind.FUNDING, aux=rate_e9, order_id=mark_e8))
    exact = lots * Fraction(grid[1]) * Fraction(grid[2]) / Fraction(mark_e8, E8) * E9 * Fraction(rate_e9, E9)
    assert ceil(exact) <= house.cell["position"]["funding_micros"] <= ceil(exact) + 1


@pytest.mark.parametrize(
    ("history", "realized", "cost", "turnover"),
    [
        # 500 USD bought at 50,000 are 0.01 BTC, sold at 62,500 they cost 0.008: 2 mBTC gained.
        ([("bid", 500_000, 5), ("ask", 625_000, 5)], 2_000_000, 0, 18_000_000),
        ([("ask", 625_000, 5), ("bid", 500_000, 5)], 2_000_000, 0, 18_000_000),
        ([("bid", 500_000, 5), ("ask", 400_000, 2)], -1_000_000, -6_000_000, 15_000_000),
        # Through zero: 2 closed at 40,000, 3 opened short there.
        ([("bid", 500_000, 2), ("ask", 400_000, 5)], -1_000_000, 7_500_000, 16_500_000),
        # A third of a unit is lost where 100 USD are bought at 60,000, and two thirds where they are sold.
        ([("bid", 600_000, 1)], 0, -1_666_666, 1_666_666),
        ([("ask", 600_000, 1)], 0, 1_666_667, 1_666_667),
        ([("bid", 600_000, 1), ("ask", 600_000, 1)], -1, 0, 3_333_333),
    ],
)
def test_fills_by_hand(history: list[tuple[str, int, int]], realized: int, cost: int, turnover: int) -> None:
    house = house_of(("0.1", "1", "100"), 0, 0)
    for side, price, qty in history:
        house.feed(fill_row((Side[side.upper()], price, qty, False)))
    position = house.cell["position"]
    found = (position["realized_ticklots"], position["cost_ticklots"], position["turnover_ticklots"])
    assert found == (realized, cost, turnover)
    amounts = position_amounts(house.manifest, house.core.state, 0)
    assert amounts.turnover == 100 * sum(qty for *_, qty in history)  # in quote, whatever the price
    assert amounts.notional == 100 * int(position["position_lots"])
