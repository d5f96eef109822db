"""The two compile decorators of the core; must never change what a kernel computes.

`kernel` marks an inner function (compiled into its callers), `entry` one that Python calls (cached on disk).
With NUMBA_DISABLE_JIT=1 both are the identity and numba is not even imported, so a short run starts at once.
This file and nothing else of the core looks at the environment and the disk: it picks the compile cache.
"""

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

JIT_ENABLED = os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0")

if not __debug__:
    raise RuntimeError("python -O strips the invariants of the core; run without it")


def core_digest() -> str:
    """Return the hash that keys the compile cache: every kernel source, Python's and numba's versions.

    numba's own cache misses an edited constant in an imported module, so the whole tree is the key.
    """
    hasher = hashlib.sha256()
    root = Path(__file__).resolve().parent.parent
    for package in ("engine", "journal", "replay", "adapters"):
        for path in sorted((root / package).rglob("*.py")):
            hasher.update(str(path.relative_to(root)).encode())
            hasher.update(path.read_bytes())
    hasher.update(sys.version.encode())
    return hasher.hexdigest()[:16]


def cache_directory() -> Path:
    """Return the directory of the compiled kernels, keyed by the core's sources."""
    root = Path(__file__).resolve().parent.parent / ".cache" / "numba"
    try:
        root.mkdir(parents=True, exist_ok=True)
        writable = os.access(root, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        root = Path(tempfile.gettempdir()) / f"mm-numba-{os.getuid()}"
    return root / core_digest()


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
