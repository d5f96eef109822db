"""Old schema versions and how their rows become today's; must never change what is on disk.

An upcaster takes rows of version v and returns rows of version v + 1: same events, same seqs. The chain is verified
over the bytes as written, before any upcaster runs.
"""

from collections.abc import Callable

import numpy as np

from mmfold.engine.manifest import SCHEMA_VERSION

Upcaster = Callable[[np.ndarray], np.ndarray]

UPCASTERS: dict[int, Upcaster] = {}  # version 1 is the first: nothing to upcast yet


def is_readable(schema_version: int) -> bool:
    """Tell whether every step from a version to this build's is registered."""
    return schema_version <= SCHEMA_VERSION and all(v in UPCASTERS for v in range(schema_version, SCHEMA_VERSION))


def upcast(rows: np.ndarray, schema_version: int) -> np.ndarray:
    """Return rows of a readable version as rows of this build's version."""
    for version in range(schema_version, SCHEMA_VERSION):
        rows = UPCASTERS[version](rows)
        rows.flags.writeable = False
    return rows
