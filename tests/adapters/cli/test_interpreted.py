"""Whether a start has to compile is looked up without the compiler, and said where it takes long."""

import os
from pathlib import Path

import pytest

from mmfold.adapters.cli.interpreted import CORE, DESK, choose_mode, is_compiled, tell_compiling
from mmfold.engine import cache

SAID = "compiling once for this build: about 25 s\n"
# files of the cache | environment | kernel | what is said
STARTS = [
    ([], {}, CORE, SAID),
    (["desk.run_request-36.py311.nbi"], {}, CORE, SAID),
    (["desk.run_request-36.py311.nbi"], {}, DESK, ""),
    (["step.run-277.py311.nbi"], {}, CORE, ""),
    (["step.run_decide_all-196.py311.nbi"], {}, CORE, SAID),
    ([], {"NUMBA_DISABLE_JIT": "1"}, CORE, ""),
]


@pytest.mark.parametrize(("files", "environment", "kernel", "said"), STARTS)
def test_what_is_said(
    files: list[str], environment: dict[str, str], kernel: str, said: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    prepare(monkeypatch, XDG_CACHE_HOME=str(tmp_path), **environment)
    for file in files:
        keep(file)
    tell_compiling(kernel)
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", said)


def prepare(monkeypatch: pytest.MonkeyPatch, **environment: str) -> None:
    """Set what a start looks at, so that what is looked up leaves nothing behind."""
    for name in ("NUMBA_DISABLE_JIT", "NUMBA_CACHE_DIR"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


def keep(file: str) -> None:
    """Put a file where compiled kernels of the core are kept."""
    folder = cache.cache_directory(make=True) / "engine"
    folder.mkdir(exist_ok=True)
    (folder / file).touch()


def test_the_users_own_directory_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(monkeypatch, XDG_CACHE_HOME=str(tmp_path / "a"), NUMBA_CACHE_DIR=str(tmp_path / "b"))
    assert not is_compiled()
    keep("step.run-277.py311.nbi")
    assert is_compiled() and list((tmp_path / "b").rglob("*.nbi")) and not (tmp_path / "a").exists()


def test_what_is_refused_is_not_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(monkeypatch, XDG_CACHE_HOME=str(tmp_path))
    keep("step.run-277.py311.nbi")
    (tmp_path / "mmfold").chmod(0o770)
    tell_compiling(CORE)
    assert capsys.readouterr().err == "compiling for this start alone: about 25 s\n"
    journal = tmp_path / "short.mmj"
    journal.write_bytes(bytes(64))
    choose_mode(journal, 1)
    assert os.environ["NUMBA_DISABLE_JIT"] == "0"  # tell_compiling has settled it
    monkeypatch.delenv("NUMBA_DISABLE_JIT")
    choose_mode(journal, 1)
    assert os.environ["NUMBA_DISABLE_JIT"] == "1"
