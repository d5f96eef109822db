"""An order's parameters are checked one by one: whatever they are, an order or the venue's error comes of them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfold.adapters.emulator.bybit.codes import VenueCode, VenueError
from mmfold.adapters.emulator.bybit.orders import NewOrder, parse_new_order
from mmfold.adapters.emulator.errors import VenueSetupError
from mmfold.adapters.emulator.market.product import make_products
from mmfold.engine.codes import Flag, Side
from mmfold.engine.manifest import Instrument, Manifest

BTC = Instrument(symbol="BTCUSDT", tick_size="0.10", lot_size="0.001", min_notional_micros=5_000_000)
PRODUCTS = make_products(Manifest(run_id="t", instruments=(BTC,)))
GOOD = {
    "category": "linear",
    "symbol": "BTCUSDT",
    "side": "Buy",
    "orderType": "Limit",
    "qty": "0.010",
    "price": "60000.1",
}
NAMES = [*GOOD, "timeInForce", "reduceOnly", "orderLinkId", "positionIdx", "triggerPrice", "closeOnTrigger", "smpType"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize(
    "change, expected",
    [
        ({}, (Side.BID, 600_001, 10, "GTC", 0)),
        ({"side": "Sell", "timeInForce": "PostOnly"}, (Side.ASK, 600_001, 10, "PostOnly", Flag.POST_ONLY)),
        ({"timeInForce": "FOK", "reduceOnly": True}, (Side.BID, 600_001, 10, "FOK", Flag.FOK)),
        ({"qty": "0", "reduceOnly": True, "closeOnTrigger": True}, (Side.BID, 600_001, 0, "GTC", 0)),
        ({"orderType": "Market", "price": "1", "timeInForce": "GTC"}, (Side.BID, None, 10, "IOC", Flag.IOC)),
        ({"qty": 0.01, "price": 60000.1, "positionIdx": 0}, (Side.BID, 600_001, 10, "GTC", 0)),
        ({"reduceOnly": True, "price": "0.1"}, (Side.BID, 1, 10, "GTC", 0)),  # no least value to close
    ],
)
def test_orders_are_read(change: dict[str, Any], expected: tuple[Any, ...]) -> None:
    order = parse_new_order(GOOD | change, PRODUCTS)
    side, price_ticks, qty_lots, time_in_force, flags = expected
    assert (order.side, order.price_ticks, order.qty_lots, order.time_in_force) == (
        side, price_ticks, qty_lots, time_in_force,
    )  # fmt: skip
    assert order.flags == Flag.LAST | flags
    assert order.reduce_only == change.get("reduceOnly", False)


@pytest.mark.parametrize(
    "change, code",
    [
        ({"category": "spot"}, VenueCode.PARAMETER),
        ({"symbol": "btcusdt"}, VenueCode.PARAMETER),
        ({"side": ""}, VenueCode.PARAMETER),
        ({"timeInForce": "RPI"}, VenueCode.PARAMETER),
        ({"reduceOnly": "true"}, VenueCode.PARAMETER),
        ({"positionIdx": 1}, VenueCode.PARAMETER),
        ({"orderLinkId": "x" * 37}, VenueCode.PARAMETER),
        ({"orderLinkId": "a b"}, VenueCode.PARAMETER),
        ({"closeOnTrigger": True}, VenueCode.PARAMETER),
        ({"qty": "0", "reduceOnly": True}, VenueCode.PARAMETER),
        ({"qty": "0", "closeOnTrigger": True}, VenueCode.PARAMETER),
        ({"takeProfit": "70000"}, VenueCode.PARAMETER),
        ({"price": None}, VenueCode.PARAMETER),
        ({"price": "0.1"}, VenueCode.NOTIONAL),
        ({"price": "2000000.1"}, VenueCode.PRICE_RANGE),
    ],
)
def test_orders_are_refused(change: dict[str, Any], code: VenueCode) -> None:
    with pytest.raises(VenueError) as refused:
        parse_new_order(GOOD | change, PRODUCTS)
    assert refused.value.code == code


@given(st.dictionaries(st.sampled_from(NAMES), JSON, max_size=4))
def test_any_parameters_are_an_order_or_an_error(change: dict[str, Any]) -> None:
    try:
        order = parse_new_order(GOOD | change, PRODUCTS)
    except VenueError:
        return
    assert isinstance(order, NewOrder) and order.qty_lots >= (0 if order.close_on_trigger else 1)


def test_one_coin_an_account() -> None:
    usdc = Instrument(symbol="BTCUSDC", tick_size="0.10", lot_size="0.001")
    with pytest.raises(VenueSetupError, match="USDC and USDT"):
        make_products(Manifest(run_id="t", instruments=(usdc, BTC)))
