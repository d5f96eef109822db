"""Gives the C heap's free pages back to the system: answers of 100 kB come and go between what stays, and leave holes.

Measured in docs/soak.md: without it resident memory still crept after half an hour, although nothing more was held.
"""

import ctypes

LIBRARY = ctypes.CDLL(None)


def give_back() -> bool:
    """Give free pages back and return whether there were any; only glibc can."""
    trim = getattr(LIBRARY, "malloc_trim", None)
    return trim is not None and trim(0) == 1
