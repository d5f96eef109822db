"""Orders outside of what the recording shows of the book, line by line: `what happens | answers`."""

import pytest

from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.replay.assumptions import Assumptions
from mmfold.replay.venue.desk import Desk
from mmfold.replay.venue.queue import QueueModel
from tests.engine.rows import T0_NS, book_event, event, make_manifest
from tests.replay.venue.test_exchange import expected_of, play_lines

# A feed of the best two levels of a side.
TOP_TWO = {
    "a level that falls out and comes back has what stood ahead": """
        book 100x10 99x10 / 101x5 102x5
        place #1 bid 100x3         | ack #1
        delta 102x1 101x1 100x0 99x0 / 103x5 104x5 101x0 102x0
        delta 102x0 101x0 100x10 99x10 / 101x5 102x5 103x0 104x0
        trade ask 100x1            |
        trade ask 100x10           | fill #1 100x1
    """,
    "no more is ahead than comes back": """
        book 100x10 99x10 / 101x5 102x5
        place #1 bid 100x3         | ack #1
        delta 102x1 101x1 100x0 99x0 / 103x5 104x5 101x0 102x0
        delta 102x0 101x0 100x4 99x10 / 101x5 102x5 103x0 104x0
        trade ask 100x5            | fill #1 100x1
    """,
    "an ask's level falls out like a bid's": """
        book 98x5 99x5 / 101x10 102x5
        place #33 ask 101x3        | ack #33
        delta 97x5 96x5 98x0 99x0 / 99x1 100x1 101x0 102x0
        delta 98x5 99x5 97x0 96x0 / 99x0 100x0 101x10 102x5
        trade bid 101x11           | fill #33 101x1
    """,
    "a level that is gone within what is shown is gone": """
        book 100x10 99x10 / 101x5 102x5
        place #1 bid 100x3         | ack #1
        delta 100x0 98x5 /
        delta 100x10 98x0 /
        trade ask 100x1            | fill #1 100x1
    """,
    "fewer levels than were shown are all there are": """
        book 100x10 99x10 / 101x5 102x5
        place #1 bid 99x3          | ack #1
        delta 99x0 /
        trade ask 99x1             | fill #1 99x1
    """,
    "what is shown again without the level has nothing there": """
        book 100x10 99x10 / 101x5 102x5
        place #1 bid 99x3          | ack #1
        delta 101x1 99x0 / 101x0 103x5
        delta 101x0 98x7 / 101x5 103x0
        trade ask 99x1             | fill #1 99x1
    """,
    "trades take what is hidden ahead, and a trade beyond has nothing ahead": """
        book 100x10 99x10 / 101x5 102x5
        place #1 bid 99x3          | ack #1
        delta 101x1 99x0 / 101x0 103x5
        trade ask 99x4             |
        trade ask 99x7             | fill #1 99x1
        trade ask 98x1             | fill #1 99x1
    """,
    "an order outside is never at the front": """
        book 100x10 99x10 / 101x5 102x5
        place #1 bid 95x3          | ack #1
        place #2 bid 95x3          | ack #2
        trade ask 95x900           |
        delta 99x0 95x4 /
        trade ask 95x3             |
        trade ask 95x3             | fill #1 95x2
        trade ask 94x2             | fill #1 95x1; fill #2 95x1
    """,
    "an amend into the dark goes behind all that may be there": """
        book 100x10 99x10 / 101x5 102x5
        place #1 bid 100x3         | ack #1
        amend #1 97x3              | amended #1 97x3
        trade ask 97x50            |
        amend #1 100x3             | amended #1 100x3
        trade ask 100x11           | fill #1 100x1
    """,
    "a snapshot that does not show the level keeps what was ahead": """
        book 100x10 99x10 / 101x5 102x5
        place #1 bid 99x3          | ack #1
        lost 90x1 / 110x1
        book 101x1 100x10 / 102x5 103x5
        trade ask 99x9             |
        lost 90x1 / 110x1
        book 100x10 99x10 / 102x5 103x5
        trade ask 99x2             | fill #1 99x1
    """,
}
# A whole feed beside whose stream a snapshot of some levels stands.
BESIDE = {
    "beyond the snapshot nothing is known until it is told": """
        book 100x10 99x10 / 101x5 102x5
        place #1 bid 98x3          | ack #1
        place #2 bid 97x3          | ack #2
        trade ask 98x9             |
        delta 98x5 97x0 /
        trade ask 98x6             | fill #1 98x1
        trade ask 97x1             | fill #1 98x1
        trade ask 97x2             | fill #1 98x1; fill #2 97x1
    """,
    "where the other side was nobody was left": """
        book 100x10 99x10 / 101x5 102x5
        delta 100x0 99x0 97x1 / 98x5
        delta / 98x0
        place #1 bid 98x3          | ack #1
        trade ask 98x1             | fill #1 98x1
    """,
    "a level that is deleted is gone": """
        book 100x10 99x10 / 101x5 102x5
        place #1 bid 99x3          | ack #1
        delta 99x0 /
        trade ask 99x1             | fill #1 99x1
    """,
}
PESSIMISTIC = [model for model in QueueModel if model != QueueModel.FIFO]


@pytest.mark.parametrize("model", PESSIMISTIC)
@pytest.mark.parametrize("text", TOP_TWO.values(), ids=TOP_TWO)
def test_the_best_levels_alone(text: str, model: QueueModel) -> None:
    assert play_lines(text, {"venue": "bybit", "book_depth": 2}, queue_model=model) == expected_of(text)


@pytest.mark.parametrize("text", BESIDE.values(), ids=BESIDE)
def test_a_snapshot_of_some_levels_beside_the_stream(text: str) -> None:
    assert play_lines(text, {"venue": "binance"}) == expected_of(text)


def test_a_feed_that_never_shows_its_depth_is_taken_for_as_deep_as_it_was() -> None:
    # 50 are named, two are shown: a thin book, or a feed cut short by its recorder; the latter is assumed.
    text = next(iter(TOP_TWO.values()))
    assert play_lines(text, {"venue": "bybit", "book_depth": 50}) == expected_of(text)
    assert play_lines(text, {"venue": "bybit"}) != expected_of(text)  # a whole book says that the level is gone


def test_an_order_is_counted_once_however_often_it_leaves_what_is_shown() -> None:
    manifest = make_manifest(venue="bybit", book_depth=1)
    desk = Desk(manifest, Assumptions(entry_latency_ns=0, response_latency_ns=0))
    desk.apply_market(book_event(EventKind.BOOK_SNAPSHOT, [(100, 5)], [(110, 5)], aux=1), T0_NS)
    for slot, price in enumerate((100, 95)):
        fields = {"order_id": 1 << 16 | slot, "side": Side.BID, "price_ticks": price, "qty_lots": 3}
        desk.request(event(EventKind.PLACE, flags=Flag.POST_ONLY, **fields)[0], T0_NS)
    assert desk.venues[0]["outside_count"] == 1
    for seq in range(2, 8):
        best, gone = (101, 100) if seq % 2 == 0 else (100, 101)
        told = book_event(EventKind.BOOK_DELTA, [(best, 5), (gone, 0)], [], aux=seq, order_id=seq - 1)
        desk.apply_market(told, T0_NS)
        assert desk.venues[0]["hidden_count"] == 1 + (best == 101)
    assert desk.venues[0]["outside_count"] == 2
