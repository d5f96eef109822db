"""A journal of other rules: its witnessed effects beside what this build decides; must never stop at a difference.

Both are grouped by the input that caused them, because a build that decides more or less at one input numbers what
follows in another way.
"""

from itertools import pairwise

import numpy as np

from mmfold.engine.codes import EventKind
from mmfold.engine.core import Core
from mmfold.engine.limits import CHAIN_BLOCK_EVENT_COUNT
from mmfold.engine.records import EVENT
from mmfold.engine.views import is_effect
from mmfold.replay.comparison import RulesComparison


class ComparingFeed:
    """Feeds a core with a journal of other rules and compares as it goes.

    The core must not compare by itself. Whole events come in; the effects of the last input may stand in the next
    batch, so they are compared when the next input, or `finish`, comes.
    """

    def __init__(self, core: Core) -> None:
        assert not core.compares
        self.core = core
        self.comparison = RulesComparison()
        self.decided: list[np.ndarray] = []
        self.cause_seq = 0
        self.block = 0  # of the effects digest
        self.witnessed: list[np.ndarray] = []
        self.computed: list[np.ndarray] = []

    def take(self, effects: np.ndarray) -> None:
        """Take what the core decides; the driver hands its effects on to here."""
        self.decided.append(effects)

    def feed(self, rows: np.ndarray) -> None:
        """Fold whole events, each behind the comparison of the one before."""
        is_witness = is_effect(rows["kind"])
        turns = np.flatnonzero(is_witness[1:] != is_witness[:-1]) + 1
        for start, end in pairwise([0, *turns.tolist(), len(rows)]):
            if is_witness[start]:
                self.take_witnesses(rows[start:end])
                continue
            while start < end:
                start = self.run_inputs(rows[:end], start)

    def take_witnesses(self, rows: np.ndarray) -> None:
        """Keep what the last input is said to have caused; a digest goes to the core, which knows its layout."""
        is_digest = rows["kind"] == EventKind.DIGEST
        self.witnessed.append(rows[~is_digest])
        if is_digest.any():
            self.core.feed(rows)

    def run_inputs(self, rows: np.ndarray, start: int) -> int:
        """Fold inputs up to the first that decides something; returns where it ends."""
        self.close()
        end = self.core.advance(rows, start)
        self.cause_seq = int(rows[end - 1]["seq"])
        if self.core.effect_count.item(0):
            block = self.cause_seq // CHAIN_BLOCK_EVENT_COUNT
            if block != self.block:
                self.core.effects_digest.close_block()
                self.block = block
            self.core.drain()
        self.computed, self.decided = self.decided, []
        return end

    def close(self) -> None:
        """Compare what the last input caused."""
        if self.witnessed or self.computed:
            self.comparison.compare(self.cause_seq, joined(self.witnessed), joined(self.computed))
            self.witnessed, self.computed = [], []

    def finish(self) -> RulesComparison:
        """Compare the last input's effects and return everything; a crash may have left them without witnesses."""
        if self.witnessed:
            self.close()
        return self.comparison


def joined(parts: list[np.ndarray]) -> np.ndarray:
    """Return effect rows one after the other."""
    return np.concatenate(parts) if parts else np.zeros(0, EVENT)
