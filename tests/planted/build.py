"""Builds with a fault in them: copies of the packages with one text replaced, run by a Python of their own."""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("adapters", "config", "engine", "journal", "replay", "reports")

Edit = tuple[str, str, str]  # file, what stands there once, what stands there in that build


@dataclass(frozen=True)
class Build:
    """A copy of the sources; `python` is a program that runs them as the environment's Python would."""

    place: Path

    @property
    def python(self) -> Path:
        """The build's Python."""
        return self.place / "python"

    @property
    def environment(self) -> dict[str, str]:
        """The environment that has any Python run the build."""
        return {**os.environ, "PYTHONPATH": str(self.place / "names"), "PYTHONDONTWRITEBYTECODE": "1"}


def copy_packages(directory: Path, edits: list[Edit]) -> Path:
    """Copy the packages with texts replaced; returns the directory that `mmfold` is in.

    Raises: AssertionError where a text does not stand exactly once.
    """
    names = directory / "names" / "mmfold"
    names.mkdir(parents=True)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, names / package, ignore=shutil.ignore_patterns("__pycache__"))
    for file, old, new in edits:
        path = names / file
        text = path.read_text()
        assert text.count(old) == 1, (file, old, text.count(old))
        path.write_text(text.replace(old, new))
    return names.parent


def planted_build(directory: Path, *edits: Edit, interpreted: bool = False) -> Build:
    """Make a build in a directory of its own; interpreted, nothing of it has to be compiled."""
    names = copy_packages(directory, list(edits))
    python, mode = directory / "python", "NUMBA_DISABLE_JIT=1 " if interpreted else ""
    python.write_text(f'#!/bin/sh\n{mode}PYTHONPATH="{names}" PYTHONDONTWRITEBYTECODE=1 exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return Build(directory)
