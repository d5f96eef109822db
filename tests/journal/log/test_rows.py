"""Rows as integers: what NumPy says of each field."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mmfold.engine.limits import ROW_BYTES
from mmfold.engine.records import EVENT
from mmfold.journal.log.rows import EVENT_STRUCT, plain_rows


@given(st.integers(0, 5).flatmap(lambda count: st.binary(min_size=count * ROW_BYTES, max_size=count * ROW_BYTES)))
def test_plain_rows_are_the_rows(data: bytes) -> None:
    rows = np.frombuffer(data, EVENT)
    found = list(plain_rows(rows))
    assert [row._asdict() for row in found] == [{name: row[name] for name in EVENT.names} for row in rows]
    assert b"".join(EVENT_STRUCT.pack(*row) for row in found) == data
