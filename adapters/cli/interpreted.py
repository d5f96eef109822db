"""Chooses between compiled and interpreted kernels before the core is imported; must never change a result (law 1)."""

import os
from pathlib import Path

import click

CORE, DESK = "step.run", "desk.run_request"  # what takes longest of a session, of an emulator
INTERPRETED_BYTES_MAX = 3 << 20  # below, an interpreted run ends before a cold compile would


def events_bytes(path: Path) -> int:
    """Return about how many bytes of rows a path holds, 0 when it cannot be read."""
    try:
        if path.is_dir():
            return sum(segment.stat().st_size for segment in path.glob("*.mmj"))
        return path.stat().st_size
    except OSError:
        return 0


def is_compiled(kernel: str = CORE) -> bool:
    """Tell whether the compile cache of exactly these sources is there, without importing the compiler."""
    os.environ.setdefault("NUMBA_DISABLE_JIT", "0")
    from mmfold.engine.cache import cache_directory

    return any(cache_directory().rglob(f"{kernel}-*.nbi"))


def tell_compiling(kernel: str) -> None:
    """Say on stderr that a first start takes longer, and why; of a cache that is kept elsewhere nothing is known."""
    if "NUMBA_CACHE_DIR" not in os.environ and not is_compiled(kernel) and os.environ["NUMBA_DISABLE_JIT"] == "0":
        click.echo("compiling once for this build: about 15 s", err=True)


def choose_mode(path: Path, workers: int) -> None:
    """Run a short journal interpreted when nothing is compiled yet, so that nobody waits for a compiler."""
    if "NUMBA_DISABLE_JIT" not in os.environ and workers == 1:
        if 0 < events_bytes(path) <= INTERPRETED_BYTES_MAX and not is_compiled():
            os.environ["NUMBA_DISABLE_JIT"] = "1"
        else:
            os.environ["NUMBA_DISABLE_JIT"] = "0"
