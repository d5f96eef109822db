"""Streams: shapes, numbers that continue, requests and their answers, routes, pings."""

import asyncio
import time
from itertools import pairwise
from typing import Any

import aiohttp
import pytest
from websockets.exceptions import ConnectionClosed

from tests.adapters.emulator.binance.running import RunningBinance, Socket

# Keys in the venue's own order, as recorded frames and the documents have them.
KEYS = {
    "btcusdt@depth@100ms": "e E T s U u pu b a",
    "btcusdt@depth5@100ms": "e E T s U u pu b a",
    "btcusdt@bookTicker": "e u s b B a A T E",
    "btcusdt@trade": "e E T s t p q X m",
    "btcusdt@aggTrade": "e E s a p q f l T m",
    "btcusdt@markPrice@1s": "e E s p P i r T",
    "btcusdt@ticker": "e E s p P w c Q o h l v q O C F L n",
    "btcusdt@miniTicker": "e E s c o h l v q",
}
MARKET_STREAMS = ("btcusdt@aggTrade", "btcusdt@markPrice@1s", "btcusdt@ticker", "btcusdt@miniTicker")


def route(name: str) -> str:
    return "market" if name in MARKET_STREAMS else "public"


@pytest.mark.parametrize("name", KEYS)
def test_messages_single_and_combined(binance: RunningBinance, name: str) -> None:
    with binance.socket(f"/{route(name)}/ws/{name}") as single:
        alone = single.receive()
    with binance.socket(f"/{route(name)}/stream?streams={name}") as combined:
        frame = combined.receive()
    assert list(frame) == ["stream", "data"] and frame["stream"] == name
    for data in (alone, frame["data"]):
        assert " ".join(data) == KEYS[name] and data["s"] == "BTCUSDT"


@pytest.mark.parametrize(("name", "pace_s"), [("depth@100ms", 0.1), ("depth", 0.25), ("depth@500ms", 0.5)])
def test_depth_continues_at_its_pace(binance: RunningBinance, name: str, pace_s: float) -> None:
    with binance.socket(f"/public/ws/btcusdt@{name}") as socket:
        socket.receive()
        start_s = time.monotonic()
        told = socket.take("depthUpdate", 4)
    assert 3 * pace_s * 0.8 <= time.monotonic() - start_s <= 4 * pace_s + 1.5
    for before, after in pairwise(told):
        assert after["pu"] == before["u"] < after["U"] <= after["u"] and after["pu"] + 1 < after["U"], (
            "numbers have holes"
        )


def test_partial_books_are_the_best_levels(binance: RunningBinance) -> None:
    for depth in (5, 10, 20):
        with binance.socket(f"/public/ws/btcusdt@depth{depth}@100ms") as socket:
            told = socket.receive()
        bids, asks = ([float(level[0]) for level in told[side]] for side in "ba")
        assert len(bids) == len(asks) == depth and bids == sorted(bids, reverse=True) and bids[0] < asks[0]


def test_aggregates_follow_the_trades(binance: RunningBinance) -> None:
    with binance.socket("/market/ws/btcusdt@aggTrade") as socket:
        told = socket.take("aggTrade", 5)
    for before, after in pairwise(told):
        assert (after["a"], after["f"]) == (before["a"] + 1, before["l"] + 1)


@pytest.mark.parametrize(("path", "name", "is_told"), [
    ("/ws", "btcusdt@bookTicker", True), ("/ws", "btcusdt@markPrice@1s", False), ("/public/ws", "btcusdt@trade", True),
    ("/public/ws", "btcusdt@aggTrade", False), ("/market/ws", "btcusdt@aggTrade", True),
    ("/market/ws", "btcusdt@bookTicker", False), ("/public/ws", "BTCUSDT@bookTicker", False),
    ("/public/ws", "dogeusdt@bookTicker", False), ("/public/ws", "btcusdt@depth7", False),
    ("/public/ws", "btcusdt@depth@250ms", False), ("/public/ws", "btcusdt@bookTicker@1s", False),
    ("/public/ws", "nonsense", False),
])  # fmt: skip
def test_a_stream_of_another_route_is_silent(binance: RunningBinance, path: str, name: str, is_told: bool) -> None:
    with binance.socket(path) as socket:
        assert socket.ask({"method": "SUBSCRIBE", "params": [name], "id": 5}) == {"result": None, "id": 5}
        assert socket.ask({"method": "LIST_SUBSCRIPTIONS", "id": 6}) == {"result": [name], "id": 6}
        if is_told:
            assert socket.receive()["s"] == "BTCUSDT"
        else:
            with pytest.raises(TimeoutError):
                socket.receive(1.3 if "1s" in name else 0.4)


def test_subscribing_while_connected(binance: RunningBinance) -> None:
    with binance.socket("/public/stream") as socket:
        socket.ask({"method": "SUBSCRIBE", "params": ["btcusdt@bookTicker", "ethusdt@bookTicker"], "id": 1})
        socket.next(lambda frame: frame.get("stream") == "ethusdt@bookTicker")
        assert socket.ask({"method": "UNSUBSCRIBE", "params": ["ethusdt@bookTicker"], "id": 2})["result"] is None
        later = [socket.receive()["stream"] for _ in range(5)]
        assert set(later) == {"btcusdt@bookTicker"}
        assert socket.ask({"method": "GET_PROPERTY", "params": ["combined"], "id": 3}) == {"result": True, "id": 3}
        socket.ask({"method": "SET_PROPERTY", "params": ["combined", False], "id": 4})
        assert socket.receive()["e"] == "bookTicker"
    deadline_s = time.monotonic() + 5
    while binance.call(lambda: dict(binance.venue.subscribers)) and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert not binance.call(lambda: binance.venue.topics), "a stream without a listener ends"


INVALID = [
    ("nonsense", 3), ("[]", 3), ({"method": "SUBSCRIBE", "params": ["a"]}, 2),
    ({"method": "SUBSCRIBE", "params": ["a"], "id": "7"}, 2), ({"method": "SUBSCRIBE", "params": ["a"], "id": -1}, 2),
    ({"method": "SUBSCRIBE", "params": ["a"], "id": True}, 2), ({"method": "SUBSCRIBE", "params": "a", "id": 1}, 2),
    ({"method": "SUBSCRIBE", "params": [5], "id": 1}, 2), ({"method": "SUBSCRIBE", "id": 1}, 2),
    ({"method": "SUBSCRIBE", "params": ["x" * 200], "id": 1}, 2),
    ({"method": "SUBSCRIBE", "params": [f"a{n}@trade" for n in range(201)], "id": 1}, 2),
    ({"method": "order.place", "params": {}, "id": 1}, 2), ({"method": ["SUBSCRIBE"], "id": 1}, 2), ({"id": 1}, 2),
    ({"method": "GET_PROPERTY", "params": ["speed"], "id": 1}, 0),
    ({"method": "GET_PROPERTY", "params": [5], "id": 1}, 2),
    ({"method": "SET_PROPERTY", "params": ["combined", 1], "id": 1}, 1), ({"method": "SET_PROPERTY", "id": 1}, 2),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "code"), INVALID, ids=lambda value: str(value)[:50])
def test_what_is_no_request(binance: RunningBinance, request_: Any, code: int) -> None:
    with binance.socket("/public/ws") as socket:
        answer = socket.ask(request_)
        assert answer["error"]["code"] == code and answer["error"]["msg"] and "result" not in answer
        assert socket.ask({"method": "LIST_SUBSCRIPTIONS", "id": 9})["result"] == []


def is_cut(socket: Socket) -> bool:
    try:
        while True:
            socket.receive()
    except ConnectionClosed:
        return True


def test_who_sends_too_much_is_cut_off(binance: RunningBinance) -> None:
    with binance.socket("/public/ws") as socket:
        for number in range(12):
            socket.send({"method": "LIST_SUBSCRIPTIONS", "id": number})
        assert is_cut(socket)


async def count_pings(url: str, *, answers: bool, seconds: float) -> tuple[int, bool]:
    """Return how many pings came in some time, and whether the connection was cut."""
    loop = asyncio.get_running_loop()
    count, end_s = 0, loop.time() + seconds
    async with aiohttp.ClientSession() as http, http.ws_connect(url, autoping=False) as socket:
        while loop.time() < end_s:
            message = await socket.receive()
            if message.type == aiohttp.WSMsgType.PING:
                count += 1
                if answers:
                    await socket.pong(message.data)
            elif message.type != aiohttp.WSMsgType.TEXT:
                return count, True
    return count, False


def test_who_does_not_answer_pings_is_cut_off() -> None:
    venue = RunningBinance(ping_s=0.1, pong_s=0.5)
    url = f"http://127.0.0.1:{venue.server.port}/public/ws/btcusdt@bookTicker"
    try:
        count, is_cut_off = asyncio.run(count_pings(url, answers=True, seconds=1.5))
        assert count > 5 and not is_cut_off
        count, is_cut_off = asyncio.run(count_pings(url, answers=False, seconds=10))
        assert count > 2 and is_cut_off
    finally:
        venue.close()
