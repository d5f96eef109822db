"""The compile decorators of the core; must never change what a kernel computes.

`kernel` marks an inner function (compiled into its callers), `entry` one that Python calls (cached on disk),
`user_kernel` is for the functions of a user's strategy file.
With NUMBA_DISABLE_JIT=1 numba is not even imported, so a short run starts at once.
This file and engine/cache.py alone look at the environment and the disk: they pick the compile cache.
"""

import os
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from mmfold.engine import cache

F = TypeVar("F", bound=Callable[..., Any])

JIT_ENABLED = os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0")

# A kernel that only kernels call needs no door for Python: a fifth of the compile time. The tests open them all.
DOORS_OPEN = os.environ.get("MM_KERNEL_DOORS") == "1"
INNER = {} if DOORS_OPEN else {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}

if not __debug__:
    raise RuntimeError("python -O strips the invariants of the core; run without it")


if JIT_ENABLED:
    import numba

    if "NUMBA_CACHE_DIR" not in os.environ:
        numba.config.CACHE_DIR = str(cache.cache_directory() / numba.__version__)
    elif cache.strategy_digest:
        numba.config.CACHE_DIR = os.path.join(os.environ["NUMBA_CACHE_DIR"], cache.strategy_digest)

    def kernel(function: F) -> F:
        """Compile an inner function into its callers."""
        compiled: F = numba.njit(**INNER)(function)
        return compiled

    def entry(function: F) -> F:
        """Compile a function that Python calls; cached on disk, releases the GIL."""
        compiled: F = numba.njit(cache=True, nogil=True)(function)
        return compiled

    def user_kernel(function: F) -> F:
        """Compile a function that nobody of ours has read: an index beyond its array raises, as interpreted."""
        compiled: F = numba.njit(boundscheck=True, **INNER)(function)
        return compiled
else:
    import numpy as np

    def kernel(function: F) -> F:
        """Leave an inner function to the interpreter."""
        return function

    def entry(function: F) -> F:
        """Leave an entry function to the interpreter."""
        return function

    def user_kernel(function: F) -> F:
        """Let a division by zero raise, as compiled, where NumPy would only warn."""

        @wraps(function)
        def strict(*arguments: Any, **named: Any) -> Any:
            with np.errstate(all="raise", under="ignore"):
                return function(*arguments, **named)

        return strict  # type: ignore[return-value]
