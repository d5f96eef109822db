"""Pieces are whole events and add up to what was cut; a loop that never waits turns all the same."""

import asyncio
from types import SimpleNamespace

import numpy as np
import pytest

from mmfold.adapters.live import pieces
from mmfold.adapters.live.pieces import PIECE_EVENT_COUNT_MAX, PIECE_ROW_COUNT_MAX, Turn, pieces_of
from mmfold.engine.codes import EventKind, Flag
from tests.engine.rows import event


@pytest.mark.parametrize(
    "sizes",
    [
        [1], [1] * PIECE_EVENT_COUNT_MAX, [1] * (PIECE_EVENT_COUNT_MAX + 1), [1] * 1_000, [500], [500] * 7,
        [1, 500, 1, 1, 400, 400, 1], [PIECE_ROW_COUNT_MAX] * 3, [3, 2, 1] * 50, [200, 57, 1] * 9,
    ],
)  # fmt: skip
def test_pieces_are_whole_events_in_their_order(sizes: list[int]) -> None:
    rows = np.concatenate([event(EventKind.OPEN_ORDERS, size) for size in sizes])
    rows["aux"] = np.arange(len(rows))
    found = list(pieces_of(rows))
    assert np.array_equal(np.concatenate(found), rows)
    for piece in found:
        ends = int((piece["flags"] & Flag.LAST != 0).sum())
        assert piece[-1]["flags"] & Flag.LAST and 1 <= ends <= PIECE_EVENT_COUNT_MAX
        assert len(piece) <= PIECE_ROW_COUNT_MAX or ends == 1 or len(rows) <= PIECE_EVENT_COUNT_MAX


def test_the_loop_turns_though_nothing_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s, turned = [0.0], list[float]()
    monkeypatch.setattr(pieces, "time", SimpleNamespace(monotonic=lambda: now_s[0]))

    async def read_on() -> None:
        turn = Turn()
        for _ in range(100):
            now_s[0] += pieces.TURN_S / 10
            await turn.rest()

    async def other() -> None:
        while True:
            turned.append(now_s[0])
            await asyncio.sleep(0)

    async def run() -> None:
        waiting = asyncio.ensure_future(other())
        await read_on()
        waiting.cancel()

    asyncio.run(run())
    assert len(turned) >= 10 and np.diff(turned).max() <= 1.11 * pieces.TURN_S
