"""A strategy file on its way into the core: read, checked, compiled, put in its place; and told of when it fails.

One a process, and before the kernels are imported: they are compiled with it. Must never take a file's name or source
from a journal: the user names it.

StrategyError
    StrategyRefused   the file says what a strategy may not
    StrategyMissing   a journal or a configuration needs a strategy that was not given, or another one than that
    StrategyRaised    the strategy failed at an event, or cannot be compiled
"""

import ast
import hashlib
import linecache
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from traceback import extract_tb
from types import FunctionType, ModuleType
from typing import Any

from mmfold.config.own import declare
from mmfold.engine import cache
from mmfold.engine.closure import ROOT
from mmfold.engine.codes import Strategy
from mmfold.engine.declared import MEMORY_WORD, PARAMS_WORD, memory_word, params_word
from mmfold.engine.manifest import Manifest
from mmfold.replay.strategy.own import MEMORY, PARAMS, Number, Placed, declared_numbers
from mmfold.replay.strategy.rules import refusals
from mmfold.replay.strategy.words import public_module

# A file of before it had a memory says the same, and the file's name is no part of what it does.
RECORDED_WORDS = ("strategy_sha256", "strategy_function", PARAMS_WORD, MEMORY_WORD)
# What the core's own kernels do not hold and those of a strategy do, and what puts its text in their places.
COMPILED_WITH = (
    "mmfold.engine.maths:exp",
    "mmfold.replay.strategy.own:Placed",
    "mmfold.replay.strategy.target:set_target",
)
MODULE_NAME = "mm_strategy"
RUN_ON_MARKET = "mm backtest --strategy FILE:FUNCTION runs one on the journal's market"
RUN_AGAIN = "run mm backtest with the new one"


class StrategyError(Exception):
    """A strategy file that cannot be used; `hint` says what to do next."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class StrategyRefused(StrategyError):
    """A file that says what a strategy may not; the message names file and line."""


class StrategyMissing(StrategyError):
    """A strategy that is needed and was not given, or is not the one that was."""


class StrategyRaised(StrategyError):
    """A strategy that failed; the message names file, line, function and seq."""


@dataclass(frozen=True, slots=True)
class StrategyFile:
    """One function of one file, as it was read."""

    path: Path
    function: str
    content: bytes

    @property
    def name(self) -> str:
        """File name and function, without the place: what a journal may know."""
        return f"{self.path.name}:{self.function}"

    @property
    def source(self) -> str:
        """The file's text."""
        return self.content.decode("utf-8-sig")

    def words(self) -> dict[str, str]:
        """Return what a journal's manifest says of its strategy."""
        sha256 = hashlib.sha256(self.content).hexdigest()
        words = {"strategy_file": self.path.name, "strategy_function": self.function, "strategy_sha256": sha256}
        if self.params():
            words[PARAMS_WORD] = params_word(self.params())
        if self.memory():
            words[MEMORY_WORD] = memory_word(self.memory())
        return words

    def params(self) -> dict[str, Number]:
        """Return its parameters with their defaults, in the order of the file."""
        return declared_numbers(ast.parse(self.source), PARAMS)

    def memory(self) -> dict[str, Number]:
        """Return what it remembers, as it is before the first call."""
        return declared_numbers(ast.parse(self.source), MEMORY)

    def key(self) -> str:
        """Return what keys the compiled kernels: the source, its function, and the name that errors are told with."""
        modules = [name.partition(":")[0].split(".")[1:] for name in COMPILED_WITH]
        compiled = b"".join(Path(ROOT, *module).with_suffix(".py").read_bytes() for module in modules)
        text = repr(sorted(self.words().items())).encode() + compiled
        return hashlib.sha256(text).hexdigest()[:16]


loaded_file: StrategyFile | None = None


def loaded() -> StrategyFile | None:
    """Return the strategy file of this process, if it has one."""
    return loaded_file


def read_strategy(text: str) -> StrategyFile:
    """Read and check FILE:FUNCTION and key the compile cache by it; nothing of the file runs.

    Raises: StrategyRefused with file and line, OSError.
    """
    path_text, _, function = text.rpartition(":")
    if not path_text or not function.isidentifier():
        raise StrategyRefused(f"{text!r} is not FILE:FUNCTION", "as in --strategy strategy.py:quote")
    path = Path(path_text)
    strategy = StrategyFile(path, function, path.read_bytes())
    try:
        found = refusals(strategy.source, function)
    except UnicodeDecodeError as error:
        raise StrategyRefused(f"{path}: byte {error.start:,} is not UTF-8", "give a text file") from error
    if found:
        more = f"; {len(found) - 1} more to mend" if len(found) > 1 else ""
        raise StrategyRefused(f"{path}:{found[0].line}: {found[0].what} is refused{more}", found[0].instead)
    key_kernels(strategy)
    return strategy


def key_kernels(strategy: StrategyFile) -> None:
    """Key the compile cache by a strategy; kernels that are compiled already cannot take another one."""
    jit = sys.modules.get("mmfold.engine.jit")
    keyed = jit is None or not jit.JIT_ENABLED or cache.strategy_digest == strategy.key()
    assert keyed, "a strategy file comes before the kernels are imported"
    cache.key_by_strategy(strategy.key())


def install_strategy(strategy: StrategyFile | None) -> None:
    """Run the file and put its function in the place of the core's user quoter; in a worker process too.

    Raises: StrategyRefused when a constant cannot be computed.
    """
    global loaded_file
    if strategy is None or strategy == loaded_file:
        return
    key_kernels(strategy)
    from mmfold.engine.jit import user_kernel
    from mmfold.engine.quoting import user

    user.decide_user = make_functions(strategy, user_kernel)[strategy.function]
    declare(strategy.params())
    loaded_file = strategy


def make_functions(strategy: StrategyFile, wrap: Callable[[Any], Any]) -> dict[str, Any]:
    """Run a strategy file and return its names, the functions wrapped.

    Raises: StrategyRefused when a constant cannot be computed.
    """
    module = ModuleType(MODULE_NAME)
    sys.modules[MODULE_NAME] = module
    # Errors show the lines that were read, whatever the file says by then.
    lines = strategy.source.splitlines(keepends=True)
    linecache.cache[strategy.path.name] = (len(strategy.content), None, lines, strategy.path.name)
    try:
        exec(compile(in_namespace(strategy.source), strategy.path.name, "exec"), module.__dict__)
    except Exception as error:
        line = extract_tb(error.__traceback__)[-1].lineno
        raise StrategyRefused(f"{strategy.path}:{line}: {error}", "mend the constant") from error
    from mmfold.engine.quoting import maker
    from mmfold.replay.strategy import target

    for name, value in list(vars(module).items()):
        if value is maker.set_target:
            setattr(module, name, target.set_target)
        if isinstance(value, FunctionType) and value.__module__ == MODULE_NAME:
            setattr(module, name, wrap(value))
    return vars(module)


def in_namespace(source: str) -> ast.Module:
    """Return a strategy's statements as the core calls things: imports, PARAMS, MEMORY; lines stay where they are."""
    tree = ast.parse(source)
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            node.module = public_module(node.module)
    placed: ast.Module = Placed(declared_numbers(tree, PARAMS), declared_numbers(tree, MEMORY)).visit(tree)
    return placed


def uses_strategy(document: dict[str, Any]) -> bool:
    """Tell whether a CONFIG document has an instrument quoted by a strategy file."""
    return any(values.get("strategy") == Strategy.USER for values in document.get("params", {}).values())


def check_configured(document: dict[str, Any]) -> None:
    """Check that a configuration and the strategy file of this process belong together.

    Raises: StrategyMissing.
    """
    if uses_strategy(document):
        check_given()


def check_given() -> None:
    """Check that this process has a strategy file.

    Raises: StrategyMissing.
    """
    if loaded_file is None:
        raise StrategyMissing(
            "strategy.name is user, a strategy of your own, and none was given", "give --strategy FILE:FUNCTION"
        )


def check_recorded(manifest: Manifest, instead: tuple[str, str] = (RUN_ON_MARKET, RUN_AGAIN)) -> None:
    """Check that the strategy file of this process is the one that a journal was made with.

    `instead` says what else can be done: where a file was given and the journal has none, and where it has another.
    Raises: StrategyMissing.
    """
    words = manifest.extra
    sha256 = words.get("strategy_sha256")
    if sha256 is None:
        if loaded_file is not None:
            raise StrategyMissing(
                "this journal was not made with a strategy file",
                f"leave --strategy out; {instead[0]}",
            )
        return
    name = printable(f"{words.get('strategy_file')}:{words.get('strategy_function')}")
    made = f"this journal was made with the strategy {name}, sha256 {printable(str(sha256))}"
    if loaded_file is None:
        raise StrategyMissing(made, f"give that file: --strategy .../{name}")
    given = loaded_file.words()
    if any(words.get(key) != given.get(key) for key in RECORDED_WORDS):
        raise StrategyMissing(
            f"{made}; {loaded_file.path}:{loaded_file.function} has {given['strategy_sha256']}",
            f"give the file as it was then, or {instead[1]}",
        )


def printable(text: str) -> str:
    """Return what a journal says as a terminal may show it."""
    return "".join(one if one.isprintable() else "?" for one in text)
