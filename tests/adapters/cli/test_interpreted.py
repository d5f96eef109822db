"""Whether a start has to compile is looked up without the compiler, and said where it takes long."""

from pathlib import Path

import pytest

from mmfold.adapters.cli.interpreted import CORE, DESK, tell_compiling
from mmfold.engine import cache

SAID = "compiling once for this build: about 15 s\n"
# files of the cache | environment | kernel | what is said
STARTS = [
    ([], {}, CORE, SAID),
    (["desk.run_request-36.py311.nbi"], {}, CORE, SAID),
    (["desk.run_request-36.py311.nbi"], {}, DESK, ""),
    (["step.run-277.py311.nbi"], {}, CORE, ""),
    (["step.run_decide_all-196.py311.nbi"], {}, CORE, SAID),
    ([], {"NUMBA_DISABLE_JIT": "1"}, CORE, ""),
    ([], {"NUMBA_CACHE_DIR": "elsewhere"}, CORE, ""),
]


@pytest.mark.parametrize(("files", "environment", "kernel", "said"), STARTS)
def test_what_is_said(
    files: list[str], environment: dict[str, str], kernel: str, said: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(cache, "cache_directory", lambda: tmp_path)
    for name in ("NUMBA_DISABLE_JIT", "NUMBA_CACHE_DIR"):
        monkeypatch.setenv(name, "")  # so that what is looked up leaves nothing behind
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "0.68.1").mkdir()
    for file in files:
        (tmp_path / "0.68.1" / file).touch()
    tell_compiling(kernel)
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", said)
