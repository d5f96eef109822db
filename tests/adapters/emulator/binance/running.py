"""A Binance venue that runs in a thread of the test's process."""

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine
from contextlib import ExitStack, suppress
from http.client import HTTPConnection
from typing import Any, TypeVar

import orjson
from websockets.sync.client import connect

from mmfold.adapters.emulator.binance.server import BinanceServer
from mmfold.adapters.emulator.binance.venue import BinanceFeed, MarketSettings
from mmfold.adapters.emulator.faults import FaultPlan, parse_plan
from mmfold.adapters.emulator.source import synthetic_source
from tests.adapters.emulator.running import WAIT_S, Answer

T = TypeVar("T")
COMPILE_S = 110.0


class RunningBinance:
    """A server on a free port; `call` runs a function between two events of its loop."""

    def __init__(self, **settings: Any) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.server: BinanceServer = self.wait(self.start(MarketSettings(**settings)), COMPILE_S)
        self.venue = self.server.venue
        self.urls = self.server.urls()

    async def start(self, settings: MarketSettings) -> BinanceServer:
        source = synthetic_source(7, ["BTCUSDT", "ETHUSDT"], "binance")
        server = BinanceServer(BinanceFeed(source, FaultPlan(), settings), "127.0.0.1", 0)
        await server.start()
        return server

    def wait(self, task: Coroutine[Any, Any, T], timeout_s: float = WAIT_S) -> T:
        return asyncio.run_coroutine_threadsafe(task, self.loop).result(timeout_s)

    def call(self, function: Callable[[], T]) -> T:
        async def run() -> T:
            return function()

        return self.wait(run())

    def set_faults(self, *rules: dict[str, Any], seed: int = 0) -> None:
        def arm() -> None:
            self.venue.faults.clear()
            self.venue.faults.add(parse_plan({"seed": seed, "rules": list(rules)}))

        self.call(arm)

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

    def close(self) -> None:
        with suppress(asyncio.CancelledError):
            self.wait(self.server.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(WAIT_S)
        self.loop.close()


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
