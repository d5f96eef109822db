"""The courier as a session sees it: a process beside it that is started again if it ends; must never be waited for.

A line for it goes into a pipe's buffer; as it has at most one job per channel, that stays small.
"""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import orjson

from mmfold.adapters.alerts.courier import LINE_BYTES_MAX
from mmfold.adapters.alerts.program import kept_environment
from mmfold.adapters.logs import EventLog

RESTART_S = 2.0
ENDED_S = 3.0  # for the courier to end its programs
KEPT = ("PYTHONPATH", "SSL_CERT_FILE", "SSL_CERT_DIR")  # of the environment, beside what programs get
COMMAND = (sys.executable, "-P", "-m", "mmfold.adapters.alerts.courier")


class CourierProcess:
    """Runs the courier; `on_told` gets what it says of a job, `on_up` and `on_lost` that it began and that it ended."""

    def __init__(
        self,
        setup: dict[str, Any],
        on_up: Callable[[], None],
        on_told: Callable[[dict[str, Any]], None],
        on_lost: Callable[[], None],
    ) -> None:
        self.setup = setup
        self.on_up, self.on_told, self.on_lost = on_up, on_told, on_lost
        self.log = EventLog("alerts")
        self.process: Process | None = None
        self.is_up = False
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start it beside the session."""
        self.task = asyncio.ensure_future(self.run())

    async def run(self) -> None:
        """Keep it running until `stop`."""
        environ = kept_environment(os.environ) | {name: os.environ[name] for name in KEPT if name in os.environ}
        while True:
            try:
                self.process = await asyncio.create_subprocess_exec(
                    *COMMAND, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, limit=LINE_BYTES_MAX, env=environ,
                    start_new_session=True,
                )  # fmt: skip
                await self.follow(self.process)
            except (OSError, ValueError) as error:
                self.log.error("alert_courier_failed", reason=type(error).__name__)
                self.is_up = False
                if self.process is not None and self.process.returncode is None:
                    self.process.kill()
            await asyncio.sleep(RESTART_S)

    async def follow(self, process: Process) -> None:
        """Set it up and take what it says until it ends."""
        assert process.stdout is not None
        self.is_up = True
        self.write(self.setup)
        self.on_up()
        async for line in process.stdout:
            self.on_told(orjson.loads(line))
        self.is_up = False
        code = await process.wait()
        self.log.error("alert_courier_ended", exit_code=code, restart_s=RESTART_S)
        self.on_lost()

    def write(self, document: dict[str, Any]) -> None:
        """Hand it one line."""
        assert self.process is not None and self.process.stdin is not None
        with suppress(OSError, RuntimeError):  # it has just ended: that is told where its words are read
            self.process.stdin.write(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE))

    def change_last_word(self, document: dict[str, Any]) -> None:
        """Take what is told if the session dies from here on."""
        self.setup["last_word"] = document
        if self.is_up:
            self.write({"last_word": document})

    async def stop(self) -> None:
        """End it and what it runs, for a bounded time."""
        is_up, self.is_up = self.is_up, False
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        process = self.process
        if process is None or process.returncode is not None:
            return
        if is_up:
            self.write({"end": True})
        try:
            await asyncio.wait_for(process.wait(), ENDED_S)
        except TimeoutError:
            self.log.error("alert_courier_late", waited_s=ENDED_S)
            process.kill()
            await process.wait()
