"""A journal on disk and the command that looks at it, for the tests of `mm journal`."""

import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from mmfold.adapters.cli.main import run
from tests.journal.make_rows import canonical_rows, write_journal

JOURNAL_EVENT_COUNT = 2100  # three blocks, three segments


@pytest.fixture
def same_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the commands from choosing for the tests that follow whether kernels are compiled."""
    monkeypatch.setenv("NUMBA_DISABLE_JIT", os.environ.get("NUMBA_DISABLE_JIT", "0"))


@pytest.fixture(scope="session")
def made_journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_journal(
        tmp_path_factory.mktemp("made") / "j", canonical_rows(JOURNAL_EVENT_COUNT), 50, segment_bytes_max=120_000
    )


@pytest.fixture
def place(made_journal: Path, tmp_path: Path) -> Path:
    """Return a directory that holds the journal `j` and nothing else."""
    shutil.copytree(made_journal, tmp_path / "j")
    return tmp_path


@pytest.fixture
def call(same_kernels: None, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs one command line and returns exit code, stdout and stderr."""

    def call(*words: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = run([str(word) for word in words])
        told = capfd.readouterr()
        assert "Traceback" not in told.err
        return code, told.out, told.err

    return call


@pytest.fixture
def mm(call: Callable[..., tuple[int, str, str]]) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs `mm journal ...` and returns exit code, stdout and stderr."""
    return partial(call, "journal")
