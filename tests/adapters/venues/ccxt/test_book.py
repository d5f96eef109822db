"""Whole books to deltas: folding what is handed out gives the books back, and each message continues the one before."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mmfold.adapters.importers.rows import finish_event
from mmfold.adapters.venues.ccxt.book import BookDeltas, levels_of
from mmfold.engine.codes import EventKind, Side
from mmfold.engine.records import NO_ORDER_ID, NO_PRICE_TICKS

Book = dict[int, int]
SIDE = st.dictionaries(st.integers(1, 12), st.integers(1, 5), max_size=6)
BOOKS = st.lists(st.tuples(st.integers(0, 1), SIDE, SIDE), min_size=1, max_size=12)


def snapshot(bids: Book, asks: Book, index: int = 0) -> np.ndarray:
    """Return the rows of a whole book."""
    kind = EventKind.BOOK_SNAPSHOT
    levels = [(Side.BID, *level) for level in bids.items()] + [(Side.ASK, *level) for level in asks.items()]
    return finish_event(
        [
            (0, 1, 2, price, qty, NO_ORDER_ID, 0, kind, side, 0, index, 0)
            for side, price, qty in levels or [(Side.NONE, NO_PRICE_TICKS, 0)]
        ]
    )


def shown(rows: np.ndarray) -> list[tuple[str, int, int]]:
    return [(EventKind(row["kind"]).name[5:], int(row["price_ticks"]), int(row["qty_lots"])) for row in rows]


# bids, asks | what is handed out
STORY = [
    ({10: 1, 9: 2}, {11: 3}, [("SNAPSHOT", 10, 1), ("SNAPSHOT", 9, 2), ("SNAPSHOT", 11, 3)]),
    ({10: 1, 9: 2}, {11: 3}, []),
    ({10: 4, 9: 2}, {11: 3}, [("DELTA", 10, 4)]),
    ({9: 2, 8: 1}, {12: 1, 11: 1}, [("DELTA", 10, 0), ("DELTA", 8, 1), ("DELTA", 11, 1), ("DELTA", 12, 1)]),
    ({12: 2, 9: 2, 8: 1}, {12: 1, 11: 1}, [("DELTA", 12, 2)]),  # locked
    ({9: 2}, {12: 1}, [("SNAPSHOT", 9, 2), ("SNAPSHOT", 12, 1)]),  # the core waits for one
    ({9: 2}, {13: 1}, [("DELTA", 12, 0), ("DELTA", 13, 1)]),
]


def test_story() -> None:
    books = BookDeltas()
    assert [shown(books.news(snapshot(bids, asks))) for bids, asks, _ in STORY] == [told for *_, told in STORY]


@given(BOOKS)
def test_what_is_handed_out_folds_to_the_book(told: list[tuple[int, Book, Book]]) -> None:
    books = BookDeltas()
    folded: dict[int, dict[tuple[int, int], int]] = {}
    numbers: dict[int, int] = {}
    for index, bids, asks in told:
        whole = snapshot(bids, asks, index)
        wanted = levels_of(whole)
        rows = books.news(whole)
        if len(rows) and rows["kind"][0] == EventKind.BOOK_SNAPSHOT:
            folded[index] = levels_of(rows)
        elif len(rows):
            assert int(rows["order_id"][0]) == numbers[index] == int(rows["aux"][0]) - 1
            keys = list(zip(rows["side"].tolist(), rows["price_ticks"].tolist(), strict=True))
            assert len(set(keys)) == len(keys) and [key[0] for key in keys] == sorted(key[0] for key in keys)
            folded[index] |= dict(zip(keys, rows["qty_lots"].tolist(), strict=True))
            folded[index] = {key: qty for key, qty in folded[index].items() if qty}
        if len(rows):
            numbers[index] = int(rows["aux"][0])
        assert folded[index] == wanted
