"""Whatever goes wrong on the wire, the venue's own books agree: orders, executions, position and cash."""

import random
from contextlib import suppress
from decimal import Decimal
from http.client import HTTPException
from typing import Any

from websockets.exceptions import ConnectionClosed

from mmfold.adapters.emulator.bybit.account import Account
from mmfold.adapters.emulator.bybit.server import Server
from mmfold.adapters.emulator.market.faults import Fault
from mmfold.engine.codes import Side
from tests.adapters.emulator.running import RawSocket, RunningVenue, order_request, place, rest, run_synthetic

REQUEST_COUNT = 150
LOST = (ConnectionClosed, ConnectionError, HTTPException, TimeoutError, ValueError, OSError)
QUIET_MS = 20
PATIENCE_S = 0.05


def some_rules(dice: random.Random) -> list[dict[str, Any]]:
    faults = dice.sample([fault.value for fault in Fault], 10)
    chance = {"count": None, "chance_ppm": 60_000, "duration_ms": QUIET_MS, "skew_ms": dice.choice([-2_000, 500])}
    places = ["*", "trade:*", "rest:/v5/order/*", "private:*"]
    return [{"fault": fault, "at": dice.choice(places)} | chance for fault in faults]


def some_request(dice: random.Random, running: RunningVenue, number: int) -> tuple[str, dict[str, Any]]:
    bid = running.venue.by_index[0].sides[Side.BID].best() or 600_000
    price = f"{(bid + dice.randint(-30, 30)) / 10:.1f}"
    link = {"orderLinkId": f"c{dice.randint(max(0, number - 5), number)}"}
    kind = dice.choice(["create", "create", "create", "amend", "cancel"])
    if kind == "create":
        more = {"timeInForce": dice.choice(["GTC", "PostOnly", "IOC", "FOK"]), "reduceOnly": dice.random() < 0.2}
        side, qty = dice.choice(["Buy", "Sell"]), f"{dice.randint(1, 40) / 1_000:.3f}"
        return kind, place(side, qty, None if dice.random() < 0.1 else price, orderLinkId=f"c{number}", **more)
    return kind, link | ({"qty": f"{dice.randint(1, 40) / 1_000:.3f}", "price": price} if kind == "amend" else {})


def send(running: RunningVenue, dice: random.Random, client: RawSocket | None, number: int) -> RawSocket | None:
    """Send one request by either face; a lost connection is made anew the next time."""
    kind, params = some_request(dice, running, number)
    key = running.keys[0]
    try:
        if dice.random() < 0.3:
            rest(
                running,
                "POST",
                f"/v5/order/{kind}",
                {"category": "linear", "symbol": "BTCUSDT"} | params,
                key,
                PATIENCE_S,
            )
            return client
        if client is None:
            client = RawSocket(running.urls["trade"])
            client.auth(key, timeout_s=PATIENCE_S)
        client.send(order_request(f"order.{kind}", params, f"r{number}"))
        client.receive(PATIENCE_S)
    except LOST:
        if client is not None:
            with suppress(*LOST):
                client.stack.close()
        return None
    return client


def check_books(server: Server, account: Account) -> None:
    """Check that what the account says of itself is one story."""
    assert server.failure is None
    orders = [*account.open.values(), *account.closed]
    executions = [execution.payload() for execution in account.executions]
    filled = {order.order_id: Decimal(0) for order in orders}
    position, fees, spent = Decimal(0), Decimal(0), Decimal(0)
    for execution in executions:
        qty, sign = Decimal(execution["execQty"]), 1 if execution["side"] == "Buy" else -1
        filled[execution["orderId"]] += qty
        position += sign * qty
        spent += sign * Decimal(execution["execValue"])
        fees += Decimal(execution["execFee"])
    assert {order.order_id: order.filled_lots * order.product.lot for order in orders} == filled
    assert all(order.filled_lots <= order.qty_lots for order in orders)
    held = account.positions["BTCUSDT"]
    assert held.lots * held.product.lot == position
    mark = held.market.mark_price()
    assert abs(account.wallet.equity() - (account.wallet.deposit - spent - fees + position * mark)) < Decimal("1e-9")
    resting = [order for order in account.desk.venues[0]["orders"] if order["resting"]]
    assert {(int(o["order_id"]), int(o["price_ticks"]), int(o["qty_lots"])) for o in resting} == {
        (order.desk_id, order.price_ticks, order.left_lots) for order in account.open.values()
    }
    assert int(account.desk.cells[0]["position"]["position_lots"]) == held.lots


def test_the_books_agree_under_faults(seeds: range) -> None:
    running = run_synthetic(speed=5.0)
    account = running.venue.accounts[running.keys[0].key]
    try:
        for seed in seeds:
            dice = random.Random(seed)
            client: RawSocket | None = None
            for number in range(REQUEST_COUNT):
                if number % 50 == 0:
                    running.set_faults(*some_rules(dice), seed=seed)
                client = send(running, dice, client, seed * REQUEST_COUNT + number)
            running.call(lambda: check_books(running.server, account))
            if client is not None:
                client.stack.close()
        assert len(account.executions) > 20, "nothing traded: nothing was tried"
    finally:
        running.close()
