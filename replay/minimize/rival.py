"""Two cores on the same events and the first decision that they differ in; must never compare what was recorded with
what a candidate decides.

A record is of all inputs: where some are gone, what is left may rightly be decided otherwise. What stays meaningful is
that two cores differ on the same inputs, whichever they are: two configurations of this build, or two builds.

digest_differs: KEY=VALUE ...    this build under the journal's configuration, and with these keys laid over it
digest_differs: build PYTHON     this build and another one
effect_differs: build PYTHON     the same, of a journal whose record this build contradicts and the other one does not
"""

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

from mmfold.config.load import load_config
from mmfold.engine.codes import EventKind, Flag
from mmfold.engine.manifest import Manifest
from mmfold.engine.params import ConfigPayloadError
from mmfold.journal.jsonl.fields import KINDS
from mmfold.replay.debug.aligned import is_setting
from mmfold.replay.minimize.candidate import joined_rows
from mmfold.replay.minimize.failure import ACCOUNT, NO_ROWS, Moment, PredicateError, Signature
from mmfold.replay.minimize.folding import Fed, Folder
from mmfold.replay.minimize.other_build import FarFolder, OtherBuild
from mmfold.replay.patch import patch_of
from mmfold.replay.strategy.file import loaded

DIGEST, EFFECT, BUILD = "digest_differs", "effect_differs", "build "
RIVALS = (DIGEST, EFFECT)
HELD_ROW_COUNT_MAX = 1 << 14  # rows, or looks, that the other core is behind
HELD_LOOK_COUNT_MAX = 1 << 8


class Second(Protocol):
    """The other core."""

    def feed(self, rows: np.ndarray) -> Fed:
        """Fold whole events."""

    def dump(self) -> bytes:
        """Return where it stands."""

    def load(self, data: bytes) -> None:
        """Go on from there."""


@dataclass(frozen=True)
class RivalPredicate:
    """The first decision that two cores differ in, behind every event."""

    name: str
    begin: Callable[[], Second]
    manifest: Manifest
    build: OtherBuild | None  # none: two configurations
    is_of_record: bool = False
    when: Literal["any", "end"] = "any"
    kinds: frozenset[int] | None = frozenset()
    sees_effects: bool = True
    is_outside: bool = False
    follows: bool = True

    def watch(self) -> "RivalWatch":
        """Return a new look."""
        return RivalWatch(self)

    def raised(self, error: BaseException, role: str) -> Signature | None:
        """Return nothing: the look is asked, for the other core may raise there as well."""
        return None


class Held(NamedTuple):
    """What the first core folded between two looks: from a row of the candidate on, and what it decided."""

    start: int
    rows: np.ndarray
    effects: np.ndarray


class RivalWatch:
    """One run's look: what the first core decided, and the second core, some events behind."""

    def __init__(self, predicate: RivalPredicate) -> None:
        self.predicate = predicate
        self.second = predicate.begin()
        self.held: list[Held] = []
        self.row_count = 0
        self.found: Signature | None = None
        self.failed_row = 0
        self.is_over = False  # the other configuration cannot be laid over what is left of the journal's

    def __deepcopy__(self, memo: dict[int, Any]) -> "RivalWatch":
        """Return a look that goes on from here."""
        self.catch_up("")
        copy = RivalWatch(self.predicate)
        copy.second.load(self.second.dump())
        copy.found, copy.failed_row, copy.is_over = self.found, self.failed_row, self.is_over
        return copy

    def see(self, moment: Moment) -> Signature | None:
        """Return the first difference once the second core has come to it."""
        if len(moment.fed):
            self.held.append(Held(moment.start, moment.fed, moment.effects))
            self.row_count += len(moment.fed)
        is_full = self.row_count >= HELD_ROW_COUNT_MAX or len(self.held) >= HELD_LOOK_COUNT_MAX
        if is_full or moment.is_end:
            self.catch_up(moment.raised)
        return self.found

    def catch_up(self, raised: str) -> None:
        """Let the second core fold what the first one has, and compare; `raised`: what the first one ended with."""
        held, self.held, self.row_count = self.held, [], 0
        if not held or self.found is not None or self.is_over:
            return
        ends = np.cumsum([len(one.rows) for one in held])
        here = {int(end): one.effects for end, one in zip(ends, held, strict=True) if len(one.effects)}
        fed = self.second.feed(joined_rows([one.rows for one in held]))
        there = dict(fed.decided)
        for end in sorted(here.keys() | there.keys()):
            if fed.raised and end > fed.raised_at:
                break
            if (pair := self.first_pair(here.get(end, NO_ROWS), there.get(end, NO_ROWS))) is not None:
                self.take(*pair, row_of(held, ends, end))
                return
        self.is_over = self.predicate.build is None and fed.raised.startswith(ConfigPayloadError.__name__)
        if (raised or fed.raised) and not self.is_over and not self.raise_alike(raised, fed, held):
            self.take_raised(raised, fed, held, ends)

    @staticmethod
    def raise_alike(raised: str, fed: Fed, held: list[Held]) -> bool:
        """Tell whether both cores raised at the same event, in the same function."""
        last = held[-1].rows
        start = int(np.flatnonzero(np.concatenate(([True], (last["flags"][:-1] & Flag.LAST) != 0)))[-1]) - len(last)
        both = [each.rpartition(":")[0] for each in (raised, fed.raised)]
        return both[0] == both[1] and fed.raised_at == sum(len(one.rows) for one in held) + start

    def first_pair(self, here: np.ndarray, there: np.ndarray) -> tuple[np.void | None, np.void | None] | None:
        """Return the first decisions of one event that differ, None where they are the same."""
        rows = [self.compared(effects) for effects in (here, there)]
        if rows[0].tobytes() == rows[1].tobytes():
            return None
        return next((a, b) for a, b in zip_longest(*rows) if a is None or b is None or a.tobytes() != b.tobytes())

    def compared(self, effects: np.ndarray) -> np.ndarray:
        """Return what of decisions is compared: not their seqs, nor that a configuration was set otherwise."""
        found = effects.copy() if self.predicate.build is not None else effects[~is_setting(effects)]
        found["seq"] = 0
        return found

    def take(self, here: np.void | None, there: np.void | None, failed_row: int) -> None:
        """Take a difference as the failure."""
        words = [None if row is None else EventKind(int(row["kind"])).name.lower() for row in (here, there)]
        row = here if here is not None else there
        assert row is not None
        self.found = Signature(
            self.predicate.name, place_word(*words), self.predicate.manifest.instruments[row["instrument_index"]].symbol
        )
        self.failed_row = failed_row

    def take_raised(self, raised: str, fed: Fed, held: list[Held], ends: np.ndarray) -> None:
        """Take it as the failure that one core raises where the other one does not, or elsewhere."""
        rows = joined_rows([one.rows for one in held])
        start = fed.raised_at if fed.raised else len(rows) - 1
        end = start + int(np.argmax((rows["flags"][start:] & Flag.LAST) != 0)) + 1
        row, entry = rows[end - 1], KINDS[int(rows["kind"][end - 1])]
        symbol = (
            self.predicate.manifest.instruments[int(row["instrument_index"])].symbol if entry.has_symbol else ACCOUNT
        )
        self.found = Signature(self.predicate.name, place_word(raised or None, fed.raised or None), symbol)
        self.failed_row = row_of(held, ends, end)


def row_of(held: list[Held], ends: np.ndarray, end: int) -> int:
    """Return the row of the candidate that a row of what was held is."""
    part = int(np.searchsorted(ends, end))
    return held[part].start + len(held[part].rows) - (int(ends[part]) - end)


def place_word(here: str | None, there: str | None) -> str:
    """Return how two decisions differ: the kind of both, or which of them is only on one side."""
    if here == there:
        assert here is not None
        return here
    words = [f"{word} {side}" for word, side in ((here, "here"), (there, "there")) if word is not None]
    return ", ".join(words) if len(words) == 2 else f"{words[0].rpartition(' ')[0]} only {words[0].rpartition(' ')[2]}"


def release(predicate: object) -> None:
    """End the processes that a predicate keeps."""
    if isinstance(predicate, RivalPredicate) and predicate.build is not None:
        predicate.build.close()


def make_rival(text: str, word: str, rest: str, manifest: Manifest) -> RivalPredicate:
    """Return two cores to compare, as the text behind the colon says.

    Raises: PredicateError, ConfigError.
    """
    try:
        words = tuple(shlex.split(rest))
    except ValueError as error:
        raise PredicateError(f"--fails-if {text!r}: {error}", "close the quotes") from None
    if words and words[0] == BUILD.strip():
        if len(words) == 1:
            raise PredicateError(f"--fails-if {text!r}: which build?", f"as in {word}: build old/.venv/bin/python")
        if loaded() is not None:
            raise PredicateError(f"--fails-if {text!r}: a strategy file is not taken to another build", "leave it out")
        build = OtherBuild(words[1:])
        return RivalPredicate(text, lambda: FarFolder(build, manifest), manifest, build, is_of_record=word == EFFECT)
    if word == EFFECT:
        raise PredicateError(
            f"--fails-if {text!r}: a record says nothing of fewer inputs, another build does",
            f"as in {EFFECT}: build old/.venv/bin/python, the build that made the journal",
        )
    if not words or not all("=" in each for each in words):
        raise PredicateError(
            f"--fails-if {text!r}: compared with what?",
            f"as in {DIGEST}: strategy.skew_coeff=0.5, or {DIGEST}: build old/.venv/bin/python",
        )
    override = patch_of(load_config(None, None, words), manifest, ())
    if not any(override.values()):
        raise PredicateError(
            f"--fails-if {text!r}: these keys lay nothing over the journal's",
            "a strategy's own keys go with its name: strategy.name=grid grid.half_spread=2",
        )
    return RivalPredicate(text, lambda: Folder(manifest, override), manifest, None)
