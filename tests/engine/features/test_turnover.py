"""Turnover: rings and fading sums against every fill that was, by naive sums."""

from random import Random

import pytest

from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.core import Core
from mmfold.engine.limits import MICROS_PER_UNIT, NS_PER_S
from mmfold.engine.records import NO_TS_NS
from mmfold.reports.metrics import Snapshot, render_metrics
from tests.engine.rows import PLAIN, T0_NS, House, event, make_manifest

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
QUARTER_NS, DAY_NS = 900 * NS_PER_S, 86_400 * NS_PER_S
# Price x lots of the test instrument is in units of quote: 10000 x 1 is 10,000,000,000 micros. T0 is 22:13:20 UTC.
FILL = "fill #9 bid 10000x1"


@pytest.mark.parametrize(
    "text",
    [
        # Half of it after one half-life; the average is that of the fills, not of time.
        f"""
        {FILL} | | turnover.decayed_micros=10000000000.0 turnover.average_micros=10000000000.0
        +{10 * MINUTE_MS} timer | | turnover.decayed_micros=5000000000.0 turnover.average_micros=10000000000.0
        +{10 * MINUTE_MS} fill #9 ask 10000x2 | | turnover.decayed_micros=22500000000.0 \
            turnover.average_micros=17500000000.0 turnover.fill_count=2
        """,
        # Timers of less than a second leave the sum; what is not decayed then is decayed with the next.
        f"""
        {FILL}
        +999 timer | | turnover.decayed_micros=10000000000.0
        +{10 * MINUTE_MS - 999} timer | | turnover.decayed_micros=5000000000.0
        """,
        # 96 quarter hours: the one of the fill is in the sum for 95 more.
        f"""
        {FILL} | | turnover.sum_24h_micros=10000000000 turnover.sum_30d_micros=10000000000
        +{23 * HOUR_MS + 45 * MINUTE_MS} timer | | turnover.sum_24h_micros=10000000000
        +{15 * MINUTE_MS} timer | | turnover.sum_24h_micros=0 turnover.sum_30d_micros=10000000000
        """,
        # 30 UTC days with today: 29 days later it is the oldest, a day later it is gone.
        f"""
        {FILL} maker
        fill #9 ask 10000x3
        +{29 * DAY_MS} timer | | turnover.sum_30d_micros=40000000000 turnover.sum_24h_micros=0
        +{DAY_MS} timer | | turnover.sum_30d_micros=0
        """,
        # A year without an event, then a fill: nothing of before is left.
        f"""
        {FILL}
        +{365 * DAY_MS} fill #9 ask 10000x2 | | turnover.sum_24h_micros=20000000000 \
            turnover.sum_30d_micros=20000000000 turnover.decayed_micros=20000000000.0
        """,
    ],
    ids=["half-life", "timers", "24 hours", "30 days", "a year"],
)
def test_scenario(text):
    House(enabled=0).play(text)


def test_fills_of_one_time_are_a_millisecond_apart():
    house = House(enabled=0)
    house.play(f"{FILL}\n+0 fill #9 bid 10000x2")
    decay = 2 ** (-0.001 / 600)
    expected = 10**10 * decay + 2 * 10**10 * (1 - decay)
    assert house.cell["features"]["turnover"]["average_micros"] == pytest.approx(expected, rel=1e-12)
    assert house.cell["features"]["turnover"]["decayed_micros"] == 3 * 10**10


def test_an_inverse_contract_counts_its_quote_value():
    manifest = make_manifest(contract="inverse", contract_value="100")
    house = House(manifest, enabled=0)
    house.play("fill #9 bid 10000x3")
    assert house.cell["features"]["turnover"]["sum_24h_micros"] == 300 * MICROS_PER_UNIT


@pytest.mark.parametrize("seed", range(3))
def test_random_fills_against_naive_sums(seed):
    random, house = Random(seed), House(enabled=0)
    fills: list[tuple[int, int, bool]] = []
    for _ in range(300):
        after_ms = random.choice((0, 1, 999, MINUTE_MS, 40 * MINUTE_MS, 7 * HOUR_MS, 3 * DAY_MS))
        if random.random() < 0.6:
            maker, price, lots = random.random() < 0.7, random.randint(1, 20_000), random.randint(1, 9)
            flags = Flag.MAKER if maker else 0
            house.feed(
                event(EventKind.FILL, order_id=7, side=Side.BID, price_ticks=price, qty_lots=lots, flags=flags),
                after_ms,
            )
            fills.append((house.ts_ns, price * lots * MICROS_PER_UNIT, maker))
        else:
            house.feed(event(EventKind.TIMER), max(after_ms, 1_000))
        found, now = house.cell["features"]["turnover"], house.ts_ns
        if fills:
            day = [micros for ts, micros, _ in fills if ts // QUARTER_NS > now // QUARTER_NS - 96]
            assert found["sum_24h_micros"] == sum(day) == found["quarters"].sum()
            month = [one for one in fills if one[0] // DAY_NS > now // DAY_NS - 30]
            assert found["sum_30d_micros"] == sum(micros for _, micros, _ in month)
            shares = [sum(micros for _, micros, maker in month if maker is wanted) for wanted in (True, False)]
            assert found["days"].sum(axis=1).tolist() == shares
            faded = sum(micros * 2.0 ** (-(found["ts_decay_ns"] - ts) / (600 * NS_PER_S)) for ts, micros, _ in fills)
            assert found["decayed_micros"] == pytest.approx(faded, rel=1e-9)


def test_metrics():
    house = House(enabled=0)
    house.play(f"{FILL} maker\nfill #9 ask 10000x3")
    lines = set(render_metrics(Snapshot(house.manifest, house.core.state, {})).splitlines())
    assert {
        'mm_turnover_24h_usd{symbol="X"} 40000.0',
        'mm_turnover_30d_usd{liquidity="maker",symbol="X"} 10000.0',
        'mm_turnover_30d_usd{liquidity="taker",symbol="X"} 30000.0',
    } <= lines
    (faded,) = (float(line.split()[1]) for line in lines if line.startswith("turnover_usd{"))
    assert faded == pytest.approx(10_000 * 2 ** (-0.001 / 600) + 30_000, abs=1e-6)


def test_before_a_fill_there_is_no_average():
    house = House(enabled=0)
    text = render_metrics(Snapshot(house.manifest, house.core.state, {}))
    assert "\nturnover_usd{" not in text and 'mm_turnover_24h_usd{symbol="X"} 0.0' in text


@pytest.mark.parametrize("ts_ns", [NO_TS_NS, -5, 0])
def test_a_fill_before_anything_has_told_the_time(ts_ns: int) -> None:
    core = Core(make_manifest())
    core.configure({"params": {"X": PLAIN}})
    fields = {"side": Side.BID, "price_ticks": 100, "qty_lots": 1, "order_id": 7, "ts_receive_ns": ts_ns}
    core.feed(event(EventKind.FILL, seq=0, aux=1, **fields))
    core.feed(event(EventKind.TIMER, seq=1, ts_receive_ns=T0_NS))
    core.feed(event(EventKind.FILL, seq=2, aux=2, **(fields | {"ts_receive_ns": T0_NS})))
    assert core.state.features[0]["turnover"]["sum_24h_micros"] == 100 * MICROS_PER_UNIT
    assert core.state.features[0]["turnover"]["fill_count"] == 2
