"""Which build runs: what the environment says, what a checkout says, and nothing else."""

import re
from importlib import metadata
from pathlib import Path

import pytest

from mmfold.adapters.live.build import read_build

REPO = Path(__file__).resolve().parents[3]
VERSION = metadata.version("mmfold")


def test_the_environment_wins_over_the_checkout() -> None:
    time = "2026-11-20T00:00:00Z"
    assert read_build({"GIT_SHA": "abc", "MM_BUILD_TIME": time}, REPO) == ("abc", time, VERSION)
    assert read_build({"GIT_SHA": "abc"}, REPO) == ("abc", None, VERSION)


def test_a_build_that_says_nothing_knows_its_version_alone(tmp_path: Path) -> None:
    assert read_build({}, tmp_path) == (None, None, VERSION)
    (tmp_path / ".git").mkdir()  # a checkout that git cannot read
    assert read_build({}, tmp_path) == (None, None, VERSION)


def test_a_checkout_knows_its_commit() -> None:
    if not (REPO / ".git").exists():
        pytest.skip("not a checkout")
    commit, build_time, _ = read_build({}, REPO)
    assert re.fullmatch(r"[0-9a-f]{40}", commit or "") and re.match(r"\d{4}-\d\d-\d\dT", build_time or "")
