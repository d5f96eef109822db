"""Numbers beyond the core's limits, told by drivers that call the kernels themselves; must never hide another fault."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from mmfold.engine.beyond import is_beyond, told_beyond
from mmfold.engine.manifest import Instrument


@contextmanager
def beyond_told(clock: np.ndarray, instruments: tuple[Instrument, ...]) -> Iterator[None]:
    """Turn a broken bound into one line.

    Raises: BeyondLimits; whatever else was raised, as it was.
    """
    try:
        yield
    except AssertionError as error:
        if not is_beyond(error):
            raise
        only = instruments[0] if len(instruments) == 1 else None
        raise told_beyond(int(clock[0]["seq_last"]), only) from error
