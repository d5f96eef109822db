"""What the emulator sends has the field names and JSON types of the venue's recorded payloads."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tests.adapters.emulator.running import LINEAR, RawSocket, RunningVenue, order_request, place, price_below, rest

SAMPLES = "bybit_v5_payloads"
PRIVATE_TOPICS = {
    "order": "Order", "execution": "UserTrades", "execution.fast": "MinimalUserTrades", "position": "Position",
    "wallet": "Balance",
}  # fmt: skip
PUBLIC_TOPICS = {
    "orderbook.50.BTCUSDT": "Option/Book", "publicTrade.BTCUSDT": "Linear/Trades", "tickers.BTCUSDT": "Linear/Ticker",
    "orderbook.1000.BTCUSDT": "Option/Book", "kline.5.BTCUSDT": "Option/Klines",
}  # fmt: skip
GETS = {
    "ExchangeData/GetLinearInverseSymbols": ("/v5/market/instruments-info", LINEAR),
    "ExchangeData/GetLinearInverseTickers": ("/v5/market/tickers", LINEAR),
    "ExchangeData/GetOrderbook": ("/v5/market/orderbook", LINEAR),
    "ExchangeData/GetTradeHistory": ("/v5/market/recent-trade", LINEAR),
    "ExchangeData/GetKlines": ("/v5/market/kline", LINEAR | {"interval": "1"}),
    "ExchangeData/GetRiskLimit": ("/v5/market/risk-limit", LINEAR),
    "ExchangeData/GetOpenInterest": ("/v5/market/open-interest", LINEAR | {"intervalTime": "5min"}),
    "Account/GetBalances": ("/v5/account/wallet-balance", {"accountType": "UNIFIED"}),
    "Account/GetFeeRate": ("/v5/account/fee-rate", LINEAR),
    "Account/GetMarginAccountInfo": ("/v5/account/info", {}),
    "Trading/GetOrders": ("/v5/order/realtime", LINEAR),
    "Trading/GetOrderHistory": ("/v5/order/history", LINEAR),
    "Trading/GetUserTrades": ("/v5/execution/list", LINEAR),
    "Trading/GetClosedProfitLoss": ("/v5/position/closed-pnl", LINEAR),
    "Trading/GetPositions": ("/v5/position/list", LINEAR),
}


def kind(value: Any) -> str:
    return {str: "string", bool: "boolean", int: "number", float: "number", type(None): "null"}.get(
        type(value), "other"
    )


def differences(sample: Any, ours: Any, where: str = "") -> list[str]:
    """Return where ours lacks a field of the sample or has another JSON type."""
    if isinstance(sample, dict):
        if not isinstance(ours, dict):
            return [f"{where} is no object"]
        lacking = [f"{where}.{name} is missing" for name in sample if name not in ours]
        return lacking + [d for n in sample if n in ours for d in differences(sample[n], ours[n], f"{where}.{n}")]
    if isinstance(sample, list):
        if not isinstance(ours, list):
            return [f"{where} is no list"]
        if sample and not ours:
            return [f"{where} is empty: nothing was compared"]
        return [d for index, one in enumerate(ours) if sample for d in differences(sample[0], one, f"{where}[{index}]")]
    return [] if kind(sample) == kind(ours) else [f"{where} is {ours!r}, not like {sample!r}"]


@pytest.fixture(scope="module")
def samples(shared_data: Path) -> Path:
    if not (shared_data / SAMPLES).is_dir():
        pytest.skip(f"no recorded payloads: {SAMPLES} does not exist beside the feeds")
    return shared_data / SAMPLES


def answer_of(path: Path) -> Any:
    """Return the JSON answer of a recorded REST exchange: method, path, signed, then the body."""
    return json.loads("".join(path.read_text(encoding="utf-8-sig").splitlines(keepends=True)[3:]))


def message_of(path: Path) -> Any:
    """Return the pushed message of a recorded subscription: what follows the line of `=`."""
    text = path.read_text(encoding="utf-8-sig")
    return json.loads(text[text.index("=") + 1 :] if "\n=" not in text else text.split("\n=", 1)[1])


@pytest.fixture(scope="module")
def traded(running: RunningVenue) -> dict[str, Any]:
    """Return a frame of every private topic, of a session with an open order, a closed one and a fill."""
    key, frames = running.keys[3], {}
    with RawSocket(running.urls["private"]) as private:
        assert private.auth(key)["success"] is True
        assert private.ask({"op": "subscribe", "args": list(PRIVATE_TOPICS)})["success"] is True
        price = price_below(running)
        for params in (place("Buy", "0.010", None), place("Buy", "0.010", price), place("Buy", "0.010", price)):
            answer = rest(running, "POST", "/v5/order/create", params, key).json()
            assert answer["retCode"] == 0, answer
        rest(running, "POST", "/v5/order/create", place("Sell", "0.002", None, reduceOnly=True), key)
        rest(running, "POST", "/v5/order/cancel", LINEAR | {"orderId": answer["result"]["orderId"]}, key)
        while len(frames) < len(PRIVATE_TOPICS):
            frame = private.receive()
            frames[frame["topic"]] = frame
    return frames


@pytest.mark.parametrize("name", GETS)
def test_rest_answers(name: str, samples: Path, running: RunningVenue, traded: dict[str, Any]) -> None:
    path, params = GETS[name]
    sample = answer_of(samples / "Endpoints" / "V5Api" / f"{name}.txt")
    assert differences(sample, rest(running, "GET", path, params, running.keys[3]).json()) == []


@pytest.mark.parametrize("topic", PRIVATE_TOPICS)
def test_private_frames(topic: str, samples: Path, traded: dict[str, Any]) -> None:
    sample = message_of(samples / "Subscriptions" / "V5" / "Private" / f"{PRIVATE_TOPICS[topic]}.txt")
    assert differences(sample, traded[topic]) == []


@pytest.mark.parametrize("topic", PUBLIC_TOPICS)
def test_public_frames(topic: str, samples: Path, running: RunningVenue) -> None:
    sample = message_of(samples / "Subscriptions" / "V5" / f"{PUBLIC_TOPICS[topic]}.txt")
    with RawSocket(running.urls["public"]) as public:
        public.ask({"op": "subscribe", "args": [topic]})
        assert differences(sample, public.next(lambda frame: frame.get("topic") == topic)) == []


@pytest.mark.parametrize("op", ["create", "amend", "cancel"])
def test_order_entry_frames(op: str, samples: Path, running: RunningVenue) -> None:
    name = {"create": "PlaceOrder", "amend": "EditOrder", "cancel": "CancelOrder"}[op]
    sample = message_of(samples / "Socket" / "V5Api" / "Private" / f"{name}.txt")
    price = price_below(running)
    link = f"sample-{op}-{time.monotonic_ns()}"
    with RawSocket(running.urls["trade"]) as trade:
        trade.auth(running.keys[3])
        answer = trade.ask(order_request("order.create", place("Buy", "0.001", price, orderLinkId=link), "|1|"))
        if op != "create":
            answer = trade.ask(order_request(f"order.{op}", {"orderLinkId": link, "qty": "0.002"}, "|2|"))
        assert differences(sample, answer) == [] and answer["retCode"] == 0
        rest(running, "POST", "/v5/order/cancel-all", LINEAR, running.keys[3])


def captured_frames(shared_data: Path) -> Iterator[Any]:
    """Yield the frames and answers of the recorded linear stream."""
    path = shared_data / "bybit_v5_l2_trades" / "bybit_v5_linear_BTCUSDT_ETHUSDT.jsonl.zst"
    if not path.is_file():
        pytest.skip(f"no recorded stream: {path.name} does not exist among the feeds")
    with zstandard.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            entry = json.loads(line)
            if entry["t"] in ("recv", "http"):
                yield json.loads(entry["data"])


@pytest.mark.realdata
def test_frames_of_a_recorded_stream(shared_data: Path, running: RunningVenue) -> None:
    topics = ["orderbook.200.BTCUSDT", "publicTrade.BTCUSDT", "tickers.BTCUSDT"]
    seen: dict[tuple[str, str], Any] = {}
    for frame in captured_frames(shared_data):
        if frame.get("topic") in topics:
            seen.setdefault((frame["topic"], frame["type"]), frame)
        elif frame.get("op") == "subscribe":
            seen["subscribe", ""] = frame
        elif "result" in frame:
            listed = [entry for entry in frame["result"]["list"] if entry["symbol"] == "BTCUSDT"]
            ours = rest(running, "GET", "/v5/market/instruments-info", LINEAR).json()["result"]["list"]
            assert differences(listed, ours) == []
    assert len(seen) == 6
    with RawSocket(running.urls["public"]) as public:
        answer = public.ask({"op": "subscribe", "args": topics})
        assert differences(seen.pop(("subscribe", "")), answer) == []
        while seen:
            frame = public.receive()
            sample = seen.pop((frame["topic"], frame["type"]), None)
            if frame["topic"].startswith("tickers") and frame["type"] == "delta":
                continue  # holds what changed
            assert sample is None or differences(sample, frame) == []


@pytest.mark.parametrize(
    "sample, ours, count",
    [
        ({"a": "1"}, {"a": "2", "b": 1}, 0),
        ({"a": "1"}, {"a": 1}, 1),
        ({"a": "1"}, {}, 1),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}, {"b": "3"}]}, 1),
        ({"a": [1]}, {"a": []}, 1),
        ({"a": True}, {"a": 1}, 1),
    ],
)
def test_differences_are_found(sample: Any, ours: Any, count: int) -> None:
    assert len(differences(sample, ours)) == count
