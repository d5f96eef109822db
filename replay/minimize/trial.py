"""One run of a candidate: a core without witnesses, fed from the nearest kept prefix, looked at where it matters.

Must never call a candidate failing that is none a venue could have sent: answers for orders that the candidate does
not have are left out, a book that breaks where the journal's did not ends the run as invalid.
"""

import copy
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np

from mmfold.engine.codes import EventKind
from mmfold.engine.core import Core
from mmfold.engine.manifest import Manifest
from mmfold.journal.jsonl.fields import KINDS
from mmfold.replay.minimize.candidate import Candidate, joined_rows
from mmfold.replay.minimize.failure import (
    ACCOUNT,
    NO_ROWS,
    Follower,
    MinimizeError,
    Moment,
    Predicate,
    PredicateError,
    Signature,
    Watch,
)
from mmfold.replay.minimize.folding import place_of
from mmfold.replay.minimize.orders import ANSWERS, OpenOrders
from mmfold.replay.minimize.outside import CommandPredicate

PREFIX_ROW_COUNT = 1 << 19  # between two kept prefixes: a dump costs as much as so many rows
PREFIX_LOOK_COUNT = 1 << 14  # or so many looks
FAULTS = ("gap_count", "crossed_count")


@dataclass(frozen=True)
class Prefix:
    """A core behind the first events of a candidate."""

    event: int  # the next one
    row_count: int
    state: bytes
    document: dict
    watch: Watch
    dropped: tuple[int, ...]
    mended: dict[int, tuple[int, int]]


@dataclass
class Outcome:
    """What became of a candidate."""

    signature: Signature | None = None
    failed_at: int = -1  # event
    dropped: list[int] = field(default_factory=list)  # answers that were left out, by event
    mended: dict[int, tuple[int, int]] = field(default_factory=dict)  # fills by event: price and lots that they got
    stand_in: int | None = None  # the order that the last event answers here
    misfits: list[int] = field(default_factory=list)  # answers that fit no order and were taken, by seq
    faults: np.ndarray | None = None  # of the books: gaps and crossings by instrument
    error: BaseException | None = None  # of the core
    prefixes: list[Prefix] = field(default_factory=list)
    rows: int = 0  # fed
    is_valid: bool = True

    def result(self, candidate: Candidate) -> Candidate:
        """Return what of a failing candidate was needed: up to the failure, answers mended or left out."""
        if self.mended or self.stand_in is not None:
            rows = candidate.rows.copy()
            if self.stand_in is not None:
                rows["order_id"][candidate.bounds[-2]] = self.stand_in
            for event, terms in self.mended.items():
                place = candidate.bounds[event]
                rows["price_ticks"][place], rows["qty_lots"][place] = terms
            candidate = Candidate(rows, candidate.bounds)
        keep = np.ones(len(candidate), bool)
        keep[self.failed_at + 1 :] = False
        keep[self.dropped] = False
        return candidate if keep.all() else candidate.kept(keep)


class Trial:
    """Runs candidates of one journal; `exempt` are the answers that fit no order in the journal itself, `takes_all`
    has a journal run as it is.
    """

    def __init__(self, manifest: Manifest, predicate: Predicate, *, takes_all: bool = False) -> None:
        self.manifest, self.predicate, self.takes_all = manifest, predicate, takes_all
        self.exempt: frozenset[int] = frozenset()
        self.fault_limit: np.ndarray | None = None

    def run(self, candidate: Candidate, prefix: Prefix | None = None, *, keeps_prefixes: bool = False) -> Outcome:
        """Run a candidate to its failure or its end.

        Raises: PredicateError of code of the user's.
        """
        outcome = Outcome()
        run = Run(self, candidate, prefix, outcome, keeps_prefixes=keeps_prefixes)
        try:
            run.fold()
        except (PredicateError, MinimizeError):
            raise
        except Exception as error:  # whatever the core raises is an outcome
            run.take_error(error)
        if outcome.signature is None and outcome.error is None and isinstance(self.predicate, CommandPredicate):
            run.ask_command(self.predicate)
        outcome.faults = faults_of(run.core)
        if self.fault_limit is not None and (outcome.faults > self.fault_limit).any():
            outcome.signature, outcome.is_valid = None, False
        return outcome


def faults_of(core: Core) -> np.ndarray:
    """Return the faults of the books so far."""
    book = core.state.cells["book"]
    return np.stack([book[name] for name in FAULTS])


class Run:
    """One run under way."""

    def __init__(
        self, trial: Trial, candidate: Candidate, prefix: Prefix | None, outcome: Outcome, *, keeps_prefixes: bool
    ) -> None:
        self.trial, self.predicate, self.candidate, self.outcome = trial, trial.predicate, candidate, outcome
        self.keeps_prefixes = keeps_prefixes
        self.rows = candidate.rows
        self.effects: list[np.ndarray] = []
        self.core = Core(trial.manifest, self.effects.append)
        self.core.compares = False
        self.core.out["witnessed"] = 0
        self.watch = self.predicate.watch() if prefix is None else copy.deepcopy(prefix.watch)
        self.event = self.seen = 0
        self.looks = self.looks_kept = self.rows_kept = 0
        if prefix is not None:
            self.core.load(prefix.state)
            self.core.document = prefix.document
            self.event, self.rows_kept = prefix.event, int(candidate.bounds[prefix.event])
            outcome.dropped = list(prefix.dropped)
            for event, terms in prefix.mended.items():
                self.mend(event, terms)
        self.orders = OpenOrders(self.core)
        self.sees_effects = self.predicate.sees_effects
        self.is_any = self.predicate.when == "any"

    def fold(self) -> None:
        """Feed events up to where the next look, or the next answer, is due, until one look finds the failure."""
        kinds = self.candidate.first["kind"]
        is_answer = np.isin(kinds, ANSWERS)
        looks = np.zeros(len(kinds), bool)
        if self.predicate.when == "any":
            wanted = self.predicate.kinds
            looks = np.ones(len(kinds), bool) if wanted is None else np.isin(kinds, list(wanted))
        stops = np.flatnonzero(is_answer | looks).tolist()
        stops.append(len(kinds) - 1)
        if self.keeps_prefixes and self.event == 0 and 0 < self.candidate.lead < len(kinds):
            stops.insert(0, self.candidate.lead - 1)  # a configuration costs more than many events
        for stop in stops:
            if stop < self.event:
                continue
            if is_answer[stop] and not self.take_answer(stop):
                if self.outcome.signature is not None:
                    return
                continue
            if self.feed(stop + 1, looks=bool(looks[stop]) or stop == len(kinds) - 1):
                return
            self.keep_prefix()

    def take_answer(self, event: int) -> bool:
        """Fold what stands before an answer and tell whether the answer belongs to an order; else it is left out."""
        if self.feed(event, looks=False):
            return False
        row = self.rows[self.candidate.bounds[event]]
        if int(row["seq"]) in self.trial.exempt or self.orders.fits(row):
            return True
        if self.trial.takes_all:
            self.outcome.misfits.append(int(row["seq"]))
            return True
        if event == len(self.candidate) - 1 and (stand_in := self.orders.stand_in(row)) is not None:
            row = self.answer_of(event, stand_in)
            if self.orders.fits(row):
                return True
        if (terms := self.orders.mended(row)) is not None:
            self.mend(event, terms)
            return True
        self.outcome.dropped.append(event)
        self.event = event + 1
        return False

    def answer_of(self, event: int, order_id: int) -> np.void:
        """Make an answer that of another order and return it."""
        self.own_rows()
        row: np.void = self.rows[self.candidate.bounds[event]]
        row["order_id"] = self.outcome.stand_in = order_id
        return row

    def own_rows(self) -> None:
        """Write into a copy of the candidate's rows from now on."""
        if self.rows is self.candidate.rows:
            self.rows = self.rows.copy()

    def mend(self, event: int, terms: tuple[int, int]) -> None:
        """Give a fill the price and lots that its order allows."""
        self.own_rows()
        place = self.candidate.bounds[event]
        self.rows["price_ticks"][place], self.rows["qty_lots"][place] = terms
        self.outcome.mended[event] = terms

    def feed(self, end: int, *, looks: bool) -> bool:
        """Fold events up to one, looking behind each that decides something if that matters, and behind the last.

        Returns True when the failure was found.
        """
        bounds, rows = self.candidate.bounds, self.rows[: self.candidate.bounds[end]]
        is_any, sees_effects = self.is_any, self.sees_effects
        start = self.seen = int(bounds[self.event])
        self.outcome.rows += len(rows) - start
        looks |= self.predicate.follows
        while start < len(rows):
            if is_any and sees_effects:
                start = self.core.advance(rows, start)
            else:
                self.core.feed(rows, start)
                start = len(rows)
            self.event = end if start == len(rows) else int(np.searchsorted(bounds, start))
            is_last = start == len(rows)
            if is_any and sees_effects and self.core.effect_count.item(0) and self.look():
                return True
            if is_any and is_last and looks and self.look():
                return True
        self.core.drain()
        return not is_any and end == len(self.candidate) and self.look()

    def look(self) -> bool:
        """Ask the predicate behind the last event; tells whether it is the failure."""
        self.core.drain()
        self.looks += 1
        effects = NO_ROWS if not self.effects else joined_rows(self.effects)
        self.effects.clear()
        last = self.event - 1
        bounds = self.candidate.bounds
        moment = Moment(self.core, self.rows[bounds[last] : bounds[last + 1]], effects)
        if self.predicate.follows:
            self.show_fed(moment)
        found = self.watch.see(moment)
        if found is None:
            return False
        self.outcome.signature, self.outcome.failed_at = found, last
        if self.predicate.follows:
            self.outcome.failed_at = int(np.searchsorted(bounds, cast(Follower, self.watch).failed_row)) - 1
        return True

    def show_fed(self, moment: Moment) -> None:
        """Show what was folded since the last look."""
        moment.start, self.seen = self.seen, int(self.candidate.bounds[self.event])
        moment.fed = self.rows[moment.start : self.seen]
        moment.is_end = self.event == len(self.candidate) or bool(moment.raised)

    def keep_prefix(self) -> None:
        """Keep the core where that saves later runs more than it costs."""
        row_count = int(self.candidate.bounds[self.event])
        due = row_count - self.rows_kept >= PREFIX_ROW_COUNT or self.looks - self.looks_kept >= PREFIX_LOOK_COUNT
        due |= self.event == self.candidate.lead
        if not (self.keeps_prefixes and due) or self.event == len(self.candidate):
            return
        self.core.drain()
        self.rows_kept, self.looks_kept = row_count, self.looks
        watch = copy.deepcopy(self.watch)
        self.outcome.prefixes.append(
            Prefix(
                self.event,
                row_count,
                self.core.dump(),
                self.core.document,
                watch,
                tuple(self.outcome.dropped),
                dict(self.outcome.mended),
            )
        )

    def take_error(self, error: Exception) -> None:
        """Take what the core raised, at the event that it was in."""
        seq = int(self.core.state.clock[0]["seq_last"])
        event = int(np.searchsorted(self.candidate.first["seq"], seq))
        row = self.candidate.first[min(event, len(self.candidate) - 1)]
        entry = KINDS[int(row["kind"])]
        symbol = self.trial.manifest.instruments[int(row["instrument_index"])].symbol if entry.has_symbol else ACCOUNT
        self.outcome.error = error
        self.outcome.signature = self.predicate.raised(error, symbol)
        self.outcome.failed_at = event
        if self.predicate.follows:
            self.event = event + 1
            moment = Moment(self.core, self.candidate.event(event), NO_ROWS, raised=place_of(error))
            self.show_fed(moment)
            self.outcome.signature = self.watch.see(moment)
            self.outcome.failed_at = (
                int(np.searchsorted(self.candidate.bounds, cast(Follower, self.watch).failed_row)) - 1
            )

    def ask_command(self, predicate: CommandPredicate) -> None:
        """Write the candidate to a journal of its own and run the command on it."""
        from mmfold.replay.minimize.renumber import write_candidate

        self.outcome.failed_at = len(self.candidate) - 1
        with tempfile.TemporaryDirectory(prefix="mm-minimize-") as place:
            journal = Path(place) / "candidate"
            write_candidate(self.trial.manifest, self.outcome.result(self.candidate), journal)
            self.outcome.signature = predicate.run(journal)


def check_core_error(outcome: Outcome, name: str) -> None:
    """Say that the core raised before a predicate could be asked.

    Raises: MinimizeError.
    """
    if outcome.error is not None and outcome.signature is None:
        error = outcome.error
        raise MinimizeError(
            f"the core raises before {name!r} can fail: {type(error).__name__}: {error}",
            "mm minimize --fails-if exception shrinks that",
        )


assert EventKind.REQUEST_RESULT in ANSWERS
