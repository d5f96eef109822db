"""What a report is, as data; must stay cheap to import: commands make their options of it, for the sake of `--help`."""

import enum
import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    import numpy as np


class Feed(enum.Enum):
    """What a report is made of, and how its `make` is called.

    EFFECTS  `mm replay`, each decision as it is made: `make(path, manifest)` is an EffectsReport
    RESULT   `mm replay`, what it left: `make(result, place)` writes it and returns the file to look at
    SHEETS   `mm backtest`, the folds of its cases: `make(directory, sheets, notes)` writes it and returns that file
    """

    EFFECTS = "effects"
    RESULT = "result"
    SHEETS = "sheets"


class EffectsReport(Protocol):
    """A report under way; its file is there when the replay ended well, and only then."""

    def write(self, effect_rows: "np.ndarray") -> None:
        """Take the effects of a piece of the journal."""
        ...

    def __enter__(self) -> Self:
        """Begin."""
        ...

    def __exit__(self, *error: Any) -> None:
        """Put the file in its place, or nothing."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One projection of a journal; of a journal it is the same bytes whenever and wherever it is made.

    `name` is the option of `mm replay` that asks for it; `mm backtest` writes all of its own beside the new journal.
    """

    name: str
    help: str
    feed: Feed
    make: str  # `module:name`, loaded when it is asked for
    files: tuple[str, ...] = ()  # their names in the directory that is asked for; none: one file of any name
    sampled: bool = False  # it draws the replay's history, which is kept for it

    def __post_init__(self) -> None:
        assert self.name.isidentifier(), "it becomes an option and a parameter"
        assert self.files or self.feed is not Feed.SHEETS, "beside a journal its files have names of their own"
        assert self.feed is Feed.RESULT or not self.sampled, "a history is part of a result"

    @property
    def of_state(self) -> bool:
        """Tell whether the final state is all that it needs, however many workers found it."""
        return self.feed is Feed.RESULT and not self.sampled

    def load(self) -> Any:
        """Return `make`, loading its module only now."""
        module_name, _, name = self.make.partition(":")
        return getattr(importlib.import_module(module_name), name)
