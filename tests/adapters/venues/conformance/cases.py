"""The numbered cases that every venue's way through the port has to pass; a number is never given twice.

`needs` names fields of Capabilities that a case is about: where one is off, the case is skipped.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import numpy as np
import pytest

from mmfold.adapters.live.account.opening import CannotStart
from mmfold.adapters.live.account.position_mode import check_one_way
from mmfold.adapters.live.start import find_instruments
from mmfold.adapters.live.venue.cancel_all import cancel_each
from mmfold.adapters.venues.link_ids import ORDER_ID_MAX, encode_link_id, run_tag
from mmfold.adapters.venues.port import MalformedFrame
from mmfold.engine.codes import EventKind, Flag, RequestOutcome, Side
from mmfold.engine.limits import NS_PER_S
from tests.adapters.venues.conformance.client import Client, effect

GARBAGE = (b"", b"\x00\xff", b"null", b"[]", b"{", b"{}", b'{"topic": 1}', b'"' + b"x" * 70_000 + b'"')
DEAD_MAN_S = 3


async def clock(client: Client) -> None:
    assert abs(await client.rest.read_clock(3)) < NS_PER_S


async def instruments(client: Client) -> None:
    one = client.manifest.instruments[0]
    can = client.venue.capabilities
    assert one.symbol == client.target.symbols[0] and one.contract == can.contracts[0]
    one.check_countable()
    with pytest.raises(CannotStart, match="NOSUCHUSDT"):
        await find_instruments(client.target.venue, ("NOSUCHUSDT",), client.rest)


async def garbage(client: Client) -> None:
    parser = client.venue.market_parser(client.manifest)
    for frame in GARBAGE:
        with pytest.raises(MalformedFrame) as refused:
            parser.parse(frame, 1)
        assert refused.value.frame == frame and refused.value.reason
        with pytest.raises(MalformedFrame):
            client.venue.parse_time(frame, 200)


async def order_ids(client: Client) -> None:
    longest = encode_link_id(run_tag(client.manifest.run_id), ORDER_ID_MAX)
    assert len(longest) <= client.venue.capabilities.order_id_length_max


async def life(client: Client) -> None:
    order_id, _ = await client.rest_one()
    assert await client.open_orders() == [order_id]
    await client.send(effect(EventKind.CANCEL, order_id, Side.BID))
    await client.told(EventKind.CANCELED, order_id)
    assert await client.open_orders() == [] and not client.of(EventKind.FILL)
    assert len(client.of(EventKind.ACK, order_id)) == 1, "told by the stream and by the list, it is news once"


async def amend(client: Client) -> None:
    order_id, placed = await client.rest_one()
    price_ticks, qty_lots = int(placed["price_ticks"][0]) - 3, int(placed["qty_lots"][0]) + 2
    await client.send(effect(EventKind.AMEND, order_id, Side.BID, price_ticks, qty_lots, 0, 0))
    amended = await client.told(EventKind.AMENDED, order_id)
    assert (int(amended["price_ticks"]), int(amended["qty_lots"])) == (price_ticks, qty_lots)
    assert await client.open_orders() == [order_id]


async def batch(client: Client) -> None:
    count = client.venue.capabilities.batch_order_count_max
    placed = [client.place() for _ in range(count)]
    await client.send(*placed)
    ids = [int(one["order_id"][0]) for one in placed]
    for order_id in ids:
        await client.told(EventKind.ACK, order_id)
    assert await client.open_orders() == ids and client.gateway.number == 1, "one request"
    await client.send(*[effect(EventKind.CANCEL, order_id, Side.BID) for order_id in ids])
    for order_id in ids:
        await client.told(EventKind.CANCELED, order_id)
    assert await client.open_orders() == []


async def post_only(client: Client) -> None:
    order_id = await client.send(client.place(takes=True))
    ends = (EventKind.EXPIRED, EventKind.REJECT, EventKind.CANCELED)
    await client.until(
        lambda: [row for kind in ends for row in client.of(kind, order_id)], "the end of a crossing order"
    )
    assert not client.of(EventKind.FILL) and await client.open_orders() == []


async def reduce_only(client: Client) -> None:
    assert (await client.position_and_cash())[0] == 0
    order_id = await client.send(client.place(flags=Flag.IOC | Flag.REDUCE_ONLY, takes=True))
    ends = (EventKind.EXPIRED, EventKind.REJECT, EventKind.CANCELED)
    await client.until(
        lambda: [row for kind in ends for row in client.of(kind, order_id)], "the end of an order of none"
    )
    assert not client.of(EventKind.FILL) and (await client.position_and_cash())[0] == 0
    fill = await client.trade(Side.BID)
    closing = client.place(Side.ASK, flags=Flag.IOC | Flag.REDUCE_ONLY, takes=True)
    closing["qty_lots"] = fill["qty_lots"]
    await client.told(EventKind.FILL, await client.send(closing))
    assert (await client.position_and_cash())[0] == 0


async def fill_once(client: Client) -> None:
    fill = await client.trade(Side.BID)
    assert int(fill["side"]) == Side.BID and not int(fill["flags"]) & Flag.MAKER
    listed = await client.reconciler.fills()
    assert not (listed["kind"] == EventKind.FILL).any(), "the stream told it: the list tells nothing new"
    del client.reconciler.seen.executions[0, int(fill["aux"])]
    listed = await client.reconciler.fills()
    [same] = listed[listed["kind"] == EventKind.FILL]
    for name in ("aux", "order_id", "side", "price_ticks", "qty_lots", "ts_exchange_ns"):
        assert same[name] == fill[name], f"the list and the stream tell the same {name}"


async def fill_missed(client: Client) -> None:
    client.running.set_faults({"fault": "drop", "at": client.target.places["fill"], "count": None})
    order_id = await client.send(client.place(flags=Flag.IOC, takes=True))
    await client.until(
        lambda: client.of(EventKind.ACK, order_id) or client.of(EventKind.REQUEST_RESULT, order_id), "an answer"
    )
    found: list[np.ndarray] = []
    for _ in range(100):
        rows = await client.reconciler.fills()
        found += list(rows[(rows["kind"] == EventKind.FILL) & (rows["order_id"] == order_id)])
        if found:
            break
        await asyncio.sleep(0.05)
    assert not client.of(EventKind.FILL, order_id), "the stream lost it"
    assert found, "the list has it"


async def positions(client: Client) -> None:
    bought = await client.trade(Side.BID)
    assert (await client.position_and_cash())[0] == int(bought["qty_lots"])
    sold = await client.trade(Side.ASK)
    assert (await client.position_and_cash())[0] == int(bought["qty_lots"]) - int(sold["qty_lots"])


async def cash(client: Client) -> None:
    before = (await client.position_and_cash())[1]
    await client.trade(Side.BID)
    after = (await client.position_and_cash())[1]
    assert 0 < before != after, "a fee was paid or given"


async def rate_limit(client: Client) -> None:
    client.running.set_faults({"fault": "rate_limited", "at": client.target.places["place"]})
    order_id = await client.send(client.place())
    answer = await client.told(EventKind.REQUEST_RESULT, order_id)
    assert int(answer["code"]) == RequestOutcome.RATE_LIMITED
    assert await client.open_orders() == [] and not client.of(EventKind.ACK, order_id)


async def lost_answer(client: Client) -> None:
    client.running.set_faults({"fault": "ack_lost", "at": client.target.places["place"]})
    order_id = await client.send(client.place())
    await client.told(EventKind.ACK, order_id)
    assert not client.of(EventKind.REQUEST_RESULT, order_id) and client.parts.requests.pending
    await client.gateway.expire(client.rest.now_ns() + 60 * NS_PER_S, 5_500)
    answer = await client.told(EventKind.REQUEST_RESULT, order_id)
    assert int(answer["code"]) == RequestOutcome.TIMEOUT and await client.open_orders() == [order_id]


async def lost_request(client: Client) -> None:
    client.running.set_faults({"fault": "request_lost", "at": client.target.places["place"]})
    order_id = await client.send(client.place())
    await client.gateway.expire(client.rest.now_ns() + 60 * NS_PER_S, 5_500)
    answer = await client.told(EventKind.REQUEST_RESULT, order_id)
    assert int(answer["code"]) == RequestOutcome.TIMEOUT and await client.open_orders() == []


async def gone(client: Client) -> None:
    order_id, _ = await client.rest_one()
    for turn in range(2):
        await client.send(effect(EventKind.CANCEL, order_id, Side.BID))
        await client.told(EventKind.CANCELED, order_id)
        await client.until(lambda: not client.parts.requests.pending, "an answer")
        assert bool(client.doubts) == bool(turn), "a cancel of what is gone puts the order in doubt"


async def dead_man(client: Client) -> None:
    order_id, _ = await client.rest_one()
    venue = client.rest.account_venue
    status, body = await client.rest.ask(venue.request_dead_man(DEAD_MAN_S))
    venue.check_done(body, status)
    await asyncio.sleep(DEAD_MAN_S / 2)
    assert await client.open_orders() == [order_id], "we are here"
    client.private.plan.url += "-nowhere"
    await client.private.cut()
    await asyncio.sleep(DEAD_MAN_S + 1)
    assert await client.open_orders() == []


async def cancel_all(client: Client) -> None:
    ids = [(await client.rest_one())[0] for _ in range(3)]
    assert await client.open_orders() == ids
    await cancel_each(client.rest, client.manifest.instruments)
    for order_id in ids:
        await client.told(EventKind.CANCELED, order_id)
    assert await client.open_orders() == []


async def by_rest(client: Client) -> None:
    stream, client.gateway.stream = client.gateway.stream, None
    order_id, _ = await client.rest_one()
    await client.send(effect(EventKind.CANCEL, order_id, Side.BID))
    await client.told(EventKind.CANCELED, order_id)
    client.gateway.stream = stream
    assert await client.open_orders() == []


async def one_way(client: Client) -> None:
    await check_one_way(client.rest, client.manifest.instruments)


class Case(NamedTuple):
    """A numbered case of a connected client."""

    number: int
    name: str
    needs: tuple[str, ...]
    check: Callable[[Client], Awaitable[None]]


ORDERS = ("order_entry",)
CASES = (
    Case(1, "clock", (), clock),
    Case(2, "instruments", (), instruments),
    Case(3, "bytes that are nobody's", (), garbage),
    # 4 to 6 are of recordings: RECORDINGS
    Case(10, "order ids fit", ORDERS, order_ids),
    Case(11, "place, ack, list, cancel", ORDERS, life),
    Case(12, "amend", (*ORDERS, "amend"), amend),
    Case(13, "batch", (*ORDERS, "batch_order_count_max"), batch),
    Case(14, "post-only is refused", (*ORDERS, "post_only"), post_only),
    Case(15, "reduce-only", (*ORDERS, "reduce_only"), reduce_only),
    Case(16, "own fill told once", ORDERS, fill_once),
    Case(17, "own fill that the stream lost", ORDERS, fill_missed),
    Case(18, "positions", ORDERS, positions),
    Case(19, "cash", ORDERS, cash),
    Case(20, "rate limit", ORDERS, rate_limit),
    Case(21, "lost answer", ORDERS, lost_answer),
    Case(22, "lost request", ORDERS, lost_request),
    Case(23, "cancel of what is gone", ORDERS, gone),
    Case(24, "dead man", (*ORDERS, "dead_man"), dead_man),
    Case(25, "cancel all", ORDERS, cancel_all),
    Case(26, "order entry by REST", ORDERS, by_rest),
    Case(27, "one-way mode", (*ORDERS, "hedge_mode"), one_way),
)
RECORDINGS = {4: "stream up", 5: "book continuity after a cut", 6: "resync after a lost message"}
NUMBERS = [*(case.number for case in CASES), *RECORDINGS]
assert len(set(NUMBERS)) == len(NUMBERS)
