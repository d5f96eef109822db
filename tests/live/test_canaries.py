"""The keys of a session stand nowhere: not in its journal, raw frames, logs, pages, command line or reports."""

import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from mmfold.adapters.ports import take_port
from mmfold.engine.cache import user_directory
from tests.live.processes import REPO, run_mm, running_venue

SECONDS = 4


def read_pages(port: int, until_s: float) -> str:
    """Return what the session's pages say while it runs, as soon as they are there."""
    told = ""
    while not told and time.monotonic() < until_s:
        time.sleep(0.2)
        try:
            for page in ("metrics", "healthz", "readyz", "version", "status"):
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/{page}", timeout=2) as answer:
                    told += answer.read().decode()
        except OSError:
            told = ""
    return told


def test_no_artifact_holds_a_key(tmp_path: Path) -> None:
    with take_port("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    journal = tmp_path / "journal"
    with running_venue() as running:
        key = next(iter(running.venue.accounts.values())).key
        words = ["live", "--mode", "testnet", "--endpoint", running.urls["rest"], "--symbols", "BTCUSDT"]
        words += [
            "--journal",
            str(journal),
            "--for",
            f"{SECONDS}s",
            "--warmup",
            "0s",
            "--keep-raw",
            "--port",
            str(port),
        ]
        secret = {"SECRETS_BACKEND": "env", "BYBIT_API_KEY": key.key, "BYBIT_API_SECRET": key.secret}
        env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LOG_LEVEL": "DEBUG", **secret}
        env["XDG_CACHE_HOME"] = str(user_directory())  # its kernels are compiled once, with those of the other tests
        command = [sys.executable, "-m", "mmfold.adapters.cli.main", *words]
        with subprocess.Popen(command, cwd=REPO, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as session:
            pages = read_pages(port, time.monotonic() + 180)  # its kernels are compiled first
            line = Path(f"/proc/{session.pid}/cmdline").read_bytes()
            told, logged = session.communicate(timeout=120)
        assert session.returncode == 0, logged.decode()[-2_000:]
    report = run_mm("replay", "--events", str(journal), "--report", str(tmp_path / "report"), "--audit",
                    str(tmp_path / "audit.jsonl"))  # fmt: skip
    assert report.returncode == 0, report.stderr
    found = {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert "raw-frames.log" in found and pages
    found |= {"pages": pages.encode(), "command line": line, "stdout": told, "stderr": logged}
    found["replay"] = (report.stdout + report.stderr).encode()
    planted = (key.key.encode(), key.secret.encode())
    assert [name for name, data in found.items() if any(canary in data for canary in planted)] == []
