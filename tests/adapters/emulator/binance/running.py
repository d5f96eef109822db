"""A Binance venue that runs in a thread of the test's process."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from http.client import HTTPConnection
from typing import Any

import orjson
from websockets.sync.client import connect

from mmfold.adapters.emulator.binance.server import BinanceServer
from mmfold.adapters.emulator.binance.venue import BinanceFeed, MarketSettings
from mmfold.adapters.emulator.market.faults import FaultPlan
from mmfold.adapters.emulator.market.source import synthetic_source
from tests.adapters.emulator.running import WAIT_S, Answer, Running


class RunningBinance(Running[BinanceServer]):
    """A server on a free port; `call` runs a function between two events of its loop."""

    def __init__(self, **settings: Any) -> None:
        source = synthetic_source(7, ["BTCUSDT", "ETHUSDT"], "binance")
        feed = MarketSettings(**settings)
        super().__init__(lambda: BinanceServer(BinanceFeed(source, FaultPlan(), feed), "127.0.0.1", 0))
        self.venue = self.server.venue

    def ask(self, path: str, method: str = "GET", body: bytes | None = None, timeout_s: float = WAIT_S) -> Answer:
        connection = HTTPConnection("127.0.0.1", self.server.port, timeout=timeout_s)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        return self.ask(f"/fapi/v1/{path}").json()

    def socket(self, path: str, **more: Any) -> "Socket":
        return Socket(f"ws://127.0.0.1:{self.server.port}{path}", **more)


class Socket:
    """A WebSocket client that sends and receives JSON as it is."""

    def __init__(self, url: str, **more: Any) -> None:
        self.stack = ExitStack()
        self.socket = self.stack.enter_context(
            connect(url, open_timeout=WAIT_S, close_timeout=1, max_size=None, **more)
        )

    def __enter__(self) -> "Socket":
        return self

    def __exit__(self, *error: object) -> None:
        self.stack.close()

    def send(self, document: Any) -> None:
        self.socket.send(document if isinstance(document, str) else json.dumps(document))

    def receive(self, timeout_s: float = WAIT_S) -> Any:
        return orjson.loads(self.socket.recv(timeout_s))

    def ask(self, document: Any) -> Any:
        """Send a request and return the next frame that is no stream's."""
        self.send(document)
        return self.next(lambda frame: "e" not in frame and "stream" not in frame)

    def next(self, test: Callable[[Any], bool], count: int = 10_000) -> Any:
        for _ in range(count):
            frame = self.receive()
            if test(frame):
                return frame
        raise AssertionError("no such frame came")

    def take(self, kind: str, count: int) -> list[Any]:
        """Return the data of the next messages of a kind."""
        found: list[Any] = []
        while len(found) < count:
            frame = self.receive()
            data = frame.get("data", frame)
            found += [data] if data.get("e") == kind else []
        return found
