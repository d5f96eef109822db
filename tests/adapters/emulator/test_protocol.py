"""Wrong, huge and hostile input gets the venue's answer and never a traceback; budgets and ids hold."""

import os
import time
from typing import Any

import pytest
from aiohttp import web
from websockets.exceptions import ConnectionClosed, InvalidMessage
from websockets.sync.client import connect

from mmfold.adapters.emulator.bybit.keys import sign
from mmfold.adapters.emulator.bybit.server import PRIVATE_PATH, PUBLIC_PATH, TRADE_PATH
from mmfold.adapters.emulator.serving.listener import BODY_BYTES_MAX
from mmfold.adapters.emulator.serving.session import FRAME_BYTES_MAX
from tests.adapters.emulator.running import (
    LINEAR,
    WAIT_S,
    RawSocket,
    RunningVenue,
    http,
    order_request,
    place,
    price_below,
    rest,
    run_synthetic,
)

WALLET = "/v5/account/wallet-balance"


def code(answer: Any) -> int:
    return int(answer.json()["retCode"])


def test_rest_paths_and_bodies(running: RunningVenue) -> None:
    key = running.keys[0]
    unknown = http(running, "GET", "/v5/nothing")
    assert (unknown.status, code(unknown)) == (404, 10017)
    assert http(running, "PUT", "/v5/order/create").status == 404
    assert rest(running, "GET", WALLET, {}).status == 401
    assert code(rest(running, "GET", WALLET, {"accountType": "SPOT"}, key)) == 10001
    assert rest(running, "POST", "/v5/order/create", {"a": "x" * BODY_BYTES_MAX}, key).status == 413
    for body in (b"{", b"[1]", b"\xff\xfe", b"null", b'"text"'):
        sent_ms = str(int(time.time() * 1_000))
        headers = {
            "X-BAPI-API-KEY": key.key, "X-BAPI-TIMESTAMP": sent_ms,
            "X-BAPI-SIGN": sign(key.secret, f"{sent_ms}{key.key}".encode() + body),
        }  # fmt: skip
        answer = http(running, "POST", "/v5/order/create", body, headers)
        assert (answer.status, code(answer)) == (200, 10001), body


@pytest.mark.parametrize(
    "path, params",
    [
        ("/v5/market/orderbook", {"category": "linear", "symbol": "NOPE"}),
        ("/v5/market/orderbook", {"category": "linear", "symbol": "BTCUSDT", "limit": "-1"}),
        ("/v5/market/orderbook", {"category": "linear", "symbol": "BTCUSDT", "limit": "0"}),
        ("/v5/market/tickers", {"category": "futures"}),
        ("/v5/market/recent-trade", {"symbol": "BTCUSDT"}),
    ],
)
def test_public_parameters(path: str, params: dict[str, str], running: RunningVenue) -> None:
    answer = rest(running, "GET", path, params)
    assert (answer.status, code(answer)) == (200, 10001)


@pytest.mark.parametrize("behind_ms, expected", [(0, 0), (4_000, 0), (6_000, 10002), (-500, 0), (-2_000, 10002)])
def test_the_time_window(behind_ms: int, expected: int, running: RunningVenue) -> None:
    answer = rest(running, "GET", WALLET, {"accountType": "UNIFIED"}, running.keys[0], behind_ms=behind_ms)
    assert code(answer) == expected


def test_batches_have_an_outcome_each(running: RunningVenue) -> None:
    key, price = running.keys[0], price_below(running)
    orders = [place("Buy", "0.001", price), place("Buy", "0.0001", price), "no order"]
    answer = rest(running, "POST", "/v5/order/create-batch", {"category": "linear", "request": orders}, key).json()
    assert [entry["code"] for entry in answer["retExtInfo"]["list"]] == [0, 10001, 10001]
    good = answer["result"]["list"][0]
    amends = [LINEAR | {"orderId": good["orderId"], "qty": "0.002"}, LINEAR | {"orderId": "nothing"}]
    answer = rest(running, "POST", "/v5/order/amend-batch", {"category": "linear", "request": amends}, key).json()
    assert [entry["code"] for entry in answer["retExtInfo"]["list"]] == [0, 110001]
    answer = rest(running, "POST", "/v5/order/cancel-batch", {"category": "linear", "request": amends}, key).json()
    assert [entry["code"] for entry in answer["retExtInfo"]["list"]] == [0, 110001]


@pytest.mark.parametrize("name", ["create", "amend", "cancel"])
def test_a_batch_has_ten_orders_at_most(name: str) -> None:
    running = run_synthetic(orders_per_s=10)
    try:
        key, path = running.keys[0], f"/v5/order/{name}-batch"
        request = {"category": "linear", "request": [LINEAR | {"orderId": "x"}] * 11}
        refused = rest(running, "POST", path, request, key)
        assert code(refused) == 10001 and "10" in refused.json()["retMsg"]
        with RawSocket(running.urls["trade"]) as trade:
            trade.auth(key)
            assert trade.ask(order_request(f"order.{name}-batch", request))["retCode"] == 10001
        request["request"] = request["request"][:10]
        taken = rest(running, "POST", path, request, key)  # the refused ones spent nothing of the budget
        assert code(taken) == 0 and taken.headers["X-Bapi-Limit-Status"] == "0"
    finally:
        running.close()


def test_an_amend_that_comes_too_late_says_so(running: RunningVenue) -> None:
    key, price = running.keys[0], price_below(running)
    placed = rest(running, "POST", "/v5/order/create", place("Buy", "0.001", price), key).json()["result"]
    rest(running, "POST", "/v5/order/cancel", LINEAR | placed, key)
    for path, words in (("amend", "too late to replace"), ("cancel", "too late to cancel")):
        answer = rest(running, "POST", f"/v5/order/{path}", LINEAR | {"qty": "0.002"} | placed, key)
        assert code(answer) == 110001 and answer.json()["retMsg"] == f"order not exists or {words}"


def test_open_orders_are_bounded_and_paged(running: RunningVenue) -> None:
    key, price = running.keys[1], price_below(running)
    codes = [code(rest(running, "POST", "/v5/order/create", place("Buy", "0.001", price), key)) for _ in range(33)]
    assert codes == [0] * 32 + [110020]
    seen, cursor = [], ""
    while True:
        params = LINEAR | {"limit": "10", "cursor": cursor}
        shown = rest(running, "GET", "/v5/order/realtime", params, key).json()["result"]
        seen += [entry["orderId"] for entry in shown["list"]]
        cursor = shown["nextPageCursor"]
        if not cursor:
            break
    assert len(seen) == len(set(seen)) == 32
    assert len(rest(running, "POST", "/v5/order/cancel-all", LINEAR, key).json()["result"]["list"]) == 32
    assert code(rest(running, "POST", "/v5/order/create", place("Buy", "0.001", price), key)) == 0
    rest(running, "POST", "/v5/order/cancel-all", LINEAR, key)


def test_budgets_are_told_and_kept() -> None:
    running = run_synthetic(orders_per_s=3)
    try:
        key = running.keys[0]
        answers = [rest(running, "POST", "/v5/order/cancel-all", LINEAR, key) for _ in range(4)]
        left = [(answer.headers["X-Bapi-Limit"], answer.headers["X-Bapi-Limit-Status"]) for answer in answers]
        assert left == [("3", "2"), ("3", "1"), ("3", "0"), ("3", "0")]
        assert [code(answer) for answer in answers] == [0, 0, 0, 10006]
        reset_ms = int(answers[3].headers["X-Bapi-Limit-Reset-Timestamp"])
        time.sleep(max(0.0, reset_ms / 1_000 - time.time()) + 0.01)
        assert code(rest(running, "POST", "/v5/order/cancel-all", LINEAR, key)) == 0
        with RawSocket(running.urls["trade"]) as trade:
            trade.auth(key)
            requests = [order_request("order.cancel", {"orderId": "x"}, f"r{number}") for number in range(4)]
            assert [trade.ask(request)["retCode"] for request in requests] == [110001] * 3 + [10006]
    finally:
        running.close()


@pytest.mark.parametrize("path", [PUBLIC_PATH, PRIVATE_PATH, TRADE_PATH])
def test_garbage_on_a_socket_is_answered(path: str, running: RunningVenue) -> None:
    with RawSocket(running.urls["rest"].replace("http", "ws") + path) as client:
        for garbage in ("", "{", "[]", "null", '{"op": null}', '{"op": {"a": 1}}', "\u0000", os.urandom(64)):
            client.socket.send(garbage)
            answer = client.receive()
            assert answer.get("success") is False or answer["retCode"] != 0, garbage
        client.send({"op": "ping", "req_id": "7", "reqId": "7"})
        assert client.receive()["op"] in ("ping", "pong")
        with pytest.raises(ConnectionClosed):
            client.socket.send("x" * (FRAME_BYTES_MAX + 1))
            client.socket.recv(WAIT_S)
    assert code(rest(running, "GET", "/v5/market/time", {})) == 0


def test_public_subscriptions(running: RunningVenue) -> None:
    with RawSocket(running.urls["public"]) as public:
        for topic in (
            "orderbook.7.BTCUSDT", "orderbook.50.NOPE", "orderbook.500.BTCUSDT", "kline.2.BTCUSDT", "kline.1.NOPE",
            "allLiquidation.NOPE", "order", "x" * 1_000, ".",
        ):  # fmt: skip
            answer = public.ask({"op": "subscribe", "args": [topic, "tickers.BTCUSDT"], "req_id": "a"})
            assert (answer["success"], answer["req_id"]) == (False, "a") and topic in answer["ret_msg"]
        for args in (None, [], "tickers.BTCUSDT", [1]):
            assert public.ask({"op": "subscribe", "args": args})["success"] is False
        assert public.ask({"op": "subscribe", "args": ["tickers.BTCUSDT"]})["success"] is True
        assert public.ask({"op": "subscribe", "args": ["tickers.BTCUSDT"]})["success"] is False
        assert public.ask({"op": "unsubscribe", "args": ["tickers.BTCUSDT"]})["success"] is True
        assert public.ask({"op": "unsubscribe", "args": ["tickers.BTCUSDT"]})["success"] is False


@pytest.mark.parametrize("category", ["spot", "inverse", "option"])
def test_categories_without_a_symbol_have_a_stream_of_their_own(category: str, running: RunningVenue) -> None:
    with RawSocket(running.urls["public"].replace("linear", category)) as public:
        assert public.ask({"op": "ping", "req_id": "1"})["ret_msg"] == "pong"
        for topic in ("orderbook.50.BTCUSDT", "publicTrade.BTCUSDT", "tickers.BTCUSD"):
            answer = public.ask({"op": "subscribe", "args": [topic]})
            assert (answer["success"], answer["ret_msg"]) == (False, f"error:handler not found,topic:{topic}")


def test_books_of_two_clients_are_one_sequence(running: RunningVenue) -> None:
    topic = "orderbook.50.BTCUSDT"
    books: list[dict[str, dict[str, str]]] = [{}, {}]
    with RawSocket(running.urls["public"]) as early, RawSocket(running.urls["public"]) as late:
        early.ask({"op": "subscribe", "args": [topic]})
        for _ in range(5):
            follow(books[0], early.next(lambda frame: "topic" in frame))
        late.ask({"op": "subscribe", "args": [topic]})
        last = 0
        for _ in range(10):
            last = follow(books[1], late.next(lambda frame: "topic" in frame))
        while follow(books[0], early.next(lambda frame: "topic" in frame)) < last:
            pass
    assert books[0] == books[1]


def follow(book: dict[str, dict[str, str]], frame: dict[str, Any]) -> int:
    """Apply one frame to a client's book by the venue's rules and return its update id."""
    data = frame["data"]
    if frame["type"] == "snapshot":
        book.clear()
        book |= {"b": {}, "a": {}, "u": {}}
    else:
        assert data["u"] == int(book["u"]["u"]) + 1
    for side in "ba":
        for price, size in data[side]:
            if float(size) == 0:
                del book[side][price]
            else:
                book[side][price] = size
    book["u"]["u"] = str(data["u"])
    assert len(book["b"]) == len(book["a"]) == 50
    assert max(map(float, book["b"])) < min(map(float, book["a"]))
    return int(data["u"])


def test_depth_one_is_told_in_snapshots(running: RunningVenue) -> None:
    with RawSocket(running.urls["public"]) as public:
        public.ask({"op": "subscribe", "args": ["orderbook.1.ETHUSDT"]})
        frames = [public.next(lambda frame: "topic" in frame) for _ in range(5)]
    assert {frame["type"] for frame in frames} == {"snapshot"}
    assert all(len(frame["data"]["b"]) == len(frame["data"]["a"]) == 1 for frame in frames)
    ids = [frame["data"]["u"] for frame in frames]
    assert ids == list(range(ids[0], ids[0] + 5))


def test_private_stream_needs_a_signature(running: RunningVenue) -> None:
    key = running.keys[0]
    with RawSocket(running.urls["private"]) as private:
        assert private.ask({"op": "subscribe", "args": ["order"]})["success"] is False
        assert private.auth(key, ahead_ms=-1)["success"] is False
        assert private.ask({"op": "auth", "args": [key.key, 9_999_999_999_999, "wrong"]})["success"] is False
        assert private.ask({"op": "auth", "args": ["nobody", 9_999_999_999_999, "wrong"]})["success"] is False
        assert private.ask({"op": "auth"})["success"] is False
        assert private.auth(key)["success"] is True
        assert private.ask({"op": "subscribe", "args": ["order.linear", "execution.fast"]})["success"] is True
        assert private.ask({"op": "subscribe", "args": ["orderbook.50.BTCUSDT"]})["success"] is False


def test_private_topics_of_a_category(running: RunningVenue) -> None:
    key = running.keys[3]
    with RawSocket(running.urls["private"]) as private:
        private.auth(key)
        for topic in ("order.spot", "order.inverse", "execution.option", "execution.fast.spot", "position.inverse"):
            assert private.ask({"op": "subscribe", "args": [topic]})["success"] is True, topic
        for topic in ("wallet.linear", "greeks.option", "position.spot", "order.futures", "order.", ".linear", "fast"):
            answer = private.ask({"op": "subscribe", "args": [topic]})
            assert (answer["success"], answer["ret_msg"]) == (False, f"error:handler not found,topic:{topic}")
        assert private.ask({"op": "subscribe", "args": ["order.linear"]})["success"] is True
        rest(running, "POST", "/v5/order/create", place("Buy", "0.001", price_below(running), orderLinkId="told"), key)
        rest(running, "POST", "/v5/order/cancel-all", LINEAR, key)
        frames = [private.receive() for _ in range(2)]
        assert [(frame["topic"], frame["data"][0]["orderLinkId"]) for frame in frames] == [("order.linear", "told")] * 2


def test_order_entry_refusals(running: RunningVenue) -> None:
    key = running.keys[0]
    order = {"orderId": "nothing"}
    with RawSocket(running.urls["trade"]) as trade:
        assert trade.ask(order_request("order.cancel", order, "1"))["retCode"] == 10005
        for op in ("order.nothing", "nothing", "order.", "subscribe", ""):
            assert trade.ask({"op": op})["retCode"] == 10404, op
        assert trade.auth(key)["retCode"] == 0
        assert trade.auth(key)["retCode"] == 20001
        assert trade.ask(order_request("order.nothing", order, "2"))["retCode"] == 10404
        assert trade.ask(order_request("order.cancel-all", order, "3"))["retCode"] == 10404
        for category in ("spot", "inverse", "option", "", None):
            assert trade.ask(order_request("order.cancel", order | {"category": category}))["retCode"] == 10404
        assert trade.ask(order_request("order.cancel", order, "4"))["retCode"] == 110001
        assert trade.ask(order_request("order.cancel", order, "4"))["retCode"] == 20006
        assert trade.ask(order_request("order.cancel", order, "5", behind_ms=60_000))["retCode"] == 10002
        assert trade.ask(order_request("order.cancel", order, "x" * 37))["retCode"] == 10001
        assert trade.ask(order_request("order.cancel", order, "6") | {"args": [{}, {}]})["retCode"] == 10001
        assert trade.ask({"op": "order.create", "reqId": "7"})["retCode"] == 10001


def test_post_only_that_would_take_ends_at_once(running: RunningVenue) -> None:
    key = running.keys[0]
    high = price_below(running, -1_000)
    params = place("Buy", "0.001", high, timeInForce="PostOnly", orderLinkId="crossing")
    assert code(rest(running, "POST", "/v5/order/create", params, key)) == 0
    listed = rest(running, "GET", "/v5/order/realtime", LINEAR | {"orderLinkId": "crossing"}, key).json()
    ended = listed["result"]["list"][0]
    assert (ended["orderStatus"], ended["rejectReason"]) == ("Cancelled", "EC_PostOnlyWillTakeLiquidity")
    assert code(rest(running, "POST", "/v5/order/create", params, key)) == 110072


def test_dead_man_switch(running: RunningVenue) -> None:
    key, price = running.keys[2], price_below(running)
    assert code(rest(running, "POST", "/v5/order/disconnected-cancel-all", {"timeWindow": 2}, key)) == 10001
    assert code(rest(running, "POST", "/v5/order/disconnected-cancel-all", {"timeWindow": 3}, key)) == 0
    running.call(lambda: running.venue.dcp_window_s.update({key.key: 0}))  # the shortest window is 3 s: a test has less
    rest(running, "POST", "/v5/order/create", place("Buy", "0.001", price, orderLinkId="dcp"), key)
    with RawSocket(running.urls["private"]) as private:
        private.auth(key)
    end_s = time.monotonic() + WAIT_S
    while time.monotonic() < end_s:
        history = rest(running, "GET", "/v5/order/history", LINEAR, key).json()["result"]["list"]
        if history:
            break
    assert [(entry["orderLinkId"], entry["cancelType"]) for entry in history] == [("dcp", "CancelByDCP")]


def test_made_keys_are_told_to_this_machine(running: RunningVenue) -> None:
    told = http(running, "GET", "/emulator/keys").json()["keys"]
    assert [(entry["key"], entry["secret"]) for entry in told] == [(key.key, key.secret) for key in running.keys]


@pytest.mark.parametrize("path", [PUBLIC_PATH, PRIVATE_PATH, TRADE_PATH])
def test_a_client_that_leaves_while_it_is_answered_is_no_error(
    path: str, running: RunningVenue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def lose_the_client(opened: web.WebSocketResponse, request: web.BaseRequest) -> None:
        assert request.transport is not None
        request.transport.abort()
        await prepare(opened, request)

    prepare = web.WebSocketResponse.prepare
    monkeypatch.setattr(web.WebSocketResponse, "prepare", lose_the_client)
    with pytest.raises(InvalidMessage), connect(running.urls["rest"].replace("http", "ws", 1) + path):
        pass
    assert http(running, "GET", "/v5/market/time").status == 200  # the loop went on
    assert [found.getMessage() for found in caplog.records if found.levelname == "ERROR"] == []
