"""Every gate says why, with its figures: the first block of a reason and symbol is an AUDIT row, others are counted."""

from typing import Any

import pytest

from mmfold.engine.codes import Reason, Side, Unit
from mmfold.engine.gates import cross_price
from mmfold.engine.gates.registry import REASONS
from mmfold.engine.limits import NS_PER_MS, NS_PER_S
from tests.engine.rows import House, lines_of, make_manifest

BOOK = "book 10000x5 / 10001x5 @10\n"
SPOT: dict[str, Any] = {"contract": "spot"}
PULLED = "cancel #1 bid {0}; cancel #2 ask {0}"

# params | instrument | the last line's effects end with the block: [side] reason figure/limit unit
CASES: dict[str, tuple[dict[str, int | float], dict[str, Any], str]] = {
    "enabled": ({"enabled": 0}, {}, BOOK.strip() + " | guard none>disabled; block disabled 0/1 count"),
    "frozen": ({}, {}, BOOK + "command freeze | frozen 0>1; guard none>freeze; "
               + PULLED.format("freeze") + "; block freeze 1/0 bits"),
    "daily_loss": ({"daily_loss_micros_max": 80_000_000}, {}, BOOK + """
        fill #1 9990x5
        delta 10000x0 9970x5 / 10001x0 9971x5 @11<10 | alert daily_loss -97500000; guard none>intraday_caps; \
            cancel #3 bid intraday_caps; cancel #2 ask intraday_caps; block intraday_caps -97500000/-80000000 micros
    """),
    "connection": ({"mode": 1}, {}, BOOK + "connection down | guard none>connection_down; "
                   + PULLED.format("connection_down") + "; block connection_down 0/1 code"),
    "warmup": ({}, {}, BOOK + "connection warming | guard none>warmup; "
               + PULLED.format("warmup") + "; block warmup 2/1 code"),
    "unknown_orders": ({"mode": 1}, {}, BOOK + "rate #1 timeout | alert order_unknown #1; guard none>order_unknown; "
                       "cancel #2 ask order_unknown; block order_unknown 1/0 count"),
    "book_live": ({}, {}, "timer | guard none>book_invalid; block book_invalid 0/1 code"),
    "fresh": ({}, {}, BOOK + "+3500 timer | guard none>md_stale; "
              + PULLED.format("md_stale") + "; block md_stale 3500000000/3000000000 ns"),
    "min_spread": ({"min_spread_bps": 0.0}, {}, "book 9999x5 / 10001x5 @10 | block min_spread 0/0 bps_e6"),
    "guard_pause": ({"enable_adverse_guard": 1, "imbalance_cutoff": 0.5}, {}, BOOK + """
        fill #1 9990x5
        delta 10000x50 / @11<10 | pause ask 0>1 imbalance_guard; cancel #3 bid reprice; place #4 bid 9985 x 5; \
            cancel #2 ask level_dropped; block ask guard_paused 300000000/0 ns
    """),
    "qty_zero": ({"target_micros": 9_000_000_000}, {}, BOOK.strip() + " | block bid qty_zero 0/1 lots"),
    "spot_holding": ({}, SPOT, BOOK.strip() + " | place #1 bid 9990 x 5; block ask risk_limit 5/0 lots"),
    "min_qty": ({}, {"min_qty_lots": 6}, BOOK.strip() + " | block bid min_qty 5/6 lots"),
    "near_liquidation": ({"leverage_ppm": 100_000_000, "mmr_ppm": 4_000, "assumed_sl_ppm": 3_000,
                          "sl_buffer_ppm": 3_000_000}, {}, BOOK.strip()
                         + " | place #1 ask 10011 x 5; block bid near_liquidation 60000000/90000000 bps_e6"),
    "liquidity": ({"liquidity_levels": 1, "liquidity_alpha_ppm": 1_500_000}, {},
                  BOOK.strip() + " | block bid liquidity_insufficient 5/8 lots"),
    "min_time_in_book": ({"min_time_in_book_ns": 500 * NS_PER_MS}, {}, BOOK
                         + "book 10100x5 / 10101x5 @20 | block bid min_time_in_book 1000000/500000000 ns"),
    "throttled": ({"create_per_s_max": 1, "throttle_window_s": 1}, {},
                  BOOK.strip() + " | place #1 bid 9990 x 5; block ask throttle 1/1 count"),
    "throttled by the venue": ({"mode": 1, "backoff_base_ns": NS_PER_S, "backoff_ns_max": NS_PER_S}, {},
                               BOOK + "rate #1 rate_limited | block bid throttle 1000000000/0 ns"),
    "level_cap": ({"active_per_side_max": 1, "mode": 1, "replace_overlap": 1}, {}, BOOK
                  + "config min_spread_bps=40.0 | param min_spread_bps 20>40 config; "
                  + PULLED.format("reprice") + "; block bid level_cap 1/1 count"),
    "order_cap": ({"active_per_symbol_max": 1}, {},
                  BOOK.strip() + " | place #1 bid 9990 x 5; block ask order_cap 1/1 count"),
    "circuit": ({"mode": 1, "circuit_window_s": 60, "circuit_samples_min": 1, "circuit_open_ns": 30 * NS_PER_S}, {},
                BOOK + "rate #9 server_error | circuit closed>open\n"
                "canceled #1 | block bid circuit_open 29999000000/0 ns"),
    "backoff": ({"mode": 1, "reject_backoff_ns": NS_PER_S}, {}, BOOK + "reject #1 | block bid backoff 1000000000/0 ns"),
    "flip_cooldown": ({"flip_cooldown_ns": 2 * NS_PER_S}, {},
                      BOOK + "fill #1 9990x5\nfill #2 10011x5 | block ask flip_cooldown 1999000000/0 ns"),
    "inventory": ({"inventory_micros_max": 49_000_000_000}, {}, BOOK.strip() + " | block bid risk_limit 5/4 lots"),
    "total_notional": ({"total_notional_micros_max": 99_000_000_000}, {}, BOOK
                       + "fill #1 9990x5 | block bid risk_limit 99952500000/99000000000 micros"),
}  # fmt: skip


@pytest.mark.parametrize(("params", "instrument", "text"), CASES.values(), ids=CASES)
def test_the_first_block_is_told_with_its_figures(
    params: dict[str, int | float], instrument: dict[str, Any], text: str
) -> None:
    house = House(make_manifest(**instrument), **params)
    house.play(text)
    assert house.cell["first_block_count"] == 0 and house.cell["blocked_counts"].sum() > 0


def test_what_follows_is_counted_only() -> None:
    House(active_per_symbol_max=1).play(
        BOOK.strip()
        + """ | place #1 bid 9990 x 5; block ask order_cap 1/1 count
        delta / 10001x6 @11<10 | - | blocked.order_cap=2
        timer | - | blocked.order_cap=3
    """
    )


def test_each_symbol_tells_its_own_behind_all_decisions() -> None:
    house = House(make_manifest("A", "B"), active_per_symbol_max=1)
    house.play("timer | guard none>book_invalid; guard none>book_invalid; block book_invalid 0/1 code; "
               "block book_invalid 0/1 code")  # fmt: skip
    assert [int(effect["instrument_index"]) for effect in house.taken] == [0, 1, 0, 1]


def test_every_reason_of_a_gate_is_shown() -> None:
    shown = {word for _, _, text in CASES.values() for line in lines_of(text) for word in line.split()}
    assert {reason.name.lower() for reason in REASONS} - shown == {"cross_price"}  # of a strategy file: below


# side | price, the best bid is 10,000 and the best ask 10,001 | whether it may be shown
CROSSINGS = [
    (Side.BID, 10_000, True), (Side.BID, 10_001, False), (Side.BID, 10_002, False), (Side.BID, 0, False),
    (Side.BID, -5, False), (Side.ASK, 10_001, True), (Side.ASK, 10_000, False), (Side.ASK, 0, False),
]  # fmt: skip


@pytest.mark.parametrize(("side", "price_ticks", "passes"), CROSSINGS)
def test_a_quote_stays_on_its_own_side(side: Side, price_ticks: int, passes: bool) -> None:
    house = House()
    house.play(BOOK)
    ask = house.cell["ask"]
    ask["side"], ask["price_ticks"] = side, price_ticks
    assert cross_price.passes(house.cell, ask) == passes
    if not passes:
        told = (Reason.CROSS_PRICE, price_ticks, 10_001 if side == Side.BID else 10_000, Unit.TICKS)
        assert (ask["reason"], ask["value"], ask["limit"], ask["unit"]) == told
