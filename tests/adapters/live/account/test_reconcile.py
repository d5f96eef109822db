"""What is in the journal already is told once; how far back the venue is asked follows from what was asked before."""

import numpy as np
import pytest

from mmfold.adapters.live.account.reconcile import Seen
from mmfold.engine.codes import EventKind, Flag
from mmfold.engine.limits import NS_PER_MS
from mmfold.engine.records import EVENT, NO_ORDER_ID, NO_TS_NS
from tests.engine.rows import event


def fill(number: int, index: int = 0) -> np.ndarray:
    return event(EventKind.FILL, aux=number, instrument_index=index, price_ticks=1, qty_lots=1, order_id=5)


def funding(ts_ms: int) -> np.ndarray:
    return event(EventKind.FUNDING, aux=1, ts_exchange_ns=ts_ms * NS_PER_MS)


def numbers(rows: np.ndarray) -> list[int]:
    return [int(row["aux"]) for row in rows]


@pytest.mark.parametrize(
    "journaled, told, news",
    [
        ([], [fill(1), fill(2)], [1, 2]),
        ([fill(1)], [fill(1), fill(2)], [2]),
        ([], [fill(1), fill(1)], [1]),
        ([fill(1)], [fill(1, index=1)], [1]),  # numbers are an instrument's own
        ([fill(1)], [fill(1)], []),
        ([], [event(EventKind.POSITION, aux=9), fill(1), event(EventKind.POSITION, aux=9)], [9, 1, 9]),
    ],
)
def test_executions_are_told_once(journaled: list[np.ndarray], told: list[np.ndarray], news: list[int]) -> None:
    seen = Seen()
    seen.note(np.concatenate([np.zeros(0, EVENT), *journaled]))
    assert numbers(seen.news(np.concatenate(told))) == news
    assert numbers(seen.news(np.concatenate(told))) == [number for number in news if number == 9]


def settlement(number: int, ts_ms: int) -> np.ndarray:
    rows = event(EventKind.FUNDING, 2, aux=7, ts_exchange_ns=ts_ms * NS_PER_MS)
    rows["flags"] |= np.uint16(Flag.PAID)
    rows["order_id"][1] = number
    return rows


def test_settlements_are_told_once_by_stream_and_list() -> None:
    seen = Seen()
    seen.note(settlement(1, 5))
    told = np.concatenate([fill(8), settlement(1, 5), settlement(2, 6), settlement(2, 6), settlement(3, 6)])
    news = seen.news(told)
    assert news["order_id"].tolist() == [5, NO_ORDER_ID, 2, NO_ORDER_ID, 3], "both rows, or none"
    assert not len(seen.news(told))


def test_a_settlement_of_a_journal_of_before_is_known_by_its_time() -> None:
    seen = Seen()
    seen.note(funding(5))
    assert not len(seen.news(settlement(1, 5))) and len(seen.news(settlement(2, 6))) == 2


def test_a_fill_does_not_prove_the_fills_before_it() -> None:
    seen = Seen()
    seen.note(np.concatenate([event(EventKind.OPEN_ORDERS, ts_exchange_ns=7_000 * NS_PER_MS), fill(1)]))
    assert seen.ts_last_ms == 7_000
    seen.note(event(EventKind.OPEN_ORDERS, ts_exchange_ns=NO_TS_NS))
    assert seen.ts_last_ms == 7_000
