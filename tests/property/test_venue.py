"""The simulated venue equals its oracle on any market and any script of requests, and keeps its laws beside.

The profile sets the number of scenarios: HYPOTHESIS_PROFILE=deep makes them 10,000, 5,000 for each kind of venue.
"""

from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfold.engine.book import levels
from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.limits import ORDER_COUNT_MAX
from mmfold.engine.orders import SLOTS_PER_SIDE
from mmfold.replay.venue.desk import Desk
from mmfold.replay.venue.queue import QueueModel
from mmfold.replay.venue.records import OWN_TICK_ROOM
from tests.engine.rows import T0_NS
from tests.replay.venue.oracle import Answer, Oracle, run_oracle
from tests.replay.venue.scenario import (
    BOOK,
    MS,
    PLAIN,
    Happening,
    Played,
    Request,
    Scenario,
    play,
    random_scenario,
)

ANSWERS = (
    EventKind.ACK,
    EventKind.REJECT,
    EventKind.AMENDED,
    EventKind.CANCELED,
    EventKind.EXPIRED,
    EventKind.FILL,
    EventKind.REQUEST_RESULT,
)
TOLD = (
    "kind", "ts_exchange_ns", "ts_receive_ns", "instrument_index", "order_id", "side", "price_ticks", "qty_lots", "aux",
    "flags", "code",
)  # fmt: skip
VENUES = ("bybit", "binance")
seeds = st.integers(0, (1 << 48) - 1)


def told(played: Played) -> list[Answer | EventKind]:
    """Return what the core received: answers whole, market events by their kind."""
    found: list[Answer | EventKind] = []
    starts = np.flatnonzero(np.diff(played.inputs["seq"], prepend=-1))
    for row in played.inputs[starts]:
        kind = EventKind(row["kind"])
        found.append(tuple(int(row[name]) for name in TOLD) if kind in ANSWERS else kind)  # type: ignore[arg-type]
    return found


def check_end(played: Played, venue: Oracle) -> None:
    """Compare one instrument's book and orders with the oracle's."""
    cell, found = played.arrays.venue_cells[venue.index], played.arrays.venues[venue.index]
    assert cell["book"]["status"] == venue.book.status and cell["book"]["venue_seq"] == venue.book.seq
    for side in (Side.BID, Side.ASK):
        assert dict(levels(cell, side)) == venue.book.levels[side]
        assert found["resting_counts"][side] == len(venue.resting(side))
        prices = [order.price % OWN_TICK_ROOM for order in venue.resting(side)]
        assert found["own_tick_counts"][side].tolist() == [prices.count(place) for place in range(OWN_TICK_ROOM)]
    counts = (found["execution_count"], found["refused_count"], found["liquidation_count"])
    assert counts == (venue.executions, venue.refused, venue.liquidations)
    position = cell["position"]
    assert (position["position_lots"], position["fees_micros"]) == (venue.account.lots, venue.account.fees)
    cash = (position["realized_ticklots"] - position["cost_ticklots"]) * venue.account.tick_value
    assert cash == venue.account.cash
    for slot in range(ORDER_COUNT_MAX):
        record, order = found["orders"][slot], venue.orders.get(slot)
        assert record["order_id"] == venue.accepted.get(slot, 0)
        if order is None or order.order_id != record["order_id"]:  # the slot's last order did not rest
            assert record["resting"] == 0
            continue
        names = ("order_id", "price_ticks", "qty_lots", "filled_lots", "ts_accepted_ns", "resting")
        expected = (order.order_id, order.price, order.left, order.filled, order.accepted_ns, order.resting)
        assert tuple(int(record[name]) for name in names) == expected
        if order.resting:
            assert (record["hidden"], record["was_hidden"]) == (order.hidden, order.was_hidden)
            assert float(record["front_lots"]) == pytest.approx(order.front, abs=1e-9)
            assert record["traded_lots"] == order.traded


@pytest.mark.parametrize("venue", VENUES)
@given(seed=seeds)
def test_the_venue_is_its_oracle(venue: str, seed: int) -> None:
    scenario = random_scenario(seed, venue)
    played = play(scenario)
    venues, received = run_oracle(scenario)
    assert told(played) == [one.kind if isinstance(one, Happening) else one for one in received]
    for oracle in venues:
        check_end(played, oracle)


@given(seed=seeds)
def test_no_fill_outside_an_orders_life_price_or_size(seed: int) -> None:
    scenario = random_scenario(seed, VENUES[seed % 2])
    scenario = replace(scenario, assumptions=replace(scenario.assumptions, extra_slippage_ppm=0))
    inputs = play(scenario).inputs
    life: dict[tuple[int, int], dict[str, int]] = {}
    for row in inputs[np.isin(inputs["kind"], ANSWERS)]:
        key, ts_ns = (int(row["instrument_index"]), int(row["order_id"])), int(row["ts_exchange_ns"])
        asked = [one for one in scenario.requests if (one.instrument, one.order_id) == key and one.ts_ns == ts_ns]
        order = life.get(key, {})
        match row["kind"]:
            case EventKind.ACK:
                assert not order, "accepted twice"
                place = next(one for one in asked if one.kind == EventKind.PLACE)
                life[key] = {"from": ts_ns, "price": place.price, "left": place.qty, "open": 1}
            case EventKind.AMENDED:
                assert order["open"] and row["qty_lots"] > 0
                order["price"], order["left"] = int(row["price_ticks"]), int(row["qty_lots"])
            case EventKind.CANCELED:  # not asked for where the venue began to number a book anew
                assert order["open"]
                order["open"] = 0
                continue
            case EventKind.EXPIRED:
                assert order.get("open", 1)
                order["open"] = 0
            case EventKind.FILL if not row["flags"] & Flag.LIQUIDATION:
                assert order["open"] and ts_ns >= order["from"]
                check_fill_price(row, order)
                order["left"] -= int(row["qty_lots"])
                order["open"] = order["left"] > 0
                assert order["left"] >= 0, "more filled than asked for"
        if row["kind"] not in (EventKind.FILL, EventKind.EXPIRED):
            assert asked, "an answer that nobody asked for"


def check_fill_price(row: np.void, order: dict[str, int]) -> None:
    """A maker is filled at the order's price; a taker at once, at that price or better."""
    if row["flags"] & Flag.MAKER:
        assert row["price_ticks"] == order["price"]
        return
    assert row["ts_exchange_ns"] == order["from"]
    worse = row["price_ticks"] - order["price"] if row["side"] == Side.BID else order["price"] - row["price_ticks"]
    assert order["price"] == 0 or worse <= 0


@given(seed=seeds)
def test_one_answer_for_each_request_and_none_from_the_future(seed: int) -> None:
    scenario = random_scenario(seed, VENUES[seed % 2])
    inputs = play(scenario).inputs
    answers = inputs[np.isin(inputs["kind"], ANSWERS)]
    asked, got = defaultdict(int), defaultdict(int)
    for one in scenario.requests:
        asked[one.order_id, one.ts_ns] += 1
    accepted, canceled = set(), set()
    for row in answers[answers["kind"] != EventKind.FILL]:
        order_id = int(row["order_id"])
        at = (order_id, int(row["ts_exchange_ns"]))
        if row["kind"] == EventKind.CANCELED:
            canceled.add(at)
        if row["kind"] != EventKind.EXPIRED or order_id not in accepted:  # the end of an order is no answer
            got[at] += 1
        if row["kind"] == EventKind.ACK:
            accepted.add(order_id)
    for at in {*got, *asked}:  # a venue that restarts drops orders that nobody cancelled
        assert asked[at] <= got[at] <= asked[at] + (at in canceled)
    assert (answers["ts_receive_ns"] - answers["ts_exchange_ns"] == scenario.assumptions.response_latency_ns).all()
    now_ns = -1
    for row in inputs:  # the core's clock; an answer is never late, a market event may be told late
        assert row["kind"] not in ANSWERS or row["ts_receive_ns"] >= now_ns
        now_ns = max(now_ns, int(row["ts_receive_ns"]))


@given(seed=seeds)
def test_chunks_do_not_matter(seed: int) -> None:
    scenario = random_scenario(seed, VENUES[seed % 2])
    one, other = play(scenario), play(replace(scenario, cuts=()))
    assert (one.inputs == other.inputs).all()
    for name in ("venues", "venue_cells", "cells", "clocks"):
        assert getattr(one.arrays, name).tobytes() == getattr(other.arrays, name).tobytes(), name


def crowded(seed: int) -> Scenario:
    """Return a scenario with up to 60 own orders on both sides of its market, many at one price."""
    scenario = random_scenario(seed, VENUES[seed % 2])
    random = Random(seed)
    end_ns = max(one.receive_ns for one in scenario.market)
    requests = []
    for slot in random.sample(range(ORDER_COUNT_MAX), random.choice((3, 20, 60))):
        sign = -1 if slot < SLOTS_PER_SIDE else 1
        ts_ns = random.randrange(T0_NS, max(end_ns, T0_NS + 1))
        price, qty = 100 + sign * random.choice((-1, 1, 1, 2, 2, 3)), random.choice((2, 3, 5, 40))
        place = Request(ts_ns=ts_ns, kind=EventKind.PLACE, order_id=1 << 16 | slot, price=price, qty=qty)
        requests.append(place)
        if random.random() < 0.3:
            amend = {"price": price + random.choice((0, 0, -sign)), "qty": qty + random.choice((-1, 4))}
            requests.append(replace(place, kind=EventKind.AMEND, ts_ns=ts_ns + 3 * MS, **amend))
    rules = replace(scenario.assumptions, equity_micros=0, order_lifetime_ns=0, request_per_s_max=0)
    return replace(
        scenario,
        assumptions=replace(rules, response_latency_ns=0, min_notional_filter=False),
        requests=tuple(sorted(requests, key=lambda one: one.ts_ns)),
    )


def brought_lots(one: Happening, before: tuple[dict[int, int], ...]) -> tuple[int, int]:
    """Return the lots that an event can fill bids and asks with, at most: a trade's, and what is new on the other side.

    A book that waits for its snapshot tells what it holds then: that is not bounded here.
    """
    if one.kind == EventKind.TRADE:
        return (0, one.qty) if one.aggressor == Side.BID else (one.qty, 0)
    new = [0, 0]
    for side, price, qty in one.levels:
        new[side] += max(0, qty - before[side].get(price, 0))
    return new[Side.ASK], new[Side.BID]


@given(seed=seeds)
def test_no_event_fills_more_than_it_brings(seed: int) -> None:
    scenario = crowded(seed)
    desk = Desk(scenario.manifest, scenario.assumptions)
    requests, is_partial = list(scenario.requests), scenario.assumptions.partial_fills
    for one in sorted(scenario.market, key=lambda each: each.exchange_ns or each.receive_ns):
        now_ns = one.exchange_ns or one.receive_ns
        while requests and requests[0].ts_ns < now_ns:
            asked = requests.pop(0)
            desk.request(asked.row()[0], asked.ts_ns)
        if one.kind not in (*BOOK, EventKind.TRADE):
            continue
        cell = desk.cells[one.instrument]
        before = tuple(dict(levels(cell, side)) for side in (Side.BID, Side.ASK))
        is_snapshot = one.kind == EventKind.BOOK_SNAPSHOT
        told = desk.apply_market(one.rows(), now_ns)
        if is_snapshot:
            after = tuple(dict(levels(cell, side)) for side in (Side.BID, Side.ASK))
            shown = tuple((side, price, qty) for side in (0, 1) for price, qty in after[side].items())
            one = replace(one, levels=shown)
        for side, lots in zip((Side.BID, Side.ASK), brought_lots(one, before), strict=True):
            fills = told[(told["kind"] == EventKind.FILL) & (told["side"] == side)]["qty_lots"].tolist()
            assert sum(fills) <= lots or not is_partial
            if one.kind == EventKind.TRADE:  # without partial fills the first is whole, the others have what remains
                assert sum(fills[1:]) <= max(0, lots - sum(fills[:1])), fills
        check_turns(desk, one.instrument)


def check_turns(desk: Desk, index: int) -> None:
    """At one price nobody has less ahead than who joined before, but for half a lot that rounds to none."""
    orders = desk.venues[index]["orders"]
    for side in (Side.BID, Side.ASK):
        resting = [order for order in orders[side * SLOTS_PER_SIDE :][:SLOTS_PER_SIDE] if order["resting"]]
        resting.sort(key=lambda order: (order["price_ticks"], order["joined"]))
        for one, other in pairwise(resting):
            same = one["price_ticks"] == other["price_ticks"]
            assert not same or one["front_lots"] - other["front_lots"] <= 0.5


def filled_by(scenario: Scenario, order: Request, model: QueueModel) -> list[tuple[int, int]] | None:
    """Return (time, lots filled so far) of one order alone on a market, None when it is not taken, or dropped."""
    played = play(replace(scenario, requests=(order,), assumptions=replace(PLAIN, queue_model=model)))
    answers = played.inputs[np.isin(played.inputs["kind"], ANSWERS)]
    if answers[0]["kind"] != EventKind.ACK or EventKind.CANCELED in answers["kind"]:
        return None
    fills = answers[answers["kind"] == EventKind.FILL]
    return [
        (int(ts), int(lots)) for ts, lots in zip(fills["ts_exchange_ns"], np.cumsum(fills["qty_lots"]), strict=True)
    ]


def never_more(less: list[tuple[int, int]], more: list[tuple[int, int]]) -> bool:
    """Tell whether what was filled is at no time more than in another run."""
    return all(lots <= max((other for at, other in more if at <= ts), default=0) for ts, lots in less)


@given(seed=seeds)
def test_what_is_pessimistic_by_construction(seed: int) -> None:
    # One order, so that nothing decided later differs. Risk-averse: who joins later, or moves forward by trades alone,
    # is at no time nearer the front. A strategy may well do better with fewer fills: that is not asserted.
    scenario = random_scenario(seed, VENUES[seed % 2])
    placed = [one for one in scenario.requests if one.kind == EventKind.PLACE]
    if not placed:
        return
    order = replace(placed[0], qty=60, price=placed[0].price or 99, flags=Flag.POST_ONLY)
    early = filled_by(scenario, order, QueueModel.RISK_AVERSE)
    if early is None:
        return
    for model in (QueueModel.POWER, QueueModel.QPOS, QueueModel.LOG):
        assert never_more(early, filled_by(scenario, order, model) or []), model
    for delay_ns in (1, 7 * MS, 50 * MS):
        late = filled_by(scenario, replace(order, ts_ns=order.ts_ns + delay_ns), QueueModel.RISK_AVERSE)
        assert late is None or never_more(late, early), delay_ns
