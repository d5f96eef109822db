"""A crash, whoever tells it: message, chain, notes and trace; no locals, no values."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmfold.adapters.crash import format_crash
from mmfold.adapters.secrets.value import Secret

REPO = Path(__file__).resolve().parents[2]
CANARY = "canary of eighteen"

PROGRAM = """
import sys, threading
from mmfold.adapters.crash import forbid_core_dumps, install_crash_hooks
from mmfold.adapters.secrets.value import Secret
install_crash_hooks()
forbid_core_dumps()
import resource
assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)
secret = Secret(sys.stdin.read())
def fail(local):
    text, plain = secret.reveal(), "seen" + "-nowhere"
    raise ValueError(f"bad signature of {text} with {secret!r}")
class Left:
    def __init__(self): self.text = secret.reveal()
    def __repr__(self): return self.text
    def __del__(self): fail(1)
HOW
"""
WAYS = {
    "main": "fail(secret.reveal())",
    "thread": "t = threading.Thread(target=fail, args=(secret.reveal(),)); t.start(); t.join()",
    "destructor": "x = Left(); del x",
    "chain": "try: fail(1)\nexcept ValueError as e: e.add_note(secret.reveal()); raise KeyError(secret.reveal())",
    "recursion": "def f(): f()\nf()",
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_an_uncaught_error_shows_its_trace_and_no_value(way: str) -> None:
    program = PROGRAM.replace("HOW", WAYS[way])
    done = subprocess.run(
        [sys.executable, "-c", program], input=CANARY, capture_output=True, text=True, cwd=REPO, check=False,
        env={**os.environ, "PYTHONPATH": str(REPO)},
    )  # fmt: skip
    assert CANARY not in done.stderr + done.stdout and "seen-nowhere" not in done.stderr
    assert "Traceback" in done.stderr
    assert way == "recursion" or "bad signature of **** with Secret(can...***)" in done.stderr
    assert (done.returncode == 1) == (way in ("main", "chain", "recursion"))


@pytest.mark.usefixtures("guards")
def test_an_error_that_cannot_say_what_it_is_is_named() -> None:
    class BrokenError(Exception):
        def __str__(self) -> str:
            raise RuntimeError(CANARY)

    Secret(CANARY)
    assert "BrokenError" in format_crash(BrokenError()) and CANARY not in format_crash(BrokenError())


@pytest.mark.usefixtures("guards")
def test_a_crash_of_the_command_line_is_redacted(capfd: pytest.CaptureFixture[str], monkeypatch) -> None:
    import click

    from mmfold.adapters.cli import main as entry

    @click.command()
    def command() -> None:
        raise KeyError(Secret(CANARY).reveal())

    monkeypatch.setattr(entry, "FAIL", command, raising=False)
    monkeypatch.setitem(entry.COMMANDS, "fail", entry.Entry("mmfold.adapters.cli.main:FAIL", ""))
    assert entry.run(["fail"]) == 70
    told = capfd.readouterr().err
    assert CANARY not in told and "KeyError: '****'" in told and "keep the journal" in told
