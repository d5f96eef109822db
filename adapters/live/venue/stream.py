"""One WebSocket of a venue kept alive: connect, prove who we are, subscribe, heartbeat, watch for silence, again.

Reconnections wait longer each time, with chance in it, up to a bound. Must never hand on a frame of a former
connection.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import aiohttp

from mmfold.adapters.live.pieces import Turn
from mmfold.adapters.logs import EventLog
from mmfold.adapters.venues.connection import Backoff, StreamStatus
from mmfold.adapters.venues.port import FRAME_BYTES_MAX, ControlKind, Credentials, MalformedFrame, SocketTalk

HANDSHAKE_S = 10.0
CLOSE_S = 1.0  # a venue that does not answer our goodbye is not waited for
AUTH_AHEAD_MS = 10_000


Socket = aiohttp.ClientWebSocketResponse[Any]


class StreamRefused(Exception):
    """The venue refused who we are or what we asked for: asking again changes nothing."""

    hint = "check the keys, their permissions and the symbols: mm doctor"


@dataclass
class StreamPlan:
    """What a stream is for.

    Units: silence_s is how long the venue may say nothing before the connection counts as dead, ping_s how often we
    make it say something.
    """

    name: str
    url: str
    talk: SocketTalk
    topics: tuple[str, ...] = ()
    keys: Credentials | None = None
    silence_s: float = 30.0
    ping_s: float = 15.0


class Stream:
    """One connection that comes back; `on_frame` gets every frame but those of the handshake.

    `on_up` runs after the handshake and before the first frame, `on_down` after the connection was lost.
    """

    def __init__(
        self,
        http: aiohttp.ClientSession,
        plan: StreamPlan,
        *,
        ts_ms: Callable[[], int],
        on_frame: Callable[[bytes, int], Awaitable[None]],
        on_up: Callable[[], Awaitable[None]],
        on_down: Callable[[], Awaitable[None]],
    ) -> None:
        self.http = http
        self.plan = plan
        self.ts_ms = ts_ms
        self.on_frame, self.on_up, self.on_down = on_frame, on_up, on_down
        self.status = StreamStatus(plan.name)
        self.socket: Socket | None = None
        self.log = EventLog(f"stream.{plan.name}")
        self.was_up = False  # at least once
        self.early: list[bytes] = []  # data that came before the handshake was over

    async def run(self) -> None:
        """Keep the stream alive until cancelled.

        Raises: StreamRefused when it was never up.
        """
        backoff = Backoff()
        while True:
            started_s = time.monotonic()
            try:
                await self.live_once()
            except StreamRefused as error:
                if not self.was_up:
                    raise
                # What was good before may be so again: a clock that jumped, a venue that restarts.
                self.log.error("stream_refused", reason=str(error)[:200])
            except (OSError, TimeoutError, aiohttp.ClientError, MalformedFrame) as error:
                self.log.warning("stream_lost", reason=f"{type(error).__name__}: {error}"[:200])
            await backoff.wait(time.monotonic() - started_s)
            self.status.reconnects += 1

    async def live_once(self) -> None:
        """Live through one connection, from its handshake to its end.

        Raises: StreamRefused, OSError, TimeoutError, aiohttp.ClientError, MalformedFrame.
        """
        async with asyncio.timeout(HANDSHAKE_S):
            socket = await self.http.ws_connect(
                self.plan.url, max_msg_size=FRAME_BYTES_MAX, autoping=True, compress=0, decode_text=False,
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_S),
            )  # fmt: skip
        pings: asyncio.Task[None] | None = None
        self.early.clear()
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                await self.shake_hands(socket)
            self.socket = socket
            self.status.up = self.was_up = True
            self.status.up_s = time.monotonic()
            self.log.info("stream_up", topics=len(self.plan.topics))
            pings = asyncio.create_task(self.heartbeat(socket))
            await self.on_up()
            turn = Turn()
            for frame in self.early:
                await self.take(frame)
                await turn.rest()
            self.early.clear()
            while True:
                await self.take(await self.receive(socket))
                await turn.rest()
        finally:
            was_up, self.status.up, self.socket = self.status.up, False, None
            if pings is not None:
                pings.cancel()
            await socket.close()
            if was_up:
                await self.on_down()

    async def shake_hands(self, socket: Socket) -> None:
        """Prove who we are and subscribe; each step is answered before the next.

        Raises: StreamRefused, MalformedFrame, aiohttp.ClientError.
        """
        talk = self.plan.talk
        if self.plan.keys is not None:
            await socket.send_str(talk.auth(self.plan.keys, self.ts_ms() + AUTH_AHEAD_MS, "auth").decode())
            await self.expect(socket, ControlKind.AUTH)
        topics = self.plan.topics
        for start in range(0, len(topics), talk.topics_per_subscribe):
            part = topics[start : start + talk.topics_per_subscribe]
            await socket.send_str(talk.subscribe(part, f"sub{start}").decode())
            await self.expect(socket, ControlKind.SUBSCRIBE)

    async def expect(self, socket: Socket, kind: ControlKind) -> None:
        """Wait for the answer of one kind; data of topics that are subscribed already comes first to `on_frame`.

        Raises: StreamRefused, MalformedFrame, aiohttp.ClientError.
        """
        while True:
            frame = await self.receive(socket)
            control = self.plan.talk.control(frame)
            if control is None:
                self.early.append(frame)
                continue
            if control.kind != kind:
                continue
            if not control.ok:
                said = f"{kind.name.lower()} refused: {control.message}"
                raise StreamRefused(f"{self.plan.name} stream at {self.plan.url}: {said}")
            return

    async def receive(self, socket: Socket) -> bytes:
        """Return the next frame.

        Raises: TimeoutError after a silence, aiohttp.ClientError when the connection ends.
        """
        message = await socket.receive(timeout=self.plan.silence_s)
        if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            data: bytes = message.data if isinstance(message.data, bytes) else str(message.data).encode()
            return data
        raise aiohttp.ClientError(f"the connection ended ({message.type.name.lower()}, code {socket.close_code})")

    async def take(self, frame: bytes) -> None:
        """Hand on one frame with the time it came."""
        ts_ns = time.time_ns()
        self.status.frames += 1
        self.status.ts_frame_ns = ts_ns
        await self.on_frame(frame, ts_ns)

    async def heartbeat(self, socket: Socket) -> None:
        """Say that we are here, so that the venue keeps the connection."""
        with suppress(OSError, aiohttp.ClientError):  # who reads learns of the end
            while not socket.closed:
                await asyncio.sleep(self.plan.ping_s)
                ping = self.plan.talk.ping()
                if ping is not None:
                    await socket.send_str(ping.decode())

    async def cut(self) -> None:
        """End the connection, so that a new one begins."""
        if self.socket is not None:
            await self.socket.close()
