"""The keys that make a bad configuration of a good one, on one journal; must never compare anything itself."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmfold.adapters.bisect.errors import AnswersAlike
from mmfold.config.load import load_config
from mmfold.config.models import Config
from mmfold.replay.debug.difference import Difference
from mmfold.replay.debug.figures import parse_question
from mmfold.replay.debug.keys import KeySearch, Setting, differing_settings
from mmfold.replay.debug.library import open_journal
from mmfold.replay.debug.told import Told
from mmfold.replay.result import ReplayResult
from mmfold.replay.run import ReplayOptions

Figures = dict[str, Any]


@dataclass(frozen=True)
class FoundKeys:
    """The smallest set of keys, of those that differ; `difference` is of the good one and the good one with the set."""

    settings: tuple[Setting, ...]
    differing: tuple[Setting, ...]
    difference: Difference
    runs: int
    invalid: int


def bisect_configs(
    events: Path, paths: tuple[Path, Path], asked: str | None, figures_of: Callable[[ReplayResult], Figures],
    on_step: Callable[[str], None],
) -> FoundKeys:  # fmt: skip
    """Find the keys; `figures_of` makes of a replay's result the figures that a question reads.

    Raises: AnswersAlike, ConfigError, PredicateError, JournalError, NoFigure.
    """
    good, bad = (load_config(path) for path in paths)
    differing = differing_settings(good, bad)
    if not differing:
        raise AnswersAlike(f"{paths[0]} and {paths[1]} set the same")
    answers_bad = differs_from(events, good) if asked is None else meets(events, asked, figures_of)
    if asked is not None and answers_bad(good):
        raise AnswersAlike(f"the good configuration, {paths[0]}, meets {asked!r} already")
    search = KeySearch(paths[0], answers_bad, differing, on_step=on_step)
    if not search.is_bad(differing):
        what = "decides the same" if asked is None else f"does not meet {asked!r}"
        raise AnswersAlike(f"the bad configuration, {paths[1]}, {what} on {events}")
    search.reduce()
    return FoundKeys(
        search.best, differing, difference(events, good, search.config(search.best)), search.runs, search.invalid
    )


def differs_from(events: Path, good: Config) -> Callable[[Config], bool]:
    """Return what tells whether a configuration decides otherwise than the good one; what is set is no difference."""
    return lambda config: difference(events, good, config).differs


def meets(events: Path, asked: str, figures_of: Callable[[ReplayResult], Figures]) -> Callable[[Config], bool]:
    """Return what tells whether a replay under a configuration meets a question.

    Raises: PredicateError, JournalError.
    """
    question = parse_question(asked, list(open_journal(events).manifest.symbol_index()))
    return lambda config: question.fails(figures_of(run(events, config)))


def difference(events: Path, good: Config, bad: Config) -> Difference:
    """Compare a journal under two configurations."""
    sides = [open_journal(events, ReplayOptions(config=config, checkpoints=False)) for config in (good, bad)]
    return sides[0].diff(sides[1])


def run(events: Path, config: Config) -> ReplayResult:
    """Decide a journal's inputs anew under a configuration, whatever the journal holds of decisions."""
    told = Told(events, ReplayOptions(config=config))
    deque(told.told(), maxlen=0)
    return told.result(told.source.head, 0.0)
