"""Which build runs: version, commit and time; must never guess: an installed wheel knows its version alone.

GIT_SHA, MM_BUILD_TIME  what an image was built from, set when it is built; win over the checkout
"""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from mmfold.adapters.bundled import ROOT
from mmfold.engine.manifest import Manifest

GIT_TIMEOUT_S = 5


class Build(NamedTuple):
    """What is known of this build; the time is that of the commit where a checkout runs."""

    commit: str | None
    build_time: str | None
    version: str = str(Manifest.__dataclass_fields__["code_version"].default)


def read_build(environ: Mapping[str, str], root: Path = ROOT) -> Build:
    """Return the build that the environment names, else the checkout's commit."""
    commit, build_time = environ.get("GIT_SHA") or None, environ.get("MM_BUILD_TIME") or None
    # Only of a checkout of mm itself: installed packages may lie inside of somebody else's.
    if commit is None and (root / ".git").exists():
        words = ask_git(root)
        if len(words) == 2:
            return Build(words[0], build_time or words[1])
    return Build(commit, build_time)


def ask_git(root: Path) -> list[str]:
    """Return hash and time of the commit that is checked out, nothing where git cannot tell."""
    command = ["git", "-C", str(root), "show", "-s", "--format=%H %cI", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=GIT_TIMEOUT_S, check=False)
    except (OSError, subprocess.SubprocessError):
        return []
    return done.stdout.split() if done.returncode == 0 else []
