"""The book against a naive dictionary, whatever the prices: near the window, beyond it, and far enough to move it."""

from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfold.adapters.importers.gaps import GapCounter
from mmfold.engine.book import levels
from mmfold.engine.codes import BookStatus, EventKind, Side
from mmfold.engine.limits import (
    BOOK_BETTER_TICKS,
    BOOK_BLOCK_TICKS,
    BOOK_WINDOW_TICKS,
    NS_PER_MS,
    PRICE_TICKS_MAX,
    QTY_LOTS_MAX,
)
from mmfold.engine.records import NO_PRICE_TICKS
from mmfold.engine.state import NO_KEY
from tests.engine.rows import T0_NS, House, book_event, make_manifest

ANCHORS = (1, 700_000, 1 << 30, PRICE_TICKS_MAX)
FAR = (BOOK_BLOCK_TICKS, BOOK_BETTER_TICKS, BOOK_WINDOW_TICKS // 2, BOOK_WINDOW_TICKS)
steps = st.one_of(
    st.integers(-3, 3),
    st.integers(-200, 200),
    st.builds(
        lambda far, sign, near: sign * far + near, st.sampled_from(FAR), st.sampled_from((-1, 1)), st.integers(-2, 2)
    ),
    st.integers(-400_000, 400_000),
)
prices = st.builds(lambda anchor, step: min(max(1, anchor + step), PRICE_TICKS_MAX), st.sampled_from(ANCHORS), steps)
near_prices = st.builds(lambda step: 700_000 + step, steps)
qtys = st.sampled_from((0, 0, 1, 2, 7, 1000, QTY_LOTS_MAX))
changes = st.lists(st.tuples(st.sampled_from((Side.BID, Side.ASK)), st.one_of(near_prices, prices), qtys), max_size=8)
messages = st.lists(
    st.tuples(st.sampled_from(("delta", "delta", "delta", "delta", "snapshot", "clear")), changes), max_size=12
)

Book = dict[Side, dict[int, int]]


def best(book: Book, side: Side) -> int | None:
    """Return a side's best price."""
    return (max if side == Side.BID else min)(book[side], default=None)


def apply(book: Book, change: list[tuple[Side, int, int]]) -> None:
    """Change the naive book."""
    for side, price, qty in change:
        if qty:
            book[side][price] = qty
        else:
            book[side].pop(price, None)


def check_side(house: House, side: Side, expected: dict[int, int]) -> None:
    """Compare one side, and what is kept about it, with the naive one."""
    record = house.cell["sides"][side]
    ordered = sorted(expected.items(), reverse=side == Side.BID)
    assert levels(house.cell, side) == ordered
    assert record["best_price_ticks"] == (ordered[0][0] if ordered else NO_PRICE_TICKS)
    assert record["best_key"] == ((ordered[0][0] * (1 if side == Side.ASK else -1)) if ordered else NO_KEY)
    window = house.cell["window_qty_lots"][side]
    assert record["window_level_count"] + record["far_level_count"] == len(expected)
    assert record["window_level_count"] == np.count_nonzero(window)
    counts = np.count_nonzero(window.reshape(-1, BOOK_BLOCK_TICKS), axis=1)
    assert (house.cell["window_block_counts"][side] == counts).all()
    far = house.cell["far_levels"][side]["key"]
    assert (np.diff(far[: record["far_level_count"]]) < 0).all() and not far[record["far_level_count"] :].any()


@given(messages)
def test_book_is_a_dictionary(history: list[tuple[str, list[tuple[Side, int, int]]]]) -> None:
    house = House(enabled=0)
    book: Book = {Side.BID: {}, Side.ASK: {}}
    status = BookStatus.EMPTY
    for number, (what, change) in enumerate(history, 1):
        if what == "delta":
            bids, asks = ([(price, qty) for one, price, qty in change if one == side] for side in (Side.BID, Side.ASK))
            house.feed(book_event(EventKind.BOOK_DELTA, bids, asks, aux=number, order_id=number - 1))
            if status != BookStatus.EMPTY:
                apply(book, change)
        else:
            book = {Side.BID: {}, Side.ASK: {}}
            full = [level for level in change if level[2]] if what == "snapshot" else []
            apply(book, full)
            bids, asks = (list(book[side].items()) for side in (Side.BID, Side.ASK))
            status = BookStatus.EMPTY if what == "clear" else BookStatus.LIVE
            house.feed(book_event(EventKind[f"BOOK_{what.upper()}"], bids, asks, aux=number))
        bid, ask = best(book, Side.BID), best(book, Side.ASK)
        if status == BookStatus.LIVE and bid is not None and ask is not None and bid >= ask:
            status = BookStatus.LOCKED if bid == ask else BookStatus.CROSSED
        assert house.cell["book"]["status"] == status
        for side in (Side.BID, Side.ASK):
            check_side(house, side, book[side])
        mid = bid + ask if status == BookStatus.LIVE and bid is not None and ask is not None else NO_PRICE_TICKS
        assert house.cell["signal"]["mid_half_ticks"] == mid


offsets = st.lists(
    st.tuples(st.integers(0, 5_000), st.integers(1, 1 << 40)), min_size=1, max_size=12, unique_by=lambda o: o[0]
)


@given(offsets, offsets, st.integers(1, 10), st.integers(1, 50))
def test_top_of_book_signals(bids: list[tuple[int, int]], asks: list[tuple[int, int]], depth: int, spread: int) -> None:
    house = House(imbalance_levels=depth)
    sides = [sorted((1_000_000 - o, q) for o, q in bids)[::-1], sorted((1_000_000 + spread + o, q) for o, q in asks)]
    house.feed(book_event(EventKind.BOOK_SNAPSHOT, sides[0], sides[1], aux=1))
    bid_lots, ask_lots = (sum(qty for _, qty in side[:depth]) for side in sides)
    signal = house.cell["signal"]
    exact = Fraction(bid_lots - ask_lots, bid_lots + ask_lots)
    assert float(signal["imbalance"]) == pytest.approx(float(exact), rel=1e-12, abs=1e-15)
    (bid, bid_qty), (ask, ask_qty) = sides[0][0], sides[1][0]
    microprice = Fraction(ask * bid_qty + bid * ask_qty, bid_qty + ask_qty)
    assert float(signal["microprice_ticks"]) == pytest.approx(float(microprice), rel=1e-14)
    assert bid < float(signal["microprice_ticks"]) < ask or min(bid_qty, ask_qty) * 10**9 < max(bid_qty, ask_qty)
    assert float(signal["spread_bps"]) == pytest.approx(float(Fraction(2 * (ask - bid) * 10_000, ask + bid)), rel=1e-12)


class Told(NamedTuple):
    """One message of a venue, and its whole book after it."""

    epoch: int  # counted up at each restart of the numbering
    seq: int
    prev: int
    ts_ms: int
    change: list[tuple[Side, int, int]]
    book: Book


class TrueVenue:
    """A venue that numbers its messages, restarts now and then with lower numbers, and forgets nothing."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.book: Book = {Side.BID: {100: 1}, Side.ASK: {200: 1}}
        self.epoch, self.seq, self.ts_ms = 0, 1 << 20, 0

    def restart(self, distance: int) -> None:
        """Number anew, from below every number so far; a book of other prices."""
        self.epoch += 1
        self.seq = (1 << 20) - 10_000 * self.epoch
        self.book = {Side.BID: {90 - self.epoch: distance}, Side.ASK: {300: 1}}

    def tell(self, step: int, price: int, qty: int) -> Told:
        """Change one level and return the message."""
        side = Side.BID if price < 150 else Side.ASK
        apply(self.book, [(side, price, qty)])
        prev, self.seq = self.seq, self.seq + step
        self.ts_ms += step
        book = {one: dict(found) for one, found in self.book.items()}
        self.told.append(Told(self.epoch, self.seq, prev, self.ts_ms, [(side, price, qty)], book))
        return self.told[-1]


def delta_of(told: Told) -> np.ndarray:
    """Return a message as a BOOK_DELTA."""
    bids, asks = ([(price, qty) for one, price, qty in told.change if one == side] for side in (Side.BID, Side.ASK))
    stamp = T0_NS + told.ts_ms * NS_PER_MS
    return book_event(EventKind.BOOK_DELTA, bids, asks, aux=told.seq, order_id=told.prev, ts_exchange_ns=stamp)


def snapshot_of(told: Told) -> np.ndarray:
    """Return the book after a message as a BOOK_SNAPSHOT."""
    bids, asks = (list(told.book[side].items()) for side in (Side.BID, Side.ASK))
    stamp = T0_NS + told.ts_ms * NS_PER_MS
    return book_event(EventKind.BOOK_SNAPSHOT, bids, asks, aux=told.seq, ts_exchange_ns=stamp)


acts = st.lists(
    st.tuples(
        st.sampled_from(("next", "next", "next", "next", "lost", "late", "late", "restart", "snapshot", "snapshot")),
        st.integers(1, 6),
        st.sampled_from((97, 98, 99, 100, 200, 201, 202)),
        st.integers(0, 3),
    ),
    max_size=40,
)


@pytest.mark.parametrize("venue_name", ["bybit", "binance"])
@given(acts)
def test_a_live_book_is_the_venues_book(venue_name: str, history: list[tuple[str, int, int, int]]) -> None:
    """Whatever is lost, late, told again or numbered anew: live says that the book is the venue's, at its number."""
    venue = TrueVenue()
    manifest = make_manifest(venue=venue_name)
    house, gaps = House(manifest, enabled=0), GapCounter(manifest)
    heard_epoch = -1  # of the newest numbering that the stream has shown

    def hear(rows: np.ndarray, told: Told) -> None:
        house.feed(rows)
        gaps.count(house.rows[-1])
        book = house.cell["book"]
        assert book["gap_count"] == gaps.gap_count
        if book["status"] != BookStatus.LIVE:
            return
        same = [one for one in venue.told if (one.epoch, one.seq) == (heard_epoch, book["venue_seq"])]
        assert same, "a live book is of the numbering that was heard last"
        assert book["ts_receive_ns"] <= house.ts_ns
        for side in (Side.BID, Side.ASK):
            assert dict(levels(house.cell, side)) == same[0].book[side]

    venue.tell(1, 100, 2)
    for act, step, price, qty in [*history, ("next", 1, 99, 1), ("last", 1, 99, 1)]:
        back = venue.told[-min(step, len(venue.told))]
        match act:
            case "next":
                told = venue.tell(step, price, qty)
                heard_epoch = told.epoch
                hear(delta_of(told), told)
            case "lost":
                venue.tell(step, price, qty)
            case "late" if back.epoch == heard_epoch:
                hear(delta_of(back), back)
            case "restart":
                venue.restart(step)
                venue.tell(step, price, qty)
            case "snapshot" if back.epoch == heard_epoch or (venue_name == "binance" and heard_epoch > back.epoch):
                hear(snapshot_of(back), back)
            case "last":
                hear(snapshot_of(venue.told[-1]), venue.told[-1])
    assert house.cell["book"]["status"] == BookStatus.LIVE and house.cell["book"]["venue_seq"] == venue.seq
