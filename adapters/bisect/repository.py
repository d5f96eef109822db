"""A git repository as a bisection asks it; must never change it: no worktree, no ref, no file of it is written."""

import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mmfold.adapters.bisect.errors import BisectError

REV_CHARS_MAX = 200


class Commit(NamedTuple):
    """One commit."""

    name: str
    date: str
    subject: str

    @property
    def short(self) -> str:
        """The beginning of its name."""
        return self.name[:10]


@dataclass(frozen=True)
class Repository:
    """A checkout or a bare repository."""

    path: Path

    def ask(self, *words: str) -> str:
        """Return what git answers.

        Raises: BisectError.
        """
        done = self.call(*words)
        if done.returncode:
            told = done.stderr.decode(errors="replace").strip().splitlines()
            raise BisectError(f"git {words[0]}: {told[-1] if told else f'exit code {done.returncode}'}")
        return done.stdout.decode(errors="replace").strip()

    def call(self, *words: str) -> "subprocess.CompletedProcess[bytes]":
        """Run git, whatever variables a hook has set.

        Raises: BisectError where there is no git.
        """
        environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        try:
            return subprocess.run(
                ["git", "-C", str(self.path), *words], stdin=subprocess.DEVNULL, capture_output=True, env=environ,
                check=False,
            )  # fmt: skip
        except FileNotFoundError as error:
            raise BisectError("git is not installed", "install git, or use --config-good and --config-bad") from error

    def commit(self, revision: str) -> Commit:
        """Return the commit that a word names.

        Raises: BisectError.
        """
        found = self.call("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        if found.returncode or len(revision) > REV_CHARS_MAX:
            raise BisectError(
                f"{self.path} has no revision {revision[:REV_CHARS_MAX]!r}", "git log --oneline lists them"
            )
        return self.described(found.stdout.decode().strip())

    def described(self, name: str) -> Commit:
        """Return a commit by its name."""
        return Commit(*self.ask("show", "--no-patch", "--format=%H%x00%cs%x00%s", name).split("\0"))

    def parents(self, name: str) -> list[str]:
        """Return the parents of a commit, the first one first."""
        return self.ask("rev-list", "--parents", "--max-count=1", name).split()[1:]

    def is_ancestor(self, good: str, bad: str) -> bool:
        """Tell whether one commit is in the history of another."""
        return self.call("merge-base", "--is-ancestor", good, bad).returncode == 0

    def candidates(self, bad: str, goods: Iterable[str]) -> list[str]:
        """Return the commits that may be the first bad one, what halves them best first; the bad one is last."""
        lines = self.ask("rev-list", "--bisect-all", bad, *(f"^{good}" for good in goods)).splitlines()
        names = [line.split()[0] for line in lines]
        return [*(name for name in names if name != bad), bad]

    def text(self, name: str, path: str) -> bytes | None:
        """Return a file of a commit, None where it has none."""
        found = self.call("show", f"{name}:{path}")
        return None if found.returncode else found.stdout

    def extract(self, name: str, place: Path) -> None:
        """Write the files of a commit to a directory.

        Raises: BisectError, OSError.
        """
        archive = place.with_name("archive.tar")
        self.ask("archive", "--format=tar", f"--output={archive.absolute()}", name)
        try:
            with tarfile.open(archive) as packed:
                packed.extractall(place, filter="data")
        except tarfile.TarError as error:
            raise BisectError(f"{name[:10]} cannot be written out: {error}") from error
        finally:
            archive.unlink()


def find_repository(directory: Path) -> Repository:
    """Return the repository that a directory is in.

    Raises: BisectError.
    """
    hint = "run it in a checkout of mm, or give one by --repository"
    if shutil.which("git") and not directory.is_dir():
        raise BisectError(f"{directory} is no directory", hint)
    found = Repository(directory).call("rev-parse", "--git-dir")
    if found.returncode:
        raise BisectError(f"{directory} is no git checkout", hint)
    return Repository(directory)
