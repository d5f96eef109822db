"""Alerts, settings and programs for the tests of alerts."""

import sys
import time
from pathlib import Path

from mmfold.adapters.alerts.document import Alert
from mmfold.adapters.alerts.kinds import KIND_OF, Happening
from mmfold.adapters.alerts.program import Program
from mmfold.config.load import load_config
from mmfold.config.models import AlertsSection
from mmfold.engine.codes import AlertCode

TS_NS = 1_723_161_261_987_654_321  # 2024-08-08T23:54:21.987Z
HEARD = """\
import os, sys
text = sys.stdin.read()
with open({out!r}, "a") as file:
    file.write(text)
"""


def alert(of: AlertCode | Happening = AlertCode.ORDER_UNKNOWN, symbol: str = "BTCUSDT", **more: object) -> Alert:
    return Alert(kind=KIND_OF[of], symbol=symbol, ts_ns=TS_NS, **more)  # type: ignore[arg-type]


def settings(*overrides: str) -> AlertsSection:
    return load_config(None, None, overrides).alerts


def write_program(path: Path, body: str) -> Path:
    """Write a program in Python that can be run as it is."""
    path.write_text(f"#!{sys.executable}\n{body}")
    path.chmod(0o700)
    return path


def hearing(tmp_path: Path, body: str = "", timeout_s: float = 20.0) -> tuple[Program, Path]:
    """Return a program that keeps what it is told, and where; `body` is what it does after that."""
    out = tmp_path / "heard.jsonl"
    path = write_program(tmp_path / "program.py", HEARD.format(out=str(out)) + body)
    return Program((str(path),), timeout_s), out


def is_running(mark: str) -> list[int]:
    """Return the processes whose command line holds a mark."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark in (entry / "cmdline").read_bytes().decode(errors="replace"):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def left_running(mark: str, within_s: float = 5.0) -> list[int]:
    """Return the processes with a mark that have not ended after a while: what was just killed is still to be seen."""
    end_s = time.monotonic() + within_s
    while (found := is_running(mark)) and time.monotonic() < end_s:
        time.sleep(0.02)
    return found
