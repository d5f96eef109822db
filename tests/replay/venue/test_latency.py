"""How long requests and answers take: constant, normal, measured; and no request overtakes another."""

import math
from dataclasses import replace
from itertools import pairwise
from statistics import fmean, pstdev
from typing import Any

import numpy as np
import pytest

from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.limits import NS_PER_MS
from mmfold.replay.assumptions import Assumptions, BadAssumption, LatencySample
from mmfold.replay.venue.desk import Desk
from mmfold.replay.venue.latency import entry_latency_ns, response_latency_ns, send_request
from mmfold.replay.venue.records import SIM
from tests.engine.rows import T0_NS, book_event, event, make_manifest

MS = NS_PER_MS
SAMPLES = (
    LatencySample(T0_NS, 10 * MS, 4 * MS),
    LatencySample(T0_NS + 1_000 * MS, 20 * MS, 4 * MS),
    LatencySample(T0_NS + 1_004 * MS, 0, 400 * MS),
    LatencySample(T0_NS + 3_600_000 * MS, 7 * MS + 1, 1),
)


def make_sim(assumptions: Assumptions, seed: int = 3) -> Any:
    """Return a SIM record under assumptions."""
    sims = np.zeros(1, SIM)
    assumptions.apply(sims[0], seed)
    return sims[0]


def request(kind: EventKind, seq: int) -> Any:
    return event(kind, seq=seq)[0]


def entry(sim: Any, kind: EventKind = EventKind.PLACE, seq: int = 1, ts_ns: int = T0_NS) -> int:
    return int(entry_latency_ns(sim, request(kind, seq), ts_ns))


@pytest.mark.parametrize(
    ("kind", "latency_ms"), [(EventKind.PLACE, 15), (EventKind.AMEND, 10), (EventKind.CANCEL, 0), (EventKind.ALERT, 15)]
)
def test_a_request_takes_as_long_as_its_kind_does(kind: EventKind, latency_ms: int) -> None:
    plain = Assumptions(entry_latency_ns=15 * MS, response_latency_ns=2 * MS)
    own = replace(plain, amend_latency_ns=10 * MS, cancel_latency_ns=0)
    assert entry(make_sim(plain), kind) == 15 * MS
    assert entry(make_sim(own), kind) == latency_ms * MS
    assert int(response_latency_ns(make_sim(own), T0_NS)) == 2 * MS


def test_normal_latencies_have_their_mean_and_deviation_and_are_never_negative() -> None:
    sim = make_sim(Assumptions(entry_latency_ns=15 * MS, latency_std_ns=2 * MS, cancel_latency_ns=MS))
    drawn = [entry(sim, seq=seq) for seq in range(3_000)]
    assert abs(fmean(drawn) - 15 * MS) < 4 * 2 * MS / math.sqrt(3_000)
    assert abs(pstdev(drawn) - 2 * MS) < 4 * 2 * MS / math.sqrt(6_000)
    assert entry(sim, EventKind.CANCEL) == MS
    assert drawn == [entry(sim, seq=seq, ts_ns=T0_NS + seq) for seq in range(3_000)], "by the request, not by the time"
    assert drawn[:50] != [entry(make_sim(Assumptions(entry_latency_ns=15 * MS, latency_std_ns=2 * MS), 4), seq=seq)
                          for seq in range(50)]  # fmt: skip
    low = [entry(make_sim(Assumptions(entry_latency_ns=MS, latency_std_ns=5 * MS)), seq=seq) for seq in range(200)]
    assert min(low) == 0 < max(low)


def test_measured_latencies_hold_at_the_samples_and_on_the_lines_between() -> None:
    sim = make_sim(Assumptions(latency_samples=SAMPLES, latency_std_ns=50 * MS))
    for sample in SAMPLES:
        assert entry(sim, ts_ns=sample.ts_request_ns) == sample.entry_ns
        assert int(response_latency_ns(sim, sample.ts_request_ns)) == sample.response_ns
    between = {0: 10 * MS, 250: 12_500_000, 500: 15 * MS, 1_001: 15 * MS, 1_003: 5 * MS}
    assert {ms: entry(sim, ts_ns=T0_NS + ms * MS) for ms in between} == between
    assert int(response_latency_ns(sim, T0_NS + 1_002 * MS)) == 202 * MS
    for away_ns, sample in ((-5, SAMPLES[0]), (-(10**15), SAMPLES[0]), (3_600_000 * MS + 1, SAMPLES[-1])):
        assert entry(sim, ts_ns=T0_NS + away_ns) == sample.entry_ns
    one = make_sim(Assumptions(latency_samples=SAMPLES[1:2]))
    assert {entry(one, ts_ns=T0_NS + ms * MS) for ms in (0, 1_000, 2_000)} == {20 * MS}


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        ((SAMPLES[1], SAMPLES[0]), "latency sample 2: its request time is not after"),
        ((SAMPLES[0], SAMPLES[0]), "latency sample 2: its request time is not after"),
        ((LatencySample(1, -1, 0),), "latency sample 1: a negative latency"),
        ((LatencySample(1, 0, -1),), "latency sample 1: a negative latency"),
    ],
)
def test_bad_samples(samples: tuple[LatencySample, ...], said: str) -> None:
    with pytest.raises(BadAssumption, match=said):
        Assumptions(latency_samples=samples)


@pytest.mark.parametrize(
    "assumptions",
    [
        Assumptions(entry_latency_ns=10 * MS, latency_std_ns=9 * MS, cancel_latency_ns=0, amend_latency_ns=3 * MS),
        Assumptions(latency_samples=SAMPLES[:3], cancel_latency_ns=0),
    ],
)
def test_no_request_overtakes_another(assumptions: Assumptions) -> None:
    sim = make_sim(assumptions)
    kinds = (EventKind.PLACE, EventKind.AMEND, EventKind.CANCEL)
    waited = 0
    for seq in range(700):
        ts_ns = T0_NS + seq * 2 * MS
        send_request(sim, request(kinds[seq % 3], seq), ts_ns)
        arrival_ns = int(sim["requests"][seq]["ts_ns"])
        alone_ns = ts_ns + entry(sim, kinds[seq % 3], seq, ts_ns)
        before_ns = int(sim["requests"][seq - 1]["ts_ns"]) if seq else 0
        assert arrival_ns == max(alone_ns, before_ns)
        waited += arrival_ns > alone_ns
    assert sim["requests"]["row"]["seq"][:700].tolist() == list(range(700))
    assert waited > 50, "some request would have overtaken"


def test_the_share_of_toxic_fills_is_its_chance() -> None:
    desk = Desk(make_manifest(), Assumptions(entry_latency_ns=0, response_latency_ns=0, toxic_fill_ppm=300_000), seed=2)
    desk.apply_market(book_event(EventKind.BOOK_SNAPSHOT, [(100, 5)], [(102, 5)], aux=1), T0_NS)
    through = event(EventKind.TRADE, side=Side.ASK, price_ticks=99, qty_lots=2)
    makers, count = [], 1_500
    for number in range(1, count + 1):
        order = {"order_id": number << 16, "side": Side.BID, "price_ticks": 100, "qty_lots": 2, "flags": Flag.POST_ONLY}
        assert desk.request(event(EventKind.PLACE, **order)[0], T0_NS + number)["kind"].tolist() == [EventKind.ACK]
        fills = desk.apply_market(through, T0_NS + number)
        assert fills["kind"].tolist() == [EventKind.FILL]
        makers.append(bool(fills[0]["flags"] & Flag.MAKER))
    toxic = makers.count(False)
    assert abs(toxic - 0.3 * count) < 4 * math.sqrt(count * 0.3 * 0.7)
    both = sum(not one and not other for one, other in pairwise(makers))
    assert abs(both - 0.09 * count) < 4 * math.sqrt(count * 0.09 * 0.91), "one draw for each fill"
