"""A long live session against the emulator, two processes watched from outside; must never judge, only measure.

Every DISTURB_S one of the session's connections is cut, so that reconnections are part of what must not leak.
"""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from mmfold.engine.codes import EventKind
from mmfold.engine.limits import NS_PER_MS
from mmfold.journal.log.reader import Journal
from mmfold.replay.run import ReplayOptions, replay

SAMPLE_S = 5.0
DISTURB_S = 120.0
WARMUP_S = 300.0  # of a soak as long as it should be; caches and bounded tables fill before slopes count
READY_S = 180.0  # a venue may have to compile first
END_S = 60.0
ORDERS_PER_S = 50
SYMBOL = "BTCUSDT"
CUT_PLACES = ("public:*", "private:*", "trade:*")
MM = (sys.executable, "-m", "mmfold.adapters.cli.main")
LOG_TAIL_BYTES = 1 << 16


class SoakFailed(Exception):
    """One of the two processes ended before it was asked to; the message says how."""

    hint = "its log is in the soak's directory"


@dataclass(frozen=True, kw_only=True)
class Sample:
    """How the two processes are at one moment; `tasks` and `reconnects` are what the session last said of itself."""

    elapsed_s: float
    live_rss_kb: int
    live_fds: int
    live_threads: int
    venue_rss_kb: int
    venue_fds: int
    journal_bytes: int
    tasks: int
    reconnects: int


def process_status(pid: int) -> tuple[int, int, int]:
    """Return (resident kB, open file descriptors, threads) of a process."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    fields = dict(line.split(":", 1) for line in status.splitlines())
    fds = len(os.listdir(f"/proc/{pid}/fd"))
    return int(fields["VmRSS"].split()[0]), fds, int(fields["Threads"])


def start_venue(directory: Path, speed: float, seed: int) -> tuple[subprocess.Popen[bytes], dict[str, str]]:
    """Start an emulator on a free port and return it with its URLs.

    Raises: SoakFailed.
    """
    asked = ["--listen", "127.0.0.1:0", "--synthetic", str(seed), "--symbols", SYMBOL, "--speed", str(speed)]
    asked += ["--latency", "0", "--orders-per-s", str(ORDERS_PER_S), "--json"]
    with (directory / "venue.log").open("wb") as log:
        venue = subprocess.Popen([*MM, "venue", "bybit", *asked], stdout=subprocess.PIPE, stderr=log)
    assert venue.stdout is not None
    line = venue.stdout.readline()
    if not line:
        code = venue.wait()
        said = (directory / "venue.log").read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
        raise SoakFailed(": ".join([f"the emulator ended with code {code}", *said]))
    urls: dict[str, str] = json.loads(line)["urls"]
    return venue, urls


def start_live(directory: Path, endpoint: str) -> subprocess.Popen[bytes]:
    """Start a session on an emulator."""
    asked = ["--venue", "bybit", "--mode", "testnet", "--endpoint", endpoint, "--symbols", SYMBOL]
    asked += ["--journal", str(directory / "journal"), "--json"]
    with (directory / "live.log").open("wb") as log:
        environment = dict(os.environ, LOG_LEVEL="DEBUG", EXCHANGE_ENV="testnet")
        return subprocess.Popen([*MM, "live", *asked], stdout=subprocess.PIPE, stderr=log, env=environment)


def last_health(log: Path) -> tuple[int, int]:
    """Return (tasks, reconnects) of the last health line of a log, zeros before the first."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LOG_TAIL_BYTES))
        lines = [line for line in file.read().splitlines() if b'"event":"health"' in line and line.endswith(b"}")]
    if not lines or not lines[-1].startswith(b"{"):
        return 0, 0
    said = json.loads(lines[-1])
    return int(said["tasks"]), int(said["reconnects"])


def take_sample(
    directory: Path, live: subprocess.Popen[bytes], venue: subprocess.Popen[bytes], elapsed_s: float
) -> Sample:
    """Return how the processes are.

    Raises: SoakFailed.
    """
    for name, process in (("session", live), ("emulator", venue)):
        if process.poll() is not None:
            raise SoakFailed(f"the {name} ended with code {process.returncode} after {elapsed_s:.0f} s")
    live_rss_kb, live_fds, threads = process_status(live.pid)
    venue_rss_kb, venue_fds, _ = process_status(venue.pid)
    journal_bytes = sum(path.stat().st_size for path in (directory / "journal").glob("*.mmj"))
    tasks, reconnects = last_health(directory / "live.log")
    return Sample(
        elapsed_s=round(elapsed_s, 1), live_rss_kb=live_rss_kb, live_fds=live_fds, live_threads=threads,
        venue_rss_kb=venue_rss_kb, venue_fds=venue_fds, journal_bytes=journal_bytes, tasks=tasks,
        reconnects=reconnects,
    )  # fmt: skip


def cut_connection(faults_url: str, place: str) -> None:
    """Have the emulator cut one connection."""
    urllib.request.urlopen(urllib.request.Request(faults_url, method="DELETE"), timeout=10).close()
    plan = json.dumps({"rules": [{"fault": "disconnect", "at": place}]}).encode()
    urllib.request.urlopen(urllib.request.Request(faults_url, data=plan, method="POST"), timeout=10).close()


def run_soak(
    directory: Path, duration_s: float, speed: float, seed: int, report: Callable[[Sample], None]
) -> dict[str, Any]:
    """Run a session for a while and return what was measured.

    Raises: SoakFailed, JournalError; WitnessDiffers when the journal does not replay.
    """
    directory.mkdir(parents=True, exist_ok=True)
    venue, urls = start_venue(directory, speed, seed)
    live = None
    try:
        live = start_live(directory, urls["rest"])
        samples = watch(directory, live, venue, urls["faults"], duration_s, report)
        live.send_signal(signal.SIGTERM)
        out, _ = live.communicate(timeout=END_S)
        if live.returncode:
            raise SoakFailed(f"the session ended with code {live.returncode}")
        ended = json.loads(out)
    finally:
        for process in (live, venue):
            if process is not None and process.poll() is None:
                process.terminate()
                process.wait(END_S)
    figures = describe(samples) | {"session": ended, "loop": loop_lag(directory / "journal")}
    replayed = replay(directory / "journal", ReplayOptions(checkpoints=False))
    return figures | {"replayed_effects": replayed.witnessed_count, "speed": speed}


def watch(
    directory: Path,
    live: subprocess.Popen[bytes],
    venue: subprocess.Popen[bytes],
    faults_url: str,
    duration_s: float,
    report: Callable[[Sample], None],
) -> list[Sample]:
    """Sample both processes at an even pace, and cut a connection now and then; counts from the first event on.

    Raises: SoakFailed.
    """
    started_s = time.monotonic()
    while not list((directory / "journal").glob("*.mmj")):
        if live.poll() is not None or time.monotonic() - started_s > READY_S:
            raise SoakFailed("the session did not begin")
        time.sleep(0.1)
    started_s, places, cut_s = time.monotonic(), cycle(CUT_PLACES), DISTURB_S
    samples: list[Sample] = []
    while True:
        time.sleep(max(0.0, started_s + SAMPLE_S * (len(samples) + 1) - time.monotonic()))
        elapsed_s = time.monotonic() - started_s
        samples.append(take_sample(directory, live, venue, elapsed_s))
        with (directory / "samples.jsonl").open("a", encoding="ascii") as file:
            file.write(json.dumps(samples[-1].__dict__, sort_keys=True) + "\n")
        report(samples[-1])
        if elapsed_s >= duration_s:
            return samples
        if elapsed_s >= cut_s:
            cut_connection(faults_url, next(places))
            cut_s += DISTURB_S


def slope_per_hour(samples: list[Sample], name: str) -> float:
    """Return the least-squares slope of a figure, per hour; 0 for fewer than two samples."""
    if len(samples) < 2:
        return 0.0
    times_h = np.array([sample.elapsed_s for sample in samples]) / 3600
    values = np.array([float(getattr(sample, name)) for sample in samples])
    centered = times_h - times_h.mean()
    return float((centered * (values - values.mean())).sum() / (centered * centered).sum())


def describe(samples: list[Sample]) -> dict[str, Any]:
    """Return the figures of a watched session; slopes leave the first part out."""
    end_s = samples[-1].elapsed_s
    steady = [sample for sample in samples if sample.elapsed_s >= min(WARMUP_S, end_s / 3)]
    first, last = steady[0], steady[-1]
    return {
        "duration_s": end_s,
        "steady_from_s": first.elapsed_s,
        "samples": len(samples),
        "live_rss_mb": [round(sample.live_rss_kb / 1024, 1) for sample in (samples[0], first, last)],
        "live_rss_mb_per_h": round(slope_per_hour(steady, "live_rss_kb") / 1024, 2),
        "venue_rss_mb": [round(sample.venue_rss_kb / 1024, 1) for sample in (samples[0], first, last)],
        "venue_rss_mb_per_h": round(slope_per_hour(steady, "venue_rss_kb") / 1024, 2),
        "live_fds": [first.live_fds, max(sample.live_fds for sample in steady), last.live_fds],
        "venue_fds": [first.venue_fds, max(sample.venue_fds for sample in steady), last.venue_fds],
        "live_threads": [first.live_threads, last.live_threads],
        "tasks": [first.tasks, max(sample.tasks for sample in steady), last.tasks],
        "reconnects": last.reconnects,
        "journal_mb": round(last.journal_bytes / 1e6, 1),
    }


def loop_lag(journal: Path) -> dict[str, float]:
    """Return how much later than its pace each TIMER of a session came: p50, p99, max in ms, and how many there are."""
    times = np.concatenate(
        [np.zeros(0, np.int64)]
        + [rows["ts_receive_ns"][rows["kind"] == EventKind.TIMER] for rows in Journal(journal).chunks()]
    )
    gaps_ns = np.diff(times)
    if not len(gaps_ns):
        return {"timers": len(times)}
    lags_ms = (gaps_ns - int(np.median(gaps_ns))) / NS_PER_MS
    p50, p99, p999 = np.percentile(np.maximum(lags_ms, 0), [50, 99, 99.9])
    return {
        "timers": len(times),
        "pace_ms": round(float(np.median(gaps_ns)) / NS_PER_MS, 2),
        "lag_ms_p50": round(float(p50), 2),
        "lag_ms_p99": round(float(p99), 2),
        "lag_ms_p999": round(float(p999), 2),
        "lag_ms_max": round(float(lags_ms.max()), 2),
    }
