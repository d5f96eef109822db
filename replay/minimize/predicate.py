"""`--fails-if`: from text to a predicate, the kinds of them in one place; must never guess what was meant.

EXPRESSION             position_lots > 5                       language.py, behind every event that may change it
end: EXPRESSION        end: pnl_usd < 0                        once, behind the last event
NAME, NAME: ARGUMENT   crossed_book, pnl_below: -3             checkers.py
NAME: RIVAL            digest_differs: strategy.skew_coeff=0   rival.py
FILE:FUNCTION          checks.py:is_broken                     a function of the user's
command: WORDS         command: ./check.sh                     an exit code
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from mmfold.engine.codes import EventKind
from mmfold.replay.minimize.checkers import CHECKERS, make_checker
from mmfold.replay.minimize.failure import ACCOUNT, Moment, Predicate, PredicateError, Signature
from mmfold.replay.minimize.fields import Look
from mmfold.replay.minimize.language import ANY_CODE, Expression, parse_expression
from mmfold.replay.minimize.outside import CommandPredicate, FunctionPredicate
from mmfold.replay.minimize.rival import RIVALS, make_rival

if TYPE_CHECKING:
    from mmfold.engine.manifest import Manifest

NAMED = re.compile(r"([a-z_]+)\s*(?::\s*(.*))?", re.DOTALL)
FILE_FUNCTION = re.compile(r"(.+\.py):([A-Za-z_]\w*)", re.DOTALL)
AT_END, COMMAND = "end", "command"


def parse_predicate(text: str, manifest: "Manifest") -> Predicate:
    """Return what a text says, for a journal's instruments.

    Raises: PredicateError.
    """
    text = text.strip()
    if not text:
        raise PredicateError("--fails-if is empty", "as in --fails-if 'position_lots > 5'")
    symbols = [each.symbol for each in manifest.instruments]
    if found := FILE_FUNCTION.fullmatch(text):
        return FunctionPredicate(text, found[1], found[2])
    named = NAMED.fullmatch(text)
    word, rest = (named[1], named[2]) if named else ("", None)
    if word == COMMAND and rest:
        return CommandPredicate(text, rest)
    if word in CHECKERS:
        return make_checker(text, word, rest, symbols)
    if word in RIVALS:
        return make_rival(text, word, rest or "", manifest)
    if word == AT_END and rest:
        return ExpressionPredicate(text, parse_expression(rest, symbols), symbols, "end")
    if rest is not None:
        raise PredicateError(
            f"--fails-if {text!r}: {word!r} is no checker", f"one of {', '.join([*CHECKERS, *RIVALS])}"
        )
    return ExpressionPredicate(text, parse_expression(text, symbols), symbols, "any")


@dataclass(frozen=True)
class ExpressionPredicate:
    """A condition in the language."""

    name: str
    expression: Expression
    symbols: list[str]
    when: Literal["any", "end"]
    is_outside: bool = False
    follows: bool = False

    @property
    def kinds(self) -> frozenset[int] | None:
        """The kinds of events behind which the condition may have changed."""
        return self.expression.kinds

    @property
    def sees_effects(self) -> bool:
        """Whether it reads what is decided."""
        return self.expression.sees_effects

    def watch(self) -> "ExpressionWatch":
        """Return a new look."""
        return ExpressionWatch(self)

    def raised(self, error: BaseException, role: str) -> Signature | None:
        """Return nothing: a core that raises has no state to ask."""
        return None


class ExpressionWatch:
    """One run's look: counts what was decided, and asks."""

    def __init__(self, predicate: ExpressionPredicate) -> None:
        self.predicate = predicate
        self.counts: dict[tuple[int, int, int], int] = {}
        expression = predicate.expression
        self.indexes = range(len(predicate.symbols)) if expression.is_per_symbol else range(1)
        self.role = ACCOUNT
        if len(set(expression.symbols)) == 1:
            self.role = expression.symbols[0]

    def see(self, moment: Moment) -> Signature | None:
        """Return the failure of the first instrument that the condition is true of."""
        if self.predicate.sees_effects and len(moment.effects):
            self.count(moment.effects)
        look = Look(moment.core, self.counts)
        look.kind = int(moment.rows["kind"][0])
        place = "end" if self.predicate.when == "end" else EventKind(look.kind).name.lower()
        for look.index in self.indexes:
            if self.predicate.expression.run(look):
                is_each = self.predicate.expression.is_per_symbol
                return Signature(
                    self.predicate.name, place, self.predicate.symbols[look.index] if is_each else self.role
                )
        return None

    def count(self, effects: np.ndarray) -> None:
        """Count effects by instrument, kind and code, and by instrument and kind."""
        for row in effects:
            index, kind, code = int(row["instrument_index"]), int(row["kind"]), int(row["code"])
            for key in ((index, kind, code), (index, kind, ANY_CODE)):
                self.counts[key] = self.counts.get(key, 0) + 1
