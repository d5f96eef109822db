"""What an order's life counts as: `kind #order xlots @ms`, then what the tally says."""

import numpy as np
import pytest

from mmfold.engine.codes import EventKind
from mmfold.engine.limits import NS_PER_MS
from mmfold.engine.records import EVENT
from mmfold.reports.tearsheet.orders import AGE_STEP_NS, OrderBook, OrderTally


def tally_of(text: str, batch: int = 100) -> tuple[OrderTally, int]:
    """Return the tally of a life and how many orders are still open."""
    parts = [word.split() for word in text.split(",")]
    rows = np.zeros(len(parts), EVENT)
    times_ns = np.zeros(len(parts), np.int64)
    for i, (kind, order, lots, at_ms) in enumerate(parts):
        rows[i]["kind"], rows[i]["order_id"] = EventKind[kind.upper()], int(order[1:])
        rows[i]["qty_lots"], times_ns[i] = int(lots[1:]), int(at_ms[1:]) * NS_PER_MS
    book = OrderBook(1)
    for start in range(0, len(rows), batch):
        book.take(rows[start : start + batch], times_ns[start : start + batch])
    return book.tallies[0], book.open_count(0)


@pytest.mark.parametrize("batch", [1, 100])
@pytest.mark.parametrize(
    ("life", "placed", "filled", "fills", "asked", "got", "ages_ms", "waits_ms", "still_open"),
    [
        ("place #1 x5 @0", 1, 0, 0, 5, 0, [], [], 1),
        ("place #1 x5 @0, ack #1 x0 @10, fill #1 x5 @30", 1, 1, 1, 5, 5, [30], [20], 0),
        ("place #1 x5 @0, ack #1 x0 @10, fill #1 x2 @30, fill #1 x3 @90", 1, 1, 2, 5, 5, [90], [20], 0),
        ("place #1 x5 @0, ack #1 x0 @10, fill #1 x2 @30, canceled #1 x0 @70", 1, 1, 1, 5, 2, [70], [20], 0),
        ("place #1 x5 @0, reject #1 x0 @20", 1, 0, 0, 5, 0, [20], [], 0),
        ("place #1 x5 @0, expired #1 x0 @20", 1, 0, 0, 5, 0, [20], [], 0),
        # A refused cancel or amend of an accepted order does not end it.
        ("place #1 x5 @0, ack #1 x0 @10, reject #1 x0 @20, fill #1 x5 @50", 1, 1, 1, 5, 5, [50], [40], 0),
        # An amend asks for more, or for less: what was asked for before is not taken back.
        ("place #1 x5 @0, ack #1 x0 @1, amended #1 x8 @2, fill #1 x8 @3", 1, 1, 1, 8, 8, [3], [2], 0),
        ("place #1 x5 @0, ack #1 x0 @1, amended #1 x2 @2, fill #1 x2 @3", 1, 1, 1, 5, 2, [3], [2], 0),
        # A fill of an order that was never acknowledged has no wait; one of an unknown order is a fill all the same.
        ("place #1 x5 @0, fill #1 x5 @30", 1, 1, 1, 5, 5, [30], [], 0),
        ("fill #9 x5 @30, canceled #9 x0 @40, ack #9 x0 @41", 0, 0, 1, 0, 5, [], [], 0),
        ("place #1 x5 @0, place #2 x5 @5, canceled #1 x0 @6", 2, 0, 0, 10, 0, [6], [], 1),
    ],
)
def test_a_life(
    life: str, placed: int, filled: int, fills: int, asked: int, got: int,
    ages_ms: list[int], waits_ms: list[int], still_open: int, batch: int,
) -> None:  # fmt: skip
    tally, open_count = tally_of(life, batch)
    assert (tally.placed_count, tally.filled_count, tally.fill_count) == (placed, filled, fills)
    assert (tally.asked_lots, tally.filled_lots, open_count) == (asked, got, still_open)
    assert sorted(age * AGE_STEP_NS // NS_PER_MS for age in tally.age_counts.elements()) == ages_ms
    assert [wait // NS_PER_MS for wait in tally.waits_ns] == waits_ms
