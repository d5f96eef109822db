"""Two checkouts of mm that one interpreter runs, each in processes of its own; must never let them share a cache.

A build's packages are copied under the name that its modules import each other by, and that directory stands first on
the path. What is compiled is kept beside the copy, keyed by every source: nothing is written into a checkout, and an
edit during a measurement changes nothing.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmfold.adapters.bench import trial

PACKAGES = ("engine", "config", "journal", "replay", "reports", "adapters")
NAMESPACE = __name__.partition(".")[0]
OWN_MODULE = "__init__.py"


class CannotCompare(Exception):
    """Two builds cannot be measured side by side; the message says why."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True)
class Build:
    """A tree of sources that holds mm."""

    label: str
    tree: Path  # the directory of the packages
    namespace: str  # what its imports begin with, nothing where the packages are imported by their own names

    def digest(self) -> str:
        """Return the hash of every source and of the interpreter: what is compiled belongs to exactly these."""
        hasher = hashlib.sha256(f"{sys.version} {sys.executable} {self.namespace}".encode())
        sources = [path for package in PACKAGES for path in sorted((self.tree / package).rglob("*.py"))]
        for path in [*filter(Path.is_file, [self.tree / OWN_MODULE]), *sources]:
            content = path.read_bytes()
            hasher.update(f"{path.relative_to(self.tree)} {len(content)} ".encode() + content)
        return hasher.hexdigest()[:16]


def own_build() -> Build:
    """Return the build that runs."""
    return Build("this", Path(__file__).resolve().parents[2], NAMESPACE)


def find_build(checkout: Path) -> Build:
    """Return the build of another checkout, of today's form or from before there was one import name.

    Raises: CannotCompare.
    """
    tree = checkout.resolve()
    hint = "give the directory of another checkout, such as one made by git worktree add ../other REV"
    if not tree.is_dir():
        raise CannotCompare(f"{checkout} is no directory", hint)
    missing = [name for name in PACKAGES if not (tree / name / "__init__.py").is_file()]
    if missing:
        raise CannotCompare(f"{checkout} is no checkout of mm: there is no {missing[0]}/__init__.py", hint)
    try:
        project = tomllib.loads((tree / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CannotCompare(f"{checkout}/pyproject.toml cannot be read: {error}", hint) from error
    mapped = project.get("tool", {}).get("setuptools", {}).get("package-dir", {})
    names = [name.removesuffix(".engine") for name, folder in mapped.items() if folder in (".", "engine")]
    return Build("other", tree, names[0] if names else "")


class Bench:
    """One build at work: its copy, its caches, its directory and the processes that it runs one after the other."""

    def __init__(self, build: Build, work: Path) -> None:
        self.build = build
        self.work = work / build.label
        self.digest = build.digest()
        self.home = work / "builds" / self.digest
        self.packages = self.home / "path" / build.namespace.replace(".", os.sep)
        self.process: subprocess.Popen[bytes] | None = None
        self.asked = ""
        self.work.mkdir(parents=True, exist_ok=True)
        self.program = Path(shutil.copy(trial.__file__, self.work))
        if not self.home.exists():
            self.copy()

    def copy(self) -> None:
        """Copy the packages; a copy that was broken off is never taken for a whole one."""
        self.home.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.home.parent) as name:
            target = Path(name, "home", self.packages.relative_to(self.home))
            for package in PACKAGES:
                shutil.copytree(
                    self.build.tree / package, target / package, ignore=shutil.ignore_patterns("__pycache__")
                )
            if self.build.namespace:
                # A package, of a build from before it was one too: an installed one would go before a bare folder.
                own = self.build.tree / OWN_MODULE
                (target / OWN_MODULE).write_bytes(own.read_bytes() if own.is_file() else b"")
            Path(name, "home").rename(self.home)

    def environment(self) -> dict[str, str]:
        """Return the environment of a measurement: this build's modules first, caches of its own, compiled."""
        inherited = os.environ.get("PYTHONPATH")
        return {
            "NUMBA_DISABLE_JIT": "0",
            **os.environ,
            "NUMBA_CACHE_DIR": str(self.home / "numba"),
            "PYTHONPATH": os.pathsep.join([str(self.home / "path"), *([inherited] if inherited else [])]),
            "XDG_CACHE_HOME": str(self.home / "cache"),
        }

    def start(self, name: str, events: Path, repeat: int, tries: int) -> None:
        """Start one trial."""
        prefix = f"{self.build.namespace}." if self.build.namespace else ""
        asked = {
            "prefix": prefix,
            "names": sorted({*PACKAGES, NAMESPACE, self.build.namespace} - {""}),
            "tree": str(self.packages.resolve()),
            "work": str(self.work),
            "events": str(events),
            "repeat": repeat,
            "tries": tries,
        }
        command = [sys.executable, "-P", str(self.program), name, json.dumps(asked)]
        self.asked = name
        with self.printed("out").open("wb") as out, self.printed("log").open("wb") as log:
            self.process = subprocess.Popen(command, stdout=out, stderr=log, env=self.environment(), cwd=self.work)

    def printed(self, suffix: str) -> Path:
        """Return where the trial's words are kept."""
        return self.work / f"{self.asked}.{suffix}"

    def finish(self) -> dict[str, Any]:
        """Wait for the trial and return what it measured.

        Raises: CannotCompare when it failed.
        """
        assert self.process is not None
        code = self.process.wait()
        self.process = None
        if code:
            lines = self.printed("log").read_text(errors="replace").split("\n")
            told = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
            reason = [*told, *(line.strip() for line in reversed(lines) if line.strip()), f"exit code {code}"][0]
            raise CannotCompare(
                f"{self.asked} failed in {self.build.label} build ({self.build.tree}): {reason}",
                f"--out DIR keeps all it said in DIR/{self.build.label}/{self.asked}.log; --figure leaves a figure out",
            )
        found: dict[str, Any] = json.loads(self.printed("out").read_text())
        assert Path(found["tree"]) == self.packages.resolve(), found["tree"]
        return found

    def run(self, name: str, events: Path, repeat: int, tries: int) -> dict[str, Any]:
        """Run one trial to its end.

        Raises: CannotCompare.
        """
        self.start(name, events, repeat, tries)
        return self.finish()

    def stop(self) -> None:
        """End what still runs."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
