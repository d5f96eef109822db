"""A way to a person: one attempt, and the retries around it; must never raise for what the other side does.

Every attempt has its own time; between two of them the pause grows. What can never work is not tried again.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Protocol

from mmfold.adapters.redact import redact

PAUSES_S = (0.5, 2.0, 8.0)  # between attempts: four in all
WAIT_S_MAX = 30.0  # that the other side may ask for


@dataclass(frozen=True)
class Attempt:
    """How one attempt ended: delivered if there is no reason why not."""

    reason: str = ""
    is_final: bool = False  # another attempt would end the same
    wait_s: float = 0.0  # what the other side asks for before the next


@dataclass(frozen=True)
class Outcome:
    """What came of one alert on one channel."""

    channel: str
    is_sent: bool
    attempts: int
    seconds: float
    reason: str

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        seconds = round(self.seconds, 3)
        said = {"attempts": self.attempts, "channel": self.channel, "reason": self.reason}
        return said | {"seconds": seconds, "sent": self.is_sent}


class Channel(Protocol):
    """One way; `name` is what metrics and logs call it."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    async def attempt(self, data: bytes) -> Attempt:
        """Try once, in a bounded time."""
        ...

    def setup(self) -> dict[str, Any]:
        """Return what the courier makes it of again, secrets included: for its stdin alone."""
        ...


async def deliver(channel: Channel, data: bytes) -> Outcome:
    """Try until an attempt delivers, none can, or the last has failed."""
    started_s = time.monotonic()
    attempts = 0
    for pause_s in (*PAUSES_S, None):
        found = await channel.attempt(data)
        attempts += 1
        if not found.reason or found.is_final or pause_s is None:
            break
        await asyncio.sleep(max(pause_s, min(found.wait_s, WAIT_S_MAX)))
    seconds = time.monotonic() - started_s
    return Outcome(channel.name, not found.reason, attempts, seconds, redact(found.reason))
