"""Markouts: scenarios by hand, and random markets against fractions that remember every mid."""

import math
from collections.abc import Callable
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfold.engine.codes import EventKind, Side
from mmfold.engine.features import markouts
from mmfold.engine.limits import MARKOUT_FILL_ROOM, MARKOUT_HORIZONS_MS, MARKOUT_RATIO_MAX, NS_PER_MS, PRICE_TICKS_MAX
from mmfold.engine.records import NO_PRICE_TICKS
from mmfold.reports.metrics import Snapshot, render_metrics
from tests.engine.rows import House, book_event, event

markout_e4: Callable[..., Any] = getattr(markouts.markout_e4, "py_func", markouts.markout_e4)
QUOTED = "book 10000x5 / 10001x5 @10 | place #1 bid 9990 x 5; place #2 ask 10011 x 5\n"
H200, H500 = "markouts.horizons.0", "markouts.horizons.1"


def test_the_horizons_are_those_of_the_spec():
    assert MARKOUT_HORIZONS_MS == (200, 500)


@pytest.mark.parametrize(
    "text",
    [
        # (10005 - 9990) / 9990 = 15.015015... bps; the mid moves on at once behind the due time.
        f"""
        fill #1 9990x1 maker | | markouts.pending_count=2 markouts.fill_count=1
        +200 delta 10004x5 / 10006x5 10001x0 @11<10 | | markouts.pending_count=2 {H200}.sample_count=0
        +1 delta 10100x5 / 10102x5 10006x0 @12<11 | | markouts.pending_count=1 {H200}.sample_count=1 \
            {H200}.sum_e4=150150 {H200}.up_count=1 {H200}.sum_signed_e4=150150 {H500}.sample_count=0
        """,
        # Sold: what is up is bad. The last mid before the due time counts, however old: 10000.5 less 10011.
        f"""
        fill #2 10011x1 maker
        +600 delta 10004x5 / 10006x5 10001x0 @11<10 | | markouts.pending_count=0 {H200}.sum_e4=-104884 \
            {H500}.sum_e4=-104884 {H500}.up_count=0 {H500}.sum_signed_e4=104884 {H500}.up_signed_count=1
        """,
        # A mid at the price is no markup: down by both.
        f"""
        fill #9 bid 10000x1
        delta 9999x5 10000x0 / @11<10
        delta 9999x5 / 10001x5 @12<11
        +201 timer | | {H200}.sample_count=1 {H200}.sum_e4=0 {H200}.up_count=0 {H200}.up_signed_count=0
        """,
        # Time alone is enough, at the very millisecond it is not yet.
        f"""
        fill #1 9990x1 maker
        +200 timer | | markouts.pending_count=2
        +300 timer | | markouts.pending_count=1 {H200}.sum_e4=105105
        +1 timer | | markouts.pending_count=0 {H500}.sum_e4=105105
        """,
        # A gap leaves no mid: a markout that was due behind it is none, one that was due before it is.
        f"""
        fill #1 9990x1 maker
        +300 gap | | markouts.pending_count=1 {H200}.sum_e4=105105
        +300 book 10004x5 / 10006x5 @20 | | markouts.pending_count=0 {H500}.sample_count=0 {H500}.unmarked_count=1
        """,
        # Another fill is an event like others; it waits for its own time.
        f"""
        fill #1 9990x1 maker
        +201 fill #1 9990x1 maker | | markouts.pending_count=3 {H200}.sample_count=1 markouts.fill_count=2
        """,
    ],
    ids=["bought", "sold", "at the price", "time alone", "no mid", "between fills"],
)
def test_scenario(text):
    house = House()
    house.play(QUOTED + text)


def test_the_sum_of_the_spec():
    # 100 fills of 0.5 bps: 500,000, not the 5,000 of the seed's own page (spec/core.md 21).
    house = House(enabled=0)
    house.play("book 10000x5 / 10001x5 @10")
    for _ in range(100):
        house.play("+0 fill #9 bid 10000x1")
    house.play("+501 timer")
    assert house.cell["features"]["markouts"]["horizons"]["sum_e4"].tolist() == [500_000, 500_000]
    text = render_metrics(Snapshot(house.manifest, house.core.state, {}))
    assert 'markout_avg_bps{color="blue",horizon_ms="500",symbol="X"} 0.5\n' in text


def test_a_full_ring_drops_the_oldest_and_says_so():
    house = House()
    house.play(QUOTED)
    for _ in range(MARKOUT_FILL_ROOM + 3):
        house.feed(event(EventKind.FILL, order_id=7, side=Side.BID, price_ticks=9990, qty_lots=1), after_ms=0)
    found = house.cell["features"]["markouts"]
    assert found["horizons"]["dropped_count"].tolist() == [3, 3]
    assert found["pending_count"] == 2 * MARKOUT_FILL_ROOM
    house.play("+501 timer")
    assert found["horizons"]["sample_count"].tolist() == [MARKOUT_FILL_ROOM] * 2 and found["pending_count"] == 0


def test_a_mid_far_from_the_price_marks_nothing():
    house = House()
    house.play(QUOTED + "fill #9 bid 10x1\n+501 timer")
    assert house.cell["features"]["markouts"]["horizons"]["unmarked_count"].tolist() == [1, 1]


prices = st.integers(1, PRICE_TICKS_MAX)


@given(prices, st.integers(2, 2 * PRICE_TICKS_MAX))
def test_it_is_the_fraction_rounded_toward_zero(price_ticks, mid_half_ticks):
    mid_half_ticks = min(mid_half_ticks, 2 * MARKOUT_RATIO_MAX * price_ticks)
    exact = Fraction(mid_half_ticks - 2 * price_ticks, 2 * price_ticks) * 10_000 * 10_000
    assert markout_e4(price_ticks, mid_half_ticks) == math.trunc(exact)


class Oracle:
    """Every mid from the time it held from, and what fills come to by it."""

    def __init__(self) -> None:
        self.mids: list[tuple[int, int]] = []
        self.fills: list[tuple[int, int, int]] = []

    def horizon(self, horizon_ms: int, ts_now_ns: int) -> list[int]:
        """Return samples, sum, up, signed sum, signed up and unmarked of what is due before now."""
        values = []
        unmarked = 0
        for ts_ns, price, sign in self.fills:
            due_ns = ts_ns + horizon_ms * NS_PER_MS
            if due_ns >= ts_now_ns:
                continue
            mid = [mid for at_ns, mid in self.mids if at_ns <= due_ns][-1]
            if mid == NO_PRICE_TICKS:
                unmarked += 1
            else:
                bps_e4 = Fraction(mid - 2 * price, 2 * price) * 10_000 * 10_000
                values.append((math.trunc(bps_e4), math.trunc(bps_e4) * sign))
        raw, signed = [value for value, _ in values], [value for _, value in values]
        ups = [sum(value > 0 for value in side) for side in (raw, signed)]
        return [len(raw), sum(raw), ups[0], sum(signed), ups[1], unmarked]


@pytest.mark.parametrize("seed", range(4))
def test_random_markets_against_every_mid(seed):
    random, house, oracle, mid = Random(seed), House(enabled=0), Oracle(), 10_000
    for number in range(1, 400):
        luck, after_ms = random.random(), random.choice((0, 1, 7, 60, 200, 300))
        if luck < 0.5 or number == 1:
            mid += random.randint(-5, 5)
            rows = book_event(EventKind.BOOK_SNAPSHOT, [(mid, 5)], [(mid + random.randint(1, 4), 5)], aux=number)
        elif luck < 0.6:
            rows = event(EventKind.BOOK_GAP)
        elif luck < 0.85:
            side = random.choice((Side.BID, Side.ASK))
            rows = event(EventKind.FILL, order_id=7, side=side, price_ticks=mid + random.randint(-9, 9), qty_lots=1)
        else:
            rows = event(EventKind.TIMER)
        house.feed(rows, after_ms)
        oracle.mids.append((house.ts_ns, int(house.cell["signal"]["mid_half_ticks"])))
        if rows["kind"][0] == EventKind.FILL:
            oracle.fills.append((house.ts_ns, int(rows["price_ticks"][0]), 1 if rows["side"][0] == Side.BID else -1))
    house.feed(event(EventKind.TIMER), 501)
    names = ("sample_count", "sum_e4", "up_count", "sum_signed_e4", "up_signed_count", "unmarked_count")
    for i, horizon_ms in enumerate(MARKOUT_HORIZONS_MS):
        horizon = house.cell["features"]["markouts"]["horizons"][i]
        assert [int(horizon[name]) for name in names] == oracle.horizon(horizon_ms, house.ts_ns)
        assert horizon["dropped_count"] == 0 and horizon["sample_count"] > 30 and horizon["unmarked_count"] > 0
    assert house.cell["features"]["markouts"]["pending_count"] == 0


def test_metrics():
    house = House()
    house.play(QUOTED + "fill #1 9990x1 maker\nfill #2 10011x1 maker\n+300 timer")
    lines = render_metrics(Snapshot(house.manifest, house.core.state, {})).splitlines()
    at200, all200 = '{color="blue",horizon_ms="200",symbol="X"}', '{color="blue",horizon_ms="200"}'
    expected = {
        f"markout_up_total{at200} 1.0",
        f"markout_down_total{at200} 1.0",
        f"markout_avg_bps{at200} 0.01105",  # (105,105 - 104,884) / 2 / 10,000
        f"markout_signed_up_total{at200} 2.0",
        f"markout_signed_down_total{at200} 0.0",
        f"markout_signed_avg_bps{at200} 10.49945",
        f"markout_samples_total{all200} 2.0",
        f"mm_markouts_unmarked_total{at200} 0.0",
        f"mm_markouts_dropped_total{at200} 0.0",
    }
    assert expected - set(lines) == set()
    assert not [line for line in lines if line.startswith("markout_avg_bps") and 'horizon_ms="500"' in line]
