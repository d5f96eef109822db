"""FIFO: an own order among the market's orders, line by line, and as a matching engine that knows them all has it."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.replay.assumptions import Assumptions
from mmfold.replay.venue.desk import Desk
from mmfold.replay.venue.fifo import QUEUED_COUNT_MAX
from mmfold.replay.venue.queue import QueueModel
from tests.engine.rows import T0_NS, book_event, event, make_manifest
from tests.property.test_venue import never_more
from tests.replay.venue.by_order import far_apart
from tests.replay.venue.matcher import PRICES, STEP_NS, Recorder, own_fills
from tests.replay.venue.scenario import MS, Happening, Request, Scenario, play
from tests.replay.venue.test_exchange import expected_of, play_lines

FIFO = Assumptions(queue_model=QueueModel.FIFO, entry_latency_ns=0, response_latency_ns=0)
# order SIDE PRICExREMAINS NUMBER: the market's order changed; the delta has the level's new total.
SCENARIOS = {
    "who leaves from ahead brings the order forward": """
        order bid 100x5 7          |
        book 100x5 / 102x5         |
        place #1 bid 100x3         | ack #1
        order bid 100x2 7          |
        delta 100x2 /              |
        trade ask 100x3            | fill #1 100x1
    """,
    "who leaves from behind does not": """
        order bid 100x5 7          |
        book 100x5 / 102x5         |
        place #1 bid 100x3         | ack #1
        order bid 100x9 8          |
        delta 100x14 /             |
        order bid 100x0 8          |
        delta 100x5 /              |
        trade ask 100x5            |
        trade ask 100x1            | fill #1 100x1
    """,
    "a trade and the decrease that it causes count once": """
        order bid 100x5 7          |
        order bid 100x4 8          |
        book 100x9 / 102x5         |
        place #1 bid 100x3         | ack #1
        trade ask 100x3            |
        order bid 100x2 7          |
        delta 100x6 /              |
        trade ask 100x6            |
        trade ask 100x1            | fill #1 100x1
    """,
    "trades of one sale, told before all of their decreases": """
        order bid 100x3 7          |
        order bid 100x4 8          |
        book 100x7 / 102x5         |
        place #1 bid 100x3         | ack #1
        trade ask 100x3            |
        trade ask 100x2            |
        order bid 100x0 7          |
        delta 100x4 /              |
        order bid 100x2 8          |
        delta 100x2 /              |
        trade ask 100x3            | fill #1 100x1
    """,
    "who grows goes behind": """
        order bid 100x5 7          |
        book 100x5 / 102x5         |
        place #1 bid 100x3         | ack #1
        order bid 100x6 7          |
        delta 100x6 /              |
        trade ask 100x1            | fill #1 100x1
    """,
    "who moves to another price goes there, to the end": """
        order bid 100x5 7          |
        order bid 99x4 8           |
        book 100x5 99x4 / 102x5    |
        place #1 bid 100x3         | ack #1
        place #2 bid 99x3          | ack #2
        order bid 99x5 7           |
        delta 100x0 99x9 /         |
        trade ask 100x3            | fill #1 100x3
        trade ask 99x5             | fill #2 99x1
    """,
    "an amend to more, or another price, goes behind; to less keeps its place": """
        order bid 100x5 7          |
        book 100x5 / 102x5         |
        place #1 bid 100x4         | ack #1
        order bid 100x6 8          |
        delta 100x11 /             |
        amend #1 100x3             | amended #1 100x3
        order bid 100x1 7          |
        delta 100x7 /              |
        trade ask 100x2            | fill #1 100x1
        amend #1 100x5 filled 1    | amended #1 100x5
        order bid 100x0 7          |
        delta 100x6 /              |
        trade ask 100x6            |
        trade ask 100x1            | fill #1 100x1
    """,
    "orders from before the recording are ahead until the level is smaller": """
        book 100x9 / 102x5         |
        place #1 bid 100x3         | ack #1
        order bid 100x0 7          |
        trade ask 100x1            |
        order bid 100x4 9          |
        delta 100x4 /              |
        order bid 100x6 8          |
        delta 100x10 /             |
        trade ask 100x4            |
        trade ask 100x1            | fill #1 100x1
    """,
    "a trade with orders that nobody told of explains no other decrease": """
        book 100x9 / 102x5         |
        order bid 100x4 8          |
        delta 100x13 /             |
        place #1 bid 100x3         | ack #1
        trade ask 100x3            |
        order bid 100x20 9         |
        delta 100x30 /             |
        order bid 100x0 8          |
        delta 100x26 /             |
        trade ask 100x6            |
        trade ask 100x1            | fill #1 100x1
    """,
    "who joined since the book was told is ahead": """
        book 100x5 / 102x5         |
        order bid 100x4 7          |
        place #1 bid 100x3         | ack #1
        delta 100x9 /              |
        trade ask 100x9            |
        trade ask 100x1            | fill #1 100x1
    """,
    "asks are queues like bids": """
        order ask 102x5 7          |
        book 100x5 / 102x5         |
        place #33 ask 102x3        | ack #33
        order bid 102x1 7          |
        delta / 102x0              |
        trade bid 102x1            | fill #33 102x1
    """,
}
seeds = st.integers(0, (1 << 48) - 1)


@pytest.mark.parametrize("text", SCENARIOS.values(), ids=SCENARIOS)
def test_scenario(text: str) -> None:
    assert play_lines(text, queue_model=QueueModel.FIFO) == expected_of(text)


def script_of(seed: int) -> list[tuple[int, int, int]]:
    """Return (time, price, lots to remain) of an order's joining and, now and then, of a change before any fill."""
    random = Random(seed)
    start = random.randrange(1, 60)
    price, lots = random.choice(PRICES), random.choice((1, 3, 20))
    script = [(T0_NS + start * STEP_NS, price, lots)]
    if random.random() < 0.4:
        price = random.choice((price, price, random.choice(PRICES)))
        script.append((T0_NS + (start + random.randrange(1, 9)) * STEP_NS, price, random.choice((1, 3, 20, 25))))
    return script


def fills_of(recorder: Recorder, script: list[tuple[int, int, int]], model: QueueModel) -> list[tuple[int, int]]:
    """Return (time, lots) of the order's fills at the simulated venue."""
    requests = tuple(
        Request(
            ts_ns=ts_ns, kind=EventKind.AMEND if number else EventKind.PLACE, order_id=1 << 16, price=price, qty=qty
        )
        for number, (ts_ns, price, qty) in enumerate(script)
    )
    assumptions = Assumptions(queue_model=model, entry_latency_ns=0, response_latency_ns=0)
    scenario = Scenario(
        manifest=make_manifest(), market=tuple(recorder.events), requests=requests, assumptions=assumptions
    )
    inputs = play(scenario).inputs
    fills = inputs[inputs["kind"] == EventKind.FILL]
    return list(zip(fills["ts_exchange_ns"].tolist(), fills["qty_lots"].tolist(), strict=True))


def summed(fills: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return (time, lots filled so far)."""
    return [(ts_ns, sum(lots for _, lots in fills[: place + 1])) for place, (ts_ns, _) in enumerate(fills)]


def by_time(fills: list[tuple[int, int]]) -> dict[int, int]:
    """Return the lots filled at each time: several trades of one sale fill in parts."""
    return {ts_ns: sum(lots for at, lots in fills if at == ts_ns) for ts_ns, _ in fills}


def first_fill_alone(script: list[tuple[int, int, int]], fills: list[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """Leave out a change that comes after a fill: it would name sizes that depend on it."""
    return script[:1] if fills and len(script) > 1 and fills[0][0] <= script[1][0] else script


@given(seed=seeds)
def test_fills_are_those_of_a_matching_engine_that_has_the_order(seed: int) -> None:
    recorder = Recorder(seed, 120)
    script = script_of(seed)
    script = first_fill_alone(script, own_fills(recorder, script[:1]))
    expected = own_fills(recorder, script)
    found = fills_of(recorder, script, QueueModel.FIFO)
    assert by_time(found) == by_time(expected)
    assert never_more(summed(fills_of(recorder, script, QueueModel.RISK_AVERSE)), summed(found))


@given(seed=seeds)
def test_orders_that_are_not_told_of_never_make_a_fill_earlier(seed: int) -> None:
    recorder = Recorder(seed, 120, untold=0.3)
    script = script_of(seed)[:1]
    found = fills_of(recorder, script, QueueModel.FIFO)
    assert never_more(summed(found), summed(own_fills(recorder, script)))


def make_desk(level: int) -> Desk:
    desk = Desk(make_manifest(), FIFO)
    desk.apply_market(book_event(EventKind.BOOK_SNAPSHOT, [(100, level)], [(102, 5)], aux=1), T0_NS)
    return desk


def tell(desk: Desk, number: int, lots: int) -> None:
    fields = {"side": Side.BID, "price_ticks": 100, "qty_lots": lots, "order_id": number}
    desk.apply_market(event(EventKind.BOOK_ORDER, **fields), T0_NS)


def place_behind(desk: Desk) -> float:
    """Place an order at 100 and return the lots ahead of it."""
    fields = {"order_id": 1 << 16, "side": Side.BID, "price_ticks": 100, "qty_lots": 3, "flags": Flag.POST_ONLY}
    assert [row["kind"] for row in desk.request(event(EventKind.PLACE, **fields)[0], T0_NS)] == [EventKind.ACK]
    return float(desk.venues[0]["orders"][0]["front_lots"])


def test_the_table_is_a_dictionary() -> None:
    desk, random, orders = make_desk(1), Random(1), {}
    numbers = [far_apart(number) for number in range(6_000)] + list(range(6_000))
    for number in random.choices(numbers, k=24_000):
        orders[number] = random.choice((0, 0, 1, 5, 9))
        tell(desk, number, orders[number])
    queued = desk.queues[0]["queued"]
    found = {int(one["order_id"]): int(one["qty_lots"]) for one in queued[queued["qty_lots"] > 0]}
    assert found == {number: lots for number, lots in orders.items() if lots}
    assert desk.queues[0]["count"] == len(found) > 4_000 and desk.queues[0]["unknown_count"] > 0


def test_without_room_an_order_counts_as_displayed() -> None:
    desk = make_desk(1)
    desk.queues["count"] = QUEUED_COUNT_MAX - 1
    tell(desk, 7, 4)
    tell(desk, 8, 5)
    assert desk.queues[0]["full_count"] == 1
    desk.apply_market(event_of_level(10, 2), T0_NS)
    assert place_behind(desk) == 10
    tell(desk, 8, 0)  # not in the table: it moves nobody
    assert desk.queues[0]["unknown_count"] == 1 and desk.venues[0]["orders"][0]["front_lots"] == 10
    tell(desk, 7, 0)
    assert desk.venues[0]["orders"][0]["front_lots"] == 6
    desk.apply_market(event_of_level(1, 3), T0_NS)
    assert desk.venues[0]["orders"][0]["front_lots"] == 1


def event_of_level(lots: int, seq: int) -> np.ndarray:
    """Return a delta of the level at 100."""
    return book_event(EventKind.BOOK_DELTA, [(100, lots)], [], aux=seq, order_id=seq - 1)


def test_an_order_message_never_overtakes_its_book() -> None:
    # By its exchange time the order would have joined before the snapshot, which then had it: 5 ahead instead of 9.
    levels = ((Side.BID, 100, 5), (Side.ASK, 102, 5))
    order = {"aggressor": Side.BID, "number": 7, "price": 100, "qty": 4}
    late_ns, early_ns = T0_NS + 20 * MS, T0_NS + 10 * MS
    market = (
        Happening(kind=EventKind.BOOK_SNAPSHOT, levels=levels, exchange_ns=late_ns, receive_ns=late_ns, seq=1),
        Happening(kind=EventKind.BOOK_ORDER, exchange_ns=early_ns, receive_ns=late_ns + MS, **order),
    )
    place = Request(ts_ns=late_ns, kind=EventKind.PLACE, order_id=1 << 16, price=100, qty=3)
    scenario = Scenario(manifest=make_manifest(), market=market, requests=(place,), assumptions=FIFO)
    # The clock of the venue goes to the end of the market: one more message.
    told = Happening(kind=EventKind.MARK, exchange_ns=late_ns + 9 * MS, receive_ns=late_ns + 9 * MS, price=101)
    played = play(replace(scenario, market=(*market, told)))
    assert played.arrays.venues[0]["orders"][0]["front_lots"] == 9
