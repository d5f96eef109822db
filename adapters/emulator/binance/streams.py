"""One client's WebSocket: its streams, single or combined, and the answers to its requests; must never take an order.

A stream of another route, or one that does not exist, is answered like any other and stays silent, as at the venue; a
connection without a route has what is on `/public`.
Source: Binance USD-M futures docs, "Websocket Market Streams", "Live Subscribing/Unsubscribing to streams", "Important
WebSocket Change Notice" (read 2026-11-30).
"""

import asyncio
from collections import deque
from typing import Any

from aiohttp import web

from mmfold.adapters.emulator.binance.topics import PUBLIC, route_of
from mmfold.adapters.emulator.binance.venue import BinanceFeed
from mmfold.adapters.emulator.serving.session import Session

STREAM_COUNT_MAX = 200
MESSAGES_PER_S = 10
NAME_CHARS_MAX = 100
ID_MAX = (1 << 64) - 1
METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
COMBINED = "combined"


class Invalid(Exception):
    """A request that cannot be understood: the venue's code and text."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class BinanceStream:
    """One connection."""

    def __init__(self, venue: BinanceFeed, request: web.Request, route: str, *, combined: bool) -> None:
        self.venue, self.route, self.combined = venue, route or PUBLIC, combined
        self.session = Session(venue, request)
        self.names: dict[str, bool] = {}  # whether it is told anything
        self.message_s: deque[float] = deque(maxlen=MESSAGES_PER_S)

    async def run(self, names: list[str]) -> web.StreamResponse:
        """Serve the client until it goes; some streams stand in its address."""
        pings = asyncio.create_task(self.ping_forever())
        try:
            for name in names[:STREAM_COUNT_MAX]:
                self.subscribe(name)
            return await self.session.run(self.on_message)
        finally:
            pings.cancel()
            for name in list(self.names):
                self.unsubscribe(name)

    async def ping_forever(self) -> None:
        """Ping the client, and cut it off when it has not answered for long."""
        limits, session = self.venue.limits, self.session
        session.ponged_s = session.loop.time()
        while not session.closing:
            await asyncio.sleep(limits.ping_s)
            if session.loop.time() - session.ponged_s > limits.pong_s:
                session.abort()
            elif session.socket.prepared and session.loop.time() >= session.deaf_until_s:
                try:
                    await session.socket.ping()
                except ConnectionError:
                    return

    def send_text(self, place: str, text: str) -> None:
        """Send one message of a stream, in its envelope where the client wants one."""
        if self.combined:
            text = f'{{"stream":"{place.partition(":")[2]}","data":{text}}}'
        self.session.send_text(place, text)

    def subscribe(self, name: str) -> None:
        """Begin to listen to a stream."""
        if name in self.names:
            return
        topic = self.venue.make_topic(name)
        self.names[name] = topic is not None and route_of(topic) == self.route
        if self.names[name]:
            self.venue.subscribe(name, self)

    def unsubscribe(self, name: str) -> None:
        """Cease to listen to a stream."""
        if self.names.pop(name, False):
            self.venue.unsubscribe(name, self)

    def on_message(self, message: dict[str, Any] | None) -> None:
        """Answer one frame of the client; one that sends too many is cut off."""
        now_s = self.session.loop.time()
        if len(self.message_s) == MESSAGES_PER_S and now_s - self.message_s[0] < 1.0:
            self.session.abort()
            return
        self.message_s.append(now_s)
        number, method = (None, "") if message is None else (message.get("id"), message.get("method"))
        ids = {"id": number} if type(number) is int and 0 <= number <= ID_MAX else {}
        place = f"control:{method.lower()}" if isinstance(method, str) and method in METHODS else "control:"
        try:
            if message is None:
                raise Invalid(3, "Invalid JSON: expected an object")
            if not ids:
                raise Invalid(2, "Invalid request: request ID must be an unsigned integer")
            result = self.carry_out(method, message.get("params"))
        except Invalid as error:
            self.session.send(place, {"error": {"code": error.code, "msg": str(error)}} | ids)
            return
        self.session.send(place, {"result": result} | ids)
        if method == "SUBSCRIBE":
            for name in message["params"]:
                self.subscribe(name)

    def carry_out(self, method: object, params: Any) -> Any:
        """Return the result of a request; a subscription begins after its answer.

        Raises: Invalid.
        """
        if method == "LIST_SUBSCRIPTIONS":
            return list(self.names)
        if method in ("SET_PROPERTY", "GET_PROPERTY"):
            return self.property(method == "SET_PROPERTY", params)
        if method not in ("SUBSCRIBE", "UNSUBSCRIBE"):
            known = ", ".join(f"`{one}`" for one in METHODS)
            raise Invalid(2, f"Invalid request: unknown variant `{method!s:.40}`, expected one of {known}")
        if not isinstance(params, list) or not all(isinstance(one, str) for one in params):
            raise Invalid(2, "Invalid request: params must be a list of stream names")
        if any(len(one) > NAME_CHARS_MAX for one in params):
            raise Invalid(2, "Invalid request: a stream name is too long")
        if method == "SUBSCRIBE":
            if len(self.names.keys() | set(params)) > STREAM_COUNT_MAX:
                raise Invalid(2, f"Invalid request: at most {STREAM_COUNT_MAX} streams of a connection")
            return None
        for name in params:
            self.unsubscribe(name)
        return None

    def property(self, is_set: bool, params: Any) -> Any:
        """Read or change whether messages come in envelopes.

        Raises: Invalid.
        """
        words = params if isinstance(params, list) else []
        if not words or not isinstance(words[0], str):
            raise Invalid(2, "Invalid request: property name must be a string")
        if words[0] != COMBINED:
            raise Invalid(0, "Unknown property")
        if not is_set:
            return self.combined
        if len(words) != 2 or not isinstance(words[1], bool):
            raise Invalid(1, "Invalid value type: expected Boolean")
        self.combined = words[1]
        return None
