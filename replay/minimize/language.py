"""`--fails-if EXPRESSION`: text to a tree to one function; must never run text as code.

    position_lots[BTCUSDT] > 5 and (book_status == "stale" or count(cancel) > 3)

or, and, not; < <= > >= == !=; + - * /; abs, min, max; count(KIND) and count(KIND, REASON). A name without a symbol is
read for each instrument in turn. What is not there yet (a mid without a book) makes a comparison false.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, NamedTuple

from mmfold.engine.codes import AlertCode, AuditKind, EventKind, Reason
from mmfold.engine.views import is_effect
from mmfold.replay.minimize.failure import PredicateError
from mmfold.replay.minimize.fields import FIELDS, FieldWord, Look, Value

TOKEN = re.compile(
    r"""\s*(?:(?P<number>\d+(?:_\d+)*(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_]\w*)|(?P<quoted>"[^"]*"|'[^']*')"""
    r"""|(?P<mark><=|>=|==|!=|[-+*/<>()\[\],]))"""
)
SYMBOL = re.compile(r"""\s*(?:"([^"]+)"|'([^']+)'|([^\]\s"']+))\s*\]""")
TEXT_CHARS_MAX, DEPTH_MAX = 4_096, 64
COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}
ARITHMETIC: dict[str, Callable[[float, float], Value]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b if b else None,
}
FUNCTIONS: dict[str, tuple[int, Callable[..., float]]] = {"abs": (1, abs), "min": (2, min), "max": (2, max)}
EFFECTS: dict[str, EventKind] = {k.name.lower(): k for k in EventKind if is_effect(k) and k != EventKind.DIGEST}
CODES_OF = {EventKind.AUDIT: AuditKind, EventKind.ALERT: AlertCode}
ANY_CODE = -1

Run = Callable[[Any], Value]  # gets what the fields of the language are read of


class Words(NamedTuple):
    """The names that a text may use, and where they are listed."""

    fields: dict[str, FieldWord]
    has_counts: bool
    listed: str


OF_STATE = Words(FIELDS, True, "mm docs minimize lists them")


class Token(NamedTuple):
    """One word of the text; `column` counts from 1."""

    kind: str
    text: str
    column: int


@dataclass(frozen=True, slots=True)
class Node:
    """A part of the tree: what it is (number, word, condition), how it is worked out."""

    kind: str
    run: Run
    column: int
    words: tuple[str, ...] = ()  # that it may be


@dataclass(frozen=True, slots=True)
class Expression:
    """A condition, and what it reads."""

    text: str
    run: Run
    is_per_symbol: bool  # some name stands without a symbol
    symbols: tuple[str, ...]  # named in brackets
    kinds: frozenset[int] | None
    sees_effects: bool


def parse_expression(text: str, symbols: list[str], words: Words = OF_STATE) -> Expression:
    """Parse a condition over a journal's instruments.

    Raises: PredicateError with the column.
    """
    if len(text) > TEXT_CHARS_MAX:
        raise PredicateError(f"an expression of {len(text):,} characters, at most {TEXT_CHARS_MAX:,}")
    parser = Parser(text, symbols, words)
    node = parser.condition(0)
    parser.expect_end()
    parser.check(node, "condition")
    return Expression(
        text, node.run, parser.is_per_symbol, tuple(parser.named), parser.kinds, sees_effects=parser.sees_effects
    )


class Parser:
    """Precedence climbing over the text, one token ahead."""

    def __init__(self, text: str, symbols: list[str], words: Words = OF_STATE) -> None:
        self.text, self.symbols, self.words = text, symbols, words
        self.at = 0
        self.is_per_symbol = self.sees_effects = False
        self.named: list[str] = []
        self.kinds: frozenset[int] | None = frozenset()
        self.depth = 0
        self.token = self.scan()

    def scan(self) -> Token:
        """Return the token that is next.

        Raises: PredicateError.
        """
        found = TOKEN.match(self.text, self.at)
        if found is None:
            rest = self.text[self.at :].strip()
            column = len(self.text) - len(self.text[self.at :].lstrip()) + 1
            if rest:
                raise self.fault(f"{rest[0]!r} means nothing here", column)
            return Token("end", "", column)
        self.at = found.end()
        kind = str(found.lastgroup)
        return Token(kind, found.group(kind), found.start(kind) + 1)

    def fault(self, what: str, column: int, hint: str = "") -> PredicateError:
        """Return an error that points at a column."""
        return PredicateError(f"--fails-if column {column}: {what}, in {self.text!r}", *([hint] if hint else []))

    def take(self) -> Token:
        """Return the token and go on to the next."""
        token = self.token
        self.token = self.scan()
        return token

    def is_next(self, *texts: str) -> bool:
        """Tell whether the next token is one of some marks or words."""
        return self.token.kind in ("mark", "name") and self.token.text in texts

    def expect(self, text: str) -> None:
        """Take a mark that has to come.

        Raises: PredicateError.
        """
        if not self.is_next(text):
            raise self.fault(f"expected {text!r}, found {self.token.text or 'the end'!r}", self.token.column)
        self.take()

    def expect_end(self) -> None:
        """Check that nothing is left.

        Raises: PredicateError.
        """
        if self.token.kind != "end":
            raise self.fault(f"expected the end, found {self.token.text!r}", self.token.column)

    def check(self, node: Node, kind: str) -> None:
        """Check what a part is.

        Raises: PredicateError.
        """
        if node.kind != kind:
            hint = "as in position_lots > 5" if kind == "condition" else ""
            raise self.fault(f"expected a {kind}, found a {node.kind}", node.column, hint)

    def condition(self, level: int) -> Node:
        """Parse `or` (level 0) and `and` (level 1)."""
        if level == 2:
            return self.negation()
        node, word = self.condition(level + 1), ("or", "and")[level]
        while self.is_next(word):
            self.take()
            other = self.condition(level + 1)
            self.check(node, "condition")
            self.check(other, "condition")
            node = Node("condition", joined(node.run, other.run, is_or=level == 0), node.column)
        return node

    def negation(self) -> Node:
        """Parse `not`."""
        if not self.is_next("not"):
            return self.comparison()
        column = self.take().column
        node = self.deeper(self.negation)
        self.check(node, "condition")
        return Node("condition", lambda look: not node.run(look), column)

    def deeper(self, parse: Callable[[], Node]) -> Node:
        """Parse a part inside of another one.

        Raises: PredicateError when there are too many inside of each other.
        """
        self.depth += 1
        if self.depth > DEPTH_MAX:
            raise self.fault(f"more than {DEPTH_MAX} parts inside of each other", self.token.column)
        node = parse()
        self.depth -= 1
        return node

    def comparison(self) -> Node:
        """Parse one comparison, or what stands alone."""
        node = self.arithmetic(0)
        if not self.is_next(*COMPARE):
            return node
        mark = self.take()
        other = self.arithmetic(0)
        if self.is_next(*COMPARE):
            raise self.fault("comparisons do not chain", self.token.column, "a < b and b < c")
        self.check_sides(node, mark, other)
        return Node("condition", compared(node.run, COMPARE[mark.text], other.run), node.column)

    def check_sides(self, node: Node, mark: Token, other: Node) -> None:
        """Check that two sides can be compared.

        Raises: PredicateError.
        """
        if "condition" in (node.kind, other.kind) or node.kind != other.kind:
            raise self.fault(f"a {node.kind} {mark.text} a {other.kind}", mark.column)
        if node.kind == "word":
            if mark.text not in ("==", "!="):
                raise self.fault(f"words have no order: {mark.text}", mark.column, "== or !=")
            for known, given in ((node, other), (other, node)):
                unknown = [word for word in given.words if known.words and word not in known.words]
                if unknown and len(given.words) == 1:
                    raise self.fault(f"{unknown[0]!r} is none of {', '.join(known.words)}", given.column)

    def arithmetic(self, level: int) -> Node:
        """Parse + and - (level 0), * and / (level 1)."""
        if level == 2:
            return self.signed()
        node = self.arithmetic(level + 1)
        while self.is_next(*(("+", "-"), ("*", "/"))[level]):
            mark = self.take()
            other = self.arithmetic(level + 1)
            self.check(node, "number")
            self.check(other, "number")
            node = Node("number", worked(node.run, ARITHMETIC[mark.text], other.run), node.column)
        return node

    def signed(self) -> Node:
        """Parse a minus sign."""
        if not self.is_next("-"):
            return self.atom()
        column = self.take().column
        node = self.deeper(self.signed)
        self.check(node, "number")
        return Node("number", worked(lambda look: 0, ARITHMETIC["-"], node.run), column)

    def atom(self) -> Node:
        """Parse what has no parts: a number, a word, a name; or what stands in brackets.

        Raises: PredicateError.
        """
        token = self.take()
        if token.kind == "number":
            number = float(token.text) if re.search("[.eE]", token.text) else int(token.text)
            return Node("number", lambda look: number, token.column)
        if token.kind == "quoted":
            word = token.text[1:-1]
            return Node("word", lambda look: word, token.column, (word,))
        if token.text == "(":
            node = self.deeper(lambda: self.condition(0))
            self.expect(")")
            return node
        if token.kind == "name" and token.text == "count" and self.words.has_counts:
            return self.count(token)
        if token.kind == "name" and token.text in FUNCTIONS:
            return self.function(token)
        if token.kind == "name":
            return self.field(token)
        raise self.fault(f"expected a value, found {token.text or 'the end'!r}", token.column)

    def function(self, token: Token) -> Node:
        """Parse abs, min or max."""
        count, work = FUNCTIONS[token.text]
        self.expect("(")
        parts = [self.deeper(lambda: self.arithmetic(0))]
        while len(parts) < count:
            self.expect(",")
            parts.append(self.deeper(lambda: self.arithmetic(0)))
        self.expect(")")
        for part in parts:
            self.check(part, "number")
        runs = [part.run for part in parts]

        def run(look: Look) -> Value:
            values = [each(look) for each in runs]
            return None if None in values else work(*values)

        return Node("number", run, token.column)

    def count(self, token: Token) -> Node:
        """Parse `count`: how many effects of a kind, or of a kind and reason, the core has decided.

        Raises: PredicateError.
        """
        self.expect("(")
        kind = EFFECTS[self.word(EFFECTS)]
        code = 0 if kind == EventKind.NOTE else ANY_CODE  # a note counts by its first part; it is of no instrument
        if kind != EventKind.NOTE and self.is_next(","):
            self.take()
            codes = {each.name.lower(): int(each) for each in CODES_OF.get(kind, Reason)}
            code = codes[self.word(codes)]
        self.expect(")")
        index_of = self.instrument() if kind != EventKind.NOTE else lambda look: 0
        self.sees_effects = True
        return Node("number", lambda look: look.counts.get((index_of(look), int(kind), code), 0), token.column)

    def word(self, known: dict[str, EventKind] | dict[str, int]) -> str:
        """Take one of some words, quoted or not.

        Raises: PredicateError.
        """
        token = self.take()
        text = token.text.strip("\"'")
        if token.kind not in ("name", "quoted") or text not in known:
            raise self.fault(f"{text or 'the end'!r} is none of {', '.join(known)}", token.column)
        return text

    def instrument(self) -> Callable[[Look], int]:
        """Return how the instrument of a name is found: the one in brackets, or the one looked at.

        Raises: PredicateError.
        """
        if not self.is_next("["):
            self.is_per_symbol = True
            return lambda look: look.index
        found = SYMBOL.match(self.text, self.at)
        column = self.token.column + 1
        if found is None:
            raise self.fault("expected a symbol and ']'", column)
        symbol = next(group for group in found.groups() if group)
        if symbol not in self.symbols:
            raise self.fault(f"no instrument {symbol!r}", column, f"the journal has {', '.join(self.symbols[:8])}")
        self.at = found.end()
        self.token = self.scan()
        index = self.symbols.index(symbol)
        self.named.append(symbol)
        return lambda look: index

    def field(self, token: Token) -> Node:
        """Parse a name of the state.

        Raises: PredicateError.
        """
        fields = self.words.fields
        if token.text not in fields:
            near = get_close_matches(token.text, fields, 1)
            hint = f"{near[0]}? " if near else ""
            raise self.fault(f"{token.text!r} is no name", token.column, f"{hint}{self.words.listed}")
        field = fields[token.text]
        self.kinds = None if field.kinds is None or self.kinds is None else self.kinds | field.kinds
        self.sees_effects |= field.sees_effects
        kind = "word" if field.words else "number"
        if field.of_account:
            return Node(kind, field.read, token.column, field.words)
        index_of, read = self.instrument(), field.read

        def run(look: Look) -> Value:
            before, look.index = look.index, index_of(look)
            value = read(look)
            look.index = before
            return value

        return Node(kind, run, token.column, field.words)


def joined(first: Run, second: Run, *, is_or: bool) -> Run:
    """Return the function of `or` and of `and`."""
    if is_or:
        return lambda look: first(look) or second(look)
    return lambda look: first(look) and second(look)


def compared(first: Run, compare: Callable[..., bool], second: Run) -> Run:
    """Return the function of a comparison: false where a side is not there."""

    def run(look: Look) -> Value:
        a, b = first(look), second(look)
        return a is not None and b is not None and compare(a, b)

    return run


def worked(first: Run, work: Callable[..., Value], second: Run) -> Run:
    """Return the function of an operation: nothing where a side is not there."""

    def run(look: Look) -> Value:
        a, b = first(look), second(look)
        return None if a is None or b is None else work(a, b)

    return run
