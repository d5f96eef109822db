"""Every gate is a file, is asked in the order of the one list and stands in the docs; one place counts and audits."""

import ast
import inspect
import re
from pathlib import Path

import pytest

from mmfold.engine.codes import Reason
from mmfold.engine.gates import registry
from mmfold.engine.gates.registry import GATES

FOLDER = Path(registry.__file__).parent
REPO = FOLDER.parents[1]
ORDER = [gate for gates in GATES.values() for gate in gates]
# What is asked about -> the kernel of the registry that asks; the others are asked by the one file that has to know.
KERNELS = {"instrument": "may_quote", "quote": "may_show", "request": "may_place", "exposure": "may_expose"}
ASKERS = {"min_spread": "quoting/ladder.py", "guard_pause": "quoting/ladder.py", "min_time_in_book": "placing.py"}


def name_of(gate) -> str:
    return gate.__name__.rpartition(".")[2]


def test_every_file_is_a_gate_and_stands_once():
    files = {path.stem for path in FOLDER.glob("*.py")} - {"__init__", "registry", "seam"}
    assert sorted(files) == sorted(map(name_of, ORDER))


@pytest.mark.parametrize("gate", ORDER, ids=name_of)
def test_a_gate_has_what_a_gate_has(gate):
    assert gate.REASON in Reason and gate.SAYS and callable(gate.passes)
    written = {
        ast.unparse(target)
        for node in ast.walk(ast.parse(inspect.getsource(gate)))
        if isinstance(node, ast.Assign | ast.AugAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Subscript)
    }
    assert all(target.startswith("ask[") for target in written), "a gate changes nothing but what is asked for"


@pytest.mark.parametrize("about", KERNELS)
def test_gates_are_asked_in_the_order_of_the_list(about):
    source = inspect.getsource(getattr(registry, KERNELS[about]))
    assert re.findall(r"(\w+)\.passes", source) == [name_of(gate) for gate in GATES[about]]


@pytest.mark.parametrize("gate", ASKERS)
def test_the_others_are_asked_where_they_are_known(gate):
    assert {name_of(each) for about in GATES for each in GATES[about] if about not in KERNELS} == set(ASKERS)
    source = (FOLDER.parent / ASKERS[gate]).read_text(encoding="utf-8")
    assert source.count(f"{gate}.passes(") == 1


def test_blocks_are_counted_in_one_place():
    writing = re.compile(r"blocked_counts|first_block")
    files = {path for path in (REPO / "engine").rglob("*.py") if writing.search(path.read_text(encoding="utf-8"))}
    names = {path.relative_to(REPO / "engine").as_posix() for path in files}
    assert names == {"gates/seam.py", "records.py", "state.py"}


def test_the_docs_list_every_gate_in_order():
    text = (REPO / "docs" / "gates.md").read_text(encoding="utf-8").split("## The order", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in text.splitlines() if line.startswith("| ")][1:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    about = [about for about, gates in GATES.items() for _ in gates]
    assert [row[:4] for row in rows] == [
        [asked, f"`{name_of(gate)}`", f"`{gate.REASON.name.lower()}`", gate.SAYS]
        for asked, gate in zip(about, ORDER, strict=True)
    ]
