"""The fold behind the live view: a replay that also keeps the last decisions and request times; must never look back.

Decisions are compared with the journal's witnesses as `mm replay` does, so what is shown is proven to be the state that
traded: another build or strategy stops the view instead of showing orders that nobody has.
"""

from collections import deque
from pathlib import Path

import numpy as np

from mmfold.engine.codes import EventKind, RequestOutcome
from mmfold.engine.core import Core, WitnessDiffers
from mmfold.engine.limits import EFFECT_COUNT_MAX, SEQ_MAX
from mmfold.engine.manifest import Manifest
from mmfold.engine.records import EVENT, NO_VALUE
from mmfold.journal.log.checkpoints import Checkpoint
from mmfold.replay.checkpoint import find_checkpoint
from mmfold.replay.run import Replay, ReplayOptions
from mmfold.reports.notes import first_parts

DECISION_COUNT = 10
LATENCY_COUNT = 1000  # requests that the percentiles are of: the last ones
ANSWERED = (RequestOutcome.OK, RequestOutcome.REFUSED)

assert DECISION_COUNT <= EFFECT_COUNT_MAX


class Watch:
    """One journal being folded; `checkpoint` is where the fold starts, None at the journal's start.

    Raises: JournalError; StrategyError for a journal that another strategy made.
    """

    def __init__(self, path: Path, *, from_checkpoint: bool = True) -> None:
        self._replay = Replay(path, ReplayOptions(checkpoints=False))
        self._replay.writers = [self._keep]
        self._decided = np.zeros(0, EVENT)
        self._latencies_ns: deque[int] = deque(maxlen=LATENCY_COUNT)
        self.checkpoint: Checkpoint | None = None
        if from_checkpoint and self._replay.comparing is None:
            self.checkpoint = find_checkpoint(path, self._replay.key, SEQ_MAX)
        if self.checkpoint is not None and not self._replay.restore_from(self.checkpoint):
            self.checkpoint = None

    @property
    def core(self) -> Core:
        """The core that the journal is folded with."""
        return self._replay.core

    @property
    def manifest(self) -> Manifest:
        """What the journal is a journal of."""
        return self._replay.manifest

    @property
    def row_count(self) -> int:
        """Rows of the journal up to here."""
        return self._replay.rows

    def feed(self, rows: np.ndarray) -> None:
        """Fold whole verified events.

        Raises: WitnessDiffers, DigestDiffers, ConfigPayloadError, StrategyRaised, AssertionError.
        """
        self._replay.feed(rows)
        self._refuse_other_decisions()
        answers = rows[(rows["kind"] == EventKind.REQUEST_RESULT) & (rows["aux"] != NO_VALUE)]
        self._latencies_ns.extend(answers["aux"][np.isin(answers["code"], ANSWERED)].tolist())

    def _refuse_other_decisions(self) -> None:
        """Stop where a journal of other rules holds what this build does not decide: it shows orders nobody has.

        Raises: WitnessDiffers.
        """
        comparing = self._replay.comparing
        if comparing is not None and comparing.comparison.differences:
            first = comparing.comparison.differences[0]
            raise WitnessDiffers(first.cause_seq, first.witnessed, first.computed)

    def witnessed_count(self) -> int | None:
        """Return how many decisions are identical to the witnessed ones, None where there are none."""
        waiting = int(self.core.out[0]["witness_index"])
        found = self._replay.witnessed_count()
        return None if found is None else found + waiting

    def decisions(self) -> np.ndarray:
        """Return the last decisions, oldest first; a note by its first part."""
        place = self.core.out[0]
        waiting = place["effects"][: int(place["effect_count"])]  # not compared yet: their witnesses follow
        return np.concatenate((self._decided, first_parts(waiting)[-DECISION_COUNT:]))[-DECISION_COUNT:]

    def latencies_ns(self) -> list[int]:
        """Return the times of the last answered requests, sorted."""
        return sorted(self._latencies_ns)

    def _keep(self, effects: np.ndarray) -> None:
        self._decided = np.concatenate((self._decided, first_parts(effects)[-DECISION_COUNT:]))[-DECISION_COUNT:]
