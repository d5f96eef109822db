"""Sessions in processes of their own against a venue in a thread of the test's, so that one can be killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from mmfold.adapters.emulator.bybit.venue import Settings
from mmfold.adapters.emulator.market.faults import FaultPlan
from mmfold.adapters.emulator.market.source import synthetic_source
from tests.adapters.emulator.running import RunningVenue
from tests.live import session_child
from tests.live.stage import CONFIG, SPEED, TIGHT

READY_S = 60
REPO = Path(__file__).resolve().parents[2]


@contextmanager
def running_venue(seed: int = 7) -> Iterator[RunningVenue]:
    """Run a venue for as long as the block lasts."""
    settings = Settings(speed=SPEED, orders_per_s=1_000, latency_s=0.001)
    running = RunningVenue(synthetic_source(seed, ["BTCUSDT"]), settings, 1, FaultPlan())
    try:
        yield running
    finally:
        running.close()


def write_config(path: Path, keys: tuple[str, ...] = TIGHT) -> None:
    """Write a configuration file of KEY=VALUE texts."""
    document: dict[str, Any] = {}
    for text in (*CONFIG, *keys):
        key, _, value = text.partition("=")
        section, _, name = key.partition(".")
        document.setdefault(section, {})[name] = yaml.safe_load(value)
    path.write_text(yaml.safe_dump(document))


class Child:
    """One session's process."""

    def __init__(self, url: str, journal: Path, config: Path, *former: Path) -> None:
        command = [sys.executable, session_child.__file__, url, *map(str, (journal, config, *former))]
        self.log = journal.with_suffix(".log").open("ab")
        self.process = subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, stderr=self.log)

    def wait_ready(self) -> None:
        """Wait until it trades."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n", Path(self.log.name).read_text()[-2_000:]

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def end(self, number: signal.Signals) -> int:
        """Send a signal that ends it and return its exit code."""
        self.send(number)
        code = self.process.wait(READY_S)
        self.close()
        return code

    def close(self) -> None:
        """Close what leads to a process that has ended."""
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.log.close()


def run_mm(*words: str, timeout_s: float = 100, **env: str) -> "subprocess.CompletedProcess[str]":
    """Run `mm` in a process of its own."""
    kept = {name: value for name, value in os.environ.items() if name not in ("MM_LIVE_ENABLE", *env)}
    command = [sys.executable, "-m", "mmfold.adapters.cli.main", *words]
    return subprocess.run(
        command, cwd=REPO, env=kept | env, capture_output=True, text=True, check=False, timeout=timeout_s
    )
