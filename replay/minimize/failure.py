"""What counts as the same failure, and what a predicate has to offer; must never hold a predicate itself."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import numpy as np

from mmfold.engine.records import EVENT

if TYPE_CHECKING:
    from mmfold.engine.core import Core

NO_ROWS = np.zeros(0, EVENT)
ACCOUNT = "account"  # role of a failure that is no single instrument's


class Signature(NamedTuple):
    """Why something fails: the same three words, the same failure."""

    predicate: str
    place: str  # the kind of event that it fails at, or where the core raised
    role: str  # the instrument that fails, or ACCOUNT

    def __str__(self) -> str:
        return f"{self.predicate} at {self.place} of {self.role}"


@dataclass(slots=True)
class Moment:
    """What a predicate is shown: the core behind an event, that event, and what was decided since the last look."""

    core: "Core"
    rows: np.ndarray  # of the last event
    effects: np.ndarray
    start: int = 0  # row of the candidate that `fed` begins at
    fed: np.ndarray = field(default_factory=lambda: NO_ROWS)  # what was folded since the last look
    raised: str = ""  # where the core raised at the last event
    is_end: bool = False  # nothing comes behind


class Watch(Protocol):
    """One run's look at a predicate; may remember, and is copied with a checkpoint of the core."""

    def see(self, moment: Moment) -> Signature | None:
        """Return the failure where there is one now."""


class Follower(Watch, Protocol):
    """A look that is shown every row, and may find the failure some events later."""

    failed_row: int  # of the candidate, the row after the event that fails


class Predicate(Protocol):
    """A condition that a journal fails."""

    @property
    def name(self) -> str:
        """The text that it was made of."""

    @property
    def when(self) -> Literal["any", "end"]:
        """Behind every event that may change it, or once behind the last."""

    @property
    def kinds(self) -> frozenset[int] | None:
        """The kinds of events behind which it may have changed, None for all."""

    @property
    def sees_effects(self) -> bool:
        """Whether what is decided changes it."""

    @property
    def is_outside(self) -> bool:
        """Whether it is code of the user's: asked twice, for it may be flaky."""

    @property
    def follows(self) -> bool:
        """Whether its looks are followers: they are asked wherever the core stops."""

    def watch(self) -> Watch:
        """Return a new look, for one run."""

    def raised(self, error: BaseException, role: str) -> Signature | None:
        """Return the failure that an exception of the core is to this predicate."""


class PredicateError(ValueError):
    """A predicate that cannot be understood; `hint` says what to do."""

    def __init__(self, message: str, hint: str = "mm docs minimize lists what can be said") -> None:
        super().__init__(message)
        self.hint = hint


class MinimizeError(Exception):
    """A journal that cannot be shrunk as asked; `hint` says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class DoesNotFail(Exception):
    """The journal passes: there is nothing to shrink. Or its failure comes and goes."""
