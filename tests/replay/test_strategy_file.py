"""A strategy file: what it may say, and that whatever else is refused with its line."""

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from mmfold.engine import cache
from mmfold.engine.codes import EventKind, Side, Strategy
from mmfold.engine.core import config_payload
from mmfold.engine.payload import payload_rows
from mmfold.journal.log.writer import Writer
from mmfold.replay.run import ReplayOptions, replay
from mmfold.replay.strategy.file import (
    StrategyFile,
    StrategyMissing,
    StrategyRefused,
    make_functions,
    read_strategy,
)
from mmfold.replay.strategy.rules import refusals
from mmfold.replay.strategy.words import PUBLIC
from tests.engine.rows import House, book_event

REPO = Path(__file__).resolve().parents[2]
EXAMPLE = REPO / "docs" / "examples" / "strategy_spread.py"
FAULTS = REPO / "tests" / "replay" / "strategy_faults.py"
FAULTS_CHILD = REPO / "tests" / "replay" / "strategy_faults_child.py"

HEAD = """import numpy as np
from mmfold.engine.codes import Side
from mmfold.engine.quoting.maker import set_target
def quote(clock, cell):
    x = clock["seq_last"]
"""
BODY_LINE = HEAD.count("\n") + 1

# A line in the function -> what of it is refused. The first line of the function's own code is line 6.
REFUSED_IN_FUNCTION = [
    ("np.exp(x)", "call of np.exp"),
    ("y = np.sqrt(x)", "call of np.sqrt"),
    ("y = np.random.rand()", "call of np.random.rand"),
    ("y = np.pi", "np.pi"),
    ("y = math.exp(x)", "call of math.exp"),
    ("y = x ** 2", "a power"),
    ("y = x ** 0.5", "a power"),
    ("y = 2 ** x", "a power"),
    ("y = 9 ** 999999999", "a power"),
    ("x **= 2", "a power"),
    ("y = pow(x, 2)", "call of pow"),
    ("y = round(x)", "call of round"),
    ("y = x << 70", "<<"),
    ("x >>= 1", ">>"),
    ("y = sum((x, 1))", "call of sum"),
    ("y = open('f')", "call of open"),
    ("print(x)", "call of print"),
    ("y = input()", "call of input"),
    ("y = eval('1')", "call of eval"),
    ("exec('1')", "call of exec"),
    ("y = hash(x)", "call of hash"),
    ("y = id(cell)", "call of id"),
    ("cell['position']['position_lots']: 0 = 5", "a write to cell['position']['position_lots']"),
    ("y = PARAMS", "PARAMS is not available"),
    ("y = globals()", "call of globals"),
    ("y = getattr(cell, 'x')", "call of getattr"),
    ("y = __import__('os')", "call of __import__"),
    ("y = cell.__class__", "cell.__class__"),
    ("y = cell.dtype", "cell.dtype"),
    ("y = cell.sum()", "call of cell.sum"),
    ("y = __file__", "__file__ is not available"),
    ("y = Side.BUY", "Side.BUY"),
    ("y = Side.__members__", "Side.__members__"),
    ("y = Side", "Side as a value"),
    ("f = set_target", "set_target as a value"),
    ("y = time", "time is not available"),
    ("global z", "a global statement"),
    ("import random", "an import inside a function"),
    ("from time import time_ns", "an import inside a function"),
    ("cell['position']['position_lots'] = 0", "a write to cell['position']['position_lots']"),
    ("cell['param']['enabled'] += 1", "a write to cell['param']['enabled']"),
    ("x, cell['a'] = 1, 2", "a write to cell['a']"),
    ("del x", "del"),
    ("set_target = 3", "set_target a second time"),
    ("max = 3", "max a second time"),
    ("y = {1, 2}", "a set"),
    ("y = {1: 2}", "a dict"),
    ("y = [1, 2]", "a list"),
    ("y = [z for z in range(3)]", "a list comprehension"),
    ("y = max(z for z in range(3))", "a generator"),
    ("for z in {1, 2}: pass", "a loop over other than range"),
    ("for z in cell: pass", "a loop over other than range"),
    ("y = range(3)", "range outside of for"),
    ("while x: x -= 1", "while"),
    ("with x: pass", "with"),
    ("y = lambda: 1", "a lambda"),
    ("def g(): pass", "a function inside a function"),
    ("yield x", "yield"),
    ("y = (z := 1)", "an assignment inside an expression"),
    ("y = f'{x}'", "an f-string"),
    ("y = max(*x)", "a starred argument"),
    ("y = x is 1", "is"),
    ("y = x in (1, 2)", "in"),
    ("y = cell['orders'][1:2]", "a slice"),
    ("y = 1j", "the constant 1j"),
    ("y = 1 << 63", "<<"),
    ("y = 9223372036854775808", "the constant 9223372036854775808"),
    ("y = quote(clock, cell)", "call of quote"),
    ("y = later(x)", "call of later"),
    ("raise KeyError('x')", "raise of another error"),
    ("raise ValueError(f'{x}')", "an error that is not one plain text"),
    ("assert x, x", "an error that is not one plain text"),
    ("x", "a line without effect"),
    ("y = undefined", "undefined is not available"),
]  # fmt: skip

# Whole files: source, line, what is refused.
REFUSED_FILES = [
    ("import math\ndef quote(clock, cell): pass", 1, "import of math"),
    ("import random\ndef quote(clock, cell): pass", 1, "import of random"),
    ("import numpy\ndef quote(clock, cell): pass", 1, "import of numpy"),
    ("import numpy as np, time\ndef quote(clock, cell): pass", 1, "import of time"),
    ("from numpy import exp\ndef quote(clock, cell): pass", 1, "import of numpy.exp"),
    ("from mmfold.engine.signals import math\ndef quote(clock, cell): pass", 1, "import of mmfold.engine.signals.math"),
    (
        "from mmfold.engine.effects import emit_order\ndef quote(clock, cell): pass",
        1,
        "import of mmfold.engine.effects.emit_order",
    ),
    (
        "from mmfold.engine.quoting.maker import *\ndef quote(clock, cell): pass",
        1,
        "import of mmfold.engine.quoting.maker.*",
    ),
    ("from . import secret\ndef quote(clock, cell): pass", 1, "import of ..secret"),
    ("\n\nCOUNTS = [0]\ndef quote(clock, cell): pass", 3, "a list"),
    ("import numpy as np\nX = np.random.rand()\ndef quote(clock, cell): pass", 2, "call of np.random.rand"),
    ("X = max(1, 2)\ndef quote(clock, cell): pass", 1, "X is computed by a call"),
    ("X = 1\nX = 2\ndef quote(clock, cell): pass", 2, "X a second time"),
    ("print('hello')\ndef quote(clock, cell): pass", 1, "Expr outside of a function"),
    ("if True:\n    X = 1\ndef quote(clock, cell): pass", 1, "If outside of a function"),
    ("class A: pass\ndef quote(clock, cell): pass", 1, "a class"),
    ("async def quote(clock, cell): pass", 1, "async"),
    ("try:\n    X = 1\nexcept ValueError:\n    X = 2\ndef quote(clock, cell): pass", 1, "try"),
    ("def quote(clock, cell):\n    try:\n        x = 1\n    except ValueError:\n        x = 2", 2, "try"),
    ("@cached\ndef quote(clock, cell): pass", 2, "a decorator"),
    ("def quote(clock, cell, n=[]): pass", 1, "other than plain arguments"),
    ("def quote(*both): pass", 1, "other than plain arguments"),
    ("def quote(clock, cell: open('x')): pass", 1, "an annotation"),
    ("def quote(clock): pass", 1, "quote does not take clock and instrument"),
    ("def other(clock, cell): pass", 1, "no function 'quote' (functions here: other)"),
    ("def quote(clock, cell):\n    return (", 2, "not Python"),
    # Compiled, a name without a value is a zero; interpreted, it raises.
    ("def quote(clock, cell):\n    if clock:\n        x = 1\n    return x", 4, "x may have no value here"),
    ("def quote(clock, cell):\n    for i in range(0):\n        x = i\n    return x", 4, "x may have no value here"),
    ("def quote(clock, cell):\n    for i in range(0):\n        pass\n    return i", 4, "i may have no value here"),
]

ACCEPTED = [
    EXAMPLE.read_text(),
    FAULTS.read_text(),
    HEAD
    + "    y: int = np.int64(x) + 10 ** 6\n    set_target(cell, Side.BID, 0, price_ticks=y, qty_lots=max(1, -x % 7))\n",
    HEAD + "    if x:\n        y = 1\n    elif x > 3:\n        return\n    else:\n        y = 2\n    x += y\n",
    "A: int = 3\nB = (A + 1) * 2.5\ndef quote(clock, cell) -> None:\n    for i in range(A):\n        if i: continue\n",
]


@pytest.mark.parametrize(("line", "what"), REFUSED_IN_FUNCTION)
def test_a_line_is_refused(line: str, what: str) -> None:
    assert refusals(HEAD, "quote") == []
    found = refusals(f"{HEAD}    {line}\n", "quote")
    assert found and found[0].line == BODY_LINE, found
    assert found[0].what.startswith(what) and found[0].instead


@pytest.mark.parametrize(("source", "line", "what"), REFUSED_FILES)
def test_a_file_is_refused(source: str, line: int, what: str) -> None:
    found = refusals(source, "quote")
    assert found and (found[0].line, found[0].what[: len(what)]) == (line, what), found
    assert found[0].instead


@pytest.mark.parametrize("source", ACCEPTED)
def test_what_a_strategy_needs_is_accepted(source: str) -> None:
    assert refusals(source, "quote") == []


def test_a_file_of_before_the_namespace_is_taken() -> None:
    source = EXAMPLE.read_text().replace("from mmfold.engine", "from engine")
    assert source.count("from engine") > 1 and refusals(source, "quote") == []
    functions = make_functions(StrategyFile(EXAMPLE, "quote", source.encode()), lambda function: function)
    assert functions["quote"].__code__.co_filename == EXAMPLE.name and functions["Side"] is Side


def test_every_public_name_is_there_and_in_the_docs() -> None:
    page = (REPO / "docs" / "strategies.md").read_text()
    for module, names in PUBLIC.items():
        assert all(hasattr(import_module(module), name) for name in names)
        assert not [name for name in names if f"`{name}`" not in page], module


@pytest.mark.parametrize("text", ["quote", "file.py:", ":quote", "file.py:two words"])
def test_a_name_needs_file_and_function(text: str) -> None:
    with pytest.raises(StrategyRefused, match="is not FILE:FUNCTION"):
        read_strategy(text)


def test_a_refusal_names_file_line_and_count(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(HEAD + "    y = np.exp(x)\n    z = np.log(x)\n")
    with pytest.raises(StrategyRefused) as refused:
        read_strategy(f"{path}:quote")
    assert str(refused.value) == f"{path}:6: call of np.exp is refused; 1 more to mend"
    assert "differ between machines" in refused.value.hint
    path.write_bytes(b"X = '\xff'\n")
    with pytest.raises(StrategyRefused, match="byte 5 is not UTF-8"):
        read_strategy(f"{path}:quote")


def test_two_strategies_never_share_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    files = [StrategyFile(Path("a.py"), function, source) for function in ("f", "g") for source in (b"A = 1", b"A = 2")]
    files.append(StrategyFile(Path("b.py"), "f", b"A = 1"))
    keys = [""] + [file.key() for file in files]
    digests = set()
    for key in keys:
        monkeypatch.setattr(cache, "strategy_digest", key)
        digests.add(cache.core_digest())
    assert len(digests) == len(keys) == 6


def test_a_journal_cannot_ask_for_a_strategy(tmp_path: Path) -> None:
    house = House()
    params = {house.manifest.instruments[0].symbol: {"strategy": int(Strategy.USER)}}
    house.feed(payload_rows(EventKind.CONFIG, 0, config_payload({"params": params})))
    with pytest.raises(AssertionError, match="invariant broken at seq 2: no strategy file was loaded"):
        house.feed(book_event(EventKind.BOOK_SNAPSHOT, [(10_000, 5)], [(10_001, 5)], aux=1))
    with Writer(tmp_path / "journal") as writer:
        for rows in house.rows:
            writer.append(rows)
    with pytest.raises(StrategyMissing, match="at seq 2 an instrument is quoted by a strategy file"):
        replay(tmp_path / "journal", ReplayOptions())


@pytest.mark.parametrize("disabled", ["0", "1"], ids=["compiled", "interpreted"])
def test_a_fault_is_told_with_its_line(disabled: str) -> None:
    found = run_child(FAULTS_CHILD, f"{FAULTS}:quote", NUMBA_DISABLE_JIT=disabled, MM_KERNEL_DOORS="1")
    assert found["jit"] == (disabled == "0")
    quoted, *told = found["told"]
    assert quoted == "(999, 5)"
    lines = FAULTS.read_text().splitlines()
    for text, (line, error) in zip(
        told,
        [
            (11, "AssertionError: one is too many"),
            (18, "ZeroDivisionError" if found["jit"] else "FloatingPointError: divide by zero"),
            (20, "IndexError: index"),
            (22, "AssertionError: set_target: there is no such level"),
            (25, "ValueError: five"),
            (28, "AssertionError: the first"),
            (15, "AssertionError: a number of the memory is not finite")
            if found["jit"]
            else (31, "FloatingPointError: overflow"),
            (15, "AssertionError: a target's price is beyond PRICE_TICKS_MAX"),
        ],
        strict=True,
    ):
        assert text.startswith(f"{FAULTS}:{line}: quote failed at seq 77: {error}"), text
        assert text.endswith(f"| line: {lines[line - 1].strip()}")


def run_child(script: Path, *arguments: str, **env: str) -> Any:
    """Run a script in a process of its own: a process has one strategy."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script), *arguments],
        env=kept | env, cwd=REPO, capture_output=True, text=True, check=False, timeout=110,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
