"""Tick to order over sockets: from a book's frame leaving the emulator to the order's request reaching it."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from mmfold.adapters.bench import probe
from mmfold.adapters.bench.soak import END_S, SYMBOL, SoakFailed, start_live
from mmfold.engine.codes import EventKind
from mmfold.journal.log.reader import Journal

SEED = 7
SPEED = 20.0


def measure_loopback(directory: Path, duration_s: float) -> dict[str, Any]:
    """Return p50 and p99 in milliseconds of a session of `mm live` against an emulator, two processes.

    Raises: SoakFailed, JournalError.
    """
    directory.mkdir(parents=True)
    command = [sys.executable, "-m", probe.__name__, SYMBOL, str(SEED), str(SPEED)]
    venue = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    live = None
    try:
        assert venue.stdout is not None
        line = venue.stdout.readline()
        if not line:
            raise SoakFailed(f"the emulator ended with code {venue.wait()}")
        live = start_live(directory, json.loads(line)["urls"]["rest"])
        wait_for_trading(directory / "live.log", live)
        time.sleep(duration_s)
        live.send_signal(signal.SIGTERM)
        live.communicate(timeout=END_S)
        if live.returncode:
            raise SoakFailed(f"the session ended with code {live.returncode}")
        venue.send_signal(signal.SIGTERM)
        times = json.loads(venue.communicate(timeout=END_S)[0])
    finally:
        for process in (live, venue):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
    received_ns = {int(seq): ns for seq, ns in times["received_ns"].items()}
    ways_ns = ways(directory / "journal", {int(key): ns for key, ns in times["sent_ns"].items()}, received_ns)
    p50, p99 = np.percentile(ways_ns, [50, 99]) if ways_ns else (0.0, 0.0)
    return {
        "live_loopback_ms_p50": round(float(p50) / 1e6, 3),
        "live_loopback_ms_p99": round(float(p99) / 1e6, 3),
        "loopback_decisions": len(ways_ns),
    }


def wait_for_trading(log: Path, live: subprocess.Popen[bytes]) -> None:
    """Wait until a session quotes.

    Raises: SoakFailed.
    """
    while b'"event":"trading"' not in log.read_bytes():
        if live.poll() is not None:
            raise SoakFailed(f"the session ended with code {live.returncode} before it traded")
        time.sleep(0.1)


def ways(journal: Path, sent_ns: dict[int, int], received_ns: dict[int, int]) -> list[int]:
    """Return the ns from each book update that led to a request to that request's arrival.

    The journal knows which update it was: the requests' effects directly follow the event that caused them.
    """
    found: list[int] = []
    update: int | None = None
    for rows in Journal(journal).chunks():
        for seq, kind, aux in zip(rows["seq"].tolist(), rows["kind"].tolist(), rows["aux"].tolist(), strict=True):
            if kind < EventKind.PLACE:
                update = aux if kind == EventKind.BOOK_DELTA else None
            elif update in sent_ns and seq in received_ns:
                found.append(received_ns[seq] - sent_ns[update])
    return found
