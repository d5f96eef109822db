"""How books are joined to their deltas and when they may not be quoted on (docs/data.md, book integrity)."""

import pytest

from mmfold.engine.book import levels
from mmfold.engine.codes import BookStatus, EventKind
from tests.engine.rows import House, book_event, make_manifest

PLACE = "place #1 bid 9990 x 5; place #2 ask 10011 x 5"
PULL = "guard none>book_invalid; cancel #1 bid book_invalid; cancel #2 ask book_invalid"
AGAIN = "guard book_invalid>none; place #3 bid 9990 x 5; place #4 ask 10011 x 5"

IN_STREAM = {
    "a delta before the snapshot is ignored": """
        delta 9999x1 / @9<8 | guard none>book_invalid | book=empty book.ignored_count=1
        """,
    "continuity is by number": f"""
        book 10000x5 / 10001x5 @10 | {PLACE}
        delta 9999x1 / @11<10 | - | book=live book.venue_seq=11
        delta 9999x2 / @13<12 | alert book_gap 11; {PULL} | book=stale book.gap_count=1 bids=10000x5,9999x1
        delta 9999x3 / @14<13 | - | book=stale book.gap_count=1 book.ignored_count=1
        book 10000x5 / 10001x5 @14 | {AGAIN} | book=live book.snapshot_count=2
        """,
    "a delta without numbers is taken as it comes": f"""
        book 10000x5 / 10001x5 | {PLACE}
        delta 9999x1 / | - | bids=10000x5,9999x1
        """,
    "an old delta is ignored": f"""
        book 10000x5 / 10001x5 @10 | {PLACE}
        delta 10000x0 / @9<8 | - | bids=10000x5 book.ignored_count=1
        delta 10000x0 / @10<9 | - | bids=10000x5 book.ignored_count=2 book.venue_seq=10
        """,
    "u = 1: the venue restarted and counts anew": f"""
        book 10000x5 9998x1 / 10001x5 @5000 | {PLACE}
        book 10000x5 / 10001x5 @1 | - | book=live bids=10000x5 book.venue_seq=1
        delta 9999x1 / @2<1 | - | book=live bids=10000x5,9999x1
        """,
    "depth 1 repeats u": f"""
        book 10000x5 / 10001x5 @10 | {PLACE}
        book 10000x5 / 10001x5 @10 | - | book=live book.snapshot_count=2
        delta 10000x0 9999x6 / @11<10 | | bids=9999x6 book=live
        """,
    "a locked book is not quoted until a snapshot": f"""
        book 10000x5 / 10001x5 @10 | {PLACE}
        delta / 10000x1 @11<10 | {PULL} | book=locked book.crossed_count=1
        delta / 10000x0 @12<11 | - | book=locked asks=10001x5 book.crossed_count=1
        book 10000x5 / 10001x5 @13 | {AGAIN} | book=live
        """,
    "a crossed book is not quoted until a snapshot": f"""
        book 10000x5 / 10001x5 @10 | {PLACE}
        delta 10002x1 / @11<10 | {PULL} | book=crossed
        delta 10002x0 / @12<11 | - | book=crossed bids=10000x5
        book 10000x5 / 10001x5 @13 | {AGAIN} | book=live
        """,
    "a crossed book may become stale": f"""
        book 10000x5 / 10001x5 @10 | {PLACE}
        delta 10002x1 / @11<10 | {PULL} | book=crossed
        delta / @20<19 | alert book_gap 11 | book=stale
        """,
    "a snapshot that is crossed": "book 10002x5 / 10001x5 @10 | guard none>book_invalid | book=crossed",
    "a numbering begun anew, later by the venue's clock, ends the book": f"""
        book 10000x5 / 10001x5 @5000~1 | {PLACE} | book.stream_seq=5000
        delta 9999x1 / @5001<5000~2 | - | book=live
        delta 9000x1 / @2<1~3 | alert book_gap 5001; {PULL} | book=stale book.gap_count=1 book.restart_count=1 \
            book.stream_seq=2 bids=10000x5,9999x1
        delta 9000x2 / @3<2~4 | - | book=stale book.gap_count=1 book.ignored_count=2
        book 9000x5 / 9001x5 @4~5 | | book=live book.restart_count=1 bids=9000x5
        """,
    "a message told late or again makes the book no younger": f"""
        book 10000x5 / 10001x5 @5000~1 | {PLACE}
        delta 9999x1 / @5001<5000~2 | - | book=live
        +2000 delta 9999x0 / @5000<4999~1 | - | book=live book.ignored_count=1 bids=10000x5,9999x1
        +900 delta 9999x0 / @5001<5000~2 | - | book=live book.ignored_count=2
        +101 timer | guard none>md_stale; cancel #1 bid md_stale; cancel #2 ask md_stale | book=live
        delta 9998x1 / @5002<5001~3001 | | book=live bids=10000x5,9999x1,9998x1 book.gap_count=0
        """,
    "a number told again with a later stamp is no restart": f"""
        book 10000x5 / 10001x5 @10~1 | {PLACE}
        delta 9999x1 / @11<10~2 | - | book=live
        delta 9999x1 / @11<10~9 | - | book=live book.ignored_count=1 book.restart_count=0
        delta 9999x2 / @12<11~10 | - | book=live
        """,
    "three late messages that continue each other are a numbering of their own": f"""
        book 10000x5 / 10001x5 @5000 | {PLACE}
        delta 9000x1 / @7<6 | - | book=live book.late_run_count=1
        delta 9000x1 / @8<7 | - | book=live book.late_run_count=2
        delta 9000x1 / @8<7 | - | book=live book.late_run_count=2
        delta 9000x1 / @9<8 | alert book_gap 5000; {PULL} | book=stale book.restart_count=1 book.stream_seq=9
        """,
    "late messages that do not continue each other are none": f"""
        book 10000x5 / 10001x5 @5000 | {PLACE}
        delta 9000x1 / @7<6 | - | book=live
        delta 9000x1 / @9<8 | - | book=live
        delta 9000x1 / @8<7 | - | book=live
        delta 9999x1 / @5001<5000 | - | book=live book.late_run_count=0
        delta 9000x1 / @9<8 | - | book=live
        delta 9000x1 / @10<9 | - | book=live book.restart_count=0 book.ignored_count=5
        """,
    "a burst of late messages of a second connection is none, a numbering that goes on is": f"""
        book 10000x5 / 10001x5 @100~100 | {PLACE}
        delta 9999x1 / @101<100~101 | - | book=live
        delta 9999x1 / @97<96~97 | - | book=live
        delta 9999x1 / @98<97~98 | - | book=live
        delta 9999x1 / @99<98~99 | - | book=live book.late_run_count=3 book.restart_count=0
        delta 9999x2 / @102<101~102 | - | book=live
        delta 9999x1 / @97<96~97 | - | book=live
        +100 delta 9999x1 / @98<97~98 | - | book=live
        +100 delta 9999x1 / @99<98~99 | alert book_gap 102; {PULL} | book=stale book.restart_count=1
        """,
    "a stamp a minute ahead of us is none": f"""
        book 10000x5 / 10001x5 @5000~1 | {PLACE}
        delta 9999x1 / @5001<5000~70000 | - | book=live book.stream_ts_ns=-4611686018427387904
        delta 9999x0 / @5000<4999~1 | - | book=live book.ignored_count=1
        delta 9999x2 / @5002<5001~4 | - | book=live
        delta 9000x1 / @2<1~5 | alert book_gap 5002; {PULL} | book=stale
        """,
    "a snapshot told late by a second connection is old": f"""
        book 10000x5 / 10001x5 @100~10 | {PLACE}
        delta 9999x1 / @101<100~11 | - | book=live
        book 10000x5 / 10001x5 @100~10 | - | book=live bids=10000x5,9999x1 book.venue_seq=101 book.ignored_count=1
        delta 9999x2 / @102<101~12 | - | book=live
        """,
    "a lower snapshot that is later begins anew, and so does u = 1 whatever its stamp": f"""
        book 10000x5 / 10001x5 @100~10 | {PLACE}
        book 10000x6 / 10001x5 @50~11 | - | book=live book.venue_seq=50 bids=10000x6 book.restart_count=1
        book 10000x7 / 10001x5 @1~9 | - | book=live book.venue_seq=1 bids=10000x7 book.restart_count=2
        delta 9999x2 / @2<1~12 | - | book=live book.gap_count=0
        """,
    "an adapter's gap ends the numbering: the next one is no restart": f"""
        book 10000x5 / 10001x5 @5000~1 | {PLACE}
        gap | alert book_gap 5000; {PULL} | book.stream_seq=-4611686018427387904
        book 10000x5 / 10001x5 @2~3 | {AGAIN} | book=live book.restart_count=0
        delta 9999x2 / @3<2~4 | - | book=live book.gap_count=1
        """,
    "one side alone has no mid": """
        book 10000x5 / @10 | guard none>book_invalid | book=live asks=none
        delta / 10001x5 @11<10 | guard book_invalid>none; place #1 bid 9990 x 5; place #2 ask 10011 x 5
        """,
}

BESIDE_STREAM = {
    "deltas wait for the snapshot, which the first of them overlaps": """
        delta 9999x1 / @12<9 | guard none>book_invalid | book=empty book.held_row_count=1
        delta 9999x2 9998x3 / @15<12 | - | book.held_row_count=3
        book 10000x5 / 10001x5 @11 | guard book_invalid>none; place #1 bid 9990 x 5; place #2 ask 10011 x 5 | \
            book=live book.venue_seq=15 bids=10000x5,9999x2,9998x3 book.held_row_count=0 book.bridging=0
        delta 9999x0 / @16<15 | - | book=live bids=10000x5,9998x3
        """,
    "held deltas older than the snapshot go": """
        delta 9999x1 / @8<7 | guard none>book_invalid
        delta 9999x2 / @9<8 | -
        book 10000x5 / 10001x5 @9 | | book=live book.venue_seq=9 bids=10000x5 book.ignored_count=2 book.bridging=1
        delta 9999x7 / @10<9 | - | book=live book.bridging=0
        """,
    "the first delta may begin before the snapshot, no other": f"""
        book 10000x5 / 10001x5 @10 | {PLACE}
        delta 9999x1 / @14<7 | - | book=live book.venue_seq=14
        delta 9999x1 / @16<13 | alert book_gap 14; {PULL} | book=stale
        """,
    "the first delta may begin just behind the snapshot": f"""
        book 10000x5 / 10001x5 @10 | {PLACE}
        delta 9999x1 / @14<10 | - | book=live
        """,
    "a first delta that begins later leaves a gap and waits for the next snapshot": f"""
        book 10000x5 / 10001x5 @10 | {PLACE}
        delta 9999x1 / @14<11 | alert book_gap 10; {PULL} | book=stale book.held_row_count=1
        delta 9998x2 / @15<14 | - | book=stale book.held_row_count=2
        book 10000x5 / 10001x5 @13 | {AGAIN} | book=live book.venue_seq=15 bids=10000x5,9999x1,9998x2
        """,
    "held deltas behind a gap wait on": """
        delta 9999x1 / @12<9 | guard none>book_invalid
        delta 9999x2 / @16<14 | -
        delta 9998x3 / @18<16 | - | book.held_row_count=3
        book 10000x5 / 10001x5 @10 | alert book_gap 12 | book=stale book.held_row_count=2 book.gap_count=1
        book 10000x5 / 10001x5 @15 | guard book_invalid>none; place #1 bid 9990 x 5; place #2 ask 10011 x 5 | \
            book=live book.venue_seq=18 bids=10000x5,9999x2,9998x3
        delta 9997x1 / @20<18 | - | book=live
        """,
    "a snapshot older than the live book is ignored": f"""
        book 10000x5 / 10001x5 @10 | {PLACE}
        delta 9999x1 / @14<9 | - | book.venue_seq=14
        book 10000x5 / 10001x5 @13 | - | \
            book.venue_seq=14 bids=10000x5,9999x1 book.ignored_count=1 book.snapshot_count=1
        """,
    "a numbering begun anew waits for its own snapshot": f"""
        book 10000x5 / 10001x5 @5000~1 | {PLACE}
        delta 9999x1 / @5003<5000~2 | - | book=live
        delta 9000x1 / @1003<1000~3 | alert book_gap 5003; {PULL} | book=stale book.held_row_count=1
        delta 9000x2 / @1006<1003~4 | - | book=stale book.held_row_count=2 book.gap_count=1
        book 9000x5 / 9001x5 @1003~3 | | book=live book.venue_seq=1006 bids=9000x2 book.ignored_count=1
        delta 8999x1 / @1009<1006~5 | - | book=live
        """,
    "what was held of the numbering before goes": """
        delta 9999x1 / @5003<5000~2 | guard none>book_invalid | book.held_row_count=1
        delta 9000x1 / @1003<1000~3 | - | book=empty book.held_row_count=1 book.restart_count=1
        book 9000x5 / 9001x5 @1001~2 | | book=live book.venue_seq=1003 bids=9000x1
        """,
    "deltas up to the snapshot are old, whatever their predecessor, and no gap": f"""
        delta 9999x1 / @12<11 | guard none>book_invalid
        book 10000x5 / 10001x5 @100 | guard book_invalid>none; {PLACE} | book=live book.ignored_count=1
        delta 9999x1 / @50<47 | - | book=live book.ignored_count=2 book.gap_count=0
        delta 9999x1 / @99<96 | - | book=live book.ignored_count=3 book.gap_count=0
        delta 9999x7 / @103<99 | - | book=live bids=10000x5,9999x7 book.gap_count=0
        """,
    "what is old is counted forward: it is never late for the snapshot's sake": f"""
        book 10000x5 / 10001x5 @100~50 | {PLACE} | book.stream_seq=-4611686018427387904
        delta 9999x1 / @90<89~40 | - | book.stream_seq=90 book.ignored_count=1
        delta 9999x1 / @91<90~60 | - | book.stream_seq=91 book=live book.restart_count=0
        """,
    "an older snapshot that is stamped later than the stream shows a restart": f"""
        book 10000x5 / 10001x5 @5000~1 | {PLACE}
        delta 9999x1 / @5003<5000~2 | - | book=live
        book 10000x5 / 10001x5 @4000~2 | - | book=live book.ignored_count=1
        book 9000x5 / 9001x5 @1000~3 | alert book_gap 5003; {PULL} | book=stale book.restart_count=1 book.gap_count=1
        delta 9000x1 / @1003<1000~4 | - | book=stale book.restart_count=1 book.gap_count=1
        book 9000x5 / 9001x5 @1002~4 | | book=live book.venue_seq=1003
        """,
    "a snapshot of before the stream that nothing held leads on from is no book": f"""
        book 10000x5 / 10001x5 @10 | {PLACE}
        delta 10002x1 / @14<10 | {PULL} | book=crossed
        book 10000x5 / 10001x5 @13 | alert book_gap 13 | book=stale book.gap_count=0
        book 10000x5 / 10001x5 @14 | {AGAIN} | book=live
        """,
    "a snapshot of the numbering before is none of the present one": """
        delta 9000x1 / @1003<1000~3 | guard none>book_invalid
        book 10000x5 / 10001x5 @5000~2 | - | book=empty book.ignored_count=1
        book 9000x5 / 9001x5 @1001~3 | | book=live book.venue_seq=1003
        """,
    "breaks of the stream are counted while a book waits": """
        delta 9999x1 / @12<9 | guard none>book_invalid
        delta 9999x1 / @14<13 | - | book=empty book.gap_count=1
        """,
    "what was held before a gap told by the adapter goes": """
        delta 9999x1 / @12<9 | guard none>book_invalid | book.held_row_count=1
        gap | alert book_gap -4611686018427387904 | book.held_row_count=0 book=stale
        """,
}


@pytest.mark.parametrize("name", IN_STREAM)
def test_snapshot_in_the_stream(name: str) -> None:
    House(make_manifest(venue="bybit")).play(IN_STREAM[name])


@pytest.mark.parametrize("name", BESIDE_STREAM)
def test_snapshot_beside_the_stream(name: str) -> None:
    House(make_manifest(venue="binance")).play(BESIDE_STREAM[name])


def test_a_far_list_that_is_full_drops_the_farthest_level() -> None:
    house = House()
    house.play(f"book 10000x5 / 10001x5 @10 | {PLACE}")
    far = " ".join(f"{1_000_000 + 2 * i}x1" for i in reversed(range(8192)))  # worst first, where the list is kept so
    house.play(f"delta / {far} @11<10 | | book=live")
    house.play("delta / 1000001x1 @12<11 | - | book=live book.far_dropped_count=1")
    house.play("delta / 1016384x1 @13<12 | - | book=live book.far_dropped_count=2")
    expected = [(10_001, 5), *sorted([(1_000_001, 1), *((1_000_000 + 2 * i, 1) for i in range(8191))])]
    assert levels(house.cell, 1) == expected
    house.play("delta / 1016384x0 1000001x0 @14<13 | - | book=live")
    assert levels(house.cell, 1) == [level for level in expected if level[0] != 1_000_001]
    house.play("delta / 1016384x3 @15<14 | - | book=live book.far_dropped_count=2")
    assert levels(house.cell, 1)[-1] == (1_016_384, 3)


@pytest.mark.parametrize("best_first", [True, False])
def test_a_snapshot_of_more_levels_than_there_is_room_for_keeps_the_best(best_first: bool) -> None:
    house = House()
    count = 20_000 if best_first else 13_200  # the other way round each level moves the list
    asks = [(10_001 + 20 * i, 1 + i % 7) for i in range(count)]
    given = asks if best_first else asks[::-1]
    house.feed(book_event(EventKind.BOOK_SNAPSHOT, [(10_000, 5)], given, aux=1))
    found = levels(house.cell, 1)
    assert house.cell["book"]["status"] == BookStatus.LIVE and found == asks[: len(found)]
    assert len(found) > 8192 and house.cell["book"]["far_dropped_count"] == len(asks) - len(found)


def waiting(event_count: int, row_count: int = 1000) -> House:
    """Return a house whose book waits for its snapshot with so many deltas told: more rows than there is room for."""
    house = House(make_manifest(venue="binance"))
    for i in range(event_count):
        lines = " ".join(f"{1000 + j}x{i + 1}" for j in range(row_count))
        house.play(f"delta {lines} / @{i + 2}<{i + 1}")
    return house


def test_deltas_that_find_no_room_to_wait_go_oldest_first() -> None:
    house = waiting(9)
    assert (house.cell["book"]["held_row_count"], house.cell["book"]["held_dropped_count"]) == (6000, 3)
    house.play("book 10000x5 / 10001x5 @4 | | book=live book.venue_seq=10 book.gap_count=0 book.bridging=0")
    assert levels(house.cell, 0)[1] == (1999, 9)


def test_a_late_snapshot_is_taken_across_what_found_no_room_and_asks_for_another() -> None:
    house = waiting(9)
    house.play(f"book 10000x5 / 10001x5 @1 | alert book_overflow 10; guard book_invalid>none; {PLACE} | book=live")
    house.play("delta 9999x1 / @11<10 | - | book=live book.venue_seq=11 book.gap_count=0")
    house.play("delta 9999x1 / @13<12 | | book=stale book.gap_count=1")


def test_one_delta_longer_than_the_hold_does_not_end_the_book() -> None:
    house = waiting(1, 8193)
    assert (house.cell["book"]["held_row_count"], house.cell["book"]["held_dropped_count"]) == (0, 1)
    house.play("book 10000x5 / 10001x5 @1 | | book=live book.venue_seq=1 book.bridging=2")
    house.play("delta 9999x1 / @4<2 | - | book=live book.venue_seq=4 book.bridging=0")


def test_a_best_price_that_has_drifted_far_away_is_still_seen() -> None:
    house = House()
    house.play(f"book 10000x5 / 10001x5 @10 | {PLACE}")
    house.play("delta 10000x0 199000x5 / 200000x7 10001x0 @11<10 | | book=live bids=199000x5 asks=200000x7")
    signal = house.cell["signal"]
    assert float(signal["imbalance"]) == (5 - 7) / 12
    assert float(signal["microprice_ticks"]) == (200_000 * 5 + 199_000 * 7) / 12
