"""A session does not stand still for what is outside: a full pipe behind its log, a FIFO as its configuration."""

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmfold.journal.log.reader import Journal
from tests.adapters.emulator.running import RunningVenue
from tests.live.processes import REPO, run_mm, running_venue

PIPE_BYTES, LINE_BYTES = 4_096, 500
ROOM_BYTES = 1_000  # for what is said before the session begins


@pytest.fixture(scope="module")
def running() -> Iterator[RunningVenue]:
    with running_venue() as venue:
        yield venue


def words(running: RunningVenue, journal: Path, *more: str) -> list[str]:
    asked = ["live", "--mode", "shadow", "--endpoint", running.urls["rest"], "--symbols", "BTCUSDT", "--port", "0"]
    return [*asked, "--warmup", "0s", "--for", "4s", "--json", "--journal", str(journal), *more]


def test_nobody_reads_the_log(running: RunningVenue, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    os.write(writer, b"." * (PIPE_BYTES - ROOM_BYTES))
    command = [sys.executable, "-m", "mmfold.adapters.cli.main", *words(running, tmp_path / "j")]
    env = os.environ | {"LOG_LEVEL": "DEBUG", "NUMBA_DISABLE_JIT": "1", "PYTHONASYNCIODEBUG": "1"}
    started_s = time.monotonic()
    try:
        done = subprocess.run(
            command, cwd=REPO, env=env, stdout=subprocess.PIPE, stderr=writer, check=False, timeout=60
        )
        os.set_blocking(reader, False)
        assert len(os.read(reader, PIPE_BYTES)) > PIPE_BYTES - LINE_BYTES, "the pipe was never full"
    finally:
        os.close(reader)
        os.close(writer)
    assert done.returncode == 0 and json.loads(done.stdout)["events"] > 50
    assert time.monotonic() - started_s < 40
    assert Journal(tmp_path / "j").seq_next() > 50


def test_a_configuration_that_is_a_pipe_is_refused(running: RunningVenue, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "mm.yaml")
    done = run_mm(*words(running, tmp_path / "j", "--config", str(tmp_path / "mm.yaml")), timeout_s=30)
    assert done.returncode == 1 and "not a regular file" in done.stderr, done.stderr
