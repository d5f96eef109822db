"""The quoters: numbers by hand for the ladder's stages, the grid against a rule in fractions (spec/core.md 5, 8)."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfold.engine.codes import EventKind, OrderStatus, Side, Strategy
from mmfold.engine.limits import NS_PER_MS, ORDER_COUNT_MAX
from tests.engine.rows import House, book_event, event, make_manifest

BOOK = "book 10000x5 / 10001x5 @10 | place #1 bid 9990 x 5; place #2 ask 10011 x 5\n"

LADDER: dict[str, tuple[dict[str, int | float], str]] = {
    # Ratio (20 / 25) = 0.8 > 0.65 while long: asks pause, 20 bps become 30: 10000.5 x 0.9985 = 9985.499.
    "adverse guard while long": ({"enable_adverse_guard": 1}, BOOK + """
        fill #1 9990x5 | place #3 bid 9990 x 5
        delta 10000x20 / @11<10 | pause ask 0>1 imbalance_guard; cancel #3 bid reprice; place #4 bid 9985 x 5; \
            cancel #2 ask level_dropped | counter.guard_trip_count=1 blocked.guard_paused=1
        +299 delta 10000x5 / @12<11 | cancel #4 bid reprice; place #5 bid 9990 x 5 | ask.paused=1
        +1 timer | - | ask.paused=1
        +1 timer | pause ask 1>0 imbalance_guard; place #6 ask 10011 x 5 | ask.paused=0
        """),
    # Ratio 0.2 < 0.35 while short: bids pause; 10000.5 x 1.0015 = 10015.501.
    "adverse guard while short": ({"enable_adverse_guard": 1}, BOOK + """
        fill #2 10011x5 | place #3 ask 10011 x 5
        delta / 10001x20 @11<10 | pause bid 0>1 imbalance_guard; cancel #1 bid level_dropped; \
            amend #3 ask 10016 x 5 reprice
        """),
    "a pause is prolonged, and told once": ({"enable_adverse_guard": 1}, BOOK + """
        fill #1 9990x5 |
        delta 10000x20 / @11<10 | | counter.guard_trip_count=1
        +200 delta 9999x1 / @12<11 | - | counter.guard_trip_count=1
        +200 delta 10000x5 / @13<12 | | ask.paused=1
        """),
    # Microprice (10011 + 9 x 9990) / 10 = 9992.1, 8.4 bps below the mid: 20 bps x 1.3, half of it 13.
    "microprice drift": ({"enable_adverse_guard": 1},
        "book 9990x1 / 10011x9 @10 | place #1 bid 9987 x 5; place #2 ask 10014 x 5"),
    # 5 lots are 50,002.5 of 10,000,000 USD: 0.3 x 50.0025 bps = 15.00075 more on the side that would add.
    "inventory skew": ({"enable_inventory_skew": 1, "equity_micros": 10_000_000_000_000}, BOOK + """
        fill #1 9990x5 | place #3 bid 9975 x 5
        fill #2 10011x5 | cancel #3 bid reprice; place #4 bid 9990 x 5; place #5 ask 10011 x 5
        fill #5 10011x5 | place #6 ask 10026 x 5
        """),
    # 0.3 x 500 bps would be 150: held at max_spread_bps = 25; 10000.5 x (1 - 35 bps) = 9965.498.
    "inventory skew is clamped": ({"enable_inventory_skew": 1, "equity_micros": 1_000_000_000_000},
        BOOK + "fill #1 9990x5 | place #3 bid 9965 x 5"),
    "without equity there is no skew": ({"enable_inventory_skew": 1, "equity_micros": 0},
        BOOK + "fill #1 9990x5 | place #3 bid 9990 x 5"),
    # No volatility yet: the least spread; the widest, 25 bps, after a tenth in one second of a minute's half-life.
    "spread follows volatility": ({"enable_dynamic_spread": 1}, BOOK + """
        +1000 book 11000x5 / 11001x5 @11 | | #3.price_ticks=10986 #4.price_ticks=11015
        """),
    "policy price: the best less the offset": ({"post_only_offset_bps": 15.5},
        "book 10000x5 / 10001x5 @10 | place #1 bid 9984 x 5; place #2 ask 10017 x 5 | counter.post_only_adjust_count=2",
    ),
    "policy price: never more aggressive than the strategy": ({"post_only_offset_bps": 5.5}, BOOK),
    "the policy may be off": ({"post_only_offset_bps": 15.5, "maker_only": 0}, BOOK),
    "between refreshes only a move of the mid counts": (
        {"quote_refresh_ns": 800 * NS_PER_MS, "amend_price_threshold_bps": 2.0}, BOOK + """
        delta / 10001x0 10002x5 @11<10 | - | quoter.quote_count=1
        delta / 10002x0 10006x5 @12<11 | amend #1 bid 9992 x 5 reprice; amend #2 ask 10014 x 5 reprice | \
            quoter.quote_count=2
        +799 timer | - | quoter.quote_count=2
        +1 timer | - | quoter.quote_count=3
        """),
}  # fmt: skip

GRID = {"strategy": Strategy.GRID, "grid_half_spread_ticks_e6": 10_500_000, "grid_skew_ticks_per_lot_e6": 2_000_000,
        "grid_qty_lots": 2, "grid_notional_micros_max": 35_000_000_000, "replace_overlap": 1,
        "replace_threshold_bps": 0.0, "amend_size_threshold": 1e6}  # fmt: skip
GRID_TEXT = """
    book 10000x5 / 10001x5 @10 | place #1 bid 9990 x 2; place #2 ask 10011 x 2
    fill #1 9990x2 | place #3 bid 9986 x 2; cancel #2 ask reprice; place #4 ask 10007 x 2
    fill #3 9986x2 | cancel #4 ask reprice; place #5 ask 10003 x 2 | position.position_lots=4 bid.open_lots=0
    fill #5 10003x1 | place #6 bid 9984 x 2; cancel #5 ask reprice; place #7 ask 10005 x 2
    """


@pytest.mark.parametrize("name", LADDER)
def test_ladder(name: str) -> None:
    params, text = LADDER[name]
    House(**params).play(text)


def test_grid_by_hand() -> None:
    House(**GRID).play(GRID_TEXT)


@pytest.mark.parametrize(
    ("tick", "book", "quote"),
    [
        # calc_post_only_price: 50000, 1.5 bps, tick .01 -> 49992.50 / 50007.50
        ("0.01", "book 5000000x5 / 5000010x5 @1", "bid 4999250"),
        ("0.01", "book 4999990x5 / 5000000x5 @1", "ask 5000750"),
    ],
)
def test_post_only_prices_of_the_spec(tick: str, book: str, quote: str) -> None:
    house = House(make_manifest(tick_size=tick, lot_size="0.01"), min_spread_bps=0.02, post_only_offset_bps=1.5)
    house.play(book)
    side, price = quote.split()
    assert [int(e["price_ticks"]) for e in house.taken if e["side"] == Side[side.upper()]] == [int(price)]


def grid_rule(bid: int, ask: int, position: int, params: dict[str, Any]) -> list[int | None]:
    """Return the grid's two prices, None for a side at its limit: the rule in fractions."""
    mid = Fraction(bid + ask, 2)
    reservation = mid - Fraction(params["grid_skew_ticks_per_lot_e6"], 10**6) * position
    half = Fraction(params["grid_half_spread_ticks_e6"], 10**6)
    value_micros = mid * position * 10**6
    limit = params["grid_notional_micros_max"]
    prices: list[int | None] = [min(round(reservation - half), bid), max(round(reservation + half), ask)]
    return [
        None if value > limit else price for price, value in zip(prices, (value_micros, -value_micros), strict=True)
    ]


@given(
    st.integers(5_000, 50_000),
    st.integers(1, 40),
    st.integers(-40, 40),
    st.integers(0, 40_000_000),
    st.integers(0, 9_000_000),
    st.integers(0, 10**12),
)
def test_grid_is_its_rule(bid: int, spread: int, position: int, half_e6: int, skew_e6: int, limit: int) -> None:
    params = {**GRID, "grid_half_spread_ticks_e6": half_e6, "grid_skew_ticks_per_lot_e6": skew_e6,
              "grid_notional_micros_max": limit}  # fmt: skip
    house = House(**params)
    if position:
        side = Side.BID if position > 0 else Side.ASK
        house.feed(event(EventKind.FILL, side=side, price_ticks=bid, qty_lots=abs(position)))
    house.feed(book_event(EventKind.BOOK_SNAPSHOT, [(bid, 1)], [(bid + spread, 1)], aux=1))
    found: list[int | None] = [None, None]
    for slot, order in enumerate(house.cell["orders"]):
        if order["status"] == OrderStatus.ACCEPTED:
            found[slot // (ORDER_COUNT_MAX // 2)] = int(order["price_ticks"])
    assert found == grid_rule(bid, bid + spread, position, params)
