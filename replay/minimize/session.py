"""One minimization under way: the best candidate so far, what was tried, how it went; must never take a candidate that
passes, nor let the number of workers change a byte.

Candidates are tried several at once and taken by index: the first that fails in their order wins, what was tried
behind it is tried again if it is still wanted, and nothing of it is counted.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

import numpy as np

from mmfold.replay.minimize.books import Books
from mmfold.replay.minimize.candidate import Candidate
from mmfold.replay.minimize.failure import Signature
from mmfold.replay.minimize.trial import Outcome, Prefix, Trial

MEMO_ROW_COUNT_MAX = 1 << 14  # of a candidate that is remembered


class OutOfTime(Exception):
    """The budget is spent, or a person has asked for the end; the best so far stands."""


class Step(NamedTuple):
    """Where the journal shrank."""

    what: str
    events: int
    rows: int
    runs: int  # up to here


@dataclass(frozen=True)
class Change:
    """A candidate to try; `common`: how many first events it shares with the best one."""

    candidate: Candidate
    common: int


@dataclass
class Session:
    """The best candidate and how it came about."""

    trial: Trial
    books: Books
    best: Candidate
    signature: Signature
    seed: int = 0
    workers: int = 1
    deadline_s: float = float("inf")
    stop_requested: bool = False
    runs: int = 0
    rows_replayed: int = 0
    invalid_count: int = 0
    flaky_count: int = 0
    steps: list[Step] = field(default_factory=list)
    history: list[Candidate] = field(default_factory=list)
    prefixes: list[Prefix] = field(default_factory=list)
    passed: set[bytes] = field(default_factory=set)
    on_rows: Callable[[int], None] = lambda rows: None
    pool: ThreadPoolExecutor | None = None

    def note(self, what: str) -> None:
        """Keep a step of the picture, where the best has changed since the last one."""
        last = self.steps[-1] if self.steps else None
        if last is None or (last.events, last.rows) != (len(self.best), len(self.best.rows)):
            self.steps.append(Step(what, len(self.best), len(self.best.rows), self.runs))

    def check_time(self) -> None:
        """End the work when that was asked for.

        Raises: OutOfTime.
        """
        if self.stop_requested or time.monotonic() > self.deadline_s:
            raise OutOfTime

    def without(self, seqs: np.ndarray) -> Change | None:
        """Return the best candidate without some events, None where none of them is left."""
        first = self.best.first["seq"]
        gone = np.isin(first, seqs, assume_unique=True)
        if not gone.any():
            return None
        return self.change(self.best.kept(~gone), int(np.argmax(gone)))

    def change(self, candidate: Candidate, common: int) -> Change:
        """Return a candidate with its books joined again."""
        return Change(self.books.rejoined(candidate), common)

    def first_failing(self, changes: Iterable[Change | None]) -> int:
        """Try changes of the best candidate in order and take the first that fails alike; returns its index, or -1."""
        at, coming = 0, iter(changes)
        while batch := list(islice(coming, self.workers)):
            for offset, (change, outcome) in enumerate(zip(batch, self.run_all(batch), strict=True)):
                if change is not None and self.takes(change, outcome):
                    return at + offset
            at += len(batch)
        return -1

    def try_one(self, change: Change | None) -> bool:
        """Try one change of the best candidate."""
        return self.first_failing([change]) == 0

    def run_all(self, changes: Sequence[Change | None]) -> list[Outcome | None]:
        """Run changes at once; None for what needs no run."""
        self.check_time()
        wanted = [change if change is not None and not self.is_known(change) else None for change in changes]
        if self.pool is None or sum(change is not None for change in wanted) < 2:
            return [None if change is None else self.run_change(change) for change in wanted]
        futures = [None if change is None else self.pool.submit(self.run_change, change) for change in wanted]
        return [None if future is None else future.result() for future in futures]

    def run_change(self, change: Change) -> Outcome:
        """Run a change from the nearest kept prefix."""
        prefix = None
        for kept in self.prefixes:
            if kept.event <= min(change.common, len(change.candidate) - 1):
                prefix = kept
        return self.trial.run(change.candidate, prefix, keeps_prefixes=True)

    def takes(self, change: Change, outcome: Outcome | None) -> bool:
        """Count a run and take its candidate if it fails for the same reason."""
        if outcome is None or self.is_known(change):  # the latter: tried in the same batch, whatever the batch
            return False
        self.runs += 1
        self.rows_replayed += outcome.rows
        self.on_rows(self.rows_replayed)
        self.invalid_count += not outcome.is_valid
        if outcome.signature != self.signature or (self.trial.predicate.is_outside and not self.is_steady(change)):
            self.remember(change)
            return False
        found = outcome.result(change.candidate)
        first_dropped = min(outcome.dropped, default=len(found))
        kept = [prefix for prefix in self.prefixes if prefix.event <= change.common]
        first_changed = min(outcome.mended, default=first_dropped)
        kept += [prefix for prefix in outcome.prefixes if prefix.event <= min(first_dropped, first_changed)]
        if outcome.dropped:
            found = self.books.rejoined(found)
        self.best, self.prefixes = found, [prefix for prefix in kept if prefix.event < len(found)]
        self.history.append(found)
        return True

    def is_steady(self, change: Change) -> bool:
        """Ask code of the user's again; what answers otherwise is not taken, and counted."""
        again = self.run_change(change)
        self.runs += 1
        self.rows_replayed += again.rows
        self.flaky_count += again.signature != self.signature
        return again.signature == self.signature

    def is_known(self, change: Change) -> bool:
        """Tell whether a candidate was tried before and did not fail."""
        return len(change.candidate.rows) <= MEMO_ROW_COUNT_MAX and key_of(change.candidate) in self.passed

    def remember(self, change: Change) -> None:
        """Keep in mind that a candidate does not fail."""
        if len(change.candidate.rows) <= MEMO_ROW_COUNT_MAX:
            self.passed.add(key_of(change.candidate))


def key_of(candidate: Candidate) -> bytes:
    """Return what a candidate is known by."""
    return hashlib.blake2b(candidate.rows.tobytes(), digest_size=16).digest()
