"""A small venue of nobody's whose streams lack the books, and what speaks for it: each book begins by REST.

GET  /time                 {"now_ns"}
GET  /instruments?symbol=  [{"symbol", "tick", "lot"}]
GET  /depth?symbol=        {"symbol", "last", "bids", "asks"}
WS   /stream               {"sub": [symbols]} is answered {"ok"}; then {"symbol", "prev", "seq", ...}
"""

import asyncio
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from aiohttp import WSMsgType, web

from mmfold.adapters.importers.outcome import RefusedError
from mmfold.adapters.importers.rows import book_rows
from mmfold.adapters.venues.listing import list_manifest
from mmfold.adapters.venues.port import (
    Capabilities,
    Control,
    ControlKind,
    Credentials,
    Hosts,
    Ignored,
    MalformedFrame,
    MarketSockets,
    Parsed,
    RestRequest,
    SnapshotDue,
    VenueError,
    Verdict,
)
from mmfold.engine.codes import EventKind
from mmfold.engine.limits import NS_PER_MS
from mmfold.engine.manifest import Instrument, Manifest
from mmfold.engine.records import EVENT, NO_ORDER_ID

SYMBOLS = ("AAA", "BBB")
MID_TICKS = 600_000  # of 0.1
LEVEL_COUNT = 20
DELTA_S = 0.02


def read(body: bytes, http_status: int = 200) -> Any:
    """Return what a body or frame is."""
    if http_status != 200:
        raise VenueError(http_status, "HTTP status", Verdict.SERVER_ERROR, "it failed")
    try:
        return orjson.loads(body)
    except ValueError as error:
        raise MalformedFrame(f"not JSON: {error}", body) from error


class MadeUpTalk:
    """Subscribes one symbol at a time; the venue wants no heartbeat."""

    topics_per_subscribe = 1

    def auth(self, keys: Credentials, expires_ms: int, request_id: str) -> bytes:
        raise AssertionError("nobody proves anything to a market")

    def subscribe(self, topics: Sequence[str], request_id: str) -> bytes:
        return orjson.dumps({"sub": list(topics), "id": request_id})

    def ping(self) -> None:
        return None

    def control(self, frame: bytes) -> Control | None:
        message = read(frame)
        return Control(ControlKind.SUBSCRIBE, message["ok"]) if "ok" in message else None


class MadeUpParser:
    """Deltas in their order; a snapshot is due for each book of a connection until one continues."""

    def __init__(self, manifest: Manifest) -> None:
        self.table = list_manifest(manifest, "binance")
        self.symbols = [each.symbol for each in manifest.instruments]
        self.due: set[int] = set()
        self.first_prev: dict[int, int] = {}

    def parse(self, frame: bytes, ts_receive_ns: int) -> Parsed:
        message = read(frame)
        if "ok" in message:
            return Ignored("talk")
        listing = self.table.listings[message["symbol"]]
        self.first_prev.setdefault(listing.index, message["prev"])
        times, seqs = (message["ts_ms"] * NS_PER_MS, ts_receive_ns), (message["seq"], message["prev"])
        return book_rows(EventKind.BOOK_DELTA, listing, times, seqs, (message["bids"], message["asks"]))

    def forget_books(self) -> None:
        self.due = set(range(len(self.symbols)))
        self.first_prev.clear()

    def snapshots_due(self) -> list[SnapshotDue]:
        due, self.due = sorted(self.due), set()
        return [SnapshotDue(index, RestRequest("GET", "/depth", f"symbol={self.symbols[index]}")) for index in due]

    def parse_snapshot(self, due: SnapshotDue, body: bytes, http_status: int, ts_receive_ns: int) -> np.ndarray:
        message, index = read(body, http_status), due.instrument_index
        if message["last"] < self.first_prev.get(index, 0):
            self.due.add(index)
            return np.zeros(0, EVENT)
        try:
            listing = self.table.listings[message["symbol"]]
            seqs, levels = (message["last"], NO_ORDER_ID), (message["bids"], message["asks"])
            return book_rows(EventKind.BOOK_SNAPSHOT, listing, (ts_receive_ns, ts_receive_ns), seqs, levels)
        except (RefusedError, KeyError) as error:
            raise MalformedFrame(str(error), body) from error


class MadeUpVenue:
    """The market side, all there is."""

    name = "madeup"
    hosts: Mapping[str, Hosts] = {"live": Hosts("https://madeup.invalid", "wss://madeup.invalid")}
    capabilities = Capabilities(
        contracts=("linear",), book_start="rest", book_depths=(0,), testnet=False, order_entry=False
    )
    talk = MadeUpTalk()

    def request_time(self) -> RestRequest:
        return RestRequest("GET", "/time")

    def parse_time(self, body: bytes, http_status: int) -> int:
        return int(read(body, http_status)["now_ns"])

    def request_instruments(self, symbol: str, cursor: str = "") -> RestRequest:
        return RestRequest("GET", "/instruments", f"symbol={symbol}" if symbol else "")

    def parse_instruments(
        self, body: bytes, http_status: int, odd: dict[str, str] | None = None
    ) -> tuple[list[Instrument], str]:
        listed = read(body, http_status)
        return [
            Instrument(symbol=one["symbol"], tick_size=one["tick"], lot_size=one["lot"], venue="binance")
            for one in listed
        ], ""

    def market_sockets(self, sockets: str, manifest: Manifest) -> MarketSockets:
        return MarketSockets(url=f"{sockets}/stream", topics=tuple(each.symbol for each in manifest.instruments))

    def market_parser(self, manifest: Manifest) -> MadeUpParser:
        return MadeUpParser(manifest)


class MadeUpServer:
    """The venue itself, in a thread of its own; `depth_faults` are what the next answers to /depth are, by symbol."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.depth_faults: dict[str, list[Any]] = defaultdict(list)
        self.depth_asked: list[tuple[str, float]] = []
        self.under_way: Counter[str] = Counter()
        self.most_under_way: Counter[str] = Counter()
        self.drops: Counter[str] = Counter()  # deltas that are lost, by symbol
        self.seqs = dict.fromkeys(SYMBOLS, 1_000)
        self.sockets: list[web.WebSocketResponse] = []
        self.url = asyncio.run_coroutine_threadsafe(self.start(), self.loop).result(10)

    async def start(self) -> str:
        app = web.Application()
        app.router.add_get("/time", self.tell_time)
        app.router.add_get("/instruments", self.tell_instruments)
        app.router.add_get("/depth", self.tell_depth)
        app.router.add_get("/stream", self.stream)
        self.runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        self.market = asyncio.create_task(self.move())
        return f"http://127.0.0.1:{self.runner.addresses[0][1]}"

    def forget(self) -> None:
        """Be as new, for the next test."""
        for told in (self.depth_faults, self.depth_asked, self.most_under_way, self.drops):
            told.clear()

    def close(self) -> None:
        async def stop() -> None:
            self.market.cancel()
            await self.runner.cleanup()

        asyncio.run_coroutine_threadsafe(stop(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()

    async def tell_time(self, _: web.Request) -> web.Response:
        return web.json_response({"now_ns": time.time_ns()})

    async def tell_instruments(self, request: web.Request) -> web.Response:
        asked = request.query.get("symbol")
        return web.json_response(
            [{"symbol": symbol, "tick": "0.1", "lot": "0.001"} for symbol in SYMBOLS if asked in (None, symbol)]
        )

    async def tell_depth(self, request: web.Request) -> web.Response:
        """Tell a book, or go wrong as asked: an HTTP status, bytes, a number of messages behind, or seconds late."""
        symbol = request.query["symbol"]
        self.depth_asked.append((symbol, time.monotonic()))
        self.under_way[symbol] += 1
        self.most_under_way[symbol] = max(self.most_under_way[symbol], self.under_way[symbol])
        try:
            fault = self.depth_faults[symbol].pop(0) if self.depth_faults[symbol] else None
            if isinstance(fault, float):
                await asyncio.sleep(fault)
            if isinstance(fault, bytes):
                return web.Response(body=fault)
            if isinstance(fault, int) and fault > 0:
                return web.Response(status=fault)
            last = self.seqs[symbol] + (fault if isinstance(fault, int) else 0)
            sides = {
                side: [[f"{(MID_TICKS + sign * place) / 10:.1f}", "5.000"] for place in range(start, LEVEL_COUNT)]
                for side, sign, start in (("bids", -1, 0), ("asks", 1, 1))
            }
            return web.json_response({"symbol": symbol, "last": last, **sides})
        finally:
            self.under_way[symbol] -= 1

    async def stream(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type == WSMsgType.TEXT:
                asked = orjson.loads(message.data)
                await socket.send_str(orjson.dumps({"ok": all(one in SYMBOLS for one in asked["sub"])}).decode())
                if socket not in self.sockets:
                    self.sockets.append(socket)
        if socket in self.sockets:
            self.sockets.remove(socket)
        return socket

    def cut(self) -> None:
        """End every connection of the streams."""

        async def cut_all() -> None:
            for socket in list(self.sockets):
                await socket.close()

        asyncio.run_coroutine_threadsafe(cut_all(), self.loop).result(10)

    async def move(self) -> None:
        """Change the size of a level of each book, again and again."""
        while True:
            await asyncio.sleep(DELTA_S)
            for symbol in SYMBOLS:
                prev = self.seqs[symbol]
                self.seqs[symbol] = seq = prev + 3
                if self.drops[symbol] > 0:
                    self.drops[symbol] -= 1
                    continue
                levels = [[f"{(MID_TICKS - seq % 7) / 10:.1f}", f"{1 + seq % 9}.000"]]
                told = {"symbol": symbol, "prev": prev, "seq": seq, "bids": levels, "asks": []}
                text = orjson.dumps(told | {"ts_ms": time.time_ns() // NS_PER_MS}).decode()
                for socket in list(self.sockets):
                    try:
                        await socket.send_str(text)
                    except (OSError, RuntimeError):
                        self.sockets.remove(socket)
