"""Queue models: what a change of the displayed quantity says of an order's place, and what no model may do."""

from dataclasses import replace
from itertools import pairwise
from math import log1p
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfold.engine.codes import EventKind, Side
from mmfold.replay.venue.loop import Arrays
from mmfold.replay.venue.queue import QueueModel
from tests.engine.rows import T0_NS, make_manifest
from tests.replay.venue.scenario import MS, PLAIN, Happening, Request, Scenario, play

BEHIND_LOG = log1p(20.0) / (log1p(20.0) + log1p(10.0))
# model, displayed when the order joins, then +n / -n: the quantity displayed next, or a trade of n; lots ahead at last
PLACES: list[tuple[QueueModel, int, str, float]] = [
    (QueueModel.RISK_AVERSE, 10, "+12", 10),  # who comes later stands behind
    (QueueModel.RISK_AVERSE, 10, "+6", 6),  # no more can be ahead than there is
    (QueueModel.RISK_AVERSE, 10, "+30 +15", 10),
    (QueueModel.RISK_AVERSE, 10, "-4", 6),
    (QueueModel.RISK_AVERSE, 10, "-4 +6", 6),  # the trade explains the decrease
    (QueueModel.RISK_AVERSE, 10, "-4 +3", 3),
    (QueueModel.POWER, 10, "+20 +10", 5),  # as much ahead as behind: half of the decrease is ahead
    (QueueModel.POWER, 10, "+30 +15", 10 - 15 * 100 / (100 + 400)),
    (QueueModel.POWER, 10, "+30 -6 +24", 4),
    (QueueModel.POWER, 6, "+10 +0", 0),
    (QueueModel.POWER, 10, "+5", 5),
    (QueueModel.QPOS, 10, "+30 +15", 5),
    (QueueModel.QPOS, 10, "+20 -2 +10", 8 - 8 * 8 / 20),
    (QueueModel.LOG, 10, "+20 +10", 5),
    (QueueModel.LOG, 10, "+30 +15", 10 - 15 * (1 - BEHIND_LOG)),
]


def scenario_of(model: QueueModel, displayed: int, steps: str, qty: int = 1_000) -> Scenario:
    """Return one order's life at bid 100, one chunk a step; the price above it keeps the book live."""
    at = [T0_NS + number * 10 * MS for number in range(len(steps.split()) + 2)]
    levels = ((Side.BID, 90, 1), (Side.BID, 100, displayed), (Side.ASK, 102, 1))
    market = [Happening(kind=EventKind.BOOK_SNAPSHOT, levels=levels, exchange_ns=at[0], receive_ns=at[0], seq=1)]
    seq = 1
    for step, ts_ns in zip(steps.split(), at[2:], strict=True):
        lots = abs(int(step))
        when = {"exchange_ns": ts_ns, "receive_ns": ts_ns}
        if step.startswith("-"):
            market.append(Happening(kind=EventKind.TRADE, aggressor=Side.ASK, price=100, qty=lots, **when))
        else:
            level, seq = (Side.BID, 100, lots), seq + 1
            market.append(Happening(kind=EventKind.BOOK_DELTA, levels=(level,), seq=seq, prev=seq - 1, **when))
    place = Request(ts_ns=at[1], kind=EventKind.PLACE, order_id=1 << 16, price=100, qty=qty)
    return Scenario(
        manifest=make_manifest(),
        market=tuple(market),
        requests=(place,),
        assumptions=replace(PLAIN, queue_model=model),
        cuts=tuple(range(1, len(market))),
    )


@pytest.mark.parametrize(("model", "displayed", "steps", "front"), PLACES)
def test_place(model: QueueModel, displayed: int, steps: str, front: float) -> None:
    played = play(scenario_of(model, displayed, steps))
    assert float(played.arrays.venues[0]["orders"][0]["front_lots"]) == pytest.approx(front, abs=1e-9)


def test_logarithms_weigh_base_units_not_lots() -> None:
    scenario = scenario_of(QueueModel.LOG, 10, "+30 +15")
    manifest = make_manifest(lot_size="0.001")
    played = play(replace(scenario, manifest=manifest))
    behind = log1p(0.020) / (log1p(0.020) + log1p(0.010))
    assert float(played.arrays.venues[0]["orders"][0]["front_lots"]) == pytest.approx(10 - 15 * (1 - behind), abs=1e-9)


@given(model=st.sampled_from(QueueModel), seed=st.integers(0, (1 << 32) - 1))
def test_no_queue_jump(model: QueueModel, seed: int) -> None:
    # Forward only (half a lot past the front rounds to none), never past it but by trades, and never filled with more
    # than was traded behind the queue.
    random = Random(seed)
    displayed = random.choice((0, 1, 10, 600))
    draws = [(random.choice("++-"), random.choice((0, 1, 2, 5, 40, 400, 1000))) for _ in range(12)]
    steps = " ".join(f"{sign}{lots + (sign == '-')}" for sign, lots in draws)
    fronts: list[float] = []

    def watch(arrays: Arrays) -> None:
        order = arrays.venues[0]["orders"][0]
        if order["resting"] == 1:
            fronts.append(float(order["front_lots"]))

    played = play(scenario_of(model, displayed, steps, qty=10_000), watch)
    assert fronts and fronts[0] <= displayed
    assert all(after <= max(before, 0.0) for before, after in pairwise(fronts)), steps
    assert min(fronts) >= -0.5
    traded = filled = 0
    for row in played.inputs:
        traded += int(row["qty_lots"]) if row["kind"] == EventKind.TRADE else 0
        filled += int(row["qty_lots"]) if row["kind"] == EventKind.FILL else 0
        assert filled <= traded + 1, steps
