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
        if path.suffix == ".zip":  # a bundle packs to a tenth
            from mmfold.journal.bundle import unpacked_bytes

            return unpacked_bytes(path)
        return path.stat().st_size
    except OSError:
        return 0


def kept_in() -> Path | None:
    """Return the directory of the kernels of exactly these sources, None where it is refused; without the compiler."""
    os.environ.setdefault("NUMBA_DISABLE_JIT", "0")
    from mmfold.engine.cache import CacheRefused, cache_directory

    try:
        return cache_directory()
    except CacheRefused:
        return None


def is_compiled(kernel: str = CORE) -> bool:
    """Tell whether a kernel is compiled and may be loaded."""
    directory = kept_in()
    return directory is not None and any(directory.rglob(f"{kernel}-*.nbi"))


def tell_compiling(kernel: str) -> None:
    """Say on stderr that a first start takes longer, and why; why nothing is kept is said where that is found."""
    if not is_compiled(kernel) and os.environ["NUMBA_DISABLE_JIT"] == "0":
        often = "once for this build" if kept_in() else "for this start alone"
        click.echo(f"compiling {often}: about 25 s", err=True)


def choose_mode(path: Path, workers: int) -> None:
    """Run a short journal interpreted when nothing is compiled yet, so that nobody waits for a compiler."""
    if "NUMBA_DISABLE_JIT" not in os.environ and workers == 1:
        if 0 < events_bytes(path) <= INTERPRETED_BYTES_MAX and not is_compiled():
            os.environ["NUMBA_DISABLE_JIT"] = "1"
        else:
            os.environ["NUMBA_DISABLE_JIT"] = "0"
