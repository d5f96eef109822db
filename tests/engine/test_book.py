"""How books are joined to their deltas and when they may not be quoted on (docs/data.md, book integrity)."""

import pytest

from tests.engine.rows import House, make_manifest

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


def test_a_far_list_that_is_full_makes_the_book_stale() -> None:
    house = House()
    house.play(f"book 10000x5 / 10001x5 @10 | {PLACE}")
    far = " ".join(f"{1_000_000 + 2 * i}x1" for i in reversed(range(8192)))  # worst first, where the list is kept so
    house.play(f"delta / {far} @11<10 | | book=live")
    house.play(f"delta / 1000001x1 @12<11 | alert book_gap 12; {PULL} | book=stale")
    house.play(f"book 10000x5 / 10001x5 @13 | {AGAIN} | book=live asks=10001x5")


def test_deltas_that_find_no_room_to_wait_are_given_up() -> None:
    house = House(make_manifest(venue="binance"))
    for i in range(9):
        lines = " ".join(f"{9000 + j}x{i + 1}" for j in range(1000))
        house.play(f"delta {lines} / @{i + 2}<{i + 1}")
    assert house.cell["book"]["held_row_count"] == 1000
    house.play("book 10000x5 / 10001x5 @1 | alert book_gap 1 | book=stale")
    house.play("book 10000x5 / 10001x5 @9 | | book=live book.venue_seq=10")


def test_a_best_price_that_has_drifted_far_away_is_still_seen() -> None:
    house = House()
    house.play(f"book 10000x5 / 10001x5 @10 | {PLACE}")
    house.play("delta 10000x0 199000x5 / 200000x7 10001x0 @11<10 | | book=live bids=199000x5 asks=200000x7")
    signal = house.cell["signal"]
    assert float(signal["imbalance"]) == (5 - 7) / 12
    assert float(signal["microprice_ticks"]) == (200_000 * 5 + 199_000 * 7) / 12
