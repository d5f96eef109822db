"""The books add up: every change of cash is told, and a closed profit is values less fees."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmfold.engine.codes import EventKind, Side
from tests.adapters.emulator.bench import ASK, BID, SIZE, Bench
from tests.adapters.emulator.running import LINEAR, RunningVenue, place, rest

CENT = Decimal("0.0000001")
LOG, CLOSED = "/v5/account/transaction-log", "/v5/position/closed-pnl"
STEPS = st.lists(st.tuples(st.sampled_from(["Buy", "Sell", "move", "funding"]), st.integers(1, 30)), max_size=25)


def amount(entry: dict[str, Any], name: str) -> Decimal:
    return Decimal(entry[name] or 0)


@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_every_change_of_cash_is_told(steps: list[tuple[str, int]]) -> None:
    bench, base = Bench(), 0
    account = bench.account
    start = account.wallet.cash()
    for step, size in steps:
        if step == "move":
            levels = [(Side.BID, BID + base, 0), (Side.ASK, ASK + base, 0)]
            base += size - 15
            bench.event(EventKind.BOOK_DELTA, [*levels, (Side.BID, BID + base, SIZE), (Side.ASK, ASK + base, SIZE)])
        elif step == "funding":
            account.settle_funding(bench.symbol, (size - 15) * 10_000)
        else:
            bench.place(step, size)
    told = [one.payload() for one in account.books.transactions]
    assert len(told) == len(account.executions)
    balance = start
    for entry in told:
        change = amount(entry, "cashFlow") + amount(entry, "funding") - amount(entry, "fee")
        assert abs(amount(entry, "change") - change) <= CENT
        balance += amount(entry, "change")
        assert abs(amount(entry, "cashBalance") - balance) <= CENT * len(told)
    assert abs(account.wallet.cash() - balance) <= CENT * max(1, len(told))
    lot = bench.market.product.lot
    assert not told or amount(told[-1], "size") == bench.lots * lot
    closed = [one.payload() for one in account.books.closed.values()]
    for entry in closed:
        gained = amount(entry, "cumExitValue") - amount(entry, "cumEntryValue")
        gained *= 1 if entry["side"] == "Sell" else -1
        paid = amount(entry, "openFee") + amount(entry, "closeFee")
        assert abs(amount(entry, "closedPnl") - gained + paid) <= CENT
    fees = sum((amount(entry, "openFee") + amount(entry, "closeFee") for entry in closed), Decimal(0))
    held = sum(account.books.open_fees.values(), Decimal(0))
    assert abs(fees + held - account.wallet.fees) <= CENT * (1 + len(closed)), "no fee is lost"
    flows = sum((amount(entry, "cashFlow") for entry in told), Decimal(0))
    profits = sum((amount(entry, "closedPnl") for entry in closed), Decimal(0))
    assert abs(profits + fees - flows) <= CENT * (1 + len(told))


def test_a_closed_profit_has_both_fees() -> None:
    bench = Bench()
    product = bench.market.product
    bench.place("Buy", 30)
    bench.place("Sell", 10)
    (told,) = [one.payload() for one in bench.account.books.closed.values()]
    bought, sold = product.value(ASK, 10), product.value(BID, 10)
    fees = (bought + sold) * product.taker_rate
    assert (told["closedSize"], told["fillCount"], told["side"]) == (product.qty_text(10), "1", "Sell")
    assert (Decimal(told["cumEntryValue"]), Decimal(told["cumExitValue"])) == (bought, sold)
    assert abs(Decimal(told["closedPnl"]) - (sold - bought - fees)) <= CENT


@pytest.mark.parametrize(("opened", "sign"), [("Buy", 1), ("Sell", -1)])
def test_funding_is_signed_for_the_side(opened: str, sign: int) -> None:
    bench = Bench()
    bench.place(opened, 10)
    bench.account.settle_funding(bench.symbol, 100_000)
    entry = bench.account.books.transactions[-1].payload()
    assert entry["type"] == "SETTLEMENT" and entry["side"] == opened
    assert Decimal(entry["feeRate"]) == sign * Decimal("0.0001")
    assert Decimal(entry["funding"]) * sign < 0 and Decimal(entry["size"]) == sign * bench.market.product.lot * 10


def test_books_over_rest(running: RunningVenue) -> None:
    key = running.keys[3]

    def ask(path: str, **params: Any) -> Any:
        return rest(running, "GET", path, params, key).json()

    for order in (place("Buy", "0.010", None), place("Sell", "0.004", None), place("Sell", "0.006", None)):
        assert rest(running, "POST", "/v5/order/create", order, key).json()["retCode"] == 0
    fills = ask("/v5/execution/list", **LINEAR)["result"]["list"]
    log = ask(LOG, accountType="UNIFIED", category="linear", currency="USDT")["result"]["list"]
    assert [entry["tradeId"] for entry in log] == [fill["execId"] for fill in fills]
    wallet = ask("/v5/account/wallet-balance", accountType="UNIFIED")["result"]["list"][0]
    assert log[0]["cashBalance"] == wallet["totalWalletBalance"]
    for other in ({"currency": "BTC"}, {"category": "spot"}, {"type": "SETTLEMENT"}, {"baseCoin": "ETH"}):
        assert ask(LOG, **other)["result"]["list"] == [], other
    first = ask(LOG, limit="1")["result"]
    assert first["list"] == log[:1]
    assert ask(LOG, limit="50", cursor=first["nextPageCursor"])["result"]["list"] == log[1:]
    closed = ask(CLOSED, category="linear")["result"]["list"]
    assert [entry["closedSize"] for entry in closed] == ["0.006", "0.004"]
    assert ask(CLOSED, category="linear", symbol="ETHUSDT")["result"]["list"] == []
    for path, wrong in (
        (LOG, {"limit": "51"}), (LOG, {"accountType": "SPOT"}), (LOG, {"startTime": "1", "endTime": "999999999"}),
        (CLOSED, {}), (CLOSED, {"category": "linear", "limit": "101"}), (CLOSED, {"category": "linear", "symbol": "X"}),
    ):  # fmt: skip
        assert ask(path, **wrong)["retCode"] == 10001, (path, wrong)
    now_ms = running.call(running.venue.clock.now_ms)
    day_ms = 86_400_000
    assert ask(LOG, startTime=str(now_ms - day_ms - 60_000))["result"]["list"] == [], "a start alone tells a day"
    assert ask(LOG, startTime=str(now_ms - 6 * day_ms), endTime=str(now_ms))["result"]["list"] == log
