"""`mm alerts`: what it sends, what it says of each channel, its exit codes; and that nothing else sends an alert."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mmfold.adapters.alerts import channel
from mmfold.adapters.cli.main import run
from mmfold.engine.codes import AlertCode
from tests.adapters.alerts.hook import running_hook
from tests.adapters.alerts.made import hearing, left_running

REPO = Path(__file__).resolve().parents[3]
WORD = "Xk3vPq8sLw2ZrT7yBn9m"


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch, guards: None) -> None:
    monkeypatch.setattr(channel, "PAUSES_S", (0.01, 0.02, 0.03))


def test_every_channel_is_tried(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    program, out = hearing(tmp_path)
    with running_hook(503, 200) as hook:
        config = tmp_path / "mm.yaml"
        config.write_text(
            f"alerts:\n  exec: [{program.words[0]}]\n  webhook: {hook.url}/mm\n  min_severity: critical\n"
        )
        assert run(["alerts", "test", "--config", str(config), "--json"]) == 0
        told = json.loads(capfd.readouterr().out)
        assert [json.loads(body) for body in hook.bodies] == [told["alert"]] * 2
        assert json.loads(out.read_text()) == told["alert"] and told["alert"]["kind"] == "alert_test"
        assert run(["alerts", "test", "--config", str(config)]) == 0
        assert "webhook" in capfd.readouterr().out
    assert [(one["channel"], one["sent"], one["attempts"]) for one in told["channels"]] == [
        ("exec", True, 1), ("webhook", True, 2),
    ]  # fmt: skip


def test_one_that_fails_is_exit_1(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    program, _ = hearing(tmp_path, f"sys.exit('cannot use token={WORD}')")
    with running_hook(404) as hook:
        monkeypatch.setenv("HOOK", f"{hook.url}/services/{WORD}")
        words = ["--set", f"alerts.exec=[{program.words[0]}]", "--set", "alerts.webhook=env:HOOK"]
        assert run(["alerts", "test", *words]) == 1
        shown = capfd.readouterr()
    assert shown.out.count("failed") == 2 and "HTTP 404" in shown.out and "exit code 1: cannot use" in shown.out
    assert WORD not in shown.out + shown.err and hook.url not in shown.out + shown.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "no channel is set"),
        (["--set", "alerts.webhook=env:NO_SUCH_VARIABLE_HERE"], "NO_SUCH_VARIABLE_HERE is not set"),
        (["--set", "alerts.exec=[no-such-program-here]"], "there is no program no-such-program-here"),
        (["--set", "alerts.exec=5"], "must be a list of texts"),
    ],
)
def test_mistakes(words: list[str], said: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["alerts", "test", *words]) == 1
    err = capfd.readouterr().err
    assert said in err and len(err.splitlines()) == 2, "one line, and what to do next"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_ends_a_program_that_hangs(tmp_path: Path, number: signal.Signals, code: int) -> None:
    program, out = hearing(tmp_path, "import time; time.sleep(300)")
    words = ["-m", "mmfold.adapters.cli.main", "alerts", "test", "--set", f"alerts.exec=[{program.words[0]}]"]
    process = subprocess.Popen([sys.executable, *words], cwd=REPO, stderr=subprocess.PIPE)
    end_s = time.monotonic() + 60
    while not out.exists() and time.monotonic() < end_s:
        time.sleep(0.05)
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == code
    assert not left_running(str(tmp_path)), "an orphan"


def test_the_list(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["alerts", "list", "--json"]) == 0
    kinds = {one["kind"]: one["severity"] for one in json.loads(capfd.readouterr().out)["kinds"]}
    assert {code.name.lower() for code in AlertCode} <= kinds.keys() and kinds["killswitch_fired"] == "critical"
    assert run(["alerts", "list"]) == 0 and "killswitch_fired" in capfd.readouterr().out


def test_only_a_session_has_a_desk() -> None:
    users = {
        path.relative_to(REPO).parts[:2]
        for folder in ("engine", "config", "journal", "replay", "reports", "adapters")
        for path in (REPO / folder).rglob("*.py")
        if "mmfold.adapters.alerts" in path.read_text(encoding="utf-8")
    }
    commands = {part for part in users if part[0] == "adapters"}
    assert (
        users == commands == {("adapters", "alerts"), ("adapters", "cli"), ("adapters", "doctor"), ("adapters", "live")}
    )
