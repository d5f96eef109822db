"""A venue that sends more book messages than a session can read: each has the time at which it was due, however late it
is read, as from a buffer without end; what is due is read without waiting, as a socket's buffer is.
"""

import asyncio
import time

import orjson

from mmfold.adapters.live.venue.stream import Socket, Stream

UNHEARD_S = 20.0


class Flood:
    """Takes the place of what a public stream receives: the stream's own book goes on, at rates of the test's."""

    def __init__(self, stream: Stream, symbol: str) -> None:
        self.receive = stream.receive
        self.symbol = symbol
        self.update = self.seq = 0
        self.level = [b"", b""]
        self.due_s = self.rate = 0.0
        self.read_count = 0
        self.worst_s = 0.0
        stream.receive = self.next_frame  # type: ignore[method-assign]

    def begin(self, rate: float) -> None:
        """Send so many messages a second from now on; what is due by now stays due."""
        self.due_s = self.due_s or time.time()
        self.rate = rate

    async def next_frame(self, socket: Socket) -> bytes:
        """Return the next message: the venue's own before the flood, then one that is due, or the next that will be."""
        if not self.rate:
            frame = await self.receive(socket)
            message = orjson.loads(frame)
            data = message.get("data")
            if message.get("topic") == f"orderbook.50.{self.symbol}":
                self.update, self.seq = data["u"], data["seq"]
                self.level = data["b"][-1] if data["b"] else self.level
            return frame
        late_s = time.time() - self.due_s
        self.worst_s = max(self.worst_s, late_s)
        assert late_s < UNHEARD_S, "nothing but messages had a turn"
        if late_s < 0:
            await asyncio.sleep(-late_s)
        frame = self.make(round(self.due_s * 1e3))
        self.due_s += 1 / self.rate
        self.read_count += 1
        return frame

    def make(self, ts_ms: int) -> bytes:
        """Return a message that says a level's size again."""
        self.update, self.seq = self.update + 1, self.seq + 1
        data = {"s": self.symbol, "b": [self.level], "a": [], "u": self.update, "seq": self.seq}
        topic = f"orderbook.50.{self.symbol}"
        return orjson.dumps({"topic": topic, "ts": ts_ms, "type": "delta", "data": data, "cts": ts_ms})
