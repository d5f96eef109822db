"""A terminal that is not UTF-8 gets every command's words, aligned as ever, and no traceback."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmfold.adapters.cli import plain_text
from mmfold.adapters.cli.plain_text import plain_character, settle_streams

REPO = Path(__file__).resolve().parents[3]
DEMO = str(REPO / "fixtures" / "demo.mmj")
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "NUMBA_DISABLE_JIT": "1"}


def mm(encoding: str, *words: str, **more: str) -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", "mmfold.adapters.cli.main", *words]
    env = os.environ | ASCII | {"PYTHONIOENCODING": encoding} | more
    return subprocess.run(command, cwd=REPO, env=env, capture_output=True, check=False, timeout=100)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437"])
@pytest.mark.parametrize(
    "words, code",
    [
        (("replay", "--events", DEMO, "--until", "300"), 0),
        (("top", "--journal", DEMO, "--once"), 0),
        (("journal", "info", DEMO), 0),
        (("config", "describe"), 0),
        (("docs", "README"), 0),
        (("replay", "--events", "/nö/…/x"), 1),
        (("backtest", "--events", DEMO, "--no-journal", "--set", "strategy.näme=1"), 1),
    ],
)
def test_no_command_fails_for_it(encoding: str, words: tuple[str, ...], code: int) -> None:
    done = mm(encoding, *words)
    assert done.returncode == code and b"Traceback" not in done.stderr, done.stderr
    assert b"codec" not in done.stderr and b"fault of mm" not in done.stderr


def test_columns_stay_aligned() -> None:
    shown = mm("ascii", "top", "--journal", DEMO, "--once").stdout.decode("ascii").splitlines()
    meant = mm("utf-8", "top", "--journal", DEMO, "--once").stdout.decode().splitlines()
    assert [len(line) for line in shown] == [len(line) for line in meant] and shown != meant
    assert any(line.startswith("-- BTCUSDT") for line in shown)


@pytest.mark.parametrize(
    "one, said", [("…", "~"), ("│", "|"), ("─", "-"), ("┼", "+"), ("×", "x"), ("ü", "\\xfc"), ("\udcff", "\\udcff")]
)
def test_what_stands_for_what(one: str, said: str) -> None:
    assert plain_character(one) == said


def test_a_file_name_of_no_encoding_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), "utf-8")
    monkeypatch.setattr(plain_text.sys, "stdout", stream)
    settle_streams()
    print("n\udcff … ü", file=stream, flush=True)
    assert stream.buffer.getvalue().decode() == "n\\udcff … ü\n"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "until, code, said",
    [
        ("1723161257221000123", 0, "until     2024-08-08T23:54:17.221000123Z, a time in ns"),
        ("9999999999999999999", 64, "beyond any seq"),
        ("1723161257221000", 64, "beyond any seq"),
        ("12", 0, ""),
    ],
)
def test_digits_beyond_any_seq_are_a_time(until: str, code: int, said: str) -> None:
    done = mm("utf-8", "replay", "--events", DEMO, "--until", until)
    assert done.returncode == code and said in done.stderr.decode(), done.stderr
