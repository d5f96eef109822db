"""What one function of a strategy file may say, line by line; must never import or run the file."""

import ast
from typing import NamedTuple

from mmfold.engine import codes
from mmfold.replay.strategy.own import EXAMPLES, MEMORY_FIELD, NAMED_BY, is_own_field, place_of
from mmfold.replay.strategy.words import (
    ALLOWED,
    BY_NAME,
    CALLABLE_BUILTINS,
    ERRORS,
    HELPERS,
    INT_BITS_MAX,
    KNOWN_NAMES,
    NO_LIBM,
    OWN_BY_NAME,
    PURE,
    REFUSED,
)


class Refusal(NamedTuple):
    """One thing that a strategy file may not say, and what to say instead."""

    line: int
    what: str
    instead: str


class Scope:
    """What is known of a file so far, and what was found wrong with it."""

    def __init__(self) -> None:
        self.found: list[Refusal] = []
        self.constants: set[str] = set()
        self.enums: dict[str, str] = {}  # as named here -> as named in engine.codes
        self.helpers: set[str] = set()
        self.functions: dict[str, int] = {}  # own functions so far: name -> arguments
        self.has_numpy = False
        self.own: dict[str, dict[str, int | float]] = {}  # PARAMS and MEMORY, as far as they are declared

    def refuse(self, node: ast.AST | None, what: str, instead: str) -> None:
        """Note something that may not be said."""
        self.found.append(Refusal(getattr(node, "lineno", 1), what, instead))

    def is_taken(self, name: str) -> bool:
        """Tell whether a name has a meaning in the whole file."""
        ours = (
            self.constants
            | set(self.enums)
            | self.helpers
            | set(self.functions)
            | set(self.own)
            | ({"np"} if self.has_numpy else set())
        )
        return name in ours or name in CALLABLE_BUILTINS or name in ERRORS


def is_int64(function: ast.expr) -> bool:
    """Tell whether a call is np.int64(...)."""
    return isinstance(function, ast.Attribute) and ast.unparse(function) == "np.int64"


class Body:
    """The statements of one function: what has a value on every way to where we are.

    Compiled, a name without a value is a zero; interpreted, it raises: so it is refused.
    """

    def __init__(self, scope: Scope, assigned: set[str]) -> None:
        self.scope = scope
        self.assigned = assigned
        self.seen = set(assigned)

    def run(self, statements: list[ast.stmt]) -> bool:
        """Check statements one after the other; tells whether none of the lines behind them can be reached."""
        ends = [self.step(statement) for statement in statements]
        return any(ends)

    def step(self, node: ast.stmt) -> bool:
        """Check one statement; tells whether it leaves the block."""
        match node:
            case ast.If():
                return self.step_if(node)
            case ast.For():
                self.step_for(node)
            case ast.Assign(targets=[target], value=value) if place_of(target) is not None:
                self.check(value)
                self.remember(target)
            case ast.Assign(targets=targets, value=value):
                self.check(value)
                for target in targets:
                    self.assign(target)
            case ast.AnnAssign(target=ast.Name(), value=ast.expr() as value):
                self.check(value)
                self.assign(node.target)
            case ast.AugAssign(target=ast.Name() as target):
                self.check(ast.copy_location(ast.BinOp(target, node.op, node.value), node))
                self.assign(target)
            case ast.AugAssign(target=target) if place_of(target) is not None:
                self.check(ast.copy_location(ast.BinOp(target, node.op, node.value), node))
                self.remember(target)
            case ast.AugAssign(target=target) | ast.AnnAssign(target=target):
                self.assign(target)
            case ast.Expr(value=value):
                if isinstance(value, ast.Call):
                    self.check(value)
                elif type(value) in REFUSED:
                    self.refuse(value, *REFUSED[type(value)])
                else:
                    self.refuse(node, "a line without effect", "call a function here, or take the line out")
            case ast.Raise() | ast.Assert():
                self.step_fault(node)
                return isinstance(node, ast.Raise)
            case ast.Return(value=value):
                if value is not None:
                    self.check(value)
                return True
            case ast.Break() | ast.Continue() | ast.Pass():
                return not isinstance(node, ast.Pass)
            case _:
                self.check(node)
        return False

    def step_if(self, node: ast.If) -> bool:
        """Check both ways; behind them a name has a value where each way that arrives gave it one."""
        self.check(node.test)
        before = set(self.assigned)
        body_ends, after_body = self.run(node.body), self.assigned
        self.assigned = before
        else_ends = self.run(node.orelse)
        if else_ends:
            self.assigned = after_body
        elif not body_ends:
            self.assigned &= after_body
        return body_ends and else_ends

    def step_for(self, node: ast.For) -> None:
        """Check a loop over a range; it may not run at all, so what it assigns has no value behind it."""
        match node.iter:
            case ast.Call(func=ast.Name(id="range"), args=arguments, keywords=[]):
                for argument in arguments:
                    self.check(argument)
            case _:
                self.refuse(node, "a loop over other than range(...)", "write for ... in range(...)")
        before = set(self.assigned)
        if isinstance(node.target, ast.Name):
            self.assign(node.target)
        else:
            self.refuse(node, "a loop over more than one name", "write for one_name in range(...)")
        self.run(node.body)
        self.assigned = before
        if node.orelse:
            self.refuse(node, "else of a loop", "write it behind the loop")

    def step_fault(self, node: ast.Raise | ast.Assert) -> None:
        """Check an assertion or an error, which has a plain text."""
        if isinstance(node, ast.Assert):
            self.check(node.test)
            texts = [] if node.msg is None else [node.msg]
        elif isinstance(node.exc, ast.Call) and ast.unparse(node.exc.func) in ERRORS and not node.cause:
            texts = [*node.exc.args, *(one.value for one in node.exc.keywords)]
        else:
            self.refuse(node, "raise of another error", 'write raise ValueError("what is wrong")')
            return
        if len(texts) > 1 or not all(isinstance(one, ast.Constant) and isinstance(one.value, str) for one in texts):
            self.refuse(node, "an error that is not one plain text", 'write raise ValueError("what is wrong")')

    def assign(self, target: ast.expr) -> None:
        """Give a local name a value."""
        match target:
            case ast.Name(id=name):
                if self.scope.is_taken(name) or name.startswith("__"):
                    self.refuse(target, f"{name} a second time", "give it another name")
                self.assigned.add(name)
                self.seen.add(name)
            case ast.Tuple(elts=targets):
                for one in targets:
                    self.assign(one)
            case _:
                self.refuse(target, f"a write to {ast.unparse(target)}", PURE)

    def remember(self, target: ast.expr) -> None:
        """Let a write to one number of the memory pass, and to nothing else of the strategy's own."""
        self.check_own(target)
        place = place_of(target)
        if place is not None and place.field != MEMORY_FIELD:
            self.refuse(target, f"a write to {ast.unparse(target)}", "a setting changes by YAML, --set or mm pin alone")

    def check_own(self, node: ast.expr) -> None:
        """Check that PARAMS or MEMORY, above, has the name that is read or written here."""
        place = place_of(node)
        assert place is not None and isinstance(node, ast.Subscript) and isinstance(node.value, ast.Subscript)
        declared = NAMED_BY[place.field]
        known = self.scope.own.get(declared)
        if known is None:
            self.refuse(node, ast.unparse(node), f"declare it above: {EXAMPLES[declared]}")
        elif place.name not in known:
            self.refuse(node, ast.unparse(node), f"{declared} has {', '.join(known) or 'nothing'}")
        self.check(node.value.value)

    def refuse(self, node: ast.AST, what: str, instead: str) -> None:
        """Note something that may not be said."""
        self.scope.refuse(node, what, instead)

    def check(self, node: ast.AST) -> None:
        """Check an expression and everything in it."""
        if type(node) in REFUSED:
            self.refuse(node, *REFUSED[type(node)])
            return
        match node:
            case ast.Name():
                self.check_name(node)
            case ast.Constant(value=value):
                number = isinstance(value, int) and abs(value) >> INT_BITS_MAX == 0
                if not (number or value is None or isinstance(value, float | str)):
                    self.refuse(node, f"the constant {ast.unparse(node)}", "numbers have 63 bits, texts are plain")
            case ast.Call():
                self.check_call(node)
            case ast.Attribute():
                self.check_attribute(node)
            case ast.Subscript() if place_of(node) is not None:
                self.check_own(node)
            case ast.Subscript() if is_own_field(node):
                self.refuse(node, f"{ast.unparse(node)} by itself", OWN_BY_NAME)
            case _ if not isinstance(node, ALLOWED):
                self.refuse(node, type(node).__name__, HELPERS)
            case _:
                if isinstance(node, ast.BinOp):
                    self.check_power(node)
                for child in ast.iter_child_nodes(node):
                    if type(child) in REFUSED and not hasattr(child, "lineno"):
                        self.refuse(node, *REFUSED[type(child)])
                    else:
                        self.check(child)

    def check_power(self, node: ast.BinOp) -> None:
        """Let a power of two whole numbers pass: x ** 2 of a float is not x * x in NumPy, and is in compiled code."""
        match node.left, node.right:
            case ast.Constant(value=int()), ast.Constant(value=int(exponent)) if exponent <= INT_BITS_MAX:
                return
        if isinstance(node.op, ast.Pow):
            self.refuse(node, "a power", "write x * x; " + NO_LIBM)

    def check_name(self, node: ast.Name) -> None:
        """Check that a name read here has a value."""
        name = node.id
        if name in self.assigned or name in self.scope.constants:
            return
        if name in self.seen:
            self.refuse(node, f"{name} may have no value here", "assign it before the if or the loop")
        elif self.scope.is_taken(name):
            self.refuse(node, f"{name} as a value", "call it, or name one of its members")
        else:
            self.refuse(node, f"{name} is not available", KNOWN_NAMES.get(name, HELPERS))

    def check_attribute(self, node: ast.Attribute) -> None:
        """Let the members of the core's codes pass."""
        owner = self.scope.enums.get(ast.unparse(node.value))
        if owner is None:
            known = isinstance(node.value, ast.Name) and node.value.id in ("np", "math")
            self.refuse(node, ast.unparse(node), NO_LIBM if known else BY_NAME)
        elif node.attr not in getattr(codes, owner).__members__:
            self.refuse(node, ast.unparse(node), f"{owner} has {', '.join(getattr(codes, owner).__members__)}")

    def check_call(self, node: ast.Call) -> None:
        """Let calls of helpers, of functions above, of a few builtins and of np.int64 pass."""
        match node.func:
            case ast.Name(id=name):
                callable_names = (CALLABLE_BUILTINS - {"range"}) | self.scope.helpers | set(self.scope.functions)
                if name == "range":
                    self.refuse(node, "range outside of for", "write for ... in range(...)")
                elif name not in callable_names:
                    instead = KNOWN_NAMES.get(name, "call a function that stands above, or " + HELPERS)
                    self.refuse(node, f"call of {name}", instead)
            case func if is_int64(func) and self.scope.has_numpy:
                pass
            case ast.Attribute(value=ast.Name(id=("np" | "math"))):
                self.refuse(node, f"call of {ast.unparse(node.func)}", NO_LIBM)
            case _:
                self.refuse(node, f"call of {ast.unparse(node.func)}", HELPERS)
        for argument in node.args:
            self.check(argument)
        for keyword in node.keywords:
            if keyword.arg is None:
                self.refuse(node, "a starred argument", "write the arguments out")
            self.check(keyword.value)
