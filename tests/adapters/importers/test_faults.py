"""What the machine may do to an import: a full disk, Ctrl-C; nothing half written, and a line that says so."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mmfold.adapters.cli.main import run
from mmfold.adapters.importers import spool
from mmfold.adapters.importers.frames import Form
from mmfold.adapters.importers.spool import Spool
from mmfold.engine.records import EVENT
from tests.adapters.venues.bybit import made_capture as made

REPO = Path(__file__).resolve().parents[3]
GRID = [option for name in made.TICKS for option in ("--tick", f"{name}={made.TICKS[name]}")]
GRID += [option for name in made.LOTS for option in ("--lot", f"{name}={made.LOTS[name]}")]
DISK_BYTES = 256 << 10


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    """A capture whose journal is larger than the small disk."""
    path = tmp_path_factory.mktemp("capture") / "capture"
    lines = made.frame_lines(made.messages(1_500), Form.STAMPED)
    path.write_bytes(b"\n".join(lines))
    return path


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(disk)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no small disk to fill: mounting a tmpfs needs root ({mounted.stderr.strip()})")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.fixture
def file_bytes_max():
    """Let no file grow beyond a size, as a quota would."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (DISK_BYTES, limits[1]))
    yield DISK_BYTES
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, handler)


def import_bybit(capture, out, *options):
    return run(["import", "bybit", str(capture), "--out", str(out), *GRID, *options])


def check_told(captured, out, reason):
    lines = captured.err.splitlines()
    assert captured.out == "" and len(lines) == 2
    assert lines[0] == f"error: {out}: could not be written: {reason}"
    assert lines[1].strip() == "free some space, or choose another --out; nothing was written"


def test_a_full_disk_leaves_nothing(capture, small_disk, capsys):
    assert import_bybit(capture, small_disk / "j") == 1
    check_told(capsys.readouterr(), small_disk / "j", os.strerror(28))
    assert os.listdir(small_disk) == []


def test_a_full_disk_keeps_the_old_journal(capture, small_disk, capsys, tmp_path):
    few = tmp_path / "few"
    few.write_bytes(b"\n".join(made.frame_lines(made.messages(20), Form.STAMPED)))
    assert import_bybit(few, small_disk / "j", "--json") == 0
    head = json.loads(capsys.readouterr().out)["head"]
    assert import_bybit(capture, small_disk / "j", "--force") == 1
    assert os.listdir(small_disk) == ["j"]
    assert run(["journal", "verify", str(small_disk / "j"), "--head", head]) == 0


def test_a_full_quarantine_leaves_nothing(capture, small_disk, capsys, tmp_path):
    """Each line is refused and kept with its reason: the quarantine is larger than what it is made of."""
    spoiled = tmp_path / "spoiled"
    spoiled.write_bytes(b"\n".join([capture.read_bytes().split(b"\n")[1], *[b"1 " + b"x" * 999] * 300]))
    assert import_bybit(spoiled, small_disk / "j") == 1
    check_told(capsys.readouterr(), small_disk / "j", os.strerror(28))
    assert os.listdir(small_disk) == []


def test_a_quota_leaves_nothing(capture, tmp_path, file_bytes_max, capsys):
    (tmp_path / "out").mkdir()
    assert import_bybit(capture, tmp_path / "out" / "j") == 1
    check_told(capsys.readouterr(), tmp_path / "out" / "j", os.strerror(27))
    assert os.listdir(tmp_path / "out") == []


def test_a_full_spool_says_why(tmp_path, file_bytes_max, monkeypatch):
    monkeypatch.setattr(spool, "MEMORY_ROW_COUNT_MAX", spool.BUFFER_ROW_COUNT)
    rows = Spool(tmp_path / "spool")
    rows.append(np.zeros(spool.BUFFER_ROW_COUNT, EVENT))
    rows.append(np.zeros(1, EVENT))
    rows.append(np.zeros(spool.BUFFER_ROW_COUNT - 1, EVENT))
    with pytest.raises(OSError, match=os.strerror(27)):
        rows.append(np.zeros(1, EVENT))


def interrupted_import(long, out):
    """Start an import, press Ctrl-C once it has refused a line, and return (exit code, what it said)."""
    command = [
        sys.executable,
        "-m",
        "mmfold.adapters.cli.main",
        "import",
        "bybit",
        str(long),
        "--out",
        str(out / "j"),
        *GRID,
    ]
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}  # slow enough to be caught
    process = subprocess.Popen([*command, "--force"], cwd=REPO, env=environment, stderr=subprocess.PIPE, text=True)
    deadline_s = time.monotonic() + 20
    while not list(out.glob(".j.quarantine.jsonl.*")):
        assert process.poll() is None and time.monotonic() < deadline_s, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=20)
    return process.returncode, told.strip()


@pytest.mark.parametrize("old", [False, True])
def test_ctrl_c_leaves_nothing(capture, tmp_path, old):
    long = tmp_path / "long"
    # Refused lines on top: their quarantine must go as well.
    long.write_bytes(b"1 x\n" * 9 + (capture.read_bytes() + b"\n") * 20)
    out = tmp_path / "out"
    out.mkdir()
    if old:
        (out / "j" / "recovered").mkdir(parents=True)
    assert interrupted_import(long, out) == (130, "interrupted")
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*")) == (["j", "j/recovered"] if old else [])


def test_a_small_import_does_not_load_numba(tmp_path):
    few = tmp_path / "few"
    few.write_bytes(b"\n".join(made.frame_lines(made.messages(200), Form.CAPTURE)))
    code = (
        "import sys; from adapters.cli.main import run; code = run(sys.argv[1:]); "
        "print(code, sorted({'numba', 'llvmlite'} & set(sys.modules)))"
    )
    arguments = ["import", "bybit", str(few), "--out", str(tmp_path / "j"), *GRID]
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"
