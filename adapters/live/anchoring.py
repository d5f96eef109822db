"""`mm live --anchor`: the session's journal anchored while it grows, by a process beside it at low priority.

Must never hold the session up nor end it: an anchoring that fails is said, the session trades on.
"""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from mmfold.adapters.live.session import Session
    from mmfold.adapters.logs import EventLog

LAST_S = 30.0  # after the seal: for what has come since the last checkpoint
BEGUN_S = 0.1  # between two looks for the journal's first commit
LINE_BYTES_MAX = 1 << 20


class Anchoring:
    """The process that anchors one journal; `start` it beside the session, `stop` it behind the seal."""

    def __init__(self, journal: Path, key: Path, log: "EventLog") -> None:
        self.journal, self.key, self.log = journal, key, log
        self._task: asyncio.Task[None] | None = None
        self._process: Process | None = None
        self._is_last = False

    def start(self) -> None:
        """Start it; the process ends with the seal, or with this one."""
        self._task = asyncio.ensure_future(self._run())

    async def stop(self) -> None:
        """Wait for the last checkpoint, which the seal calls for; a process that takes too long is ended."""
        self._is_last = True
        if self._task is None:
            return
        try:
            await asyncio.wait_for(asyncio.shield(self._task), LAST_S)
        except TimeoutError:
            self.log.error("anchor_failed", reason=f"no last checkpoint within {LAST_S:.0f} s", next=self._next())
        finally:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while not any(self.journal.glob("*.mmj")) and not self._is_last:
            await asyncio.sleep(BEGUN_S)
        words = ("journal", "anchor", str(self.journal), "--key", str(self.key), "--follow", "--json")
        command = (sys.executable, "-P", "-m", "mmfold.adapters.cli.main", *words, "--beside", str(os.getpid()))
        try:
            self._process = await asyncio.create_subprocess_exec(
                *command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, limit=LINE_BYTES_MAX, start_new_session=True
            )
            await self._follow(self._process)
        except (OSError, ValueError) as error:
            self.log.error("anchor_failed", reason=str(error), next=self._next())
        finally:
            if self._process is not None and self._process.returncode is None:
                self._process.terminate()

    async def _follow(self, process: Process) -> None:
        assert process.stdout is not None and process.stderr is not None
        told = asyncio.ensure_future(process.stderr.read(LINE_BYTES_MAX))
        async for line in process.stdout:
            done = orjson.loads(line)
            self.log.info("anchored", events=done["events"], root=done["root"], checkpoint=done["out"])
        code, lines = await process.wait(), (await told).decode(errors="replace").strip().splitlines()
        if code:
            self.log.error("anchor_failed", reason=lines[0] if lines else f"exit code {code}", next=self._next())

    def _next(self) -> str:
        return f"mm journal anchor {self.journal} --key {self.key}"


@asynccontextmanager
async def anchored(session: "Session", key: Path | None, log: "EventLog") -> AsyncIterator[None]:
    """Close a session's journal at the end, and have it anchored until then where a key is given."""
    anchoring = None if key is None else Anchoring(session.directory, key, log)
    if anchoring is not None:
        anchoring.start()
    try:
        yield
    finally:
        session.close()
        if anchoring is not None:
            await anchoring.stop()
