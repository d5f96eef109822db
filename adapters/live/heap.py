"""Two cares for a session's memory, both measured in docs/soak.md.

`give_back` gives the C heap's free pages back to the system: answers of 100 kB come and go between what stays, and
leave holes. Without it resident memory still crept after half an hour, although nothing more was held.
`settled_heap` keeps the garbage collector from what a session starts with: looking through all of it, the compiler's
objects above all, stops the loop for 40 ms.
"""

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager

LIBRARY = ctypes.CDLL(None)


def give_back() -> bool:
    """Give free pages back and return whether there were any; only glibc can."""
    trim = getattr(LIBRARY, "malloc_trim", None)
    return trim is not None and trim(0) == 1


@contextmanager
def settled_heap() -> Iterator[None]:
    """Keep the collector from what is there now, for as long as the block lasts."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
