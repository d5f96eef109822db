"""Books with messages taken out: joined again where the journal was whole, broken where it was."""

import numpy as np
import pytest

from mmfold.engine.book import best_levels
from mmfold.engine.codes import BookStatus, EventKind, Side
from mmfold.engine.core import Core
from mmfold.engine.limits import NS_PER_MS
from mmfold.engine.manifest import encode_manifest
from mmfold.engine.payload import payload_rows
from mmfold.replay.minimize.books import Books, emptied
from mmfold.replay.minimize.candidate import Candidate, from_events
from tests.engine.rows import T0_NS, House, book_event, make_manifest

K = EventKind
FIRST = 11  # venue number of the snapshot


def market(venue: str, gap_at: int) -> tuple[Candidate, object]:
    """Return a snapshot and eight deltas that continue it, but for one that does not."""
    manifest = make_manifest(venue=venue)
    events = [book_event(K.BOOK_SNAPSHOT, [(100, 5)], [(110, 5)], aux=FIRST)]
    number = FIRST
    for place in range(8):
        before = number + (5 if place == gap_at else 0)
        number = before + 3
        events.append(book_event(K.BOOK_DELTA, [(100 - place, 1)], [], aux=number, order_id=before))
    for seq, rows in enumerate(events, 1):
        rows["seq"], rows["ts_receive_ns"], rows["ts_exchange_ns"] = seq, T0_NS + seq * NS_PER_MS, T0_NS + seq
    head = payload_rows(K.MANIFEST, 0, encode_manifest(manifest))
    return from_events([head, *events]), manifest


def fold(candidate: Candidate, manifest: object) -> tuple[BookStatus, int]:
    """Return how the book stands in the end, and how often its numbering broke."""
    core = Core(manifest)
    core.feed(candidate.rows)
    book = core.state.books[0]
    return BookStatus(int(book["status"])), int(book["gap_count"])


@pytest.mark.parametrize("venue", ["bybit", "binance"])
def test_what_is_left_of_a_whole_book_is_whole(venue: str) -> None:
    inputs, manifest = market(venue, gap_at=-1)
    books = Books(inputs, manifest)
    assert fold(inputs, manifest) == (BookStatus.LIVE, 0)
    assert books.rejoined(inputs) is inputs
    for bits in range(1 << 8):
        keep = np.array([True, True, *((bits >> place) & 1 == 1 for place in range(8))])
        assert fold(books.rejoined(inputs.kept(keep)), manifest) == (BookStatus.LIVE, 0), keep


@pytest.mark.parametrize("venue", ["bybit", "binance"])
def test_a_recorded_gap_stays_one(venue: str) -> None:
    inputs, manifest = market(venue, gap_at=4)
    books = Books(inputs, manifest)
    assert fold(inputs, manifest) == (BookStatus.STALE, 1)
    for bits in range(1, 1 << 8):
        keep = np.array([True, True, *((bits >> place) & 1 == 1 for place in range(8))])
        has_rest = bool(keep[6:].any())
        found = fold(books.rejoined(inputs.kept(keep)), manifest)
        assert found == ((BookStatus.STALE, 1) if has_rest else (BookStatus.LIVE, 0)), keep


def test_without_rejoining_it_would_break() -> None:
    inputs, manifest = market("bybit", gap_at=-1)
    keep = np.ones(len(inputs), bool)
    keep[4] = False
    assert fold(inputs.kept(keep), manifest)[0] == BookStatus.STALE


def test_an_emptied_delta_changes_no_level() -> None:
    inputs, manifest = market("bybit", gap_at=-1)
    others = inputs.replaced({place: emptied(inputs.event(place)) for place in range(2, len(inputs))})
    core = Core(manifest)
    core.feed(others.rows)
    assert best_levels(core.state.cells[0], Side.BID, 10) == [(100, 5)]
    assert core.state.books[0]["delta_count"] == 8


@pytest.mark.parametrize("depth", [1, 3, 50])
def test_the_best_levels_are_those_of_the_book_far_ones_too(depth: int) -> None:
    house = House(make_manifest(), enabled=0)
    bids = [(400_000 - 7 * place - 50_000 * (place > 20), 1 + place) for place in range(30)]
    asks = [(400_001 + 5 * place + 200_000 * (place > 25), 1 + place) for place in range(30)]
    house.feed(book_event(K.BOOK_SNAPSHOT, bids, asks))
    cell = house.core.state.cells[0]
    assert best_levels(cell, Side.BID, depth) == bids[:depth]
    assert best_levels(cell, Side.ASK, depth) == asks[:depth]
