"""The account's money is exact: positions, profit, fees and cash agree with each other for every run of fills."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfold.adapters.emulator.bybit.codes import VenueError
from mmfold.adapters.emulator.bybit.ledger import Position, Wallet, parse_leverage
from mmfold.adapters.emulator.bybit.numbers import parse_price, parse_qty
from mmfold.adapters.emulator.market.product import Product, plain
from mmfold.adapters.emulator.market.symbol import SymbolMarket
from mmfold.engine.codes import Continuity, Side
from mmfold.engine.manifest import Instrument

PRODUCT = Product(
    Instrument(symbol="BTCUSDT", tick_size="0.10", lot_size="0.001", min_qty_lots=2, min_notional_micros=5_000_000), 0
)
UNIT = PRODUCT.tick * PRODUCT.lot
FILLS = st.lists(st.tuples(st.sampled_from([Side.BID, Side.ASK]), st.integers(1, 10**6), st.integers(1, 10**6)))


@given(FILLS, st.integers(1, 10**7))
def test_money_is_conserved(fills: list[tuple[Side, int, int]], mark_ticks: int) -> None:
    market = SymbolMarket(PRODUCT, Continuity.IN_STREAM)
    market.mark_e8 = mark_ticks * 10**7
    position = Position(market)
    wallet = Wallet("USDT", Decimal(1_000), positions={"BTCUSDT": position})
    spent, paid = Decimal(0), Decimal(0)
    for side, price, qty in fills:
        fee = PRODUCT.value(price, qty) * PRODUCT.taker_rate
        before = abs(position.lots)
        profit, closed = position.apply_fill(side, price, qty, fee)
        wallet.profit, wallet.fees = wallet.profit + profit, wallet.fees + fee
        spent += (1 if side == Side.BID else -1) * price * qty * UNIT
        paid += fee
        assert 0 <= closed <= min(before, qty) and abs(position.lots) == before - closed + (qty - closed)
        assert (position.cost_ticklots == 0) == (position.lots == 0)
    held = sum((qty if side == Side.BID else -qty) for side, _, qty in fills)
    assert position.lots == held
    expected = Decimal(1_000) - spent - paid + held * mark_ticks * UNIT
    assert abs(wallet.equity() - expected) < Decimal("0.000001")  # averages of prices have 28 digits
    told = wallet.payload(Decimal(0))
    assert Decimal(told["totalEquity"]) - Decimal(told["totalPerpUPL"]) == pytest.approx(
        wallet.cash(), abs=Decimal("1e-7")
    )


@pytest.mark.parametrize(
    "text, lots", [("0.002", 2), ("1", 1_000), (1, 1_000), ("1.500", 1_500), ("0.0020", 2), (0.25, 250)]
)
def test_sizes_are_read(text: object, lots: int) -> None:
    assert parse_qty(PRODUCT, text) == lots


@pytest.mark.parametrize(
    "text", ["", "0", "0.001", "0.0025", "-1", "1e3", "NaN", None, True, "1" * 40, "9999999", "１"]
)
def test_wrong_sizes_are_refused(text: object) -> None:
    with pytest.raises(VenueError):
        parse_qty(PRODUCT, text)


@pytest.mark.parametrize("text", ["0", "0.05", "60000.01", "-60000", "3000000", "inf", "60,000"])
def test_wrong_prices_are_refused(text: str) -> None:
    with pytest.raises(VenueError):
        parse_price(PRODUCT, text)


@given(st.integers(1, 10**7), st.integers(2, 10**6))
def test_numbers_survive_their_text(ticks: int, lots: int) -> None:
    assert parse_price(PRODUCT, PRODUCT.price_text(ticks)) == ticks
    assert parse_qty(PRODUCT, PRODUCT.qty_text(lots)) == lots


@pytest.mark.parametrize(
    "value, text", [("1.500", "1.5"), ("100", "100"), ("0.000", "0"), ("1E+3", "1000"), ("1E-7", "0.0000001")]
)
def test_plain(value: str, text: str) -> None:
    assert plain(Decimal(value)) == text


@pytest.mark.parametrize("text", ["0", "101", "x", None])
def test_wrong_leverage(text: object) -> None:
    with pytest.raises(VenueError):
        parse_leverage(text)
