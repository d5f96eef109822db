"""Compiles what many tests run, each thing once and as a user's process does: `python -m tests.compile_first [JOBS]`.

`make test` starts with it: two workers of pytest that begin at once would both compile the same, and, as the tests open
every kernel to Python, each in more than twice the time. What is kept from before is loaded.
"""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

REPO = Path(__file__).resolve().parent.parent
DEMO = "fixtures/demo.mmj"
CHECKED = {"NUMBA_BOUNDSCHECK": "1", "NUMBA_OPT": "1"}  # the flags of tests that check bounds: one build of kernels
IMPORT = """
from pathlib import Path
from tempfile import TemporaryDirectory
from mmfold.adapters.importers import run as run_module
from tests.adapters.importers.test_told_twice import BINANCE, BYBIT, capture, run, stamped
run_module.FAST_LANE_BYTES_MIN = 0
for source, messages in (("binance", BINANCE), ("bybit", BYBIT)):
    with TemporaryDirectory() as place:
        run(Path(place), capture(stamped(messages)), source=source)
"""
MM = ("-m", "mmfold.adapters.cli.main")
# What takes longest comes first: what is compiled | the words of Python | numba's settings
RUNS: list[tuple[str, tuple[str, ...], dict[str, str]]] = [
    ("the venue's loop", (*MM, "backtest", "--events", DEMO, "--no-journal"), {}),
    ("the core", (*MM, "replay", "--events", DEMO), {}),
    ("the core with bounds checks", (*MM, "replay", "--events", DEMO), CHECKED),
    ("the venues' messages", ("-c", IMPORT), {}),
]


def compile_one(run: tuple[str, tuple[str, ...], dict[str, str]]) -> int:
    """Run one of them and say how long it took; returns its exit code."""
    name, words, settings = run
    kept = {key: text for key, text in os.environ.items() if not key.startswith(("NUMBA_", "MM_KERNEL_"))}
    kept |= {"NUMBA_CACHE_DIR": os.environ.get("NUMBA_CACHE_DIR", "")}
    begun_s = time.monotonic()
    with TemporaryDirectory() as state:
        done = subprocess.run(
            [sys.executable, *words], cwd=REPO, capture_output=True, text=True, check=False,
            env=kept | settings | {"NUMBA_DISABLE_JIT": "0", "XDG_STATE_HOME": state},
        )  # fmt: skip
    print(f"{name}: {time.monotonic() - begun_s:.0f} s", flush=True)
    if done.returncode:
        print(done.stderr[-2_000:], file=sys.stderr)
    return done.returncode


if __name__ == "__main__":
    with ThreadPoolExecutor(int(sys.argv[1]) if sys.argv[1:] else 2) as pool:
        sys.exit(max(pool.map(compile_one, RUNS)))
