"""The gateway keeps to the account's limits: no rolling second of the venue sees more, cancels for safety go first,
what never left is answered as the venue would have.
"""

import asyncio
from collections import defaultdict
from typing import Any

import numpy as np
import orjson
import pytest

from mmfold.adapters.live.venue import waiting
from mmfold.adapters.live.venue.gateway import VenueGateway
from mmfold.adapters.live.venue.rest_client import RestClient
from mmfold.adapters.venues.bybit.requests import RequestEncoder
from mmfold.adapters.venues.bybit.responses import RequestBook
from mmfold.adapters.venues.bybit.venue import BybitVenue
from mmfold.adapters.venues.ledger import OrderLedger
from mmfold.engine.codes import EventKind, Reason, RequestOutcome, Side
from mmfold.engine.manifest import Instrument, Manifest
from mmfold.engine.records import EVENT, NO_PRICE_TICKS
from tests.engine.rows import event

MANIFEST = Manifest(run_id="t", instruments=(Instrument(symbol="A", tick_size="0.1", lot_size="0.001"),), source="live")
LIMIT = 10


class Wire:
    """The order-entry socket and the venue behind it, which counts as the venue does and answers a little later."""

    closed = False

    def __init__(self) -> None:
        self.arrived: dict[str, list[float]] = defaultdict(list)
        self.ops: list[str] = []
        self.gateway: VenueGateway
        self.tasks: set[asyncio.Task[None]] = set()

    async def send_frame(self, payload: bytes, _kind: Any) -> None:
        task = asyncio.create_task(self.answer(orjson.loads(payload)))
        self.tasks.add(task)

    async def answer(self, asked: dict[str, Any]) -> None:
        """Count what arrives and answer it."""
        await asyncio.sleep(0.01)
        body, op = asked["args"][0], asked["op"]
        count = len(body.get("request", [body]))
        now_s = asyncio.get_running_loop().time()
        self.arrived[op] += [now_s] * count
        self.ops += [op] * count
        left = LIMIT - sum(at > now_s - 1 for at in self.arrived[op])
        headers = {
            "X-Bapi-Limit": str(LIMIT),
            "X-Bapi-Limit-Status": str(max(0, left)),
            "X-Bapi-Limit-Reset-Timestamp": "1",
        }
        code = 10006 if left < 0 else 0
        oks = [{"code": 0, "msg": "OK"}] * count
        told = {"reqId": asked["reqId"], "op": op, "retCode": code, "retMsg": "", "header": headers}
        told |= {"data": {"list": [{}] * count} if count > 1 else {}, "retExtInfo": {"list": oks}}
        await asyncio.sleep(0.01)
        await self.gateway.on_told(self.gateway.requests.parse_socket(orjson.dumps(told), 1))

    def most(self, op: str) -> int:
        """Return the most that a rolling second has seen."""
        times = np.array(self.arrived[op])
        return max((int(((times > at - 1) & (times <= at)).sum()) for at in times), default=0)


def effects(kind: EventKind, order_ids: range, code: Reason) -> np.ndarray:
    price = NO_PRICE_TICKS if kind == EventKind.CANCEL else 100
    rows = [
        event(kind, order_id=one, code=code, seq=one, price_ticks=price, qty_lots=1, side=Side.BID) for one in order_ids
    ]
    return np.concatenate(rows)


def play(steps: Any) -> tuple[Wire, np.ndarray]:
    """Run steps with a gateway on a wire; returns the wire and the rows that the core would be told."""
    told: list[np.ndarray] = []

    async def take(rows: np.ndarray) -> None:
        told.append(rows.copy())

    async def run() -> Wire:
        wire = Wire()
        ledger = OrderLedger("t")
        rest = RestClient(None, BybitVenue(), "")  # type: ignore[arg-type]
        gateway = VenueGateway(
            RequestEncoder(MANIFEST, ledger), RequestBook(ledger), rest, take, lambda reason: None, MANIFEST.instruments
        )
        gateway.stream = type("Up", (), {"socket": wire})()
        wire.gateway = gateway
        await steps(gateway)
        while wire.tasks:
            await asyncio.gather(*[wire.tasks.pop() for _ in range(len(wire.tasks))])
        return wire

    wire = asyncio.run(run())
    return wire, np.concatenate([np.zeros(0, EVENT), *told])


def outcomes(rows: np.ndarray) -> dict[int, RequestOutcome]:
    rates = rows[rows["kind"] == EventKind.REQUEST_RESULT]
    return {int(row["order_id"]): RequestOutcome(row["code"]) for row in rates}


async def settled(gateway: VenueGateway) -> None:
    while gateway.waiting:
        await asyncio.sleep(0.02)


def test_no_second_sees_too_many_and_what_is_old_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(gateway: VenueGateway) -> None:
        for start in range(1, 61, 6):
            await gateway.send(effects(EventKind.PLACE, range(start, start + 6), Reason.QUOTE), 1)
        assert gateway.waiting
        await settled(gateway)

    wire, rows = play(steps)
    assert max(wire.most(op) for op in wire.arrived) <= LIMIT
    found = outcomes(rows)
    assert sorted(found) == list(range(1, 61)), "each is answered once"
    limited = [one for one, what in found.items() if what == RequestOutcome.RATE_LIMITED]
    assert len(limited) == 60 - len(wire.ops) and len(wire.ops) >= 2 * LIMIT and limited
    waits_ns = rows["aux"][(rows["kind"] == EventKind.REQUEST_RESULT) & (rows["code"] == RequestOutcome.RATE_LIMITED)]
    assert (waits_ns >= waiting.WAIT_S * 1e9).all(), "a REQUEST_RESULT tells how long it took"


def test_every_cancel_leaves_and_those_for_safety_first() -> None:
    async def steps(gateway: VenueGateway) -> None:
        await gateway.send(effects(EventKind.CANCEL, range(1, 25), Reason.REPRICE), 1)
        await gateway.send(effects(EventKind.CANCEL, range(101, 111), Reason.FREEZE), 1)
        await settled(gateway)

    wire, rows = play(steps)
    assert max(wire.most(op) for op in wire.arrived) <= LIMIT
    found = outcomes(rows)
    assert sorted(found) == [*range(1, 25), *range(101, 111)] and set(found.values()) == {RequestOutcome.OK}
    order = rows["order_id"][rows["kind"] == EventKind.REQUEST_RESULT].tolist()
    assert max(order.index(one) for one in range(101, 111)) <= 21, "half of the limit was theirs"


def test_a_place_that_waits_is_taken_back_by_its_cancel() -> None:
    async def steps(gateway: VenueGateway) -> None:
        await gateway.send(effects(EventKind.PLACE, range(1, 31), Reason.QUOTE), 1)
        late = list(gateway.waiting.by_kind[waiting.PLACE])
        assert late
        await gateway.send(effects(EventKind.CANCEL, range(late[0], late[-1] + 1), Reason.FREEZE), 1)
        assert not gateway.waiting
        taken_back.extend(late)

    taken_back: list[int] = []
    wire, rows = play(steps)
    ended = rows["order_id"][rows["kind"] == EventKind.CANCELED].tolist()
    assert ended == taken_back and not set(ended) & set(outcomes(rows))
    assert not any(op.startswith("order.cancel") for op in wire.ops)


def test_nothing_leaves_after_the_end() -> None:
    async def steps(gateway: VenueGateway) -> None:
        await gateway.send(effects(EventKind.PLACE, range(1, 41), Reason.QUOTE), 1)
        gateway.halt()
        await asyncio.sleep(1.3)

    wire, _ = play(steps)
    assert len(wire.ops) <= 2 * LIMIT
