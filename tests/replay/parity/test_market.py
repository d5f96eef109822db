"""Two journals are of one market when its events are the same; times, seqs and what is ours do not count."""

from collections.abc import Callable

import numpy as np
import pytest

from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.manifest import Manifest
from mmfold.replay.parity.market import differing_instrument, is_market, walk_markets
from tests.engine.rows import T0_NS, book_event, event, make_manifest
from tests.replay.venue.market import market_events

EVENTS = [event(EventKind.TIMER, ts_receive_ns=T0_NS), *market_events(1, 40, instruments=2)]
MARKET_COUNT = 40
Edit = Callable[[list[np.ndarray]], None]


def numbered(events: list[np.ndarray]) -> np.ndarray:
    """Return the events' rows with seqs from 0."""
    rows = [rows.copy() for rows in events]
    for seq, part in enumerate(rows):
        part["seq"] = seq
    return np.concatenate(rows)


def walk(a: list[np.ndarray], b: list[np.ndarray], chunk_rows: int = 7) -> tuple[int, tuple[bool, bool] | None]:
    """Return the count of like events, and which side has an event at the first difference."""
    chunks = [np.split(numbered(events), range(size, 1_000, size)) for events, size in ((a, chunk_rows), (b, 11))]
    count, difference = walk_markets(iter(chunks[0]), iter(chunks[1]))
    if difference is None:
        return count, None
    assert difference.event_number == count + 1
    return count, (difference.a is not None, difference.b is not None)


def edited(edit: Edit) -> list[np.ndarray]:
    """Return the events with one edit."""
    events = [rows.copy() for rows in EVENTS]
    edit(events)
    return events


def shift(events: list[np.ndarray]) -> None:
    for rows in events:
        rows["ts_receive_ns"] += 5
        rows["ts_exchange_ns"] = T0_NS


def add_ours(events: list[np.ndarray]) -> None:
    events.insert(9, event(EventKind.PLACE, side=Side.BID, price_ticks=5, qty_lots=1, order_id=3))
    events.insert(12, event(EventKind.FILL, side=Side.BID, price_ticks=5, qty_lots=1, order_id=3))
    events.insert(15, event(EventKind.TIMER, ts_receive_ns=T0_NS))


def settle(events: list[np.ndarray]) -> None:
    """Let one side's account pay a settlement that the other side only heard of."""
    for place in (22, 7):
        rows = event(EventKind.FUNDING, 2, aux=7, order_id=5)
        rows["flags"] |= np.uint16(Flag.PAID)
        rows["side"][1], rows["qty_lots"][1] = Side.ASK, 3
        events.insert(place, rows)


def hear(events: list[np.ndarray]) -> None:
    for place in (22, 7):
        events.insert(place, event(EventKind.FUNDING, aux=7, order_id=5))


@pytest.mark.parametrize("chunk_rows", [1, 7, 1_000])
def test_what_an_account_paid_is_no_market(chunk_rows: int) -> None:
    assert walk(edited(settle), edited(hear), chunk_rows) == (MARKET_COUNT + 2, None)
    assert walk(edited(hear), edited(settle), chunk_rows) == (MARKET_COUNT + 2, None)


def change(name: str) -> Edit:
    def apply(events: list[np.ndarray]) -> None:
        events[21][name][-1] += 1

    return apply


@pytest.mark.parametrize(("edit"), [shift, add_ours], ids=["times", "ours"])
@pytest.mark.parametrize("chunk_rows", [1, 7, 1_000])
def test_one_market(edit: Edit, chunk_rows: int) -> None:
    assert walk(EVENTS, edited(edit), chunk_rows) == (MARKET_COUNT, None)
    assert walk(edited(edit), EVENTS, chunk_rows) == (MARKET_COUNT, None)


@pytest.mark.parametrize("name", ["kind", "instrument_index", "side", "price_ticks", "qty_lots", "aux", "order_id"])
def test_a_field_that_differs(name: str) -> None:
    assert walk(EVENTS, edited(change(name))) == (20, (True, True))


@pytest.mark.parametrize(
    ("edit", "count", "sides"),
    [
        (lambda events: events.pop(21), 20, (True, True)),
        (lambda events: events.pop(), 39, (True, False)),
        (lambda events: events.clear(), 0, (True, False)),
        (lambda events: events.append(EVENTS[-1]), 40, (False, True)),
    ],
    ids=["missing", "cut", "empty", "longer"],
)
def test_events_that_are_not_there(edit: Edit, count: int, sides: tuple[bool, bool]) -> None:
    def apply(events: list[np.ndarray]) -> None:
        edit(events)
        events.insert(0, event(EventKind.TIMER))  # a journal is never empty

    assert walk(EVENTS, edited(apply)) == (count, sides)
    assert walk(edited(apply), EVENTS) == (count, sides[::-1])


def test_the_same_levels_in_two_events_are_not_one_event() -> None:
    one = book_event(EventKind.BOOK_DELTA, [(9, 1)], [(11, 1)], aux=2, order_id=1)
    two = [book_event(EventKind.BOOK_DELTA, [(9, 1)], [], aux=2, order_id=1)]
    two.append(book_event(EventKind.BOOK_DELTA, [], [(11, 1)], aux=2, order_id=1))
    assert walk([one], two) == (0, (True, True))


def test_the_market_is_what_a_backtest_takes() -> None:
    market = {kind for kind in EventKind if is_market(np.array([kind]))[0]}
    assert market == {kind for kind in EventKind if 10 <= kind <= 17} | {EventKind.SCORE}


@pytest.mark.parametrize(
    ("other", "differs"),
    [
        (make_manifest("X", "Y"), None),
        (make_manifest("X", "Y", tick_size="1.0", maker_fee_ppm=7, min_qty_lots=3), None),
        (make_manifest("X"), ("Y", None)),
        (make_manifest("X", "Z"), ("Y", "Z")),
        (make_manifest("X", "Y", lot_size="0.1"), ("X", "X")),
        (make_manifest("X", "Y", contract="spot"), ("X", "X")),
    ],
    ids=["same", "fees and filters", "fewer", "name", "lot", "contract"],
)
def test_instruments(other: Manifest, differs: tuple[str, str | None] | None) -> None:
    found = differing_instrument(make_manifest("X", "Y"), other)
    assert (found and tuple(one.symbol if one else None for one in found)) == differs
