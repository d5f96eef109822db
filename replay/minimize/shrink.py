"""`minimize`: the stages in their order, from a journal to the smallest candidate found; must never write.

time       up to the first failure, then subsets of what is before it
books      each book told once, as it stood later
groups     instruments, streams, an order with its answers, single events (CDD: reduce.py)
within     levels of messages, keys of the configuration, values towards simple ones
The groups are gone through again until nothing changes: the result is 1-minimal over them.
"""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from mmfold.replay.minimize import groups
from mmfold.replay.minimize.books import Books
from mmfold.replay.minimize.failure import DoesNotFail, Predicate, Signature
from mmfold.replay.minimize.recording import Recording
from mmfold.replay.minimize.reduce import joined_seqs, reduce_elements
from mmfold.replay.minimize.renumber import Renumbered, renumber
from mmfold.replay.minimize.rival import RivalPredicate, release
from mmfold.replay.minimize.session import Change, OutOfTime, Session, Step
from mmfold.replay.minimize.snapshots import collapse_books, tell_books
from mmfold.replay.minimize.trial import Outcome, Trial, check_core_error
from mmfold.replay.minimize.values import reduce_config, reduce_levels, simplify
from mmfold.replay.minimize.witnessed import check_record

FIRST_RUN_COUNT = 3  # of code of the user's, before it is believed


@dataclass(frozen=True)
class Minimized:
    """What came out.

    is_whole: no budget and no person ended the work; renumbering: where it cost events, why.
    """

    recording: Recording
    predicate: Predicate
    signature: Signature
    failing_seq: int  # of the journal's own event that fails
    result: Renumbered
    steps: tuple[Step, ...]
    runs: int
    rows_replayed: int
    invalid_count: int
    flaky_count: int
    is_whole: bool
    fell_back: bool  # renumbered, the smallest did not fail alike: a larger one is given
    seconds: float


def find_failure(recording: Recording, predicate: Predicate, trial: Trial) -> Outcome:
    """Run the whole journal and take its own faults as allowed.

    Raises: DoesNotFail, MinimizeError, PredicateError.
    """
    if isinstance(predicate, RivalPredicate) and predicate.is_of_record:
        check_record(recording, predicate)
    trial.takes_all = True
    outcome = trial.run(recording.inputs, keeps_prefixes=True)
    check_core_error(outcome, predicate.name)
    if outcome.signature is None:
        raise DoesNotFail(f"{recording.path} does not fail {predicate.name!r}: nothing to minimize")
    for number in range(2, FIRST_RUN_COUNT + 1 if predicate.is_outside else 0):
        again = trial.run(recording.inputs).signature
        if again != outcome.signature:
            raise DoesNotFail(
                f"{predicate.name!r} is flaky: run 1 of {recording.path} gives {outcome.signature}, "
                f"run {number} gives {again or 'no failure'}: mend it first"
            )
    trial.takes_all, trial.exempt, trial.fault_limit = False, frozenset(outcome.misfits), outcome.faults
    return outcome


def minimize(
    recording: Recording,
    predicate: Predicate,
    *,
    budget_s: float = 60.0,
    seed: int = 0,
    workers: int = 1,
    on_rows: Callable[[int], None] = lambda rows: None,
    on_session: Callable[[Session], None] = lambda session: None,
) -> Minimized:
    """Shrink a journal to the smallest found that fails for the same reason.

    Raises: DoesNotFail, MinimizeError, PredicateError.
    """
    started_s = time.monotonic()
    trial = Trial(recording.manifest, predicate)
    first = find_failure(recording, predicate, trial)
    assert first.signature is not None
    session = Session(
        trial, Books(recording.inputs, recording.manifest), first.result(recording.inputs), first.signature,
        seed=seed, workers=workers, deadline_s=started_s + budget_s, on_rows=on_rows,
    )  # fmt: skip
    session.prefixes = [prefix for prefix in first.prefixes if prefix.event < len(session.best)]
    session.runs, session.rows_replayed = 1, first.rows
    session.steps.append(Step("the journal's inputs", len(recording.inputs), len(recording.inputs.rows), 0))
    session.history.append(session.best)
    session.note("up to the failure")
    on_session(session)
    failing_seq = int(session.best.first["seq"][-1])
    is_whole = True
    with ThreadPoolExecutor(max(1, workers), "minimize") as pool:
        session.pool = pool if workers > 1 else None
        try:
            shrink(session)
        except OutOfTime:
            is_whole = False
    result, fell_back = settled(session)
    release(predicate)
    return Minimized(
        recording=recording, predicate=predicate, signature=first.signature, failing_seq=failing_seq, result=result,
        steps=tuple(session.steps), runs=session.runs, rows_replayed=session.rows_replayed,
        invalid_count=session.invalid_count, flaky_count=session.flaky_count, is_whole=is_whole, fell_back=fell_back,
        seconds=time.monotonic() - started_s,
    )  # fmt: skip


def shrink(session: Session) -> None:
    """Go through the stages until nothing changes.

    Raises: OutOfTime.
    """
    if session.trial.predicate.when == "end":
        cut_time(session)
    tell_books(session)
    session.note("books told where orders were decided")
    while True:
        before = session.best.rows.tobytes()
        collapse_books(session)
        session.note("books as snapshots")
        for what, elements, once in (
            ("instruments", groups.instruments, True),
            ("streams", groups.streams, True),
            ("orders with what decided them", groups.orders, False),
            ("orders and messages", groups.causal, False),
            ("single events", groups.single, False),
        ):
            reduce_elements(session, elements(session.best), dropper(session), once=once)
            session.note(what)
        for what, stage in (
            ("levels", reduce_levels),
            ("configuration", reduce_config),
            ("values", simplify),
        ):
            stage(session)
            session.note(what)
        if session.best.rows.tobytes() == before:
            return


def dropper(session: Session) -> Callable[..., Change | None]:
    """Return what takes elements out of the best candidate."""
    return lambda elements: session.without(joined_seqs(elements))


def cut_time(session: Session) -> None:
    """Find a short beginning of the journal that fails at its own end, by halves.

    Raises: OutOfTime.
    """
    low, high = 1, len(session.best)
    while low < high:
        middle = (low + high) // 2
        if session.try_one(Change(session.best.cut(middle), middle - 1)):
            high = len(session.best)
            low = min(low, high)
        else:
            low = middle + 1
    session.note("time")


def settled(session: Session) -> tuple[Renumbered, bool]:
    """Return the smallest candidate that still fails alike under seqs of its own, and whether it is not the best."""
    exempt, trial = session.trial.exempt, session.trial
    for place, candidate in enumerate(reversed(session.history)):
        found = renumber(trial.manifest, candidate)
        trial.exempt = frozenset(found.seq_of[seq] for seq in exempt if seq in found.seq_of)
        outcome = trial.run(found.inputs)
        trial.exempt = exempt
        is_alike = outcome.signature == session.signature and outcome.failed_at == len(found.inputs) - 1
        if is_alike and not outcome.dropped and not outcome.mended and outcome.stand_in is None:
            return found, place > 0
    raise AssertionError("the journal itself does not fail under seqs of its own")


def size_words(steps: tuple[Step, ...], last: int) -> str:
    """Return how the number of events fell."""
    counts = [step.events for step in steps] + [last]
    kept = [count for place, count in enumerate(counts) if not place or count != counts[place - 1]]
    return " -> ".join(f"{count:,}" for count in kept)


def default_workers() -> int:
    """Return how many runs at once pay: compiled kernels let go of the interpreter, interpreted ones do not."""
    from mmfold.engine.jit import JIT_ENABLED

    return min(2, os.cpu_count() or 1) if JIT_ENABLED else 1
