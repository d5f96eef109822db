"""`mm stop` ends a session in another process, gently and by the kill switch; what is no mm is left alone."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmfold.adapters.cli.main import run
from mmfold.adapters.live.operator.reload import file_mark
from mmfold.adapters.live.operator.stopping import command_of
from mmfold.journal.log.seal import SEAL_NAME
from mmfold.journal.log.writer import Writer
from mmfold.replay.run import Replay, ReplayOptions
from tests.adapters.emulator.running import LINEAR, RunningVenue, rest, run_synthetic
from tests.journal.make_rows import canonical_rows, write_journal

REPO = Path(__file__).resolve().parents[3]
WAIT_S = 60.0


@pytest.fixture(autouse=True)
def _no_faults(running: RunningVenue) -> Iterator[None]:
    yield
    running.set_faults()


@pytest.fixture(scope="module")
def running() -> Iterator[RunningVenue]:
    venue = run_synthetic()
    yield venue
    venue.close()


class Session:
    """An `mm` process and what it has logged."""

    def __init__(self, *words: str) -> None:
        command = [sys.executable, "-m", "mmfold.adapters.cli.main", *words]
        environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(REPO), "SECRETS_BACKEND": "memory"}
        self.process = subprocess.Popen(
            command, cwd=REPO, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def wait_for(self, event: str) -> None:
        assert self.process.stderr is not None
        said = []
        for line in self.process.stderr:
            said.append(line)
            if f'"event":"{event}"' in line:
                return
        raise AssertionError("".join(said))

    def end(self) -> tuple[int, str]:
        out, _ = self.process.communicate(timeout=WAIT_S)
        return self.process.returncode, out


def live(running: RunningVenue, journal: Path, *more: str) -> Session:
    words = ("--mode", "testnet", "--endpoint", running.urls["rest"], "--symbols", "BTCUSDT", "--journal", str(journal))
    return Session("live", *words, "--warmup", "200ms", "--json", *more)


def open_orders(running: RunningVenue) -> int:
    answer = rest(running, "GET", "/v5/order/realtime", LINEAR, running.keys[0]).json()
    return len(answer["result"]["list"])


def wait_for_orders(running: RunningVenue) -> None:
    end_s = time.monotonic() + WAIT_S
    while not open_orders(running):
        assert time.monotonic() < end_s
        time.sleep(0.05)


@pytest.mark.parametrize(("how", "code"), [([], 0), (["--now"], 3)])
def test_a_session_is_stopped(
    running: RunningVenue,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    how: list[str],
    code: int,
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))  # the account is other tests' too
    journal, config = tmp_path / "j", tmp_path / "mm.yaml"
    config.write_text("strategy:\n  min_spread_bps: 2\n")
    session = live(running, journal, "--config", str(config))
    session.wait_for("trading")
    config.write_text("strategy:\n  min_spread_bps: 3\n")
    session.wait_for("config_changed")
    wait_for_orders(running)
    if how:  # order entry is deaf: only the other way is left
        running.set_faults({"fault": "request_lost", "at": "trade:order.cancel*", "count": None})
    capfd.readouterr()
    assert run(["stop", "--journal", str(journal), "--json", *how]) == 0
    told = json.loads(capfd.readouterr().out)
    assert (told["pid"], told["command"], told["sealed"]) == (session.process.pid, "live", True)
    assert open_orders(running) == 0
    ended, out = session.end()
    result = json.loads(out)
    assert (ended, result["killed"], result["open_orders"]) == (code, code == 3, 0)
    replayed = Replay(journal, ReplayOptions(checkpoints=False)).run()
    assert replayed.sealed
    assert run(["stop", "--journal", str(journal)]) == 1
    assert "nothing runs on" in capfd.readouterr().err


def test_a_process_that_is_no_session_is_left_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = write_journal(tmp_path / "j", canonical_rows(10), 5)
    with Writer(path):
        assert run(["stop", "--now", "--journal", str(path)]) == 1
    assert "is no mm live or mm record" in capfd.readouterr().err
    assert run(["stop", "--journal", str(tmp_path / "none")]) == 1
    assert "nothing runs on" in capfd.readouterr().err


def test_a_recording_is_stopped(running: RunningVenue, tmp_path: Path) -> None:
    journal = str(tmp_path / "j")
    session = Session("record", "--endpoint", running.urls["rest"], "--symbols", "BTCUSDT", "--journal", journal)
    session.wait_for("stream_up")
    assert run(["stop", "--journal", journal]) == 0
    assert session.end()[0] == 0 and (tmp_path / "j" / SEAL_NAME).exists()


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("python /x/bin/mm live --mode paper", "live"),
        ("python -m mmfold.adapters.cli.main record", "record"),
        ("/x/bin/mm import binance --out live", None),
        ("vim live", None),
        ("mm", None),
    ],
)
def test_what_may_be_signalled(line: str, command: str | None) -> None:
    assert command_of(line.split()) == command


def test_a_changed_file_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    assert file_mark(path) is None
    path.write_text("a")
    first = file_mark(path)
    path.write_text("ab")
    assert first is not None and file_mark(path) != first
