"""The two compile decorators of the core; must never change what a kernel computes.

`kernel` marks an inner function (compiled into its callers), `entry` one that Python calls (cached on disk).
With NUMBA_DISABLE_JIT=1 both are the identity and numba is not even imported, so a short run starts at once.
This file and engine/cache.py alone look at the environment and the disk: they pick the compile cache.
"""

import os
from collections.abc import Callable
from typing import Any, TypeVar

from engine.cache import cache_directory

F = TypeVar("F", bound=Callable[..., Any])

JIT_ENABLED = os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0")

if not __debug__:
    raise RuntimeError("python -O strips the invariants of the core; run without it")


if JIT_ENABLED:
    import numba

    if "NUMBA_CACHE_DIR" not in os.environ:
        numba.config.CACHE_DIR = str(cache_directory() / numba.__version__)

    def kernel(function: F) -> F:
        """Compile an inner function into its callers."""
        compiled: F = numba.njit(function)
        return compiled

    def entry(function: F) -> F:
        """Compile a function that Python calls; cached on disk, releases the GIL."""
        compiled: F = numba.njit(cache=True, nogil=True)(function)
        return compiled
else:

    def kernel(function: F) -> F:
        """Leave an inner function to the interpreter."""
        return function

    def entry(function: F) -> F:
        """Leave an entry function to the interpreter."""
        return function
