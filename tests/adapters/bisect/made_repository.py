"""A repository of small stand-ins for mm: each commit has packages, a lock, and a `mm replay` that says what it should.

Environments are stand-ins too: a link to an interpreter, and none for a lock that says `broken`.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from mmfold.adapters.bench.builds import PACKAGES
from mmfold.adapters.bisect.builds import DoesNotBuild

MAIN = """
import json, pathlib, sys, time
from {prefix}engine.said import SAID

def main():
    words = sys.argv[1:]
    assert words[:2] == ["replay", "--events"] and "--json" in words, words
    if SAID.get("sleep"):
        time.sleep(SAID["sleep"])
    if "--effects" in words:
        lines = [json.dumps({{"seq": 10 + place, "price": price}}) for place, price in enumerate(SAID["prices"])]
        pathlib.Path(words[words.index("--effects") + 1]).write_text("".join(line + "\\n" for line in lines))
    if SAID.get("stderr"):
        print(SAID["stderr"], file=sys.stderr)
    if "prices" in SAID:
        symbols = {{"BTCUSDT": {{"placed": len(SAID["prices"])}}, "ETHUSDT": {{"placed": 0}}}}
        print(json.dumps({{"effects_digest": str(SAID["prices"]), "symbols": symbols}}))
    sys.exit(SAID.get("code", 0))
"""
PROJECT = '[tool.setuptools.package-dir]\n"{namespace}" = "."\n'


def git(place: Path, *words: str) -> str:
    """Run git with an author of its own."""
    who = {f"GIT_{role}_{what}": "t@example.invalid" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(
        ["git", "-C", str(place), *words],
        env={**os.environ, **who, **alone},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


class Made:
    """The repository, and the commits that were made, by name."""

    def __init__(self, place: Path) -> None:
        self.place = place
        place.mkdir()
        git(place, "init", "--quiet", "--initial-branch=main")

    def commit(self, said: dict[str, Any], lock: str = "one", namespace: str = "mmfold") -> str:
        """Commit a stand-in that says something; returns the commit's name."""
        for package in (*PACKAGES, "adapters/cli"):
            (self.place / package).mkdir(parents=True, exist_ok=True)
            (self.place / package / "__init__.py").touch()
        (self.place / "engine" / "said.py").write_text(f"SAID = {said!r}\n")
        prefix = f"{namespace}." if namespace else ""
        (self.place / "adapters" / "cli" / "main.py").write_text(MAIN.format(prefix=prefix))
        (self.place / "pyproject.toml").write_text(PROJECT.format(namespace=namespace) if namespace else "")
        (self.place / "requirements.lock").write_text(f"{lock}\n")
        git(self.place, "add", "-A")
        git(self.place, "commit", "--quiet", "--allow-empty", "-m", f"Say {said}")
        return git(self.place, "rev-parse", "HEAD")


def make_stand_in(place: Path, lock: Path) -> None:
    """Make an environment that is a link, unless the lock says that there is none."""
    if "broken" in lock.read_text():
        raise DoesNotBuild("pip fails: ERROR: no such package")
    (place / "bin").mkdir(parents=True)
    (place / "bin" / "python").symlink_to(sys.executable)
