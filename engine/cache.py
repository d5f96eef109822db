"""Where the compiled kernels are kept: one directory per state of the sources; must never be shared between two
builds.
"""

import hashlib
import os
import sys
import tempfile
from pathlib import Path

KERNEL_PACKAGES = ("engine", "journal", "replay", "adapters")  # packages that may hold compiled functions

strategy_digest = ""  # of the user's strategy file that is compiled into the kernels, empty without one


def key_by_strategy(digest: str) -> None:
    """Make a user's strategy part of the key; before the kernels are imported, and for good: one a process."""
    global strategy_digest
    strategy_digest = digest


def core_digest() -> str:
    """Return the hash that keys the compile cache: every kernel source, Python's version and a user's strategy.

    numba's own cache misses an edited constant in an imported module, so the whole tree is the key.
    """
    hasher = hashlib.sha256()
    root = Path(__file__).resolve().parent.parent
    for package in KERNEL_PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            hasher.update(str(path.relative_to(root)).encode())
            hasher.update(path.read_bytes())
    hasher.update(sys.version.encode())
    hasher.update(strategy_digest.encode())
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
