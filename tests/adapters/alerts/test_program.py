"""The program: real ones, that end well or badly, hang, flood, leave others behind, and get nothing that is secret."""

import asyncio
import json
import time
from pathlib import Path

import pytest

from mmfold.adapters.alerts import channel
from mmfold.adapters.alerts.channel import Attempt, deliver
from mmfold.adapters.alerts.program import STDIN_BYTES_MAX, Program, kept_environment
from tests.adapters.alerts.made import hearing, left_running, write_program

DATA = b'{"kind":"alert_test"}\n'


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "PAUSES_S", (0.01, 0.02, 0.03))


def attempt(program: Program, data: bytes = DATA) -> Attempt:
    return asyncio.run(program.attempt(data))


def test_it_hears_the_alert(tmp_path: Path) -> None:
    program, out = hearing(tmp_path)
    assert attempt(program) == Attempt()
    assert out.read_bytes() == DATA


ENDS = [
    # what it does | the reason
    ("sys.exit(1)", "exit code 1"),
    ("sys.exit('no network')", "exit code 1: no network"),
    ("print('a\\nlast\\n', file=sys.stderr); sys.exit(7)", "exit code 7: last"),
    ("os.kill(os.getpid(), 9)", "exit code -9"),
    ("sys.stdout.write('x' * 20_000_000); sys.exit(3)", "exit code 3"),
    ("sys.stderr.write('y' * 5_000_000 + 'z'); sys.exit(3)", "exit code 3: " + "y" * 2_000),
]


@pytest.mark.parametrize(("body", "reason"), ENDS, ids=[str(number) for number in range(len(ENDS))])
def test_how_it_may_end(tmp_path: Path, body: str, reason: str) -> None:
    program, _ = hearing(tmp_path, body)
    assert attempt(program) == Attempt(reason)


def test_a_flood_that_never_ends_is_ended(tmp_path: Path) -> None:
    program, _ = hearing(tmp_path, "\nwhile True: sys.stdout.write('x' * 65536); sys.stderr.write('y' * 65536)", 1.5)
    assert attempt(program) == Attempt("has not ended within 1.5 s")
    assert not left_running(str(tmp_path))


def test_one_that_does_not_read_is_no_harm(tmp_path: Path) -> None:
    program = Program((str(write_program(tmp_path / "deaf.py", "pass\n")),), 20.0)
    assert attempt(program, b"x" * STDIN_BYTES_MAX) == Attempt()


def test_one_that_hangs_goes_with_all_that_it_started(tmp_path: Path) -> None:
    body = "import subprocess, time\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)', 'ITS'])\n"
    program, out = hearing(tmp_path, body.replace("ITS", str(tmp_path)) + "time.sleep(300)\n", 1.5)
    start_s = time.monotonic()
    assert attempt(program) == Attempt("has not ended within 1.5 s")
    assert time.monotonic() - start_s < 10 and out.read_bytes() == DATA
    assert not left_running(str(tmp_path)), "an orphan"


def test_what_it_leaves_in_its_group_does_not_stay(tmp_path: Path) -> None:
    body = "import subprocess\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)', 'ITS'])\n"
    program, _ = hearing(tmp_path, body.replace("ITS", str(tmp_path)))
    assert attempt(program) == Attempt()
    time.sleep(0.2)
    assert not left_running(str(tmp_path)), "an orphan"


def test_ended_while_it_runs_it_is_gone(tmp_path: Path) -> None:
    program, out = hearing(tmp_path, "import time; time.sleep(300)")

    async def cut_short() -> None:
        task = asyncio.ensure_future(program.attempt(DATA))
        while not out.exists():
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(cut_short())
    assert not left_running(str(tmp_path)), "an orphan"


@pytest.mark.parametrize("kind", ["absent", "directory", "not executable", "no interpreter"])
def test_what_cannot_be_run_is_not_tried_again(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "p"
    if kind == "directory":
        path.mkdir()
    elif kind == "not executable":
        path.write_text("#!/bin/sh\n")
        path.chmod(0o600)
    elif kind == "no interpreter":
        path.write_text("#!/no/such/interpreter\n")
        path.chmod(0o700)
    outcome = asyncio.run(deliver(Program((str(path),), 5.0), DATA))
    assert not outcome.is_sent and outcome.attempts == 1 and outcome.reason.startswith("cannot be run: ")


def test_it_is_tried_until_it_works_and_no_longer(tmp_path: Path) -> None:
    program, out = hearing(tmp_path, f"\nsys.exit(len(open({str(tmp_path / 'heard.jsonl')!r}).readlines()) < 3)")
    outcome = asyncio.run(deliver(program, DATA))
    assert (outcome.is_sent, outcome.attempts, outcome.reason) == (True, 3, "")
    assert out.read_bytes() == DATA * 3


def test_four_attempts_are_all(tmp_path: Path) -> None:
    program, out = hearing(tmp_path, "sys.exit(1)")
    outcome = asyncio.run(deliver(program, DATA))
    assert (outcome.is_sent, outcome.attempts, outcome.reason) == (False, 4, "exit code 1")
    assert len(out.read_bytes().splitlines()) == 4


def test_no_key_reaches_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = "planted-value-of-the-test"
    for name in ("MM_BYBIT_API_KEY", "MM_FAKE_SECRETS_JSON", "AWS_SECRET_ACCESS_KEY", "MM_ALERT_URL", "XALERT_"):
        monkeypatch.setenv(name, planted)
    monkeypatch.setenv("ALERT_TO", "me")
    saw = str(tmp_path / "saw")
    body = f"\nimport json\njson.dump([dict(os.environ), sys.argv, os.listdir('/proc/self/fd')], open({saw!r}, 'w'))"
    program, _ = hearing(tmp_path, body)
    assert attempt(program) == Attempt()
    text = (tmp_path / "saw").read_text()
    environ, words, fds = json.loads(text)
    assert planted not in text and environ["ALERT_TO"] == "me" and "PATH" in environ
    assert words == list(program.words) and set(fds) <= {"0", "1", "2", "3", "4"}


def test_the_environment_is_a_list_of_what_may_pass() -> None:
    given = {
        "PATH": "p",
        "HOME": "h",
        "ALERT_X": "x",
        "AWS_SECRET_ACCESS_KEY": "s",
        "LD_PRELOAD": "l",
        "PYTHONPATH": "y",
    }
    assert kept_environment(given) == {"PATH": "p", "HOME": "h", "ALERT_X": "x"}
