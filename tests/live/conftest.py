"""Compile what a session and its venue run before any test counts seconds."""

import asyncio

import pytest

from tests.live.laws import check_replay
from tests.live.stage import TIGHT, stage

COMPILE_S = 110.0


@pytest.fixture(scope="session", autouse=True)
def compiled(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Run one calm session, however long it takes to begin."""
    journal = tmp_path_factory.mktemp("calm") / "journal"

    async def run() -> None:
        async with stage(journal) as staged:
            await staged.begin(TIGHT)
            await staged.quoting(COMPILE_S)
            await asyncio.sleep(0.3)
            await staged.end()

    asyncio.run(run())
    check_replay(journal)
