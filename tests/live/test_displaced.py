"""A session whose journal is taken away from outside: it cancels at the venue, stops and seals nothing."""

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mmfold.journal.errors import Displaced
from mmfold.journal.log.segment import segment_paths
from tests.live.stage import stage

BOUND_S = 20.0

HARMS: dict[str, Callable[[Path], object]] = {
    "removed": shutil.rmtree,
    "moved": lambda journal: journal.rename(journal.with_name("moved")),
    "cut": lambda journal: os.truncate(segment_paths(journal)[-1], 200),
}


async def play(journal: Path, harm: Callable[[Path], object]) -> None:
    async with stage(journal) as staged:
        await staged.begin()
        await staged.quoting(BOUND_S)
        assert staged.account.open
        harm(journal)
        assert staged.task is not None
        done, _ = await asyncio.wait([staged.task], timeout=BOUND_S)
        assert done, "the session trades on"
        assert isinstance(staged.task.exception(), Displaced)
        assert not staged.account.open, "its orders rest"
        runner, staged.runner, staged.task = staged.playing, None, None
        with pytest.raises(Displaced):
            runner.session.close()
        runner.raw.close()


@pytest.mark.parametrize("name", HARMS)
def test_orders_are_cancelled_and_nothing_is_sealed(tmp_path: Path, name: str) -> None:
    asyncio.run(play(tmp_path / "j", HARMS[name]))
    assert not list(tmp_path.rglob("seal.json"))
