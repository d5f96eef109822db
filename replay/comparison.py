"""What differs between a journal's witnessed effects and those of a build with other rules; must never judge it."""

from dataclasses import dataclass, field

import numpy as np

from mmfold.engine.codes import EventKind

LISTED_COUNT_MAX = 1_000  # differences that are kept row by row; all are counted


@dataclass(frozen=True, slots=True)
class Difference:
    """One effect that is not the witnessed one; `cause_seq` is the input's, None where one side has no effect."""

    cause_seq: int
    witnessed: np.void | None
    computed: np.void | None


@dataclass(slots=True)
class RulesComparison:
    """What was compared so far.

    `kind_counts` counts differences by the kind of the effect, the witnessed one's where there is one.
    """

    effect_count: int = 0  # witnessed
    identical_count: int = 0  # of them
    difference_count: int = 0
    kind_counts: dict[str, int] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)

    def compare(self, cause_seq: int, witnessed: np.ndarray, computed: np.ndarray) -> None:
        """Compare the effects of one input, place by place."""
        self.effect_count += len(witnessed)
        if witnessed.tobytes() == computed.tobytes():
            self.identical_count += len(witnessed)
            return
        for place in range(max(len(witnessed), len(computed))):
            theirs = witnessed[place] if place < len(witnessed) else None
            ours = computed[place] if place < len(computed) else None
            if theirs is None or ours is None or theirs.tobytes() != ours.tobytes():
                self.note(Difference(cause_seq, theirs, ours))
            else:
                self.identical_count += 1

    def note(self, difference: Difference) -> None:
        """Count a difference and keep the first ones."""
        row = difference.computed if difference.witnessed is None else difference.witnessed
        assert row is not None
        kind = EventKind(int(row["kind"])).name.lower()
        self.difference_count += 1
        self.kind_counts[kind] = self.kind_counts.get(kind, 0) + 1
        if len(self.differences) < LISTED_COUNT_MAX:
            self.differences.append(difference)
