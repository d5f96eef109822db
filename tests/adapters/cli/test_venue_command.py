"""`mm venue bybit`: says where it is, answers there, stops cleanly, and tells a mistake in a line."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from mmfold.adapters.cli.main import run

REPO = Path(__file__).resolve().parents[3]
SECRET = "canary-secret-of-the-user"


def start(*words: str, venue: str = "bybit", **environment: str) -> subprocess.Popen[str]:
    """Start the command in a process; interpreted, so that nobody waits for a compiler."""
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "mmfold.adapters.cli.main",
            "venue",
            venue,
            "--listen",
            "127.0.0.1:0",
            "--json",
            *words,
        ],
        cwd=REPO,
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_is_and_stops(number: signal.Signals) -> None:
    process = start("--synthetic", "7", "--symbols", "BTCUSDT", MM_VENUE_KEYS=f"user-key:{SECRET}")
    try:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        assert told["symbols"] == ["BTCUSDT"] and told["keys"] == [{"key": "user-key", "secret": "***"}]
        with urllib.request.urlopen(f"{told['urls']['rest']}/v5/market/time", timeout=10) as answer:
            assert json.load(answer)["retCode"] == 0
        process.send_signal(number)
        rest, errors = process.communicate(timeout=20)
        assert (process.returncode, rest, errors) == (0, "", "")
        assert SECRET not in json.dumps(told)
    finally:
        process.kill()
        process.communicate()


def test_a_market_alone_has_no_keys() -> None:
    process = start("--symbols", "ETHUSDT", venue="binance", MM_VENUE_KEYS=f"user-key:{SECRET}")
    try:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        assert set(told) == {"urls", "symbols", "market"} and told["symbols"] == ["ETHUSDT"]
        with urllib.request.urlopen(f"{told['urls']['rest']}/fapi/v1/depth?symbol=ETHUSDT", timeout=10) as answer:
            assert json.load(answer)["lastUpdateId"] > 0
        process.send_signal(signal.SIGTERM)
        rest, errors = process.communicate(timeout=20)
        assert (process.returncode, rest, errors) == (0, "", "")
    finally:
        process.kill()
        process.communicate()


def refused(capfd: pytest.CaptureFixture[str], *words: str, venue: str = "bybit") -> tuple[int, str]:
    capfd.readouterr()
    code = run(["venue", venue, *words])
    told = capfd.readouterr()
    assert "Traceback" not in told.err and told.out == ""
    return code, told.err


@pytest.mark.parametrize(
    "words, code, text",
    [
        (["--listen", "0.0.0.0:0"], 1, "not this machine's own address"),
        (["--listen", "127.0.0.1"], 64, "HOST:PORT"),
        (["--listen", "127.0.0.1:99999"], 64, "HOST:PORT"),
        (["--symbols", "DOGEUSDT"], 1, "no synthetic market for DOGEUSDT"),
        (["--feed", "nothing-here"], 1, "nothing-here"),
        (["--feed", "a", "--synthetic", "1"], 64, "give one"),
        (["--speed", "0"], 64, "speed"),
        (["--deposit", "much"], 64, "not an amount"),
        (["--faults", "no-such-file.yaml"], 1, "no-such-file.yaml"),
    ],
)
@pytest.mark.parametrize("venue", ["bybit", "binance"])
def test_mistakes(
    words: list[str], code: int, text: str, venue: str, same_kernels: None, capfd: pytest.CaptureFixture[str]
) -> None:
    got, told = refused(capfd, *words, venue=venue)
    if venue == "binance" and "--deposit" in words:
        code, text = 64, "No such option"
    assert (got, text in told) == (code, True), told


def test_a_port_in_use(same_kernels: None, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, told = refused(capfd, "--listen", f"127.0.0.1:{taken.getsockname()[1]}", "--symbols", "BTCUSDT")
    assert code == 1 and "of 127.0.0.1: Address already in use" in told


def test_keys_of_the_environment(
    same_kernels: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for bad in ("key", "key:", ":secret", "a:b,a:c"):
        monkeypatch.setenv("MM_VENUE_KEYS", bad)
        code, told = refused(capfd)
        assert code == 1 and "MM_VENUE_KEYS" in told and "secret" not in told, bad


def test_a_bad_plan_of_faults(same_kernels: None, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "f.yaml").write_text("rules: [{fault: drop, count: 0}]")
    code, told = refused(capfd, "--faults", str(tmp_path / "f.yaml"))
    assert code == 1 and "rules.0.count" in told
