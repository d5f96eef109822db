"""The compile decorators of the core; must never change what a kernel computes.

`kernel` marks an inner function (compiled into its callers), `entry` one that Python calls (kept on disk),
`user_kernel` is for the functions of a user's strategy file. Neither of the first two counts references to arrays: the
caller holds them all, and a kernel that would make one does not compile.
With NUMBA_DISABLE_JIT=1 numba is not even imported, so a short run starts at once.
This file and those of the compile cache (cache.py, closure.py, kept.py) alone look at the environment and the disk.
"""

import os
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from mmfold.engine import cache

F = TypeVar("F", bound=Callable[..., Any])

JIT_ENABLED = os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0")

# A kernel that only kernels call needs no door for Python. The tests open them all.
DOORS_OPEN = os.environ.get("MM_KERNEL_DOORS") == "1"

if not __debug__:
    raise RuntimeError("python -O strips the invariants of the core; run without it")


if JIT_ENABLED:
    import numba

    from mmfold.engine.inner import EntryCompiler, InnerCompiler
    from mmfold.engine.kept import KernelCache, open_cache

    IS_KEPT = open_cache()
    UNCOUNTED = {"_nrt": False}
    SHUT = {"pipeline_class": InnerCompiler, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    INNER = {} if DOORS_OPEN else SHUT
    ENTRY = {} if DOORS_OPEN else {"pipeline_class": EntryCompiler}

    def compiler(**options: Any) -> Callable[[Any], Any]:
        """Return numba's decorator. It reads the environment anew with each compile, where a command may have chosen
        for itself since: what was chosen when this file was imported holds, or half of the kernels would be functions.
        """
        numba.config.DISABLE_JIT = False
        made: Callable[[Any], Any] = numba.njit(**options)
        return made

    def kernel(function: F) -> F:
        """Compile an inner function into its callers."""
        compiled: F = compiler(**INNER, **UNCOUNTED)(function)
        return compiled

    def entry(function: F) -> F:
        """Compile a function that Python calls; kept on disk, releases the GIL."""
        compiled: F = compiler(nogil=True, **ENTRY, **UNCOUNTED)(function)
        if IS_KEPT and cache.is_kept(function.__code__.co_filename):
            compiled._cache = KernelCache(function)  # type: ignore[attr-defined]  # as its enable_caching() does
        return compiled

    def user_kernel(function: F) -> F:
        """Compile a function that nobody of ours has read: an index beyond its array raises, as interpreted."""
        compiled: F = compiler(boundscheck=True, **INNER)(function)
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
