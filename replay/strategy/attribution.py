"""Tells where a strategy file failed: compiled code raises without a line, so the failed call is made once more.

Must never swallow a fault that is not the strategy's.
"""

import ast
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import extract_tb
from typing import TYPE_CHECKING

import numpy as np

from mmfold.engine import cache
from mmfold.engine.codes import Strategy
from mmfold.engine.records import NO_PRICE_TICKS
from mmfold.replay.strategy.file import StrategyFile, StrategyMissing, StrategyRaised, loaded, make_functions
from mmfold.replay.strategy.words import NAMESPACE, PUBLIC

if TYPE_CHECKING:
    from mmfold.engine.core import Core
    from mmfold.engine.state import State

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
COMPILER_LINE = re.compile(r'File "([^"]+)", line (\d+)')
BITWISE_OR = re.compile(r"bitwise_or|function or_>|for \|:")  # a strategy itself has none: it is target.py's
NOT_WHOLE = (
    "a price in ticks and a size in lots are whole numbers, as is what MEMORY declares so: "
    "floor_ticks, ceil_ticks and int make them"
)
NOISE = ("Failed in nopython mode", "During:", "File ")


@contextmanager
def strategy_blamed(core: "Core") -> Iterator[None]:
    """Turn a failure of the strategy file into one line that names file, line, function and seq.

    Raises: StrategyRaised, StrategyMissing; whatever else was raised, as it was.
    """
    try:
        yield
    except Exception as error:
        told = explain(error, core.state)
        if told is None:
            raise
        raise told from error


def explain(error: BaseException, state: "State") -> StrategyRaised | StrategyMissing | None:
    """Return a strategy's failure as a person reads it, None when the failure is not the strategy's."""
    from mmfold.engine.quoting import user

    cause: BaseException = error.__cause__ if isinstance(error, AssertionError) and error.__cause__ else error
    seq = int(state.clock[0]["seq_last"])
    if str(cause) == user.NOT_LOADED:
        return StrategyMissing(
            f"at seq {seq:,} an instrument is quoted by a strategy file, and none was given",
            "give --strategy FILE:FUNCTION",
        )
    strategy = loaded()
    if strategy is None:
        return None
    if type(cause).__module__.startswith("numba."):
        return explain_compiler(str(cause), strategy)
    if (line := line_of(cause, strategy)) is not None:
        text = told_text(cause)
    elif str(cause) in user.WRITTEN_WRONG:  # the check of what it wrote
        line, text = line_of_function(strategy), told_text(cause)
    elif is_of_core(last_file(cause)):
        return None
    else:
        line, text = call_again(cause, state, strategy)
    if line is None:
        return None
    return StrategyRaised(
        f"{strategy.path}:{line}: {strategy.function} failed at seq {seq:,}: {text}",
        f"line: {line_text(strategy, line)}",
    )


def told_text(error: BaseException) -> str:
    """Return an error's kind and text."""
    if BITWISE_OR.search(str(error)):
        return NOT_WHOLE
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def line_of(error: BaseException, strategy: StrategyFile) -> int | None:
    """Return the innermost line of the strategy file that an error went through."""
    frames = [frame for frame in extract_tb(error.__traceback__) if frame.filename == strategy.path.name]
    return frames[-1].lineno if frames else None


def last_file(error: BaseException) -> str:
    """Return the file that an error was raised in, or the one that called compiled code which does not say."""
    frames = extract_tb(error.__traceback__)
    return frames[-1].filename if frames else ""


def is_of_core(file: str) -> bool:
    """Tell whether a file is of the core and neither its driver nor one that a strategy calls."""
    root = Path(cache.__file__).resolve().parent
    path = Path(file).resolve()
    called = {root.parent / f"{module.removeprefix(NAMESPACE + '.').replace('.', '/')}.py" for module in PUBLIC}
    return root in path.parents and path not in called and path != root / "core.py"


def line_of_function(strategy: StrategyFile) -> int:
    """Return the line where the strategy's function starts."""
    functions = (node for node in ast.parse(strategy.source).body if isinstance(node, ast.FunctionDef))
    return next(node.lineno for node in functions if node.name == strategy.function)


def call_again(error: BaseException, state: "State", strategy: StrategyFile) -> tuple[int | None, str]:
    """Call the strategy interpreted on the state as it is, its memory as the failed call found it: it fails again.

    Divisions by zero and indexes that compiled code found have no line there.
    """
    function = make_functions(strategy, lambda one: one)[strategy.function]
    for cell in state.cells.copy():
        cell["memory"] = cell["memory_before"]
        if cell["param"]["strategy"] != Strategy.USER or cell["signal"]["mid_half_ticks"] == NO_PRICE_TICKS:
            continue
        try:
            with np.errstate(all="raise", under="ignore"):
                function(state.clock.copy()[0], cell)
        except Exception as again:
            if is_same_kind(error, again):
                return line_of(again, strategy), told_text(error)
    return None, ""


def is_same_kind(error: BaseException, again: BaseException) -> bool:
    """Tell whether two errors are the same fault: NumPy's words for a division by zero are its own."""
    return type(error) is type(again) or (isinstance(error, ArithmeticError) and isinstance(again, ArithmeticError))


def explain_compiler(text: str, strategy: StrategyFile) -> StrategyRaised | None:
    """Return the line that the compiler names and its first words about it, None when it is not the strategy's."""
    text = COLOURS.sub("", text)
    lines = [int(line) for name, line in COMPILER_LINE.findall(text) if is_file(name, strategy)]
    words = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith(NOISE)]
    if not lines or not words:
        return None
    return StrategyRaised(
        f"{strategy.path}:{lines[0]}: {strategy.function} cannot be compiled: "
        f"{NOT_WHOLE if BITWISE_OR.search(text) else words[0]}",
        f"line: {line_text(strategy, lines[0])}",
    )


def line_text(strategy: StrategyFile, line: int) -> str:
    """Return a line of the strategy file."""
    return strategy.source.splitlines()[line - 1].strip()


def is_file(name: str, strategy: StrategyFile) -> bool:
    """Tell whether a compiler's file name is the strategy's."""
    return name.replace("\\", "/").rpartition("/")[2] == strategy.path.name
