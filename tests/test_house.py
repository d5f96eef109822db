"""The house rules that a machine can check; a new rule is one test here."""

import ast
import hashlib
import importlib
import os
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from mmfold.engine import records
from mmfold.engine.codes import EventKind
from mmfold.engine.features import records as feature_records
from mmfold.engine.manifest import Manifest
from mmfold.engine.records import EVENT, PAYLOAD

REPO = Path(__file__).resolve().parent.parent
NAMESPACE = "mmfold"
PACKAGES = ("engine", "config", "journal", "replay", "reports", "adapters")
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
KERNEL_PARAMETER_COUNT_MAX = 6
VAGUE_NAMES = {"util", "utils", "helper", "helpers", "common", "misc", "manager", "base"}
NOT_OURS = {".git", ".venv", ".cache", ".hypothesis", "out", "build", "dist", "__pycache__"}
NOT_OURS |= {".mypy_cache", ".pytest_cache", ".ruff_cache", ".import_linter_cache"}
TEXT_SUFFIXES = {
    "",
    ".py",
    ".md",
    ".toml",
    ".yaml",
    ".yml",
    ".lock",
    ".json",
    ".jsonl",
    ".html",
    ".css",
    ".txt",
    ".ambr",
}

# Written in halves, so that this file does not hold what it looks for.
FORBIDDEN_TEXT = re.compile(
    "|".join(
        [
            r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX)\b",
            "NotImplemented" + "Error",
            r"(?<![\w.~])/(wo" + r"rk|ro" + r"ot|ho" + r"me|o" + r"pt|Us" + r"ers)/",
            "py" + r"pi\.org|python" + r"hosted|--index" + "-url|--find" + "-links",
        ]
    )
)
FORBIDDEN_TEXT_ALLOWED = {"Makefile": r"--no-emit-(index-url|find-links)"}

CORE_IMPORTS = {
    "__future__", "collections", "contextlib", "dataclasses", "decimal", "enum", "fractions", "functools", "hashlib",
    "itertools", "json", "math", "mmfold", "numba", "numpy", "operator", "re", "struct", "typing",
}  # fmt: skip
CORE_IMPORTS_OF_FILE = {
    "engine/jit.py": {"os"},
    "engine/cache.py": {"os", "pathlib", "shutil", "stat", "sys"},
    "engine/closure.py": {"importlib", "os", "pathlib", "sys"},
    "engine/inner.py": {"gc"},
    "engine/kept.py": {"os", "sys"},
    "engine/pages.py": {"mmap"},
}
CORE_CALLS_BANNED = {"open", "print", "input", "eval", "exec", "id", "hash", "globals", "__import__"}
LIBM = {
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "pow", "power", "float_power", "sin", "cos", "tan", "tanh",
    "sinh", "cosh", "erf", "gamma", "lgamma", "hypot", "cbrt", "fsum", "sum", "mean", "average", "std", "var", "dot",
    "matmul", "cumsum", "prod", "median", "percentile", "quantile", "random",
}  # fmt: skip
DOC_TYPES = {"i64": "<i8", "u8": "u1", "u16": "<u2"}


def our_files() -> list[Path]:
    found = []
    for directory, names, files in os.walk(REPO):
        names[:] = sorted(name for name in names if name not in NOT_OURS and not name.endswith(".egg-info"))
        found += [Path(directory) / name for name in sorted(files) if name not in NOT_OURS]  # .git of a worktree
    return found


FILES = our_files()
SOURCES = [path for path in FILES if path.suffix == ".py"]
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}
MODULES = [path for path in SOURCES if path.relative_to(REPO).parts[0] in PACKAGES]
CORE = [path for path in MODULES if path.relative_to(REPO).parts[0] == "engine"]
PAGES = [path for path in FILES if path.suffix == ".md"]


def named(path: Path) -> str:
    return path.relative_to(REPO).as_posix()


def module_name(path: Path) -> str:
    """Return the name that a module of ours is imported by."""
    return ".".join((NAMESPACE, *path.relative_to(REPO).with_suffix("").parts))


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(TREES[path]) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def section(page: str, start: str, end: str) -> str:
    text = (REPO / page).read_text(encoding="utf-8")
    assert start in text and end in text, (page, start, end)
    return text.split(start, 1)[1].split(end, 1)[0]


def table_rows(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines[2:]]


# Sizes and names


def test_files_fit_four_hundred_lines() -> None:
    long = {named(path): lines for path in SOURCES if (lines := len(path.read_text().splitlines())) > FILE_LINES_MAX}
    assert not long


def test_functions_fit_a_screen() -> None:
    long = [
        f"{named(path)}:{node.lineno} {node.name} {lines}"
        for path in MODULES
        for node in functions(path)
        if (lines := node.end_lineno - node.lineno + 1) > FUNCTION_LINES_MAX
    ]
    assert not long


def test_kernels_take_six_parameters_at_most() -> None:
    wide = [
        f"{named(path)}:{node.lineno} {node.name}"
        for path in CORE
        for node in functions(path)
        if any(isinstance(mark, ast.Name) and mark.id in ("kernel", "entry") for mark in node.decorator_list)
        and len(node.args.args) + len(node.args.kwonlyargs) > KERNEL_PARAMETER_COUNT_MAX
    ]
    assert not wide


def test_no_file_has_a_vague_name() -> None:
    assert not [named(path) for path in SOURCES if path.stem in VAGUE_NAMES or path.parent.name in VAGUE_NAMES]


def test_every_module_is_used() -> None:
    # Alive is what a module, a "module:attribute" of a registry or pyproject names; a test alone is not enough.
    words = set(re.findall(r"\w+(?:\.\w+)+", (REPO / "pyproject.toml").read_text()))
    for path in MODULES:
        for node in ast.walk(TREES[path]):
            if isinstance(node, ast.ImportFrom) and node.module:
                words |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.Import):
                words |= {alias.name for alias in node.names}
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                words |= set(re.findall(r"\A([\w.]+):\w+\Z", node.value))
    dotted = {module_name(path) for path in MODULES if path.stem != "__init__"}
    dead = sorted(dotted - words)
    assert dead == []


# One name claims everything that is installed


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_imports_go_through_the_one_namespace(path: Path) -> None:
    bare = []
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            bare += [alias.name for alias in node.names if alias.name.partition(".")[0] in PACKAGES]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in PACKAGES:
            bare.append(node.module)
    assert not bare


def test_every_package_is_installed() -> None:
    listed = tomllib.loads((REPO / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    there = {module_name(path.parent) for path in MODULES if path.name == "__init__.py"}
    assert set(listed) == there | {NAMESPACE}


# The core is sealed


@pytest.mark.parametrize("path", CORE, ids=named)
def test_core_imports_nothing_that_could_differ_between_runs(path: Path) -> None:
    allowed = CORE_IMPORTS | CORE_IMPORTS_OF_FILE.get(named(path), set())
    imported = set()
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])
    assert not imported - allowed


@pytest.mark.parametrize("path", CORE, ids=named)
def test_core_calls_no_io_and_no_libm(path: Path) -> None:
    banned = []
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CORE_CALLS_BANNED:
            banned.append(f"{node.lineno} {node.func.id}")
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id in ("math", "np", "numpy") and node.attr in LIBM:
                banned.append(f"{node.lineno} {node.value.id}.{node.attr}")
        elif isinstance(node, ast.ImportFrom) and node.module in ("math", "numpy"):
            banned += [f"{node.lineno} {alias.name}" for alias in node.names if alias.name in LIBM]
    assert not banned


# Docs say what the code does


def test_every_kind_has_its_row_in_the_docs() -> None:
    rows = table_rows(section("docs/data.md", "## 2. Kinds", "## 3."))
    assert {(int(row[0]), row[1]) for row in rows} == {(int(kind), kind.name) for kind in EventKind}


RECORDS = {
    name: value
    for module in (records, feature_records)
    for name, value in vars(module).items()
    if isinstance(value, np.dtype)
}


def field_type(dtype: np.dtype) -> str:
    """Return a field's type as docs/data.md writes it."""
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return field_type(base) + "".join(f"[{count}]" for count in shape)
    if dtype.names is not None:
        return next(name for name, value in RECORDS.items() if value == dtype)
    return f"{dtype.kind}{dtype.itemsize * 8}"


def test_every_state_record_has_its_row_in_the_docs() -> None:
    text = (REPO / "docs" / "data.md").read_text(encoding="utf-8").split("## 8. State records", 1)[1]
    documented = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"
    ][2:]
    expected = [
        [name, str(value.itemsize), ", ".join(f"`{f}` {field_type(value.fields[f][0])}" for f in value.names)]
        for name, value in RECORDS.items()
        if name not in ("EVENT", "PAYLOAD")
    ]
    assert sorted(documented) == sorted(expected)


def test_every_kind_has_a_scenario() -> None:
    scenarios = importlib.import_module("tests.engine.test_scenarios").SCENARIOS
    assert {kind.name for kind in EventKind if kind != EventKind.FRAME} - {kind.name for kind in scenarios} == set()


def test_the_row_is_what_the_docs_say_to_the_byte() -> None:
    documented = [(name, int(offset), np.dtype(DOC_TYPES[kind])) for offset, name, kind, _ in event_table()]
    assert documented == [(name, EVENT.fields[name][1], EVENT.fields[name][0]) for name in EVENT.names]
    assert EVENT.itemsize == PAYLOAD.itemsize == 64
    assert PAYLOAD.fields["payload"][1] == 8 and PAYLOAD.fields["payload"][0].itemsize == 48


def event_table() -> list[list[str]]:
    return table_rows(section("docs/data.md", "## 1. The row", "Sentinels:"))


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_links_resolve(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    local = [target.partition("#")[0] for target in targets if "://" not in target and not target.startswith("#")]
    assert not [target for target in local if not (path.parent / target).exists()]


def test_every_fault_names_tests_that_are_there() -> None:
    rows = table_rows((REPO / "docs" / "faults.md").read_text(encoding="utf-8"))
    named_tests = [(row[0], re.findall(r"tests/[\w/]+\.py", row[3])) for row in rows]
    assert len(rows) > 15 and not [item for item, tests in named_tests if not tests]
    assert not [test for _, tests in named_tests for test in tests if not (REPO / test).exists()]


def test_version_is_said_once() -> None:
    version = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]["version"]
    assert Manifest.__dataclass_fields__["code_version"].default == version
    assert f"\n## {version}" in (REPO / "CHANGELOG.md").read_text()


# What must not be in the tree


def test_no_file_names_a_machine_or_an_unfinished_thing() -> None:
    found = []
    for path in FILES:
        if path.suffix not in TEXT_SUFFIXES:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        text = re.sub(FORBIDDEN_TEXT_ALLOWED.get(named(path), r"(?!)"), "", text)
        found += [f"{named(path)}: {match.group()}" for match in FORBIDDEN_TEXT.finditer(text)]
    assert not found


def test_every_pin_of_the_lock_has_hashes() -> None:
    pins = re.split(r"\n(?=\S)", (REPO / "requirements.lock").read_text().strip())
    assert len(pins) > 50
    pinned = re.compile(r"[\w.-]+==\S+.*--hash=sha256:[0-9a-f]{64}", re.DOTALL)
    assert not [pin.split()[0] for pin in pins if not pinned.match(pin)]


def test_every_direct_dependency_is_locked() -> None:
    project = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    lock = {line.split()[0].lower() for line in (REPO / "requirements.lock").read_text().splitlines() if "==" in line}
    pins = [*project["dependencies"], *(pin for group in extras.values() for pin in group)]
    assert not {re.sub(r"\[.*\]", "", pin.lower()) for pin in pins} - lock


@pytest.mark.realdata
def test_no_recorded_file_was_copied(shared_data: Path) -> None:
    known = {line.split()[0] for line in (shared_data / "SHA256SUMS").read_text().splitlines() if line.strip()}
    assert known
    assert not [named(path) for path in FILES if hashlib.sha256(path.read_bytes()).hexdigest() in known]
