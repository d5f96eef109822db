"""One WebSocket connection: frames in and out, bounded, with what faults do to them; must never know a topic's meaning.

A frame leaves through `send_text`, which asks the faults; a writer task sends in order, so nobody waits for a client.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import WSMsgType, web

from mmfold.adapters.emulator.market.faults import Fault, FaultRule
from mmfold.adapters.emulator.market.feed import Feed

QUEUE_FRAME_COUNT_MAX = 10_000  # a client that is so far behind is cut off
FRAME_BYTES_MAX = 1 << 16


class Session:
    """One connection; `on_message` answers what the client sends: an object, or None for anything else."""

    def __init__(self, venue: Feed, request: web.Request) -> None:
        self.venue, self.request = venue, request
        self.connection_id = secrets.token_hex(10)
        self.socket = web.WebSocketResponse(autoping=False, max_msg_size=FRAME_BYTES_MAX, compress=False)
        self.queue: deque[tuple[float, str]] = deque()  # (when it leaves, frame)
        self.latency_s = venue.settings.latency_s
        self.wake = asyncio.Event()
        self.deaf_until_s = self.stale_until_s = 0.0
        self.stale: list[str] = []
        self.swapped: str | None = None  # a frame that lets the next one pass first
        self.closing = False
        self.ponged_s = 0.0  # when the client last answered a ping of ours
        self.loop = asyncio.get_running_loop()

    async def run(self, on_message: Callable[[dict[str, Any] | None], None]) -> web.StreamResponse:
        """Serve the connection until it ends."""
        try:
            await self.socket.prepare(self.request)
        except ConnectionResetError:
            return (
                web.Response()
            )  # the client went away while it was answered; a socket that is not open cannot be closed
        writer = self.loop.create_task(self.write())
        try:
            while not self.closing:
                message = await self.socket.receive()
                if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                    break
                if self.loop.time() < self.deaf_until_s:
                    continue
                if message.type == WSMsgType.PING:
                    await self.socket.pong(message.data)
                elif message.type == WSMsgType.PONG:
                    self.ponged_s = self.loop.time()
                elif message.type == WSMsgType.TEXT:
                    on_message(object_of(message.data))
                elif message.type == WSMsgType.BINARY:
                    on_message(None)
        except ConnectionError:
            self.closing = True  # the client has gone while it was answered
        finally:
            self.closing = True
            writer.cancel()
        return self.socket

    async def write(self) -> None:
        """Send what is queued, in order."""
        try:
            while not self.closing:
                await self.wake.wait()
                self.wake.clear()
                while self.queue:
                    due_s, text = self.queue.popleft()
                    if due_s > self.loop.time():
                        await asyncio.sleep(due_s - self.loop.time())
                    await self.socket.send_str(text)
        except ConnectionError:
            self.closing = True  # the reader sees the same and ends the session

    def send(self, place: str, document: dict[str, Any]) -> None:
        """Send one document, unless a fault of its place keeps, changes or holds it."""
        self.send_text(place, orjson.dumps(document).decode())

    def send_text(self, place: str, text: str) -> None:
        """Send one frame, unless a fault of its place keeps, changes or holds it."""
        self.send_under(self.venue.faults.at_frame(place), place, text)

    def send_under(self, rule: FaultRule | None, place: str, text: str) -> None:
        """Send one frame under a fault that has been drawn, or under none."""
        if self.closing:
            return
        texts = [text] if rule is None else self.suffer(rule, place, text)
        if self.swapped is not None and texts and (rule is None or rule.fault != Fault.REORDER):
            texts.append(self.swapped)
            self.swapped = None
        for one in texts:
            self.enqueue(one)

    def suffer(self, rule: FaultRule, place: str, text: str) -> list[str]:
        """Return what is left of a frame when a fault strikes."""
        now_s = self.loop.time()
        duration_s = rule.duration_ms / 1_000
        if rule.fault == Fault.DISCONNECT:
            self.abort()
            return []
        if rule.fault == Fault.HALF_OPEN:
            self.deaf_until_s = now_s + duration_s
            return []
        if rule.fault == Fault.STALE:
            self.stale_until_s = now_s + duration_s
            self.loop.call_later(duration_s, self.release)
        if rule.fault == Fault.REORDER:
            held, self.swapped = self.swapped, text
            return [held] if held is not None else []
        if rule.fault == Fault.RESTART:
            self.venue.restart_topic(place.partition(":")[2])
        if rule.fault == Fault.DROP:
            return []
        if rule.fault == Fault.MALFORMED:
            return [text[: len(text) // 2]]
        return [text, text] if rule.fault == Fault.DUPLICATE else [text]

    def enqueue(self, text: str) -> None:
        """Queue a frame for the writer; frames of a stale stream wait."""
        now_s = self.loop.time()
        if now_s < self.deaf_until_s:
            return
        if now_s < self.stale_until_s:
            self.stale.append(text)
        else:
            self.queue.append((now_s + self.latency_s, text))
            self.wake.set()
        if len(self.queue) + len(self.stale) > QUEUE_FRAME_COUNT_MAX:
            self.abort()

    def release(self) -> None:
        """Send what a stale stream held back."""
        self.stale_until_s = 0.0
        self.queue.extend((self.loop.time(), text) for text in self.stale)
        self.stale.clear()
        self.wake.set()

    def abort(self) -> None:
        """Cut the connection without a word."""
        self.closing = True
        if self.request.transport is not None:
            self.request.transport.abort()


def object_of(text: str) -> dict[str, Any] | None:
    """Return the JSON object that a text is, None where it is none."""
    try:
        found = orjson.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
