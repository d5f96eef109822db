"""A venue that runs in a thread of the test's process, and the few client parts that the tests share."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import ExitStack, suppress
from http.client import HTTPConnection, HTTPMessage
from typing import Any, Generic, NamedTuple, TypeVar
from urllib.parse import urlencode

from websockets.sync.client import connect

from mmfold.adapters.emulator.binance.server import BinanceServer
from mmfold.adapters.emulator.bybit.keys import ApiKey, make_keys, sign
from mmfold.adapters.emulator.bybit.server import Server
from mmfold.adapters.emulator.bybit.venue import Settings, Venue
from mmfold.adapters.emulator.market.faults import FaultPlan, parse_plan
from mmfold.adapters.emulator.market.source import MarketSource, synthetic_source

T = TypeVar("T")
S = TypeVar("S", Server, BinanceServer)
WAIT_S = 20.0
COMPILE_S = 110.0
LINEAR = {"category": "linear", "symbol": "BTCUSDT"}


class Running(Generic[S]):
    """A server on a free port, in a thread; `call` runs a function between two events of its loop."""

    def __init__(self, make: Callable[[], S]) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.server: S = self.wait(self.start(make), COMPILE_S)
        self.urls = self.server.urls()

    async def start(self, make: Callable[[], S]) -> S:
        server = make()
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
            faults = self.server.venue.faults
            faults.clear()
            faults.add(parse_plan({"seed": seed, "rules": list(rules)}))

        self.call(arm)

    def close(self) -> None:
        with suppress(asyncio.CancelledError):
            self.wait(self.server.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(WAIT_S)
        self.loop.close()


class RunningVenue(Running[Server]):
    """A venue with accounts."""

    def __init__(self, source: MarketSource, settings: Settings, accounts: int, plan: FaultPlan) -> None:
        self.keys: list[ApiKey] = make_keys(None, accounts)
        super().__init__(lambda: Server(Venue(source, self.keys, plan, settings), "127.0.0.1", 0))
        self.venue = self.server.venue


def run_synthetic(accounts: int = 1, **settings: Any) -> RunningVenue:
    source = synthetic_source(7, ["BTCUSDT", "ETHUSDT"])
    return RunningVenue(source, Settings(**{"orders_per_s": 1_000} | settings), accounts, FaultPlan())


class RawSocket:
    """A WebSocket client that sends and receives JSON as it is."""

    def __init__(self, url: str) -> None:
        self.stack = ExitStack()
        self.socket = self.stack.enter_context(connect(url, open_timeout=WAIT_S, close_timeout=1, max_size=None))

    def __enter__(self) -> "RawSocket":
        return self

    def __exit__(self, *error: object) -> None:
        self.stack.close()

    def send(self, document: dict[str, Any]) -> None:
        self.socket.send(json.dumps(document))

    def receive(self, timeout_s: float = WAIT_S) -> Any:
        return json.loads(self.socket.recv(timeout_s))

    def ask(self, document: dict[str, Any], timeout_s: float = WAIT_S) -> Any:
        """Send a request and return the next frame that is no topic's."""
        self.send(document)
        return self.next(lambda frame: "topic" not in frame, timeout_s)

    def next(self, test: Callable[[Any], bool], timeout_s: float = WAIT_S) -> Any:
        """Return the next frame that passes a test."""
        end_s = time.monotonic() + timeout_s
        while time.monotonic() < end_s:
            frame = self.receive(timeout_s)
            if test(frame):
                return frame
        raise AssertionError("no such frame came")

    def auth(self, key: ApiKey, ahead_ms: int = 5_000, timeout_s: float = WAIT_S) -> Any:
        expires_ms = int(time.time() * 1_000) + ahead_ms
        signature = sign(key.secret, f"GET/realtime{expires_ms}".encode())
        return self.ask({"op": "auth", "args": [key.key, expires_ms, signature]}, timeout_s)


def order_request(op: str, params: dict[str, Any], request_id: str = "", behind_ms: int = 0) -> dict[str, Any]:
    """Return an order-entry frame."""
    header = {"X-BAPI-TIMESTAMP": str(int(time.time() * 1_000) - behind_ms)}
    ids = {"reqId": request_id} if request_id else {}
    return ids | {"header": header, "op": op, "args": [LINEAR | params]}


class Answer(NamedTuple):
    """An HTTP answer."""

    status: int
    headers: HTTPMessage
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def rest(
    running: RunningVenue, method: str, path: str, params: dict[str, Any], key: ApiKey | None = None,
    timeout_s: float = WAIT_S, behind_ms: int = 0,
) -> Answer:  # fmt: skip
    """Send one REST request, signed if there is a key."""
    query = urlencode(params) if method == "GET" else ""
    body = json.dumps(params).encode() if method == "POST" else b""
    headers = {}
    if key is not None:
        sent_ms = str(int(time.time() * 1_000) - behind_ms)
        text = f"{sent_ms}{key.key}5000{query}".encode() + body
        headers = {
            "X-BAPI-API-KEY": key.key, "X-BAPI-TIMESTAMP": sent_ms, "X-BAPI-RECV-WINDOW": "5000",
            "X-BAPI-SIGN": sign(key.secret, text),
        }  # fmt: skip
    return http(running, method, f"{path}?{query}" if query else path, body, headers, timeout_s)


def http(
    running: RunningVenue, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None,
    timeout_s: float = WAIT_S,
) -> Answer:  # fmt: skip
    """Send one HTTP request as it is."""
    connection = HTTPConnection("127.0.0.1", running.server.port, timeout=timeout_s)
    try:
        connection.request(method, path, body or None, headers or {})
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def place(side: str, qty: str, price: str | None, **more: Any) -> dict[str, Any]:
    """Return the parameters of an order."""
    kind = {"orderType": "Market"} if price is None else {"orderType": "Limit", "price": price}
    return LINEAR | {"side": side, "qty": qty} | kind | more


def price_below(running: RunningVenue, distance: float = 500) -> str:
    """Return a price under the best bid."""
    book = rest(running, "GET", "/v5/market/orderbook", LINEAR).json()["result"]
    return f"{float(book['b'][0][0]) - distance:.1f}"
