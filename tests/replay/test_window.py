"""The span of a recording's times: the same however it is cut."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfold.engine.codes import EventKind, Flag
from mmfold.engine.records import EVENT, NO_TS_NS
from mmfold.replay.window import NoMarket, measure_span, span_of

KINDS = (EventKind.BOOK_SNAPSHOT, EventKind.BOOK_DELTA, EventKind.TRADE, EventKind.MARK, EventKind.TIMER)
TIMES_NS = st.one_of(st.just(NO_TS_NS), st.integers(0, 50))


def rows_of(events: list[tuple[EventKind, int, int]]) -> np.ndarray:
    rows = np.zeros(len(events), EVENT)
    rows["seq"], rows["flags"] = np.arange(len(events)), Flag.LAST
    for name, values in zip(("kind", "ts_exchange_ns", "ts_receive_ns"), zip(*events, strict=True), strict=False):
        rows[name] = values
    return rows


@given(
    events=st.lists(st.tuples(st.sampled_from(KINDS), TIMES_NS, TIMES_NS), min_size=1, max_size=12),
    cuts=st.sets(st.integers(0, 12)),
)
def test_span_is_the_same_however_a_recording_is_cut(events, cuts) -> None:
    rows = rows_of(events)
    whole = span_of(rows)
    chunks = [rows[a:b] for a, b in pairwise([0, *sorted(cuts), len(rows)]) if a < b]
    if any(kind != EventKind.MARK and kind != EventKind.TIMER and receive == NO_TS_NS for kind, _, receive in events):
        with pytest.raises(NoMarket, match=f"seq {whole['seq_untimed']}"):
            measure_span(iter(chunks))
    else:
        assert measure_span(iter(chunks)) == whole


def test_receive_time_that_goes_back_over_a_cut_is_seen() -> None:
    rows = rows_of(
        [(EventKind.TRADE, 1, 30), (EventKind.TRADE, 2, 20), (EventKind.TRADE, 3, 12), (EventKind.MARK, 4, 40)]
    )
    for cut in range(1, 4):
        assert measure_span(iter([rows[:cut], rows[cut:]]))["back_ns"] == 18
