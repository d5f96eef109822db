"""Sees each second that a session's journal is on the disk as it was written; must never let one trade unrecorded."""

import asyncio
from typing import TYPE_CHECKING

from mmfold.journal.errors import JournalError

if TYPE_CHECKING:
    from mmfold.adapters.live.runner import Runner

CHECK_S = 1.0


async def watch_journal(runner: "Runner") -> None:
    """Stop a session whose journal was removed, moved, replaced or cut from outside: its orders are cancelled first."""
    while True:
        await asyncio.sleep(CHECK_S)
        if runner.failure is None:
            try:
                runner.session.check_journal()
            except (JournalError, OSError) as error:
                runner.fail(error)
