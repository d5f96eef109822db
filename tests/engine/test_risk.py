"""The gates before an order: each scenario ends in the reason that is counted (spec/core.md 8, 9, 11)."""

from typing import Any

import pytest

from mmfold.engine.codes import EventKind, Side
from tests.engine.rows import House, book_event, check_counts, event, lines_of, make_manifest

BOOK = "book 10000x5 / 10001x5 @10 | place #1 bid 9990 x 5; place #2 ask 10011 x 5\n"

INVERSE = {"contract": "inverse", "contract_value": "1000"}
CASES: dict[str, tuple[dict[str, int | float], dict[str, Any], str]] = {
    "position limit, at the worst case": (
        {"position_lots_max": 7}, {}, BOOK + """
        fill #1 9990x5 | - | blocked.risk_limit=1 bid.open_lots=0 position.position_lots=5
        fill #2 10011x5 | place #3 bid 9990 x 5; place #4 ask 10011 x 5 | position.position_lots=0
        """,
    ),
    # Open orders count as filled: 5 open and 3 more would be 8.
    "position limit, open orders count": (
        {"position_lots_max": 7, "mode": 1, "replace_overlap": 1}, {}, BOOK + """
        config min_spread_bps=40.0 | param min_spread_bps 20>40 config; cancel #1 bid reprice; \
            cancel #2 ask reprice | blocked.risk_limit=2
        canceled #1 | place #3 bid 9980 x 5 | bid.open_lots=5 ask.open_lots=5
        """,
    ),
    # 6 lots for 5 at another price would be one amend, but for the limit.
    "position limit, an amend may not pass it either": (
        {"position_lots_max": 5, "amend_size_threshold": 0.25}, {}, BOOK + """
        config target_micros=61000000000 | | #1.qty_lots=5
        delta / 10001x0 10009x4 @11<10 | cancel #1 bid reprice; cancel #2 ask reprice | blocked.risk_limit=2
        """,
    ),
    # 60,000 USD at 10,011 are 5 lots: 1 sold and 5 more would be 6.
    "inventory limit in money": (
        {"inventory_micros_max": 60_000_000_000, "amend_size_threshold": 0.0}, {}, BOOK + """
        fill #2 10011x1 | cancel #2 ask reprice | position.position_lots=-1 blocked.risk_limit=1
        """,
    ),
    "inventory limit below one order": (
        {"inventory_micros_max": 49_000_000_000}, {}, "book 10000x5 / 10001x5 @10 | - | blocked.risk_limit=2",
    ),
    # 5 lots held are 50,002.5 USD at the mid; 5 more bought at 9,990 are 49,950.
    "total notional stops what adds to it": (
        {"total_notional_micros_max": 99_000_000_000}, {}, BOOK + """
        fill #1 9990x5 | - | blocked.risk_limit=1 clock.gross_micros=50002500000
        config total_notional_micros_max=100000000000 | | blocked.risk_limit=1 bid.open_lots=5
        """,
    ),
    "orders of a side": (
        {"active_per_side_max": 1, "mode": 1, "replace_overlap": 1}, {}, BOOK + """
        config min_spread_bps=40.0 | param min_spread_bps 20>40 config; cancel #1 bid reprice; \
            cancel #2 ask reprice | blocked.level_cap=2
        """,
    ),
    "levels of a side": (
        {"active_per_side_max": 2, "levels_per_side": 3, "level_spacing_coeff": 0.5}, {},
        "book 10000x5 / 10001x5 @10 | place #1 bid 9980 x 2; place #2 bid 9970 x 2; place #3 ask 10021 x 2; "
        "place #4 ask 10031 x 2",
    ),
    "orders of a symbol": (
        {"active_per_symbol_max": 1}, {}, "book 10000x5 / 10001x5 @10 | place #1 bid 9990 x 5 | blocked.order_cap=1",
    ),
    "the venue's least size": ({}, {"min_qty_lots": 6}, "book 10000x5 / 10001x5 @10 | - | blocked.min_qty=2"),
    "the venue's least size, padded and rounded up": (
        {"min_qty_pad": 1.1}, {"min_qty_lots": 5}, "book 10000x5 / 10001x5 @10 | - | blocked.min_qty=2",
    ),
    "the venue's least size, just met": ({"min_qty_pad": 1.25}, {"min_qty_lots": 4}, BOOK),
    "less than a lot": (
        {"target_micros": 9_000_000_000}, {}, "book 10000x5 / 10001x5 @10 | - | blocked.qty_zero=2",
    ),
    "no width left": (
        {"min_spread_bps": 0.0}, {}, "book 9999x5 / 10001x5 @10 | - | blocked.min_spread=1",
    ),
    # Of an inverse contract a lot is worth 1,000 USD at any price: 51,000 USD are 51 of them.
    "an inverse contract": (
        {"inventory_micros_max": 90_000_000_000, "amend_size_threshold": 1.0}, INVERSE, """
        book 10000x5 / 10001x5 @10 | place #1 bid 9990 x 51; place #2 ask 10011 x 51
        fill #1 9990x30 | cancel #1 bid reprice; place #3 bid 9990 x 51 | clock.gross_micros=30000000000
        fill #3 9990x10 | - | clock.gross_micros=40000000000 bid.open_lots=41
        book 5000x5 / 5001x5 @20 | cancel #3 bid reprice; cancel #2 ask reprice; place #4 ask 5006 x 51 | \
            clock.gross_micros=40000000000 blocked.risk_limit=1
        """,
    ),
    "an inverse contract's total notional": (
        {"total_notional_micros_max": 50_000_000_000}, INVERSE, "book 10000x5 / 10001x5 @10 | - | blocked.risk_limit=2",
    ),
    "a spot instrument is not sold short": (
        {}, {"contract": "spot"}, """
        book 10000x5 / 10001x5 @10 | place #1 bid 9990 x 5 | blocked.risk_limit=1
        fill #1 9990x5 | place #2 bid 9990 x 5; place #3 ask 10011 x 5 | position.position_lots=5
        fill #3 10011x2 | | position.position_lots=3 ask.open_lots=3
        fill #3 10011x3 | - | position.position_lots=0 blocked.risk_limit=2
        fill #2 9990x2 | cancel #2 bid reprice; place #4 bid 9990 x 5; place #5 ask 10011 x 2 | position.position_lots=2
        """,
    ),
    # 5 held and 5 offered: the old order, still leaving, counts against the new one.
    "a spot instrument is not sold twice": (
        {"mode": 1, "replace_overlap": 1}, {"contract": "spot"}, """
        book 10000x5 / 10001x5 @10 | place #1 bid 9990 x 5
        fill #1 9990x5 | place #2 bid 9990 x 5; place #3 ask 10011 x 5
        config min_spread_bps=40.0 | param min_spread_bps 20>40 config; cancel #2 bid reprice; place #4 bid 9980 x 5; \
            cancel #3 ask reprice | blocked.risk_limit=2 ask.open_lots=5
        """,
    ),
    "not enabled before all else": (
        {"enabled": 0}, {}, "timer | guard none>disabled\nbook 10000x5 / 10001x5 @10 | - | blocked.disabled=1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_gate(name: str) -> None:
    params, instrument, text = CASES[name]
    house = House(make_manifest(**instrument), **params)
    for line in lines_of(text):
        house.play(line)
        check_counts(house)


def test_total_notional_is_that_of_all_symbols() -> None:
    house = House(make_manifest("X", "Y"), total_notional_micros_max=60_060_000_000)
    house.feed(event(EventKind.FILL, instrument_index=1, side=Side.ASK, price_ticks=10_000, qty_lots=5))
    house.feed(book_event(EventKind.BOOK_SNAPSHOT, [(10_000, 5)], [(10_001, 5)], aux=1))
    assert house.core.state.clock[0]["gross_micros"] == 50_000_000_000  # no mid: the last fill
    assert not house.names and house.core.state.quote_sides[0]["open_lots"].tolist() == [0, 0]
    house.feed(book_event(EventKind.BOOK_SNAPSHOT, [(2_000, 5)], [(2_001, 5)], aux=1, instrument_index=1))
    # Y is worth 10,002.5 now: X may sell 5 at 10,011 and buy, Y may buy back 25 at 1,998 but not sell 25 at 2,003.
    assert house.core.state.clock[0]["gross_micros"] == 10_002_500_000
    house.feed(event(EventKind.TIMER))
    assert house.core.state.quote_sides["open_lots"].tolist() == [[5, 5], [25, 0]]


def test_the_clock_of_one_symbol_makes_another_stale() -> None:
    house = House(make_manifest("X", "Y"))
    for index in range(2):
        house.feed(book_event(EventKind.BOOK_SNAPSHOT, [(10_000, 5)], [(10_001, 5)], aux=1, instrument_index=index))
    house.feed(book_event(EventKind.BOOK_DELTA, [(9_999, 5)], [], aux=2, order_id=1, instrument_index=1), 3_100)
    assert house.core.state.quote_sides["open_lots"].tolist() == [[5, 5], [5, 5]]
    house.feed(event(EventKind.TIMER))
    assert house.core.state.quote_sides["open_lots"].tolist() == [[0, 0], [5, 5]]
