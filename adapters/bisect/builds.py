"""Revisions as they run: files of a commit, and an environment of the packages that its own lock names.

Both are kept in the user's cache, a few of each; what a killed process left half done goes with the next build. Nothing
is written into the repository. Must never run a revision on other packages than its lock's.
"""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mmfold.adapters.bench.builds import CannotCompare, find_build
from mmfold.adapters.bisect.errors import BisectError
from mmfold.adapters.bisect.repository import Commit, Repository
from mmfold.engine.cache import CacheRefused, user_directory
from mmfold.journal.files.work import work_directory

LOCK_NAME = "requirements.lock"
TREE_COUNT_MAX, ENVIRONMENT_COUNT_MAX, ANSWER_COUNT_MAX = 24, 3, 2_000
BUILD_TIMEOUT_S = 1_800.0
NAME_CHARS = 16
ENTRY = "import sys; from {prefix}adapters.cli.main import main; main()"


class DoesNotBuild(Exception):
    """A revision that cannot be run; the message says why."""


@dataclass(frozen=True)
class Built:
    """A revision that can be run."""

    commit: Commit
    python: Path
    path: Path  # what its modules are found under
    prefix: str  # in front of the names of its packages
    key: str  # of its files and packages

    def command(self, words: Sequence[str]) -> list[str]:
        """Return the command line of its own `mm`."""
        return [str(self.python), "-P", "-c", ENTRY.format(prefix=self.prefix), *words]


def cache_root() -> Path:
    """Return the directory of what bisections keep.

    Raises: BisectError.
    """
    try:
        root = user_directory() / "mmfold" / "bisect"
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (CacheRefused, OSError) as error:
        raise BisectError(f"no place for builds: {error}", "set XDG_CACHE_HOME to a directory of yours") from error
    return root


class Builder:
    """Builds revisions, or finds them built."""

    def __init__(self, repository: Repository, root: Path, make: Callable[[Path, Path], None] | None = None) -> None:
        self.repository, self.root = repository, root
        self.make = make or make_environment

    def build(self, commit: Commit) -> Built:
        """Return a commit ready to run.

        Raises: DoesNotBuild, OSError.
        """
        lock = self.repository.text(commit.name, LOCK_NAME)
        if lock is None:
            raise DoesNotBuild(f"it has no {LOCK_NAME}")
        key = hashlib.sha256(lock + sys.version.encode()).hexdigest()[:NAME_CHARS]
        tree = self.kept("trees", commit.name, TREE_COUNT_MAX, lambda place: self.write_tree(commit, place))
        home = self.kept("environments", key, ENVIRONMENT_COUNT_MAX, lambda place: self.write_environment(lock, place))
        name = namespace_of(tree / "mmfold")
        path = tree if name else tree / "mmfold"
        python = home / "env" / "bin" / "python"
        return Built(commit, python, path, f"{name}." if name else "", f"{commit.name} {key}")

    def write_tree(self, commit: Commit, place: Path) -> None:
        """Write the files of a commit, under the name that its modules import each other by.

        Raises: DoesNotBuild.
        """
        try:
            self.repository.extract(commit.name, place / "mmfold")
        except BisectError as error:
            raise DoesNotBuild(str(error)) from error
        name = namespace_of(place / "mmfold")
        if name not in ("", "mmfold"):
            (place / name).symlink_to("mmfold")

    def write_environment(self, lock: bytes, place: Path) -> None:
        """Make an environment of what a lock names.

        Raises: DoesNotBuild.
        """
        (place / LOCK_NAME).write_bytes(lock)
        self.make(place / "env", place / LOCK_NAME)

    def kept(self, kind: str, name: str, count_max: int, make: Callable[[Path], None]) -> Path:
        """Return a directory by its name, made unless it is there; the ones that were used longest ago make room."""
        final = self.root / kind / name
        final.parent.mkdir(mode=0o700, exist_ok=True)
        if not final.is_dir():
            with work_directory(final) as work:
                (work / name).mkdir()
                make(work / name)
                with suppress(FileExistsError, OSError):  # another bisection was quicker
                    os.rename(work / name, final)
        os.utime(final)
        prune(final.parent, count_max)
        return final


def namespace_of(tree: Path) -> str:
    """Return the name that a checkout's modules import each other by, nothing where it is their own.

    Raises: DoesNotBuild.
    """
    try:
        return find_build(tree).namespace
    except CannotCompare as error:
        raise DoesNotBuild(str(error).replace(str(tree), "it")) from error


def make_environment(place: Path, lock: Path) -> None:
    """Make a virtual environment and install a lock into it, each package by its hash.

    Raises: DoesNotBuild.
    """
    run_quietly([sys.executable, "-m", "venv", str(place)], "venv")
    pip = [str(place / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"]
    run_quietly([*pip, "install", "--require-hashes", "-r", str(lock)], "pip")


def run_quietly(command: list[str], what: str) -> None:
    """Run a step of a build to its end.

    Raises: DoesNotBuild with the last thing it said.
    """
    code, _, err = run_group(command, BUILD_TIMEOUT_S, dict(os.environ), Path.cwd())
    if code:
        lines = [line.strip() for line in err.decode(errors="replace").splitlines() if line.strip()]
        told = next((line for line in reversed(lines) if line.lower().startswith("error")), lines[-1] if lines else "")
        raise DoesNotBuild(f"{what} fails: {told or f'exit code {code}'}")


def run_group(
    command: list[str], timeout_s: float, environ: dict[str, str], directory: Path
) -> tuple[int, bytes, bytes]:
    """Run a program and end all that it started, whatever ends it; returns exit code, stdout and stderr.

    Raises: DoesNotBuild after the time.
    """
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ, cwd=directory,
        start_new_session=True,
    )  # fmt: skip
    try:
        out, err = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        raise DoesNotBuild(f"it takes longer than {timeout_s:,.0f} s") from error
    finally:
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    return process.returncode, out, err


def prune(directory: Path, count_max: int) -> None:
    """Remove what was used longest ago until at most so many are left."""
    found = []
    for path in directory.iterdir():
        if not path.name.startswith("."):
            with suppress(OSError):
                found.append((path.stat().st_mtime_ns, path))
    for _, path in sorted(found)[: max(0, len(found) - count_max)]:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
