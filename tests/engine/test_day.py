"""The account's PnL of the UTC day and the stop at a loss (spec/core.md 17, intraday caps)."""

from typing import Any

import pytest

from mmfold.engine.codes import EventKind, Side
from mmfold.engine.limits import DAY_MICROS_MAX, NS_PER_DAY, NS_PER_MS
from tests.engine.rows import T0_NS, House, book_event, event, make_manifest

BOOK = "book 10000x5 / 10001x5 @10 | place #1 bid 9990 x 5; place #2 ask 10011 x 5\n"
TO_MIDNIGHT_MS = (NS_PER_DAY - T0_NS % NS_PER_DAY) // NS_PER_MS
LOST = "delta 10000x0 9970x5 / 10001x0 9971x5 @11<10"  # the mid goes to 9,970.5: 5 lots bought at 9,990 lose 97.5
STOPPED = LOST + " | alert daily_loss -97500000; guard none>intraday_caps; cancel #3 bid intraday_caps; " \
    "cancel #2 ask intraday_caps | clock.day_stopped=1 clock.day_pnl_micros=-97500000\n"  # fmt: skip
LIMIT = {"daily_loss_micros_max": 97_500_000}

CASES: dict[str, tuple[dict[str, int | float], dict[str, Any], str]] = {
    "a loss at the limit stops the account in the same event": (LIMIT, {}, BOOK + "fill #1 9990x5\n" + STOPPED + """
        delta 9970x0 10000x5 / 9971x0 10001x5 @12<11 | - | clock.day_pnl_micros=52500000 clock.day_stopped=1
        timer | - | bid.open_lots=0 ask.open_lots=0
    """),
    "a micro less does not": ({"daily_loss_micros_max": 97_500_001}, {}, BOOK + "fill #1 9990x5\n" + LOST
                              + " | | clock.day_stopped=0 clock.day_pnl_micros=-97500000"),
    "without a limit nothing stops": ({}, {}, BOOK + "fill #1 9990x5\n" + LOST + " | | clock.day_stopped=0"),
    "the stop is over at midnight UTC, and the day begins at the prices of then": (
        LIMIT, {}, BOOK + "fill #1 9990x5\n" + STOPPED + f"""
        +{TO_MIDNIGHT_MS} timer | guard intraday_caps>md_stale | clock.day_stopped=0 clock.day_pnl_micros=0
        delta 9970x0 9960x5 / 9971x0 9961x5 @12<11 | guard md_stale>none; place #4 bid 9950 x 5; \
            place #5 ask 9971 x 5 | clock.day_pnl_micros=-50000000
    """),
    "a person lifts it: the whole limit counts from there": (LIMIT, {}, BOOK + "fill #1 9990x5\n" + STOPPED + """
        command resume | guard intraday_caps>none; place #4 bid 9960 x 5; place #5 ask 9981 x 5 | clock.day_stopped=0
        delta 9970x0 9960x5 / 9971x0 9961x5 @12<11 | | clock.day_pnl_micros=-50000000 clock.day_stopped=0
        delta 9960x0 9950x5 / 9961x0 9951x5 @13<12 | | clock.day_pnl_micros=-100000000 clock.day_stopped=1
    """),
    "an unfreeze does not": (LIMIT, {}, BOOK + "fill #1 9990x5\n" + STOPPED + """
        command unfreeze | frozen 0>0 | clock.day_stopped=1 bid.open_lots=0
    """),
    "fees count": ({"daily_loss_micros_max": 400_000_000}, {"taker_fee_ppm": 8_000}, BOOK
                   + "fill #1 9990x5 | | clock.day_pnl_micros=-347100000 clock.day_stopped=0\nfill #2 10011x5 | "
                   "alert daily_loss -695040000; guard none>intraday_caps; cancel #3 bid intraday_caps"),
    "and funding": ({"daily_loss_micros_max": 100_000_000}, {}, BOOK + """
        fill #1 9990x5 | | clock.day_pnl_micros=52500000
        funding 10000000 10000 | alert daily_loss -447500000; guard none>intraday_caps; \
            cancel #3 bid intraday_caps; cancel #2 ask intraday_caps
    """),
    # 51 lots of 1,000 USD: 51,000 USD / 9,990 are 5.105105 base; at 9,900.5 they are 5.151255, 0.046150 more.
    "of an inverse contract the base is worth what the price says": (
        {"daily_loss_micros_max": 456_000_000}, {"contract": "inverse", "contract_value": "1000"}, """
        book 10000x5 / 10001x5 @10 | place #1 bid 9990 x 51; place #2 ask 10011 x 51
        fill #1 9990x51
        book 9900x5 / 9901x5 @20 | | clock.day_pnl_micros=-456906917 clock.day_stopped=1
    """),
    # Bought at 10,100, 5 lots; the day began at -250: it is -497.5 + 250 at the first mid.
    "a journal goes on with the day that another began": ({"daily_loss_micros_max": 247_500_000}, {}, """
        opening 5@10100 0 0 0 -250000000 | guard none>book_invalid | clock.day_pnl_micros=0
        book 10000x5 / 10001x5 @10 | alert daily_loss -247500000; guard book_invalid>intraday_caps
    """),
    "of another day it begins at the first mid": ({"daily_loss_micros_max": 1_000_000}, {}, """
        opening 5@10100 -7000000 1000000 0 | guard none>book_invalid | clock.day_pnl_micros=0
        book 10000x5 / 10001x5 @10 | | clock.day_pnl_micros=0 position.day_start_micros=-505500000 clock.day_stopped=0
    """),
    "a flat one's loss of the day is taken over": ({"daily_loss_micros_max": 9_000_000}, {}, """
        opening 0 -8000000 1000000 0 0 | alert daily_loss -9000000; guard none>intraday_caps | \
            clock.day_pnl_micros=-9000000 clock.day_stopped=1
        book 10000x5 / 10001x5 @10 | -
    """),
}  # fmt: skip


@pytest.mark.parametrize(("params", "instrument", "text"), CASES.values(), ids=CASES)
def test_day(params: dict[str, int | float], instrument: dict[str, Any], text: str) -> None:
    House(make_manifest(**instrument), **params).play(text)


def test_the_stop_is_that_of_all_symbols() -> None:
    house = House(make_manifest("X", "Y"), daily_loss_micros_max=90_000_000)
    for index in range(2):
        house.feed(book_event(EventKind.BOOK_SNAPSHOT, [(10_000, 5)], [(10_001, 5)], aux=1, instrument_index=index))
        house.feed(event(EventKind.FILL, instrument_index=index, side=Side.BID, price_ticks=10_010, qty_lots=5))
    # Bought 9.5 above the mid, twice 47.5: 95 are more than both may lose, 47.5 are not.
    assert house.core.state.positions["day_pnl_micros"].tolist() == [-47_500_000, -47_500_000]
    assert house.core.state.clock[0]["day_stopped"] == 1
    assert not house.core.state.quote_sides["open_lots"].any()


def test_the_sum_is_that_of_the_parts_after_any_events() -> None:
    house = House(make_manifest("X", "Y"))
    for step in range(60):
        index, side = step % 2, Side(step // 2 % 2)
        bid = 10_000 + step * 7919 % 41 - 20
        house.feed(
            book_event(EventKind.BOOK_SNAPSHOT, [(bid, 5)], [(bid + 1, 5)], aux=step + 1, instrument_index=index)
        )
        fill = event(EventKind.FILL, instrument_index=index, side=side, price_ticks=bid, qty_lots=1 + step % 3)
        house.feed(fill, after_ms=int(NS_PER_DAY // NS_PER_MS // 7))
        clock, positions = house.core.state.clock[0], house.core.state.positions
        assert clock["day_pnl_micros"] == positions["day_pnl_micros"].sum()
        assert clock["day_end_ns"] - NS_PER_DAY <= clock["ts_now_ns"] < clock["day_end_ns"]


def test_what_one_symbol_made_is_bounded_so_that_all_fit() -> None:
    assert DAY_MICROS_MAX * 256 <= 1 << 62
