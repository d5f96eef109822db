"""Latency: which bucket an answer is counted in, and the percentiles that the buckets give."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfold.engine.codes import EventKind, RequestOutcome
from mmfold.engine.features.latency import BUCKETS, percentile_ms
from mmfold.engine.limits import LATENCY_BOUNDS_MS, NS_PER_MS
from mmfold.engine.records import NO_VALUE
from mmfold.reports.metrics import Snapshot, render_metrics
from tests.engine.rows import House, event

QUOTED = "book 10000x5 / 10001x5 @10 | place #1 bid 9990 x 5; place #2 ask 10011 x 5\n"
REQUEST, ACK = "latency.counts.0", "latency.counts.1"


def test_the_bounds_are_those_of_the_spec():
    assert BUCKETS == ("0", "5", "10", "20", "50", "100", "200", "400", "800", "1600", "+Inf")


@pytest.mark.parametrize(
    ("ms", "bucket"), [(0, 0), (0.000001, 1), (5, 1), (5.000001, 2), (100, 5), (101, 6), (1_600, 9), (1_601, 10)]
)
def test_a_request_is_counted_as_the_adapter_timed_it(ms, bucket):
    house = House(mode=1)
    house.play(QUOTED)
    house.feed(event(EventKind.REQUEST_RESULT, order_id=house.order_id("#1"), aux=round(ms * NS_PER_MS)))
    counts = house.cell["features"]["latency"]["counts"]
    assert counts[0].tolist() == [int(at == bucket) for at in range(11)] and counts[1].sum() == 0


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        ({"aux": NO_VALUE}, 0),
        ({"aux": 7, "code": RequestOutcome.TIMEOUT}, 0),
        ({"aux": 7, "code": RequestOutcome.REFUSED}, 1),
        ({"aux": 7, "order_id": 99}, 1),
    ],
    ids=["not timed", "not answered", "refused", "order not known"],
)
def test_which_requests_are_counted(fields, count):
    house = House(mode=1)
    house.play(QUOTED)
    house.feed(event(EventKind.REQUEST_RESULT, **{"order_id": house.order_id("#1"), **fields}))
    assert house.cell["features"]["latency"]["counts"].sum() == count


@pytest.mark.parametrize(
    "text",
    [
        f"+20 ack #1 | | {ACK}.3=1\n+600 ack #2 | | {ACK}.8=1\n+9 ack #2 | | {ACK}.8=1 {ACK}.9=0",
        f"rate #1 ok\n+20 ack #1 | | {ACK}.4=1 {REQUEST}.0=0",
        f"rate #1 timeout\n+20 ack #1 | | {ACK}.4=0 #1=accepted",
        f"+20 reject #1 | | {ACK}.3=0",
        f"+20 fill #1 9990x1 maker\nack #1 | | {ACK}.4=0",
    ],
    ids=["the first only", "sent before", "in doubt before", "refused", "filled before"],
)
def test_scenario(text):
    House(mode=1).play(QUOTED + text)


@given(st.lists(st.integers(0, 3_000), max_size=60), st.sampled_from([95, 99]))
def test_a_percentile_is_the_bound_above_the_nearest_rank(latencies_ms, percent):
    bounds = (*LATENCY_BOUNDS_MS, math.inf)
    counts = [0] * len(bounds)
    for ms in latencies_ms:
        counts[next(i for i, bound in enumerate(bounds) if ms <= bound)] += 1
    if not latencies_ms:
        assert percentile_ms(counts, percent) is None
        return
    ranked = sorted(latencies_ms)[-(-percent * len(latencies_ms) // 100) - 1]
    assert percentile_ms(counts, percent) == next((bound for bound in LATENCY_BOUNDS_MS if ranked <= bound), 1_600)


def test_metrics():
    house = House(mode=1)
    house.play(QUOTED + "+20 ack #1\n+600 ack #2")
    lines = set(render_metrics(Snapshot(house.manifest, house.core.state, {})).splitlines())
    assert {
        'mm_answer_latency_bucket_total{answer="ack",bucket_ms="20",symbol="X"} 1.0',
        'mm_answer_latency_p95_ms{answer="ack",symbol="X"} 800.0',
        'mm_answer_latency_samples_total{answer="request",symbol="X"} 0.0',
        'rollout_latency_bucket_total{bucket_ms="800",color="blue"} 1.0',
        'rollout_latency_p95_ms{color="blue"} 800.0',
        'rollout_latency_samples_total{color="blue"} 2.0',
    } <= lines
    assert not [line for line in lines if line.startswith('mm_answer_latency_p95_ms{answer="request"')]
