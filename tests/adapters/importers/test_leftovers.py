"""What an import that fails or is ended leaves: the earlier journal with its own quarantine, and nothing hidden."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mmfold.adapters.cli.main import run

REPO = Path(__file__).resolve().parents[3]
LINE = b'%d {"e":"bookTicker","u":9,"s":"A","b":"1.0","B":"2","a":"1.1","A":"3","T":1,"E":2}\n'
GRID = ("--tick", "A=0.1", "--lot", "A=0.1")


def call(capture: Path, out: Path, *more: str) -> int:
    return run(["import", "binance", str(capture), "--out", str(out), *GRID, *more])


def test_a_failing_import_keeps_the_earlier_quarantine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad, out = tmp_path / "good", tmp_path / "bad", tmp_path / "j"
    good.write_bytes(LINE % 1 + b"2 {\n")
    bad.write_bytes(b"1 nothing of it\n")
    assert call(good, out) == 0
    aside, journal = (tmp_path / "j.quarantine.jsonl").read_bytes(), sorted(out.iterdir())
    assert call(bad, out, "--force") == 1
    assert "j.failed.quarantine.jsonl" in capsys.readouterr().err
    assert (tmp_path / "j.quarantine.jsonl").read_bytes() == aside and sorted(out.iterdir()) == journal
    assert b"nothing of it" in (tmp_path / "j.failed.quarantine.jsonl").read_bytes()


@pytest.mark.parametrize("name", ["j", "j.quarantine.jsonl"])
def test_an_import_replaces_neither_its_capture_nor_what_stands_for_its_quarantine(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(LINE % 1)
    assert call(tmp_path / name, tmp_path / "j", "--force") == 1
    assert (tmp_path / name).read_bytes() == LINE % 1 and [path.name for path in tmp_path.iterdir()] == [name]


def test_a_quarantine_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "good").write_bytes(LINE % 1)
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "j.quarantine.jsonl").symlink_to("mine")
    assert call(tmp_path / "good", tmp_path / "j") == 1
    assert (tmp_path / "mine").read_text() == "mine" and (tmp_path / "j.quarantine.jsonl").is_symlink()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_signal_leaves_nothing_and_kill_9_nothing_for_long(tmp_path: Path, number: int, code: int) -> None:
    capture, out = tmp_path / "capture", tmp_path / "out" / "j"
    capture.write_bytes(b"1 x\n" + LINE % 2)
    out.parent.mkdir()
    words = ["import", "binance", str(capture), "--out", str(out), *GRID]
    # It stops where the journal is written, so that the signal finds all of its work.
    program = (
        "import sys, time; from mmfold.adapters.importers import run as at; from mmfold.adapters.cli import main; "
        "at.write_journal = lambda *_: time.sleep(60); main.main()"
    )
    process = subprocess.Popen([sys.executable, "-c", program, *words], cwd=REPO, stderr=subprocess.PIPE)
    deadline_s = time.monotonic() + 60
    while len(os.listdir(out.parent)) < 2:
        assert process.poll() is None and time.monotonic() < deadline_s
        time.sleep(0.01)
    time.sleep(0.3)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == code
    if number == signal.SIGKILL:
        assert len(os.listdir(out.parent)) == 2
        assert call(capture, out) == 0
        assert sorted(os.listdir(out.parent)) == ["j", "j.quarantine.jsonl"]
    else:
        assert os.listdir(out.parent) == []
