"""The words of a strategy file: what it may import, call and say, and what to say instead of the rest.

A part of Python in which a function of (clock, instrument) has one result: compiled or interpreted, on any machine, in
any run. What is not listed here is refused; must never list what reads or changes anything but these two.
"""

import ast

# Module -> what a strategy may import from it. Functions are those without an effect of their own but set_target.
PUBLIC: dict[str, frozenset[str]] = {
    "mmfold.engine.codes": frozenset({"BookStatus", "Contract", "EventKind", "OrderStatus", "Side"}),
    "mmfold.engine.limits": frozenset(
        {"E8", "E9", "LEVEL_COUNT_MAX", "MICROS_PER_UNIT", "NS_PER_MS", "NS_PER_S", "PPM", "PRICE_TICKS_MAX"}
    ),
    "mmfold.engine.maths": frozenset({"exp", "log", "power", "sqrt"}),
    "mmfold.engine.value": frozenset({"notional_micros"}),
    "mmfold.engine.quoting.grid": frozenset({"round_half_even"}),
    "mmfold.engine.quoting.ladder": frozenset({"clamp", "level_qty_lots", "shift_bps_of", "spread_bps_of"}),
    "mmfold.engine.quoting.maker": frozenset({"qty_lots_min", "set_target"}),
    "mmfold.engine.records": frozenset({"NO_PRICE_TICKS", "NO_TS_NS", "NO_VALUE"}),
    "mmfold.engine.signals": frozenset({"BPS", "ceil_ticks", "floor_ticks"}),
}
NAMESPACE = "mmfold"
CALLABLE_BUILTINS = frozenset({"abs", "bool", "divmod", "float", "int", "max", "min", "range"})
ERRORS = frozenset({"AssertionError", "ValueError"})
ANNOTATIONS = frozenset({"int", "float", "bool"})
INT_BITS_MAX = 62
ARGUMENTS = ["clock", "instrument"]
CALLED = "(clock, instrument)"

HELPERS = "a strategy sees clock, instrument, its own constants and the helpers that mm docs strategies lists"
NO_LIBM = "libm's exp, log, sin and powers differ between machines and modes: take those of mmfold.engine.maths"
NO_MEMORY = 'what a strategy remembers between two calls is declared: MEMORY = {"ewma": 0.0, "count": 0}'
BY_NAME = 'read fields by name: instrument["signal"]'
OWN_BY_NAME = 'one number by its name: instrument["user"]["gamma"], instrument["memory"]["ewma"]'
PURE = "a strategy writes targets, set_target(instrument, side, level, price_ticks, qty_lots), and its MEMORY"

# Kind of statement or expression -> what to do instead.
REFUSED: dict[type[ast.AST], tuple[str, str]] = {
    ast.Global: ("a global statement", NO_MEMORY),
    ast.Nonlocal: ("a nonlocal statement", NO_MEMORY),
    ast.Try: ("try", "let a fault raise: mm stops and names the line"),
    ast.While: ("while", "write for ... in range(...), which ends"),
    ast.With: ("with", "a strategy opens nothing"),
    ast.ClassDef: ("a class", "write functions of clock and instrument"),
    ast.AsyncFunctionDef: ("async", "a strategy is called, it waits for nothing"),
    ast.AsyncFor: ("async", "a strategy is called, it waits for nothing"),
    ast.AsyncWith: ("async", "a strategy is called, it waits for nothing"),
    ast.Await: ("await", "a strategy is called, it waits for nothing"),
    ast.Lambda: ("a lambda", "write a function at the top of the file"),
    ast.FunctionDef: ("a function inside a function", "write it at the top of the file"),
    ast.Delete: ("del", PURE),
    ast.Set: ("a set", "its order is not defined: use single names or a tuple"),
    ast.Dict: ("a dict", "use single names, a tuple, or if and elif"),
    ast.List: ("a list", "use single names or a tuple"),
    ast.SetComp: ("a set comprehension", "write for ... in range(...)"),
    ast.DictComp: ("a dict comprehension", "write for ... in range(...)"),
    ast.ListComp: ("a list comprehension", "write for ... in range(...)"),
    ast.GeneratorExp: ("a generator", "write for ... in range(...)"),
    ast.Yield: ("yield", "write the targets and return"),
    ast.YieldFrom: ("yield", "write the targets and return"),
    ast.JoinedStr: ("an f-string", "write a plain text"),
    ast.Match: ("match", "write if and elif"),
    ast.NamedExpr: ("an assignment inside an expression", "assign on a line of its own"),
    ast.Starred: ("a starred argument", "write the arguments out"),
    ast.Import: ("an import inside a function", "import at the top of the file"),
    ast.ImportFrom: ("an import inside a function", "import at the top of the file"),
    ast.Slice: ("a slice", "index one element: instrument[...][side]"),
    ast.MatMult: ("@", "write the sum in a loop"),
    ast.LShift: ("<<", "multiply: compiled, a shift beyond 64 bits is anything"),
    ast.RShift: (">>", "divide with //"),
    ast.Is: ("is", "compare with =="),
    ast.IsNot: ("is not", "compare with !="),
    ast.In: ("in", "compare with =="),
    ast.NotIn: ("not in", "compare with !="),
}
ALLOWED = (
    ast.Assign, ast.AugAssign, ast.AnnAssign, ast.If, ast.For, ast.Break, ast.Continue, ast.Pass, ast.Return,
    ast.Assert, ast.Raise, ast.Expr, ast.BoolOp, ast.BinOp, ast.UnaryOp, ast.Compare, ast.IfExp, ast.Call,
    ast.Subscript, ast.Attribute, ast.Name, ast.Constant, ast.Tuple, ast.keyword, ast.expr_context, ast.boolop,
    ast.operator, ast.unaryop, ast.cmpop,
)  # fmt: skip
# Names that people reach for, with what to do instead.
KNOWN_NAMES = {
    **dict.fromkeys(("open", "print", "input"), "a strategy reads and writes nothing: look at the journal with mm"),
    **dict.fromkeys(("eval", "exec", "compile", "__import__"), "write the code itself"),
    **dict.fromkeys(("hash", "id"), "it differs from run to run: compare values"),
    **dict.fromkeys(("globals", "locals", "vars", "getattr", "setattr", "dir"), BY_NAME),
    "round": "use round_half_even, floor_ticks or ceil_ticks",
    "pow": NO_LIBM,
    "PARAMS": 'read one of them: instrument["user"]["gamma"]',
    "MEMORY": 'read or write one of them: instrument["memory"]["ewma"]',
    **dict.fromkeys(("set", "dict", "list", "sorted", "sum", "frozenset"), "write a loop over range(...)"),
    "math": NO_LIBM,
}


def public_module(name: str) -> str:
    """Return a module's name as it is now: until 0.1 the core stood outside of the namespace.

    A journal knows its strategy file by the file's sha256, so the file's text cannot follow.
    """
    return f"{NAMESPACE}.{name}" if name.partition(".")[0] == "engine" else name
