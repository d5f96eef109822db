"""How a record is made: packed, little-endian, of the size that is said; must never let padding in."""

import numpy as np


def record(size_bytes: int, fields: list[tuple]) -> np.dtype:
    """Return a packed little-endian dtype and assert its size.

    Raises: AssertionError when the fields do not fill `size_bytes` exactly.
    """
    dtype = np.dtype(fields)
    assert dtype.itemsize == size_bytes, (dtype.itemsize, size_bytes)
    assert dtype.itemsize == sum(dtype[name].itemsize for name in dtype.names or ()), "hidden padding"
    return dtype
