"""The figures of `mm bench`, one function each; every one says what it timed. Must never keep another sitting's."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mmfold.config.params import config_document
from mmfold.engine.codes import Flag
from mmfold.engine.core import Core
from mmfold.engine.manifest import Instrument, Manifest
from mmfold.journal.jsonl.file import JsonlReader, write_jsonl
from mmfold.journal.log.reader import Journal
from mmfold.journal.log.verify import verify
from mmfold.replay.run import ReplayOptions, replay

BEST_OF = 3
STEP_COUNT = 20_000
KB_PER_MB = 1024


def best_seconds(work: Callable[[], object]) -> float:
    """Return the shortest of a few runs after one that warms up: the least disturbed one."""
    work()
    times = []
    for _ in range(BEST_OF):
        started_s = time.perf_counter()
        work()
        times.append(time.perf_counter() - started_s)
    return min(times)


def measure_import(capture: Path, instrument: Instrument, work: Path) -> tuple[float, int]:
    """Return (rows per second, rows) of importing a raw capture, decompression and the journal's writing included."""
    from mmfold.adapters.importers import load_importer
    from mmfold.adapters.importers.outcome import ImportRequest

    request = ImportRequest(
        files=(capture,),
        out=work / "imported",
        market="usdm",
        symbols=frozenset({instrument.symbol}),
        ticks={instrument.symbol: instrument.tick_size},
        lots={instrument.symbol: instrument.lot_size},
        force=True,
    )
    importer = load_importer("binance")
    rows = importer(request, lambda _: None).rows
    return rows / best_seconds(lambda: importer(request, lambda _: None)), rows


def measure_verify(journal: Path) -> float:
    """Return rows per second of a full verification on one worker: chain, frames, structure."""
    rows = verify(journal).rows
    return rows / best_seconds(lambda: verify(journal))


def measure_replay(journal: Path) -> tuple[float, int]:
    """Return (rows per second, effects compared) of a replay with the chain checked and every witness compared."""
    options = ReplayOptions(checkpoints=False)
    result = replay(journal, options)
    assert result.witnessed_count == sum(result.effect_counts.values()), "the bench journal must be fully witnessed"
    return result.rows / best_seconds(lambda: replay(journal, options)), result.witnessed_count or 0


def measure_jsonl(journal: Path, work: Path) -> tuple[float, float]:
    """Return events per second of (replaying, only reading) a sealed JSONL file, every line's hash checked."""
    path = work / "bench.jsonl"
    written = write_jsonl(Journal(journal).chunks(), path)
    options = ReplayOptions(checkpoints=False)

    def read() -> None:
        for _ in JsonlReader(path).chunks():
            pass

    return written.events / best_seconds(lambda: replay(path, options)), written.events / best_seconds(read)


def measure_steps(manifest: Manifest, rows: np.ndarray) -> dict[str, float]:
    """Return p50 and p99 of one call of the core from Python with one event, in microseconds."""
    from mmfold.config.load import load_config

    core = Core(manifest)
    core.configure(config_document(load_config(None), manifest))
    ends = np.flatnonzero(rows["flags"] & Flag.LAST) + 1
    starts = np.concatenate(([0], ends[:-1]))
    warm = max(0, len(ends) - STEP_COUNT)
    core.feed(rows[: ends[warm - 1]] if warm else rows[:0])
    times_ns = []
    for start, end in zip(starts[warm:].tolist(), ends[warm:].tolist(), strict=True):
        event = rows[start:end]
        started_ns = time.perf_counter_ns()
        core.feed(event)
        times_ns.append(time.perf_counter_ns() - started_ns)
        core.drain()
    p50, p99 = np.percentile(times_ns, [50, 99])
    return {"p50": round(p50 / 1e3, 2), "p99": round(p99 / 1e3, 2)}


def measure_backtest(journal: Path, work: Path) -> tuple[float, float]:
    """Return market rows per second of a backtest of the grid rule (without a journal, with one written)."""
    from mmfold.config.load import load_config
    from mmfold.journal.log.writer import Writer
    from mmfold.replay.assumptions import Assumptions
    from mmfold.replay.backtest import Backtest

    config = load_config(None, "grid", ["mode=sent", "strategy.quote_on_timer=true"])
    assumptions = Assumptions(partial_fills=False)
    rows = Backtest(journal, config, assumptions).run().rows

    def write(place: Path) -> None:
        with Writer(place) as writer:
            Backtest(journal, config, assumptions, writer=writer).run()

    plain_s = best_seconds(lambda: Backtest(journal, config, assumptions).run())
    written_s = []
    for number in range(1 + BEST_OF):  # the first one warms up; removing the former journal is not part of writing one
        place = work / f"backtest{number}"
        started_s = time.perf_counter()
        write(place)
        written_s.append(time.perf_counter() - started_s)
        shutil.rmtree(place)
    return rows / plain_s, rows / min(written_s[1:])


# Linux hands a parent's resident size on to what it executes, so the one that is measured gets a small parent.
SMALL_PARENT = (
    "import resource, subprocess, sys; code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL); "
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)"
)


def run_replay_process(journal: Path, cache: Path | None) -> tuple[float, float]:
    """Return (seconds, peak resident MB) of a fresh `mm replay` process with compiled kernels."""
    environment = dict(os.environ, NUMBA_DISABLE_JIT="0")
    if cache is not None:
        environment["NUMBA_CACHE_DIR"] = str(cache)
    command = [sys.executable, "-m", "mmfold.adapters.cli.main", "replay", "--events", str(journal), "--json"]
    started_s = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-S", "-c", SMALL_PARENT, *command],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - started_s
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr}")
    return seconds, int(done.stdout) / KB_PER_MB


def measure_starts(small: Path) -> tuple[float, float]:
    """Return seconds of a whole `mm replay` of a short journal, (with an empty compile cache, with a warm one)."""
    with tempfile.TemporaryDirectory() as cache:
        cold_s, _ = run_replay_process(small, Path(cache))
        warm_s = min(run_replay_process(small, Path(cache))[0] for _ in range(BEST_OF))
    return cold_s, warm_s
