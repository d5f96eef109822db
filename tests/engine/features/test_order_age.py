"""Order age: which bucket an order is counted in, and by which events."""

import pytest

from mmfold.engine.features.order_age import BUCKETS, EVENTS
from mmfold.reports.metrics import Snapshot, render_metrics
from tests.engine.rows import House

QUOTED = "book 10000x5 / 10001x5 @10 | place #1 bid 9990 x 5; place #2 ask 10011 x 5\n"
FILLED, AMENDED, ENDED = (f"order_age.counts.{number}" for number in range(3))


def test_the_buckets_are_those_of_the_spec():
    assert BUCKETS == ("0-100ms", "100-500ms", "500-1000ms", "1000-5000ms", "5000ms+")
    assert EVENTS == ("filled", "amended", "ended")


@pytest.mark.parametrize(
    ("age_ms", "bucket"),
    [(0, 0), (100, 0), (101, 1), (500, 1), (501, 2), (1_000, 2), (1_001, 3), (5_000, 3), (5_001, 4), (10**9, 4)],
)
def test_a_bound_belongs_to_the_bucket_below_it(age_ms, bucket):
    house = House(mode=1)
    house.play(QUOTED + f"+{age_ms} fill #1 9990x1 maker")
    counts = house.cell["features"]["order_age"]["counts"]
    assert counts[0].tolist() == [int(at == bucket) for at in range(5)] and counts[1:].sum() == 0


@pytest.mark.parametrize(
    "text",
    [
        # A partial fill and the last one are two; the end by the last one is no other.
        f"""
        +300 fill #1 9990x2 maker | | {FILLED}.1=1 {ENDED}.1=0
        +300 fill #1 9990x3 maker | | {FILLED}.2=1 {ENDED}.2=0
        """,
        # What the house cancels because of a fill is not filled: it ends when the venue says so.
        f"""
        ack #2
        fill #1 9990x1 maker
        +600 config enabled=0 | | {FILLED}.0=1 {FILLED}.2=0 {ENDED}.2=0
        canceled #2 | | {ENDED}.2=1 {FILLED}.2=0
        """,
        f"ack #1\n+5000 expired #1 | | {ENDED}.4=1",
        # A request that was refused never rested.
        f"+5000 reject #1 | | {ENDED}.4=0 counter.rejected_count=1",
        # An amended order keeps its age.
        f"""
        ack #1
        ack #2
        +598 config min_spread_bps=28.0 | | {AMENDED}.2=0
        amended #1 9986x5 | | {AMENDED}.2=1
        +600 expired #1 | | {ENDED}.3=1
        """,
        # Absent from the venue's list while on its way out: it has ended.
        f"ack #1\nack #2\n+200 config enabled=0\nopen none | | {ENDED}.1=2",
        # An amend down to what was filled meanwhile leaves nothing: an end, though the table calls it the last fill.
        f"ack #1\n+200 amended #1 9990x0 | | {FILLED}.1=0 {ENDED}.1=1",
    ],
    ids=["fills", "cancel", "expired", "refused", "amended", "absent", "nothing left"],
)
def test_scenario(text):
    House(mode=1, md_stale_ns=0).play(QUOTED + text)


def test_metrics():
    house = House(mode=1)
    house.play(QUOTED + "+300 fill #1 9990x1 maker")
    lines = render_metrics(Snapshot(house.manifest, house.core.state, {})).splitlines()
    found = [line for line in lines if line.startswith("mm_order_age_bucket_total{")]
    assert len(found) == 15
    assert 'mm_order_age_bucket_total{bucket="100-500ms",event="filled",symbol="X"} 1.0' in found
    assert sum(float(line.split()[1]) for line in found) == 1
