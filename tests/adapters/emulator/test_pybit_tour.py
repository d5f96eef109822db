"""A tour of the venue's own SDK: every method is called; what the emulator serves has its shape, all else its refusal.

A new endpoint needs a line in SERVED (REST), TOPICS or SILENT; `pytest --snapshot-update` writes the table of shapes.
"""

import queue
import time
from collections.abc import Iterator
from typing import Any

import pybit._websocket_trading as trading_module
import pybit.unified_trading as pybit
import pytest
from pybit.exceptions import FailedRequestError
from syrupy.assertion import SnapshotAssertion

from mmfold.adapters.emulator.bybit.rest import ORDER_PATHS, PRIVATE_ROUTES, PUBLIC_ROUTES
from tests.adapters.emulator.running import LINEAR, WAIT_S, RunningVenue, place, price_below, run_synthetic
from tests.adapters.emulator.touring import settle, shape_of

CATEGORY, LOW = {"category": "linear"}, "a price far below the market"
BUY, SELL = place("Buy", "0.004", None), place("Sell", "0.002", None, reduceOnly=True)


def named(link_id: str, **more: Any) -> dict[str, Any]:
    return LINEAR | {"orderLinkId": link_id} | more


# (method, parameters) in the order in which they are called, each answered with retCode 0
SERVED: list[tuple[str, dict[str, Any]]] = [
    ("get_server_time", {}),
    ("get_instruments_info", CATEGORY),
    ("get_orderbook", LINEAR),
    ("get_tickers", LINEAR),
    ("get_public_trade_history", LINEAR),
    ("get_kline", LINEAR | {"interval": 1}),
    ("get_funding_rate_history", LINEAR),
    ("get_open_interest", LINEAR | {"intervalTime": "5min"}),
    ("get_risk_limit", LINEAR),
    ("get_account_info", {}),
    ("get_api_key_information", {}),
    ("get_coin_info", {}),
    ("get_fee_rates", LINEAR),
    ("switch_position_mode", LINEAR | {"mode": 3}),
    ("switch_position_mode", LINEAR | {"mode": 0}),
    ("set_leverage", LINEAR | {"buyLeverage": "20", "sellLeverage": "20"}),
    ("set_dcp", {"timeWindow": 60}),
    ("place_order", place("Buy", "0.001", LOW, orderLinkId="one")),
    ("amend_order", named("one", qty="0.002")),
    ("get_open_orders", LINEAR),
    ("cancel_order", named("one")),
    ("place_batch_order", CATEGORY | {"request": [place("Buy", "0.001", LOW, orderLinkId=name) for name in "ab"]}),
    ("amend_batch_order", CATEGORY | {"request": [named("a", qty="0.002"), named("b", qty="0.003")]}),
    ("cancel_batch_order", CATEGORY | {"request": [named("a")]}),
    ("cancel_all_orders", CATEGORY | {"settleCoin": "USDT"}),
    ("place_order", BUY),
    ("place_order", SELL),
    ("get_order_history", LINEAR),
    ("get_executions", LINEAR),
    ("get_positions", LINEAR),
    ("get_closed_pnl", LINEAR),
    ("get_transaction_log", {}),
    ("get_wallet_balance", {"accountType": "UNIFIED"}),
]
# Methods that send nothing when they are called so: helpers of the SDK, and what it retired or needs more for itself.
UNSENT = {"prepare_payload", "prepare_file_payload", "request_demo_trading_funds", "upload_chat_file"}
RETIRED = "crypto_loan_legacy_message"

# (method, parameters) of a subscription, by the channel that has it
TOPICS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "linear": [
        *(("orderbook_stream", {"depth": depth, "symbol": "BTCUSDT"}) for depth in (1, 50, 200, 1000)),
        ("trade_stream", {"symbol": ["BTCUSDT", "ETHUSDT"]}),
        ("ticker_stream", {"symbol": "BTCUSDT"}),
        ("kline_stream", {"interval": 1, "symbol": "BTCUSDT"}),
    ],
    "private": [
        ("order_stream", {}),
        ("execution_stream", {}),
        ("fast_execution_stream", {}),
        ("fast_execution_stream", {"categorised_topic": "linear"}),
        ("position_stream", {}),
        ("wallet_stream", {}),
    ],
}
SILENT: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "linear": [("all_liquidation_stream", {"symbol": "BTCUSDT"})],
    "private": [("greek_stream", {}), ("fast_execution_stream", {"categorised_topic": "inverse"})],
}
REFUSED: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "linear": [
        ("orderbook_stream", {"depth": 500, "symbol": "BTCUSDT"}),
        ("rpi_orderbook_stream", {"symbol": "BTCUSDT"}),
        ("liquidation_stream", {"symbol": "BTCUSDT"}),
        ("lt_kline_stream", {"interval": 5, "symbol": "BTC3SUSDT"}),
        ("lt_ticker_stream", {"symbol": "BTC3SUSDT"}),
        ("lt_nav_stream", {"symbol": "BTC3SUSDT"}),
        ("insurance_pool_stream", {"contract_group": "USDT"}),
        ("price_limit_stream", {"symbol": "BTCUSDT"}),
    ],
    "private": [("spread_order_stream", {}), ("spread_execution_stream", {})],
}
ELSEWHERE = {"system_status_stream"}  # of a channel that is not here: the connection itself is refused
NOT_STREAMS = {"exit", "is_connected", "subscribe", "unsubscribe", "get_subscription_topics"}


def priced(value: Any, low: str) -> Any:
    """Return parameters with the price in its place."""
    if isinstance(value, dict):
        return {name: priced(entry, low) for name, entry in value.items()}
    if isinstance(value, list):
        return [priced(entry, low) for entry in value]
    return low if value == LOW else value


class Recorder(pybit.HTTP):
    """The SDK with an ear on what the venue answered."""

    def __init__(self, running: RunningVenue) -> None:
        key = running.keys[0]
        super().__init__(api_key=key.key, api_secret=key.secret, max_retries=1, retry_delay=0)
        self.endpoint = running.urls["rest"]
        self.answers: list[Any] = []
        self.client.hooks["response"].append(lambda answer, *args, **more: self.answers.append(answer))


def methods_of(kind: type) -> list[str]:
    return [name for name in dir(kind) if not name.startswith("_") and callable(getattr(kind, name))]


@pytest.fixture(scope="module")
def client() -> Iterator[Recorder]:
    running = run_synthetic()
    settle(running, 100_000)
    yield Recorder(running)
    assert running.server.failure is None
    running.close()


def test_what_is_served_has_its_shape(client: Recorder, snapshot: SnapshotAssertion) -> None:
    running_url, lines, paths = client.endpoint, [], set()
    bid = float(client.get_orderbook(**LINEAR)["result"]["b"][0][0])
    for method, params in SERVED:
        answer = getattr(client, method)(**priced(params, f"{bid - 500:.1f}"))
        assert (answer["retCode"], answer["retMsg"]) == (0, "OK")
        assert all(outcome["code"] == 0 for outcome in answer["retExtInfo"].get("list", []))
        assert answer["result"].get("list") != [], "an empty list has no shape"
        lines.append(f"{method}: {shape_of(answer['result'])}")
        request = client.answers[-1].request
        paths.add((request.method, request.url.removeprefix(running_url).partition("?")[0]))
    assert paths == {*PUBLIC_ROUTES, *PRIVATE_ROUTES, *(("POST", path) for path in ORDER_PATHS)}, "all is seen"
    assert "\n".join(dict.fromkeys(lines)) == snapshot


def test_what_is_not_served_is_refused(client: Recorder) -> None:
    unserved = set(methods_of(pybit.HTTP)) - {method for method, _ in SERVED}
    assert len(unserved) > 300
    for method in sorted(unserved):
        client.answers.clear()
        if method in UNSENT:
            continue
        try:
            getattr(client, method)()
        except FailedRequestError as refused:
            (answer,) = client.answers
            assert (refused.status_code, answer.status_code, answer.json()["retCode"]) == (404, 404, 10017), method
        except AttributeError as retired:
            assert RETIRED in str(retired), method
        else:
            raise AssertionError(f"{method} was answered: it needs a line in SERVED")


class Listener(pybit.WebSocket):
    """The SDK's stream with an ear on the outcome of subscriptions; a refused one would end its thread."""

    def __init__(self, **more: Any) -> None:
        self.outcomes: queue.Queue[dict[str, Any]] = queue.Queue()
        super().__init__(**more)

    def _process_subscription_message(self, message: dict[str, Any]) -> None:
        self.outcomes.put(message)


@pytest.fixture(scope="module")
def slow() -> Iterator[RunningVenue]:
    # The SDK notes whom to tell after it has sent: an answer must not come faster than from a real venue.
    running = run_synthetic(latency_s=0.02)
    yield running
    assert running.server.failure is None
    running.close()


@pytest.fixture
def listen(slow: RunningVenue, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(pybit, "PUBLIC_WSS", slow.urls["public"].replace("linear", "{CHANNEL_TYPE}"))
    monkeypatch.setattr(pybit, "PRIVATE_WSS", slow.urls["private"])
    monkeypatch.setattr(trading_module, "TRADE_WSS", slow.urls["trade"])
    opened: list[Any] = []

    def open_one(kind: type, **more: Any) -> Any:
        key = slow.keys[0]
        opened.append(kind(api_key=key.key, api_secret=key.secret, testnet=False, **more))
        return opened[-1]

    yield open_one
    for one in opened:
        one.exit()


def test_every_stream_is_on_the_list() -> None:
    listed = [method for table in (TOPICS, SILENT, REFUSED) for calls in table.values() for method, _ in calls]
    assert {*listed, *ELSEWHERE, *NOT_STREAMS} == set(methods_of(pybit.WebSocket))


@pytest.mark.parametrize("channel", ["linear", "private"])
def test_streams_have_their_shape(channel: str, slow: RunningVenue, listen: Any, snapshot: SnapshotAssertion) -> None:
    stream, frames, lines = listen(Listener, channel_type=channel), {}, []
    for method, params in TOPICS[channel] + SILENT[channel]:
        getattr(stream, method)(callback=lambda frame: frames.setdefault(frame["topic"], frame), **params)
        assert stream.outcomes.get(timeout=WAIT_S)["success"] is True, method
    client = Recorder(slow)
    if channel == "private":
        client.place_order(**place("Buy", "0.001", None))
    wanted = {name for calls in [stream.get_subscription_topics()] for name in calls}
    quiet = {"allLiquidation.BTCUSDT", "greeks", "execution.fast.inverse"}
    end_s = time.monotonic() + WAIT_S
    while set(frames) != wanted - quiet and time.monotonic() < end_s:
        time.sleep(0.05)
    assert set(frames) == wanted - quiet
    lines = [f"{name}: {shape_of(frames[name])}" for name in sorted(frames)]
    assert "\n".join(lines) == snapshot
    kept = sorted(wanted)
    while kept:
        stream.unsubscribe(kept[0])
        while kept[0] in stream.get_subscription_topics():
            assert time.monotonic() < end_s + WAIT_S
            time.sleep(0.01)
        kept = sorted(stream.get_subscription_topics())


@pytest.mark.parametrize("channel", ["linear", "spot", "inverse", "option", "private"])
def test_streams_that_are_not_served_are_refused(channel: str, listen: Any) -> None:
    stream = listen(Listener, channel_type=channel)
    calls = REFUSED[channel] if channel in REFUSED else TOPICS["linear"] + SILENT["linear"] + REFUSED["linear"]
    for method, params in calls:
        getattr(stream, method)(callback=pytest.fail, **params)
        outcome = stream.outcomes.get(timeout=WAIT_S)
        assert outcome["success"] is False and "handler not found" in outcome["ret_msg"], method
    assert stream.is_connected()


def test_order_entry_has_its_shape(slow: RunningVenue, listen: Any, snapshot: SnapshotAssertion) -> None:
    trade, answers, lines = listen(pybit.WebSocketTrading), queue.Queue[Any](), []
    calls = [(method, params) for method, params in SERVED if hasattr(pybit.WebSocketTrading, method)]
    assert {method for method, _ in calls} == set(methods_of(pybit.WebSocketTrading)) - {"exit", "is_connected"}
    low = price_below(slow)
    for method, params in calls:
        getattr(trade, method)(answers.put, answers.put, **priced(params, low))
        answer = answers.get(timeout=WAIT_S)
        assert answer["retCode"] == 0, answer
        assert all(outcome["code"] == 0 for outcome in answer["retExtInfo"].get("list", []))
        lines.append(f"{method}: {shape_of(answer)}")
        getattr(trade, method)(answers.put, answers.put, **params | {"category": "spot"})
        assert answers.get(timeout=WAIT_S)["retCode"] == 10404, method
        getattr(trade, method)(answers.put, answers.put, category="linear")
        assert answers.get(timeout=WAIT_S)["retCode"] == 10001, method
    assert "\n".join(dict.fromkeys(lines)) == snapshot
