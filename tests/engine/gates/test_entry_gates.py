"""The gates of an entry, each at, below and above its limit (spec/core.md 10, addendum.md 1)."""

from fractions import Fraction
from math import ceil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfold.engine.codes import EventKind, Side
from mmfold.engine.gates import flip_cooldown, liquidity, near_liquidation
from mmfold.engine.limits import E9, NS_PER_MS, NS_PER_S, PPM, QTY_LOTS_MAX
from mmfold.engine.params import ConfigPayloadError, check_value
from tests.engine.rows import House, book_event, make_manifest

DEEP = book_event(
    EventKind.BOOK_SNAPSHOT, [(10_000, 5), (9_999, 3), (9_990, 2), (9_980, 9)], [(10_001, 4), (10_005, 7)]
)


def asked(house: House, side: Side, qty_lots: int) -> Any:
    ask = house.cell["ask"]
    ask["side"], ask["price_ticks"], ask["qty_lots"], ask["level"] = side, 9_990, qty_lots, 0
    return ask


# side | size | alpha | levels | depth, least depth, or None where it passes. Bids 5 3 2 9, asks 4 7.
DEPTHS = [
    (Side.BID, 6, 1.5, 3, None), (Side.BID, 7, 1.5, 3, (10, 11)), (Side.BID, 7, 1.5, 4, None),
    (Side.BID, 5, 2.0, 3, None), (Side.BID, 5, 2.000001, 3, (10, 11)), (Side.BID, 5, 1.999999, 3, None),
    (Side.BID, 10, 1.0, 3, None), (Side.BID, 11, 1.0, 3, (10, 11)), (Side.BID, 6, 1.0, 1, (5, 6)),
    (Side.ASK, 7, 1.5, 3, None), (Side.ASK, 8, 1.5, 3, (11, 12)), (Side.ASK, 8, 1.5, 0, None),
]  # fmt: skip


@pytest.mark.parametrize(("side", "qty_lots", "alpha", "levels", "told"), DEPTHS)
def test_beside_a_quote_rests_a_multiple_of_it(
    side: Side, qty_lots: int, alpha: float, levels: int, told: tuple[int, int] | None
) -> None:
    house = House(liquidity_alpha_ppm=round(alpha * PPM), liquidity_levels=levels, enabled=0)
    house.feed(DEEP)
    ask = asked(house, side, qty_lots)
    assert liquidity.passes(house.cell, ask) == (told is None)
    if told is not None:
        assert (ask["value"], ask["limit"]) == told


@given(st.integers(0, QTY_LOTS_MAX), st.integers(1, 1_000 * PPM))
def test_the_least_depth_is_rounded_up_and_never_wraps(qty_lots: int, alpha_ppm: int) -> None:
    assert liquidity.depth_lots_min(qty_lots, alpha_ppm) == ceil(Fraction(qty_lots * alpha_ppm, PPM))


def test_a_quote_that_loses_its_depth_is_cancelled() -> None:
    House(liquidity_levels=1, liquidity_alpha_ppm=1_200_000).play("""
        book 10000x6 / 10001x5 @10 | place #1 bid 9990 x 5; block ask liquidity_insufficient 5/6 lots
        delta 10000x5 / @11<10 | cancel #1 bid level_dropped
        delta 10000x6 / 10001x6 @12<11 | place #2 bid 9990 x 5; place #3 ask 10011 x 5
    """)


# leverage | mmr | stop-loss | buffer | distance, least distance in bps, or None where it passes
LIQUIDATIONS = [
    (10, 0.004, 0.003, 1.5, None),  # 9.6 % against 0.45 %
    (125, 0.004, 0.003, 1.5, (40, 45)),  # 0.4 %
    (100, 0.0055, 0.003, 1.5, None),  # 0.45 %: only what is below is refused
    (100, 0.005501, 0.003, 1.5, (44.99, 45)),
    (100, 0.005499, 0.003, 1.5, None),
    (3, 0.004, 0.329333, 1, None), (3, 0.004, 0.329334, 1, (3293.333333, 3293.34)),
    (250, 0.004, 0.0, 1.5, (0, 0)),  # liquidated at the entry
    (250, 0.003999, 0.0, 1.5, None),
    (1, 0.0, 0.003, 1.5, (10_000, 45)),  # liquidated at nothing
    (1, 0.000001, 0.003, 1.5, None),
]  # fmt: skip


def near(leverage: float, mmr: float, sl: float, buffer: float) -> dict[str, int | float]:
    values = {"leverage_ppm": leverage, "mmr_ppm": mmr, "assumed_sl_ppm": sl, "sl_buffer_ppm": buffer}
    return {name: round(value * PPM) for name, value in values.items()}


@pytest.mark.parametrize(("leverage", "mmr", "sl", "buffer", "told"), LIQUIDATIONS)
def test_a_long_is_liquidated_far_enough_below_its_entry(
    leverage: float, mmr: float, sl: float, buffer: float, told: tuple[float, float] | None
) -> None:
    house = House(**near(leverage, mmr, sl, buffer))
    ask = asked(house, Side.BID, 5)
    assert near_liquidation.passes(house.cell, ask) == (told is None)
    if told is not None:
        assert (ask["value"], ask["limit"]) == tuple(round(bps * PPM) for bps in told)


FIGURES = (st.integers(PPM, 200 * PPM), st.integers(1, 100_000), st.integers(0, 100_000), st.integers(0, 5 * PPM))


@given(st.integers(1, 1 << 40), *FIGURES)
def test_the_answer_is_that_of_the_formula_at_any_entry(
    entry: int, leverage_ppm: int, mmr_ppm: int, assumed_sl_ppm: int, sl_buffer_ppm: int
) -> None:
    liq = entry * (1 - Fraction(PPM, leverage_ppm) + Fraction(mmr_ppm, PPM))
    distance, least = (entry - liq) / entry, Fraction(assumed_sl_ppm, PPM) * Fraction(sl_buffer_ppm, PPM)
    house = HOUSE
    for name, value in zip(("leverage_ppm", "mmr_ppm", "assumed_sl_ppm", "sl_buffer_ppm"),
                           (leverage_ppm, mmr_ppm, assumed_sl_ppm, sl_buffer_ppm), strict=True):  # fmt: skip
        house.cell["param"][name] = value
    passes = bool(near_liquidation.passes(house.cell, asked(house, Side.BID, 5)))
    if abs(distance - least) * E9 > 1 and abs(liq - entry) * E9 > entry:  # the margin is rounded to 1e-10
        assert passes == (0 < liq < entry and distance >= least)


HOUSE = House()
REFUSED = near(125, 0.004, 0.003, 1.5)
# side | contract | position | bids of the level before | size | passes
BUYS = [
    (Side.BID, "linear", 0, 0, 1, False), (Side.BID, "linear", 3, 0, 1, False), (Side.ASK, "linear", 3, 0, 9, True),
    (Side.BID, "linear", -5, 0, 5, True), (Side.BID, "linear", -5, 0, 6, False), (Side.BID, "linear", -5, 2, 3, True),
    (Side.BID, "linear", -5, 2, 4, False), (Side.BID, "spot", 0, 0, 1, True), (Side.BID, "inverse", 0, 0, 1, False),
]  # fmt: skip


@pytest.mark.parametrize(("side", "contract", "held", "before", "qty_lots", "passes"), BUYS)
def test_only_what_opens_a_long_is_refused(
    side: Side, contract: str, held: int, before: int, qty_lots: int, passes: bool
) -> None:
    more = {"contract_value": "1000"} if contract == "inverse" else {}
    house = House(make_manifest(contract=contract, **more), **REFUSED)
    house.cell["position"]["position_lots"] = held
    house.cell["targets"][Side.BID, 0]["qty_lots"] = before
    ask = asked(house, side, qty_lots)
    ask["level"] = 1
    assert near_liquidation.passes(house.cell, ask) == passes


COOLDOWN = {"flip_cooldown_ns": 2 * NS_PER_S}
BOOK = "book 10000x5 / 10001x5 @10 | place #1 bid 9990 x 5; place #2 ask 10011 x 5\n"
FLIPS: dict[str, tuple[dict[str, int], str]] = {
    "nothing opens on the other side before the cooldown is over": (COOLDOWN, BOOK + """
        fill #1 9990x5 | place #3 bid 9990 x 5 | position.position_lots=5 blocked.flip_cooldown=0
        fill #2 10011x5 | block ask flip_cooldown 1999000000/0 ns | position.position_lots=0
        +1998 timer | - | blocked.flip_cooldown=2
        timer | place #4 ask 10011 x 5 | blocked.flip_cooldown=2
    """),
    "what closes the position passes": (COOLDOWN, BOOK + """
        fill #1 9990x5 | place #3 bid 9990 x 5
        canceled #2 | place #4 ask 10011 x 5 | blocked.flip_cooldown=0
    """),
    "what turns it round does not": (COOLDOWN, BOOK + """
        fill #1 9990x3 | cancel #1 bid reprice; place #3 bid 9990 x 5
        canceled #2 | block ask flip_cooldown 1999000000/0 ns | position.position_lots=3
    """),
    "both sides once both are filled": (COOLDOWN, BOOK + """
        fill #1 9990x5
        fill #2 10011x5
        canceled #3 | - | blocked.flip_cooldown=3 bid.open_lots=0 ask.open_lots=0
    """),
    "0 is no cooldown": ({}, BOOK + """
        fill #1 9990x5
        fill #2 10011x5 | place #4 ask 10011 x 5 | blocked.flip_cooldown=0
    """),
}  # fmt: skip


@pytest.mark.parametrize(("params", "text"), FLIPS.values(), ids=FLIPS)
def test_flip(params: dict[str, int], text: str) -> None:
    House(**params).play(text)


# position | open on the ask side | asked for | since the bid's fill, ms | passes
SELLS = [
    (5, 0, 5, 0, True), (5, 0, 6, 0, False), (5, 1, 5, 0, False), (5, 1, 4, 0, True), (0, 0, 1, 1_999, False),
    (0, 0, 1, 2_000, True), (0, 5, 0, 0, True), (-3, 0, 1, 1_999, False),
]  # fmt: skip


@pytest.mark.parametrize(("held", "open_lots", "qty_lots", "since_ms", "passes"), SELLS)
def test_what_would_open(held: int, open_lots: int, qty_lots: int, since_ms: int, passes: bool) -> None:
    house = House(**COOLDOWN)
    clock, cell = house.core.state.clock[0], house.cell
    clock["ts_now_ns"] = NS_PER_S
    cell["position"]["position_lots"], cell["quote_sides"][Side.ASK]["open_lots"] = held, open_lots
    cell["quote_sides"][Side.BID]["ts_fill_ns"] = clock["ts_now_ns"] - since_ms * NS_PER_MS
    assert flip_cooldown.passes(clock, cell, asked(house, Side.ASK, qty_lots)) == passes


@pytest.mark.parametrize(
    "name", ["liquidity_alpha_ppm", "leverage_ppm", "mmr_ppm", "assumed_sl_ppm", "sl_buffer_ppm"]
)  # fmt: skip
def test_what_the_kernels_multiply_is_bounded(name: str) -> None:
    for value in (-1, 1 << 31):
        with pytest.raises(ConfigPayloadError, match=f"param {name}"):
            check_value(name, value)
