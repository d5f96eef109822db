"""A market order is a limit order at a worst price: what stands beyond that is not taken."""

import pytest

from mmfold.engine.codes import EventKind, Side
from tests.adapters.emulator.bench import ASK, BID, SIZE, TOUCH, Bench


@pytest.mark.parametrize(("symbol", "percent"), [("BTCUSDT", 3), ("ETHUSDT", 5)])
@pytest.mark.parametrize(("side", "sign"), [("Buy", 1), ("Sell", -1)])
@pytest.mark.parametrize("beyond", [0, 1])
def test_a_market_order_keeps_to_its_band(symbol: str, percent: int, side: str, sign: int, beyond: int) -> None:
    last = 599_983  # the band's ends are not on a tick: they are rounded towards the last trade
    edge = last * (100 + percent) // 100 if sign > 0 else -(-last * (100 - percent) // 100)
    far = (Side.ASK if sign > 0 else Side.BID, edge + sign * beyond, SIZE)
    bench = Bench(symbol, ((Side.BID, BID, 5), (Side.ASK, ASK, 5), far))
    bench.event(EventKind.TRADE, [(Side.NONE, last, 1)])
    told = bench.place(side, 50)
    product = bench.market.product
    assert told["price"] == product.price_text(edge) and told["orderType"] == "Market"
    if beyond:
        assert (told["orderStatus"], told["rejectReason"]) == ("Cancelled", "EC_NoImmediateQtyToFill")
        assert (told["cumExecQty"], bench.lots) == (product.qty_text(5), 5 * sign)
    else:
        assert (told["orderStatus"], bench.lots) == ("Filled", 50 * sign)
    assert bench.account.executions[-1].payload()["orderPrice"] == told["price"]


def test_before_any_trade_the_mark_counts() -> None:
    bench = Bench(levels=(*TOUCH, (Side.ASK, ASK * 2, SIZE)))
    assert bench.market.last_price_ticks is None
    told = bench.place("Buy", SIZE + 1)
    assert (told["orderStatus"], bench.lots) == ("Cancelled", SIZE)
