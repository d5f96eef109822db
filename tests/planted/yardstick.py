"""What `mm minimize` is measured by: prefix bisection, then plain ddmin over single events, by the same trial runs.

    python -m tests.planted.yardstick EVENTS PREDICATE ROWS_MAX    # prints JSON; gives up beyond so many rows

Source: Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", 2002. Every run is from the start.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmfold.replay.minimize.books import Books
from mmfold.replay.minimize.candidate import Candidate
from mmfold.replay.minimize.failure import Signature
from mmfold.replay.minimize.predicate import parse_predicate
from mmfold.replay.minimize.recording import Recording, read_recording
from mmfold.replay.minimize.rival import release
from mmfold.replay.minimize.trial import Trial


class TooManyRows(Exception):
    """More rows were replayed than anybody asks for."""


@dataclass
class Yardstick:
    """A reduction under way."""

    recording: Recording
    trial: Trial
    books: Books
    best: Candidate
    rows_max: int
    rows: int = 0
    runs: int = 0
    signature: Signature | None = None

    def fails(self, candidate: Candidate) -> bool:
        """Run a candidate; one that fails alike is the best from then on.

        Raises: TooManyRows.
        """
        candidate = self.books.rejoined(candidate)
        outcome = self.trial.run(candidate)
        self.count(outcome.rows)
        if outcome.signature != self.signature:
            return False
        self.best = outcome.result(candidate)
        return True

    def begin(self) -> None:
        """Run the whole journal."""
        self.trial.takes_all = True
        outcome = self.trial.run(self.recording.inputs)
        assert outcome.signature is not None
        self.trial.takes_all, self.trial.exempt = False, frozenset(outcome.misfits)
        self.trial.fault_limit, self.signature = outcome.faults, outcome.signature
        self.best = outcome.result(self.recording.inputs)
        self.count(outcome.rows)

    def bisect(self) -> None:
        """Find the shortest beginning that fails. Asked behind any event, that is what comes up to the first failure:
        the rows of the runs are counted, the runs need not be made.
        """
        low, high, whole = 1, len(self.recording.inputs), self.recording.inputs
        is_known, failing = self.trial.predicate.when == "any", len(self.best)
        while low < high:
            middle = (low + high) // 2
            if is_known:
                self.count(int(whole.bounds[min(middle, failing)]))
                is_failing = middle >= failing
            else:
                is_failing = self.fails(whole.cut(middle))
            low, high = (low, middle) if is_failing else (middle + 1, high)

    def count(self, rows: int) -> None:
        """Count a run.

        Raises: TooManyRows.
        """
        self.runs += 1
        self.rows += rows
        if self.rows > self.rows_max:
            raise TooManyRows

    def ddmin(self) -> None:
        """Take out what can be, in subsets and their complements."""
        count = 2
        while len(self.best) > 2:
            size, start = len(self.best) - 1, self.best
            parts = np.array_split(np.arange(1, size + 1), min(count, size))
            if self.takes(start, parts, is_subset=True):
                count = 2
            elif count > 2 and self.takes(start, parts, is_subset=False):
                count = max(count - 1, 2)
            elif count >= size:
                return
            else:
                count = min(2 * count, size)

    def takes(self, start: Candidate, parts: list[np.ndarray], *, is_subset: bool) -> bool:
        """Try each part alone, or all but it; tells whether one failed."""
        for part in parts:
            keep = np.full(len(start), not is_subset)
            keep[part] = is_subset
            keep[0] = True
            if self.fails(start.kept(keep)):
                return True
        return False


def measure(path: Path, fails_if: str, rows_max: int) -> dict[str, int | bool]:
    """Return what the reduction of a journal took."""
    recording = read_recording(path, fails_if=fails_if)
    predicate = parse_predicate(fails_if, recording.manifest)
    books = Books(recording.inputs, recording.manifest)
    found = Yardstick(recording, Trial(recording.manifest, predicate), books, recording.inputs, rows_max)
    is_whole = True
    try:
        found.begin()
        found.bisect()
        found.ddmin()
    except TooManyRows:
        is_whole = False
    release(predicate)
    return {"rows": found.rows, "runs": found.runs, "events": len(found.best), "is_whole": is_whole}


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))))
