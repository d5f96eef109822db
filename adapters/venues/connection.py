"""How a connection to a venue is, and the pause before the next one; must never do I/O but wait."""

import asyncio
import random
from dataclasses import dataclass

BACKOFF_S = (0.2, 30.0)  # first pause and longest


@dataclass
class StreamStatus:
    """One connection to the venue."""

    name: str  # public, private, trade
    up: bool = False
    up_s: float = 0.0  # when it came up, on the clock that never goes back
    reconnects: int = 0
    frames: int = 0
    refused: int = 0  # frames that were not understood
    ts_frame_ns: int = 0  # of the last frame, our clock


class Backoff:
    """The pause between two connections: twice as long each time, with chance in it, short again after a long life."""

    def __init__(self) -> None:
        self.pause_s = BACKOFF_S[0]
        self.random = random.Random()

    async def wait(self, lived_s: float) -> None:
        """Wait before the next connection; the last one has lived so long."""
        if lived_s > BACKOFF_S[1]:
            self.pause_s = BACKOFF_S[0]
        await asyncio.sleep(self.pause_s * self.random.uniform(0.5, 1.0))
        self.pause_s = min(2 * self.pause_s, BACKOFF_S[1])
