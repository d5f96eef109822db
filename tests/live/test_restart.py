"""A venue that numbers its book anew while the message that says so is lost: nothing rests on the dead book."""

import asyncio
from itertools import pairwise
from pathlib import Path

import numpy as np

from mmfold.engine.codes import EventKind
from tests.live.laws import check_all, read_rows
from tests.live.stage import stage

BOUND_S = 20.0
BOOKS = "public:orderbook.*"


async def play(journal: Path) -> None:
    async with stage(journal) as staged:
        await staged.begin()
        await staged.quoting(BOUND_S)
        # The frame after the restart is its snapshot, which is cut in the middle and refused.
        staged.arm({"fault": "restart", "at": BOOKS}, {"fault": "malformed", "at": BOOKS})
        book = staged.playing.session.core.state.books[:1]
        await staged.until(lambda: bool(book["restart_count"][0]), BOUND_S, "the restart")
        assert staged.playing.status.streams["public"].refused == 1
        staged.arm()
        await staged.quoting(BOUND_S)
        await staged.end()
        check_all(journal, staged.account, staged.worst)


def test_no_quote_rests_on_a_book_whose_restart_was_not_heard(tmp_path: Path) -> None:
    asyncio.run(play(tmp_path / "j"))
    rows = read_rows(tmp_path / "j")
    rows = rows[rows["kind"] > EventKind.COMMAND]
    kinds, numbers = rows["kind"], rows["aux"]
    deltas = np.flatnonzero(kinds == EventKind.BOOK_DELTA)
    first = next(at for before, at in pairwise(deltas) if numbers[at] < numbers[before])
    snapshot = first + int(np.flatnonzero(kinds[first:] == EventKind.BOOK_SNAPSHOT)[0])
    meanwhile = kinds[first:snapshot]
    assert EventKind.ALERT in meanwhile and EventKind.CANCEL in meanwhile, "what rested is pulled at once"
    assert EventKind.PLACE not in meanwhile and EventKind.AMEND not in meanwhile
