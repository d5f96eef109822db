"""`effect_differs`: whether a journal's record is what this build decides, and what the other one does; must never
compare a candidate with the record.
"""

from collections.abc import Iterator
from itertools import zip_longest

import numpy as np

from mmfold.engine.codes import EventKind
from mmfold.engine.views import is_effect
from mmfold.journal.formats import Events
from mmfold.replay.minimize.candidate import joined_rows
from mmfold.replay.minimize.failure import NO_ROWS, DoesNotFail, MinimizeError
from mmfold.replay.minimize.folding import Fed, Folder
from mmfold.replay.minimize.recording import Recording
from mmfold.replay.minimize.rival import RivalPredicate, Second


def check_record(recording: Recording, predicate: RivalPredicate) -> None:
    """Find the first decision of the record that this build decides otherwise; the other build has to decide it.

    Raises: DoesNotFail, MinimizeError.
    """
    if recording.is_overlaid:
        raise MinimizeError(f"{predicate.name!r} is of the journal as it was recorded", "leave out --set and --config")
    if not recording.parent.witnessed:
        raise DoesNotFail(f"{recording.path} records no decisions that could differ")
    here, there = Folder(recording.manifest), predicate.begin()
    for inputs, recorded in parts_of(recording):
        decided = told(here.feed(inputs))
        if decided.tobytes() == recorded.tobytes():
            there.feed(inputs)
            continue
        pairs = enumerate(zip_longest(recorded, decided))
        place, (wanted, found) = next(
            (place, (a, b)) for place, (a, b) in pairs if a is None or b is None or a.tobytes() != b.tobytes()
        )
        check_other(there, inputs, recorded[: place + 1], predicate, wanted if wanted is not None else found)
        return
    raise DoesNotFail(f"{recording.path}: every recorded decision is what this build decides")


def check_other(
    there: Second, inputs: np.ndarray, recorded: np.ndarray, predicate: RivalPredicate, row: np.void
) -> None:
    """Check that the other build decides what is recorded up to the first difference.

    Raises: MinimizeError.
    """
    if told(there.feed(inputs))[: len(recorded)].tobytes() != recorded.tobytes():
        raise MinimizeError(
            f"{predicate.name!r}: that build does not decide what is recorded up to seq {int(row['seq']):,} either",
            "give the build that made the journal; mm replay names the difference",
        )


def told(fed: Fed) -> np.ndarray:
    """Return all that was decided."""
    return joined_rows([effects for _, effects in fed.decided]) if fed.decided else NO_ROWS


def parts_of(recording: Recording) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield inputs and what is recorded of them; an input comes with all that follows it."""
    left = NO_ROWS
    for chunk in Events(recording.path).chunks():
        rows = joined_rows([left, chunk])
        inputs = np.flatnonzero(~is_effect(rows["kind"]))
        begin = int(np.searchsorted(rows["seq"], rows["seq"][inputs[-1]])) if len(inputs) else 0
        yield split(rows[:begin])
        left = rows[begin:]
    yield split(left)


def split(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs and decisions; digests are neither."""
    is_decided = is_effect(rows["kind"])
    return rows[~is_decided], rows[is_decided & (rows["kind"] != EventKind.DIGEST)]
