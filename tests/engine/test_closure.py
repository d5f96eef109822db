"""What a build is: the scan of imports against the syntax tree, and what an edit changes."""

import ast
import os
import shutil
from collections.abc import Iterator
from functools import cache as cache_of_calls
from importlib.metadata import version
from pathlib import Path

import pytest

from mmfold.engine import cache, closure

REPO = Path(__file__).resolve().parents[2]
PACKAGES = ("adapters", "config", "engine", "journal", "replay", "reports")
CHECKPOINT = ("mmfold.replay.checkpoint",)


def module_name(path: Path) -> str:
    parts = ("mmfold", *path.relative_to(REPO).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for package in PACKAGES for path in sorted((REPO / package).rglob("*.py"))}


@cache_of_calls
def trees() -> dict[str, ast.Module]:
    """Return every module's syntax tree: made when asked for, because each worker of a run imports this file."""
    return {module: ast.parse(path.read_bytes()) for module, path in MODULES.items()}


def imports_by_tree(tree: ast.Module, package: str) -> set[str]:
    """Return every name that a source imports, and of `from a import b` both a and a.b."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            above = parts[: len(parts) - node.level + 1] if node.level else []
            origin = ".".join([*above, *filter(None, [node.module])])
            found |= {origin, *(f"{origin}.{alias.name}" for alias in node.names)}
    return found


def closure_by_tree(modules: tuple[str, ...]) -> set[str]:
    found: set[str] = set()
    ahead = list(modules)
    while ahead:
        module = ahead.pop()
        if module in MODULES and module not in found:
            found.add(module)
            package = module if MODULES[module].stem == "__init__" else module.rpartition(".")[0]
            ahead += [package, module.rpartition(".")[0], *imports_by_tree(trees()[module], package)]
    return found


def marks(tree: ast.Module) -> set[str]:
    """Return the names that a module's functions are decorated with."""
    decorators = [mark for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) for mark in node.decorator_list]
    calls = [mark.func if isinstance(mark, ast.Call) else mark for mark in decorators]
    return {mark.attr if isinstance(mark, ast.Attribute) else getattr(mark, "id", "") for mark in calls}


# The scan


@pytest.mark.parametrize("modules", [cache.ENTRY_MODULES, CHECKPOINT], ids=["kernels", "checkpoints"])
def test_the_closure_is_that_of_the_syntax_tree(modules: tuple[str, ...]) -> None:
    assert set(closure.closure(modules)) == closure_by_tree(modules)


def test_every_module_is_scanned_as_its_syntax_tree_says() -> None:
    for module, path in MODULES.items():
        package = module if path.stem == "__init__" else module.rpartition(".")[0]
        scanned = closure.imports_of(path.read_bytes(), package) & set(MODULES)
        assert scanned == imports_by_tree(trees()[module], package) & set(MODULES), module


# Compiled into a strategy's kernels, whose key has their bytes.
OF_STRATEGIES = {"mmfold.engine.maths", "mmfold.replay.strategy.target"}


def test_every_kernel_is_in_the_closure() -> None:
    marked = {module: marks(tree) & {"entry", "kernel", "user_kernel"} for module, tree in trees().items()}
    kernels = {module for module, names in marked.items() if names}
    assert set(cache.ENTRY_MODULES) == {module for module in kernels if "entry" in marked[module]}
    assert len(kernels) > 30 and kernels - OF_STRATEGIES <= set(closure.closure(cache.ENTRY_MODULES))


def test_nothing_is_compiled_past_the_decorators() -> None:
    users = {
        module for module, tree in trees().items()
        if any(name.partition(".")[0] in ("numba", "llvmlite") for name in imports_by_tree(tree, "mmfold"))
    }  # fmt: skip
    assert users == {"mmfold.engine.inner", "mmfold.engine.jit", "mmfold.engine.kept"}


def test_commands_and_reports_are_outside() -> None:
    found = closure.closure(cache.ENTRY_MODULES)
    assert not [
        name for name in found if name.startswith(("mmfold.adapters.cli", "mmfold.adapters.live", "mmfold.reports"))
    ]
    assert "mmfold.journal.log.upcast" in closure.closure(CHECKPOINT)  # rows of old journals go through it


# source | what it imports, of package mmfold.engine.quoting
FORMS = [
    ("from mmfold.engine.codes import Side\n", {"mmfold.engine.codes"}),
    ("from mmfold.engine import cache, jit as j\n", {"mmfold.engine", "mmfold.engine.cache", "mmfold.engine.jit"}),
    ("from mmfold.engine import (\n  cache,  # (here)\n  jit,\n)\n", {"mmfold.engine.cache", "mmfold.engine.jit"}),
    ("from mmfold.engine import cache, \\\n    jit\n", {"mmfold.engine.cache", "mmfold.engine.jit"}),
    ("from mmfold.engine \\\n  import jit\n", {"mmfold.engine", "mmfold.engine.jit"}),
    ("def f():\n\tfrom\tmmfold.engine\timport\tjit\n", {"mmfold.engine.jit"}),
    ("from mmfold.engine import(jit)\n", {"mmfold.engine.jit"}),
    ("from mmfold import engine\n", {"mmfold.engine"}),
    ("import mmfold.engine.codes as codes, mmfold.engine.jit\n", {"mmfold.engine.codes", "mmfold.engine.jit"}),
    ("import os, mmfold.engine.jit\n", {"mmfold.engine.jit"}),
    ("x = 1; from mmfold.engine import jit; import mmfold.config\n", {"mmfold.engine.jit", "mmfold.config"}),
    ("from . import grid\n", {"mmfold.engine.quoting", "mmfold.engine.quoting.grid"}),
    ("from .grid import decide_grid\n", {"mmfold.engine.quoting.grid"}),
    ("from .. import jit\n", {"mmfold.engine", "mmfold.engine.jit"}),
    ("from ..book import next_key\n", {"mmfold.engine.book"}),
    ("from mmfold.engine import jit\r\nimport mmfold.engine.codes\r\n", {"mmfold.engine.jit", "mmfold.engine.codes"}),
    ("if TYPE_CHECKING:\n    from mmfold.engine.core import Core\n", {"mmfold.engine.core"}),
    ("from mmfoldx.engine import jit\nimport numpy\n", set()),
]  # fmt: skip


@pytest.mark.parametrize(("source", "expected"), FORMS)
def test_forms_of_imports(source: str, expected: set[str]) -> None:
    found = closure.imports_of(source.encode(), "mmfold.engine.quoting")
    by_tree = imports_by_tree(ast.parse(source), "mmfold.engine.quoting") & set(MODULES)
    assert expected <= found and by_tree <= found
    assert found & set(MODULES) <= by_tree | {"mmfold.engine"}


# What an edit changes


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of our sources that may be edited."""
    root = tmp_path_factory.mktemp("tree")
    for package in PACKAGES:
        shutil.copytree(REPO / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    return root


def digests(root: Path) -> tuple[str, str]:
    """Return the digests of the kernels and of the checkpoints, as another process would find them."""
    closure.read_source.cache_clear()
    closure.is_package.cache_clear()
    found = closure.source_digest(cache.ENTRY_MODULES, str(root)), closure.source_digest(CHECKPOINT, str(root))
    closure.read_source.cache_clear()
    closure.is_package.cache_clear()
    return found


@pytest.fixture
def edited(tree: Path) -> Iterator[Path]:
    """Return the copy, as it was, again and again."""
    before = {path: path.read_bytes() for path in tree.rglob("*.py")}
    yield tree
    for path in {*tree.rglob("*.py")} - set(before):
        path.unlink()
    for path, data in before.items():
        if not path.exists() or path.read_bytes() != data:
            path.write_bytes(data)


# file | text | its place is taken by | kernels compile again | checkpoints are made again
EDITS = [
    ("adapters/cli/stop_command.py", '"""', '"""Stops. ', False, False),
    ("adapters/live/session.py", "import", "import os\nimport", False, False),
    ("reports/metrics.py", '"""', '"""Now: ', False, False),
    ("replay/run.py", '"""', '"""Now: ', False, False),
    ("engine/limits.py", "PPM = ", "PPM = 1 + ", True, True),
    ("engine/records.py", "EVENT = ", "EVENT  = ", True, True),
    ("engine/codes.py", '"""', '"""Now: ', True, True),
    ("engine/value.py", "@kernel", "@kernel\n@kernel", True, True),
    ("engine/quoting/grid.py", "import numpy as np", "import numpy  as np", True, True),
    ("engine/jit.py", "nogil=True", "nogil=False", True, True),
    ("engine/core.py", "import", "import os\nimport", False, True),
    ("engine/policy/registry.py", '"""', '"""Now: ', False, True),
    ("journal/log/upcast.py", '"""', '"""Now: ', False, True),
    ("replay/checkpoint.py", '"state_digest"', '"digest"', False, True),
    ("journal/jsonl/decimals.py", "DIGIT_COUNT_MAX = ", "DIGIT_COUNT_MAX = 1 + ", True, False),
    ("replay/venue/chance.py", "import", "import os\nimport", True, False),
    ("replay/venue/records.py", '"""', '"""Now: ', True, False),
    ("adapters/importers/scan.py", "@kernel", "@kernel  # inner", True, False),
    ("engine/__init__.py", '"""', '"""Now: ', True, True),
]


@pytest.mark.parametrize(("file", "old", "new", "kernels", "checkpoints"), EDITS, ids=[edit[0] for edit in EDITS])
def test_edits(file: str, old: str, new: str, kernels: bool, checkpoints: bool, edited: Path) -> None:
    before = digests(edited)
    text = (edited / file).read_text()
    assert old in text
    (edited / file).write_text(text.replace(old, new, 1))
    after = digests(edited)
    assert (after[0] != before[0], after[1] != before[1]) == (kernels, checkpoints)


def test_places_and_times_change_nothing(edited: Path) -> None:
    before = digests(edited)
    assert before == digests(REPO)
    for path in edited.rglob("*.py"):
        os.utime(path, (1, 1))
    (edited / "engine" / "unused.py").write_text("X = 1\n")
    (edited / "engine" / "step").mkdir()  # what version control leaves behind
    assert digests(edited) == before


def test_a_new_import_joins_and_a_new_module_counts(edited: Path) -> None:
    (edited / "engine" / "extra.py").write_text("X = 1\n")
    limits = edited / "engine" / "limits.py"
    limits.write_text(limits.read_text() + "from mmfold.engine.extra import X\n")
    joined = digests(edited)
    (edited / "engine" / "extra.py").write_text("X = 2\n")
    assert digests(edited)[0] != joined[0] and digests(edited)[1] != joined[1]


def test_a_missing_source_is_told(edited: Path) -> None:
    (edited / "engine" / "step.py").unlink()
    with pytest.raises(ModuleNotFoundError, match=r"no source of mmfold\.engine\.step below"):
        digests(edited)


@pytest.mark.parametrize("changed", ["library_words", "cpu_words"])
def test_versions_and_processor_count(changed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.build_digest.cache_clear()
    before, checkpoints = cache.build_digest(), closure.source_digest(CHECKPOINT)
    words = getattr(closure, changed)()
    for module in (cache, closure):
        monkeypatch.setattr(module, changed, lambda: words + b"2", raising=False)
    cache.build_digest.cache_clear()
    assert cache.build_digest() != before
    # A state is the same on every processor: law 1.
    assert (closure.source_digest(CHECKPOINT) != checkpoints) == (changed == "library_words")
    cache.build_digest.cache_clear()


def test_what_names_versions_and_processor() -> None:
    for library in closure.VERSION_FILES:
        assert version(library).encode() in closure.library_words(), library
    assert os.uname().machine.encode() in closure.cpu_words()
    if Path("/proc/cpuinfo").exists():
        assert len(closure.cpu_words().splitlines()) >= 5
        assert b"MHz" not in closure.cpu_words()
