"""docs/architecture.md names files and symbols that are there: who follows it finds them."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`([a-z]+/[\w/]+\.py)(?:: (\w+))?`", TEXT)))
FOLDERS = sorted(set(re.findall(r"`([a-z]+/(?:[\w/]+/)?)`", TEXT)))


def symbols_of(path: Path) -> set[str]:
    """Return what a module defines at its top, and the methods of its classes."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found


@pytest.mark.parametrize(("file", "symbol"), NAMED)
def test_a_named_file_has_its_symbol(file: str, symbol: str) -> None:
    assert (ROOT / file).is_file()
    assert not symbol or symbol in symbols_of(ROOT / file)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_named_folder_is_there(folder: str) -> None:
    assert (ROOT / folder).is_dir() or (ROOT / "docs" / folder).is_dir()


def test_enough_is_named_to_follow() -> None:
    assert len(NAMED) > 20 and sum(bool(symbol) for _, symbol in NAMED) > 12
