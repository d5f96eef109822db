"""`journal.sync` decides whether a commit is on the disk before it is acknowledged, in sessions and in recordings."""

import os
from pathlib import Path

import pytest

from mmfold.adapters.live.recorder import Recorder
from mmfold.adapters.live.session import Session
from mmfold.config.load import load_config
from tests.journal.make_rows import MANIFEST


@pytest.mark.parametrize("sync", ["none", "commit"])
@pytest.mark.parametrize("what", ["session", "recording"])
def test_a_commit_waits_for_the_disk_if_it_was_asked_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sync: str, what: str
) -> None:
    asked = load_config(None, None, [f"journal.sync={sync}"]).journal.sync
    flushed: list[int] = []
    monkeypatch.setattr(os, "fdatasync", flushed.append)
    if what == "session":
        Session(tmp_path / "j", MANIFEST, asked)
    else:
        Recorder(tmp_path / "j", MANIFEST, keep_raw=False, sync=asked)
    assert bool(flushed) == (sync == "commit")


def test_the_default_is_the_systems_own_pace() -> None:
    assert load_config(None).journal.sync == "none"
