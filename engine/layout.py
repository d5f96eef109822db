"""The layout of the state: what its bytes mean, as one hash; two digests can be compared only within one layout.

The hash covers the record definitions (names, types, order) and the fields of every policy's state. What has fixed
room, counters and everything counted by a code, counts as its room: a new name there changes nothing.
"""

import hashlib
from dataclasses import fields, is_dataclass

import numpy as np

from mmfold.engine.policy.registry import POLICIES
from mmfold.engine.records import CELL, CLOCK, COUNTER, COUNTER_ROOM


def record_text(dtype: np.dtype) -> str:
    """Return a record's definition: its fields in order, types to the byte."""
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return record_text(base) + "".join(f"[{count}]" for count in shape)
    if dtype == COUNTER:
        return f"counters[{COUNTER_ROOM}]"
    if dtype.names is not None:
        return "{" + ",".join(f"{name}:{record_text(dtype[name])}" for name in dtype.names) + "}"
    return dtype.str


def type_text(annotation: object) -> str:
    """Return how a member of a policy's records is annotated, a record by its own members."""
    if isinstance(annotation, type) and is_dataclass(annotation):
        return f"{{{','.join(f'{field.name}:{type_text(field.type)}' for field in fields(annotation))}}}"
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


def layout_text() -> str:
    """Return everything that the layout's id is made of."""
    policies = [f"{one.name}:{type_text(one.settings)}{type_text(one.memory)}" for one in POLICIES]
    return f"clock{record_text(CLOCK)} cell{record_text(CELL)} policies{{{','.join(policies)}}}"


LAYOUT_ID = hashlib.sha256(layout_text().encode()).hexdigest()


def layout_name(layout_id: str) -> str:
    """Return how a layout is called to people."""
    return layout_id[:12] or "without a name (a build before 0.2.0)"
