"""PARAMS and MEMORY of a strategy file: what may be declared, read and written, and where the core keeps it."""

import ast
from pathlib import Path
from typing import Any

import pytest

from mmfold.engine.manifest import Instrument, Manifest
from mmfold.engine.state import make_state
from mmfold.replay.strategy.file import StrategyFile, StrategyMissing, check_recorded, in_namespace, make_functions
from mmfold.replay.strategy.rules import refusals

HEAD = """PARAMS = {"gamma": 0.1, "k": -1, "huge": 9.9e14}
MEMORY = {"count": 0, "ewma": 0.5, "least": -3, "other": 2.0}
def quote(clock, instrument):
    x = 1
"""
BODY_LINE = HEAD.count("\n") + 1

ACCEPTED = [
    'y = instrument["user"]["gamma"] * instrument["user"]["k"]',
    'instrument["memory"]["ewma"] = x / 3',
    'instrument["memory"]["count"] += 1',
    'instrument["memory"]["ewma"] -= instrument["memory"]["other"]',
    'y = abs(instrument["memory"]["ewma"])',
    'instrument["memory"]["count"] = max(instrument["memory"]["count"], instrument["memory"]["least"])',
    'assert instrument["memory"]["count"] >= 0',
    'y = clock["memory"]["count"]',  # no such field: it fails when it is called
]

REFUSED = [
    ('y = instrument["user"]["gama"]', "instrument['user']['gama']", "PARAMS has gamma, k, huge"),
    ('y = instrument["memory"]["gamma"]', "instrument['memory']['gamma']", "MEMORY has count, ewma"),
    ('instrument["memory"]["nothing"] = 1', "instrument['memory']['nothing']", "MEMORY has"),
    ('instrument["user"]["gamma"] = 1.0', "a write to instrument['user']['gamma']", "--set"),
    ('instrument["user"]["gamma"] += 1.0', "a write to instrument['user']['gamma']", "--set"),
    ('y = instrument["memory"]', "instrument['memory'] by itself", "by its name"),
    ('y = instrument["user"]', "instrument['user'] by itself", "by its name"),
    ('y = instrument["memory_before"]["real"][0]', "instrument['memory_before'] by itself", "by its name"),
    ('y = instrument["memory"]["real"][0]', "instrument['memory']['real']", "MEMORY has"),
    ('y = instrument["memory"][x]', "instrument['memory'] by itself", "by its name"),
    ('y = instrument["orders"][0]["memory"]["count"]', "instrument['orders'][0]['memory'] by itself", "by its name"),
    ('instrument["memory"] = x', "a write to instrument['memory']", "its MEMORY"),
    ('instrument["memory"]["whole"][0] = x', "a write to instrument['memory']['whole'][0]", "its MEMORY"),
    ('x, instrument["memory"]["count"] = 1, 2', "a write to instrument['memory']['count']", "its MEMORY"),
    ('instrument["memory"]["count"] = instrument["memory"]["least"] = 1', "a write to", "its MEMORY"),
    ('instrument["memory"]["count"]: int = 1', "a write to instrument['memory']['count']", "its MEMORY"),
    ('instrument["memory"]["count"] **= 2', "a power", "mmfold.engine.maths"),
    ('instrument["param"]["user_00"] = 1.0', "a write to instrument['param']['user_00']", "its MEMORY"),
    ('other["memory"]["count"] = 1', "other is not available", "clock"),
    ("y = PARAMS", "PARAMS as a value", "name one of its members"),
    ('MEMORY["count"] = 1', "a write to MEMORY['count']", "its MEMORY"),
    ("PARAMS = 1", "PARAMS a second time", "another name"),
]

QUOTE = "\ndef quote(clock, instrument): pass\n"
REFUSED_FILES = [
    ('PARAMS = {"a": 1}\nPARAMS = {"b": 1}', 2, "PARAMS a second time"),
    ('PARAMS = 1\nPARAMS = {"b": 1}', 2, "PARAMS a second time"),
    ('PARAMS = {"a": 1,\n  "a": 2}', 2, "a a second time"),
    ("PARAMS = {a: 1}", 1, "a as a name in PARAMS"),
    ('PARAMS = {"a b": 1}', 1, "'a b' as a name in PARAMS"),
    ('PARAMS = {"_a": 1}', 1, "'_a' as a name in PARAMS"),
    ('PARAMS = {**{"a": 1}}', 1, "** as a name in PARAMS"),
    ('PARAMS = {"a": 1 / 3}', 1, "1 / 3 in PARAMS"),
    ('PARAMS = {"a": True}', 1, "True in PARAMS"),
    ('PARAMS = {"a": "1"}', 1, "'1' in PARAMS"),
    ('PARAMS = {"a": open("x")}', 1, "open('x') in PARAMS"),
    ('PARAMS = {"a": 1e15}', 1, "a: 1000000000000000.0 in PARAMS"),
    ('PARAMS = {"a": 1e999}', 1, "a: inf in PARAMS"),
    ('MEMORY = {"a": -1e15}', 1, "a: -1000000000000000.0 in MEMORY"),
    ('MEMORY = {"a": 4611686018427387904}', 1, "a: 4611686018427387904 in MEMORY"),
    (f"PARAMS = { ({f'p{index}': 1 for index in range(17)}) }", 1, "17 PARAMS"),
    (f"MEMORY = { ({f'p{index}': 1.0 for index in range(17)}) }", 1, "MEMORY of 17 real numbers, at most 16"),
    ("X = {}", 1, "a dict"),
    ('PARAMS: int = {"a": 1}', 1, "a dict"),
]


@pytest.mark.parametrize("line", ACCEPTED)
def test_what_is_declared_may_be_used(line: str) -> None:
    assert refusals(f"{HEAD}    {line}\n", "quote") == []


@pytest.mark.parametrize(("line", "what", "instead"), REFUSED)
def test_a_line_is_refused(line: str, what: str, instead: str) -> None:
    found = refusals(f"{HEAD}    {line}\n", "quote")
    assert found and found[0].line == BODY_LINE, found
    assert found[0].what.startswith(what) and instead in found[0].instead


@pytest.mark.parametrize(("source", "line", "what"), REFUSED_FILES)
def test_a_declaration_is_refused(source: str, line: int, what: str) -> None:
    found = refusals(source + QUOTE, "quote")
    assert found and (found[0].line, found[0].what) == (line, what), found


def test_what_is_declared_below_is_not_known_yet() -> None:
    source = 'def quote(clock, one):\n    x = one["user"]["a"]\n\nPARAMS = {"a": 1}\n'
    found = refusals(source, "quote")
    assert [(one.line, one.what) for one in found] == [(2, "one['user']['a']")] and "above" in found[0].instead


def test_a_constant_of_that_name_is_a_constant() -> None:
    assert refusals("PARAMS = 3\nMEMORY = PARAMS + 1\ndef quote(clock, cell):\n    x = MEMORY\n", "quote") == []


SOURCE = b"""PARAMS = {"gamma": 0.25, "k": 2}
MEMORY = {"count": 7, "ewma": 0.5, "least": -3}
def learn(one, by):
    one["memory"]["ewma"] += by * one["user"]["k"]
def quote(clock, cell):
    cell["memory"]["count"] += 1
    cell["memory"]["least"] = min(cell["memory"]["least"], cell["memory"]["count"] - 12)
    learn(cell, cell["user"]["gamma"])
"""


def test_places_are_those_of_the_file_s_order() -> None:
    file = StrategyFile(Path("own.py"), "quote", SOURCE)
    one = Instrument(symbol="A", tick_size="1", lot_size="1")
    state = make_state(Manifest(run_id="r", instruments=(one,), extra=file.words()))
    cell = state.cells[0]
    cell["param"]["user_00"], cell["param"]["user_01"] = 0.25, 2.0
    functions = make_functions(file, lambda function: function)
    for _ in range(2):
        functions["quote"](state.clock[0], cell)
    assert cell["memory"]["whole"][:2].tolist() == [9, -4] and cell["memory"]["real"][0] == 1.5
    assert not cell["memory"]["whole"][2:].any() and not cell["memory"]["real"][1:].any()


@pytest.mark.parametrize(
    ("value", "raises"), [("1.5", True), ("cell['user']['k']", True), ("3", False), ("x > 2", False)]
)
def test_a_whole_number_takes_no_other(value: str, raises: bool) -> None:
    source = HEAD.replace("instrument", "cell") + f'    cell["memory"]["count"] = {value}\n'
    assert refusals(source, "quote") == []
    file = StrategyFile(Path("own.py"), "quote", source.encode())
    one = Instrument(symbol="A", tick_size="1", lot_size="1")
    state = make_state(Manifest(run_id="r", instruments=(one,), extra=file.words()))
    quote: Any = make_functions(file, lambda function: function)["quote"]
    if not raises:
        quote(state.clock[0], state.cells[0])
        return
    with pytest.raises(TypeError):
        quote(state.clock[0], state.cells[0])
    assert state.cells[0]["memory"]["whole"][0] == 0


def test_lines_stay_where_they_are() -> None:
    tree, before = in_namespace(SOURCE.decode()), ast.parse(SOURCE)
    lines = [[one.lineno for one in each.body] for each in (tree, before)]
    assert lines[0] == lines[1]
    stores = [node for node in ast.walk(tree) if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store)]
    assert sorted(one.lineno for one in stores) == [4, 6, 7]


def test_a_journal_s_words_are_the_file_s(monkeypatch: pytest.MonkeyPatch) -> None:
    file = StrategyFile(Path("own.py"), "quote", SOURCE)
    monkeypatch.setattr("mmfold.replay.strategy.file.loaded_file", file)
    words = file.words()
    assert words["strategy_params"] == "gamma,k" and words["strategy_memory"] == "count=7,ewma=0.5,least=-3"
    one = Instrument(symbol="A", tick_size="1", lot_size="1")
    check_recorded(Manifest(run_id="r", instruments=(one,), extra=words))
    for key, other in (("strategy_memory", "count=8,ewma=0.5,least=-3"), ("strategy_params", "k,gamma")):
        with pytest.raises(StrategyMissing):
            check_recorded(Manifest(run_id="r", instruments=(one,), extra={**words, key: other}))
    assert "strategy_params" not in StrategyFile(Path("a.py"), "f", b"A = 1").words()
