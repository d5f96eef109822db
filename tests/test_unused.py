"""What the packages define at the top of a module or as a method, something there reads: a test is not enough."""

import ast
import re
from collections.abc import Iterator
from fnmatch import filter as matching
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent
PACKAGES = ("engine", "config", "journal", "replay", "reports", "adapters")
READERS = (*PACKAGES, "fixtures", "docs/examples")
TREES = {
    path.relative_to(REPO).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
    for folder in READERS
    for path in sorted((REPO / folder).rglob("*.py"))
}
TEXTS = [REPO / "pyproject.toml", *sorted((REPO / "reports" / "templates").glob("*.j2"))]

# What nothing there reads, and why it stays; each pattern has something that it is for.
ALLOWED = {
    "adapters/importers/fast_path.py ODD_LINE": "one of three numbers by place: what is neither END nor ROWS_FULL",
    "engine/features/seam.py HOOKS": "the names that a feature's kernels may have; a test holds the files against it",
    "engine/gates/*.py SAYS": "what a gate's figure is: a test holds the table of docs/gates.md against it",
    "engine/kept.py *_path": "numba asks a cache locator for it",
    "engine/kept.py get_*": "numba asks a cache locator for it",
    "reports/figures.py INK": "a color by its place in COLORS, which the style sheet shows by name",
}

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def names_read(tree: ast.Module) -> Iterator[str]:
    """Yield each name that a module reads: a variable, an attribute, a word of a text such as `module:name`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value.split()) == 1:
            yield from re.findall(r"\w+", node.value)


def is_registered(node: ast.stmt) -> bool:
    """Tell whether a decorator keeps what it is given: a call of one (`@group.command(...)`)."""
    return isinstance(node, Definition) and any(isinstance(mark, ast.Call) for mark in node.decorator_list)


def targets(node: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement at the top of a module defines."""
    if isinstance(node, Definition):
        yield node.name
    elif isinstance(node, ast.Assign):
        yield from (name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name))
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        yield node.target.id


def methods(node: ast.stmt) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield the methods of a class that has no class above it, which could be what calls them."""
    if isinstance(node, ast.ClassDef) and not node.bases:
        yield from (one for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef))


def unread(trees: dict[str, ast.Module], read: set[str]) -> list[str]:
    """Return `file name` of what is defined in the packages and named nowhere in them."""
    found = []
    for file, tree in trees.items():
        if file.split("/", 1)[0] not in PACKAGES:
            continue
        for node in tree.body:
            defined = [] if is_registered(node) else list(targets(node))
            defined += [one.name for one in methods(node) if not is_registered(one)]
            found += [f"{file} {name}" for name in defined if not name.startswith("_") and name not in read]
    return found


def test_nothing_is_left_over() -> None:
    read = {name for tree in TREES.values() for name in names_read(tree)}
    read |= {name for path in TEXTS for name in re.findall(r"\w+", path.read_text(encoding="utf-8"))}
    left = unread(TREES, read)
    assert [name for name in left if not any(fnmatchcase(name, allowed) for allowed in ALLOWED)] == []
    assert [allowed for allowed in ALLOWED if not matching(left, allowed)] == [], "nothing needs these any more"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A = 1", ["A"]),
        ("A = 1\nB = A\nprint(B)", []),
        ("A: int = 1", ["A"]),
        ("A, B = 1, 2\nprint(B)", ["A"]),
        ("from x import f\ndef f(): pass", ["f"]),
        ("def f(): pass\nTARGET = {'x': 'module:f'}\nTARGET", []),
        ("def f(): pass\ntext = 'f is said in a sentence'\ntext", ["f"]),
        ("@group.command()\ndef f(): pass", []),
        ("@kernel\ndef f(): pass", ["f"]),
        ("def _f(): pass", []),
        ("class C:\n    def m(self): pass\n    def _n(self): pass\nC", ["m"]),
        ("class C(Base):\n    def m(self): pass\nC", []),
        ("class C:\n    def m(self): pass\nC().m()", []),
    ],
)
def test_what_counts_as_read(text: str, found: list[str]) -> None:
    tree = ast.parse(text)
    assert unread({"engine/x.py": tree}, set(names_read(tree))) == [f"engine/x.py {name}" for name in found]
