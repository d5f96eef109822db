"""Work in pieces between which the loop turns, so that timers and the other streams have their time; must never cut an
event in two.
"""

import asyncio
import time
from collections.abc import Iterator

import numpy as np

from mmfold.engine.codes import Flag

PIECE_EVENT_COUNT_MAX = 8  # small events that are folded between two turns of the loop
PIECE_ROW_COUNT_MAX = 256  # rows of them, unless one event has more
TURN_S = 0.005  # what frames that wait already may take before the loop turns


def pieces_of(rows: np.ndarray) -> Iterator[np.ndarray]:
    """Yield rows of whole events in pieces that are soon folded."""
    if len(rows) <= PIECE_EVENT_COUNT_MAX:
        yield rows
        return
    start = end = event_count = 0
    for at in (np.flatnonzero(rows["flags"] & Flag.LAST) + 1).tolist():
        if event_count == PIECE_EVENT_COUNT_MAX or (event_count and at - start > PIECE_ROW_COUNT_MAX):
            yield rows[start:end]
            start, event_count = end, 0
        end, event_count = at, event_count + 1
    yield rows[start:]


class Turn:
    """Lets the loop turn now and then in a loop that may never wait: what has come already is read without waiting."""

    def __init__(self) -> None:
        self.began_s = time.monotonic()

    async def rest(self) -> None:
        """Let the loop turn if it has not for a while."""
        if time.monotonic() - self.began_s >= TURN_S:
            await asyncio.sleep(0)
            self.began_s = time.monotonic()
