"""What a session remembers of executions is bounded, and what it forgot is not asked for again."""

import numpy as np
import pytest

from mmfold.adapters.live.account import reconcile
from mmfold.adapters.live.account.reconcile import LOOK_BACK_MS, Seen
from mmfold.engine.codes import EventKind, Flag
from mmfold.engine.limits import NS_PER_MS
from mmfold.engine.records import EVENT

START_MS = 1_700_000_000_000


def fills(*numbers: int) -> np.ndarray:
    rows = np.zeros(len(numbers), EVENT)
    rows["kind"], rows["flags"], rows["aux"] = EventKind.FILL, Flag.LAST, numbers
    rows["ts_exchange_ns"] = (START_MS + np.array(numbers)) * NS_PER_MS
    rows["ts_receive_ns"] = rows["ts_exchange_ns"]
    return rows


def test_an_execution_is_news_once():
    seen = Seen()
    assert seen.news(fills(1, 2, 1))["aux"].tolist() == [1, 2]
    assert seen.news(fills(2, 3))["aux"].tolist() == [3]


@pytest.mark.parametrize("by", ["note", "news"])
def test_the_oldest_executions_are_forgotten(monkeypatch, by):
    monkeypatch.setattr(reconcile, "SEEN_COUNT_MAX", 10)
    seen = Seen()
    for number in range(1, 26):
        getattr(seen, by)(fills(number))
    assert len(seen.executions) == 10
    # The newest that was forgotten is number 15: from the next millisecond on the venue may be asked.
    assert seen.start_ms(START_MS) == START_MS + 16
    assert seen.news(fills(*range(16, 27)))["aux"].tolist() == [26]


def test_the_next_ask_starts_a_little_before_the_last():
    seen = Seen(ts_last_ms=START_MS)
    assert seen.start_ms(START_MS + 5_000) == START_MS - LOOK_BACK_MS
    seen.news(fills(100_000))
    assert seen.start_ms(START_MS + 200_000) == START_MS - LOOK_BACK_MS, "a fill alone proves nothing of those before"
