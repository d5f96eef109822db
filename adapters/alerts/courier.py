"""The process that delivers a session's alerts: programs and connections are its own; must never hold a session up.

Lines of JSON on stdin: the setup first, then one job at a time per channel, then the end. One line on stdout for each
job. Where stdin ends without that word the session died: what is under way is finished and the last word told, for a
bounded time. Signals that end a session, or all of its service at once, do not end this process: its stdin does.
"""

import asyncio
import os
import signal
import sys
import time
from contextlib import suppress
from typing import Any

import orjson

from mmfold.adapters.alerts.channel import Channel, Outcome, deliver
from mmfold.adapters.alerts.document import encode, utc_text
from mmfold.adapters.alerts.setup import from_setup
from mmfold.adapters.crash import forbid_core_dumps

LAST_WORD_S = 15.0
UNDER_WAY_S = 4.0  # of that, for what is under way when the session dies
LINE_BYTES_MAX = 1 << 20


class Courier:
    """The channels of one session, each with at most one job."""

    def __init__(self, setup: dict[str, Any]) -> None:
        self.channels: dict[str, Channel] = from_setup(setup["channels"])
        self.last_word: dict[str, Any] | None = setup["last_word"]
        self.jobs: dict[str, asyncio.Task[None]] = {}

    def take(self, name: str, document: dict[str, Any]) -> None:
        """Begin a job; the one before has been answered."""
        self.jobs[name] = asyncio.ensure_future(self.work(name, document))

    async def work(self, name: str, document: dict[str, Any]) -> None:
        """Deliver one alert and say what came of it."""
        self.say(await deliver(self.channels[name], encode(document)))

    def say(self, outcome: Outcome) -> None:
        """Say what came of a job."""
        with suppress(OSError):  # the session died meanwhile
            os.write(sys.stdout.fileno(), encode(outcome.document()))

    async def drop(self, name: str) -> None:
        """End what is under way on a channel: something critical waits behind it."""
        job = self.jobs[name]
        if not job.done():
            job.cancel()
            await asyncio.wait([job])
            self.say(Outcome(name, False, 0, 0.0, "made way for what is critical"))

    async def tell_last_word(self) -> None:
        """Tell each channel that the session died, behind what is under way there."""
        if self.last_word is None:
            return
        document = self.last_word | {"ts": utc_text(time.time_ns())}

        async def tell(name: str) -> None:
            if name in self.jobs:
                await asyncio.wait([self.jobs[name]], timeout=UNDER_WAY_S)
                self.jobs[name].cancel()
                await asyncio.wait([self.jobs[name]])
            await self.work(name, document)

        told = asyncio.gather(*(tell(name) for name in self.channels))
        with suppress(TimeoutError):
            await asyncio.wait_for(told, LAST_WORD_S)

    async def close(self) -> None:
        """End what is under way, programs included."""
        for job in self.jobs.values():
            job.cancel()
        await asyncio.gather(*self.jobs.values(), return_exceptions=True)


async def serve() -> None:
    """Take jobs until the session ends or dies."""
    reader = asyncio.StreamReader(LINE_BYTES_MAX)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    courier = Courier(orjson.loads(await reader.readline()))
    try:
        while line := await reader.readline():
            word = orjson.loads(line)
            if "end" in word:
                return
            if "last_word" in word:
                courier.last_word = word["last_word"]
            elif "drop" in word:
                await courier.drop(word["drop"])
            else:
                courier.take(word["channel"], word["document"])
        await courier.tell_last_word()
    finally:
        await courier.close()


def main() -> None:
    """Run it."""
    forbid_core_dumps()
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # not SIG_IGN, which the programs would inherit
    asyncio.run(serve())


if __name__ == "__main__":
    main()
