"""Predicates that are code of the user's: a function, a command; must never trust that they answer alike twice.

A function gets the core behind the last event and every effect, and returns None or False where it passes, True or a
text, the place of the failure, where it fails. A command gets the candidate as a journal directory behind its words,
or where they say {}: it fails with any exit code but 0; 125 means that it cannot tell.
"""

import importlib.util
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mmfold.engine.records import EVENT
from mmfold.replay.minimize.failure import ACCOUNT, Moment, PredicateError, Signature

CANNOT_TELL = 125  # as git bisect has it
COMMAND_SECONDS_MAX = 600


@dataclass(frozen=True)
class FunctionPredicate:
    """FILE:FUNCTION, called once behind the last event."""

    name: str
    path: str
    function: str
    call: Callable[..., Any] = field(init=False, compare=False)
    when: Literal["any", "end"] = "end"
    kinds: frozenset[int] | None = frozenset()
    sees_effects: bool = True
    is_outside: bool = True
    follows: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "call", load_function(Path(self.path), self.function))

    def watch(self) -> "FunctionWatch":
        """Return a new look."""
        return FunctionWatch(self)

    def raised(self, error: BaseException, role: str) -> Signature | None:
        """Return nothing: there is no core to show."""
        return None


class FunctionWatch:
    """One run's look of a function: keeps every effect for it."""

    def __init__(self, predicate: FunctionPredicate) -> None:
        self.predicate = predicate
        self.effects: list[np.ndarray] = []

    def see(self, moment: Moment) -> Signature | None:
        """Call the function.

        Raises: PredicateError when it raises.
        """
        self.effects.append(moment.effects)
        predicate = self.predicate
        effects = np.concatenate(self.effects) if self.effects else np.zeros(0, EVENT)
        try:
            found = predicate.call(moment.core, effects)
        except Exception as error:
            raise PredicateError(
                f"--fails-if {predicate.name}: {type(error).__name__}: {error}", "mend the function"
            ) from error
        if found is None or found is False:
            return None
        return Signature(Path(predicate.path).name + ":" + predicate.function, str(found), ACCOUNT)


def load_function(path: Path, function: str) -> Callable[..., Any]:
    """Run a Python file and return one of its functions.

    Raises: PredicateError.
    """
    if not path.is_file():
        raise PredicateError(f"--fails-if {path}:{function}: no such file", "check the path")
    spec = importlib.util.spec_from_file_location("mmfold_predicate", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise PredicateError(f"--fails-if {path}: {type(error).__name__}: {error}", "mend the file") from error
    found = getattr(module, function, None)
    if not callable(found):
        raise PredicateError(f"--fails-if {path}: no function {function!r} in it", "name one that takes core, effects")
    result: Callable[..., Any] = found
    return result


@dataclass(frozen=True)
class CommandPredicate:
    """A command, run once on the finished candidate."""

    name: str
    words: str
    when: Literal["any", "end"] = "end"
    kinds: frozenset[int] | None = frozenset()
    sees_effects: bool = False
    is_outside: bool = True
    follows: bool = False

    def watch(self) -> "CommandWatch":
        """Return a new look."""
        return CommandWatch()

    def raised(self, error: BaseException, role: str) -> Signature | None:
        """Return nothing: a candidate that the core cannot run is no journal."""
        return None

    def run(self, journal: Path) -> Signature | None:
        """Run the command on a journal.

        Raises: PredicateError when it cannot be run.
        """
        try:
            words = shlex.split(self.words)
        except ValueError as error:
            raise PredicateError(f"--fails-if {self.name!r}: {error}", "close the quotes") from None
        words = [word.replace("{}", str(journal)) for word in words]
        words = words if "{}" in self.words else [*words, str(journal)]
        try:
            done = subprocess.run(
                words, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_SECONDS_MAX, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PredicateError(f"--fails-if {self.name!r}: {error}", "check the command") from None
        if done.returncode in (0, CANNOT_TELL):
            return None
        return Signature(self.name, f"exit {done.returncode}", ACCOUNT)


class CommandWatch:
    """A command sees nothing of the run itself."""

    def see(self, moment: Moment) -> Signature | None:
        """Return nothing: the command is asked on what was written."""
        return None
