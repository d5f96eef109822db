"""Where decisions go: a venue, a simulated one, or nowhere; each answer comes back as rows. Must never decide or retry
an order under another id.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

import aiohttp
import numpy as np

from mmfold.adapters.importers.rows import Row
from mmfold.adapters.live.venue.budget import Spent
from mmfold.adapters.live.venue.cancel_all import cancel_each
from mmfold.adapters.live.venue.rest_client import RestClient
from mmfold.adapters.live.venue.stream import Stream
from mmfold.adapters.live.venue.waiting import CANCEL, KINDS, Waiter, Waiting, is_urgent
from mmfold.adapters.logs import EventLog
from mmfold.adapters.venues.ledger import EndReason, as_rows
from mmfold.adapters.venues.order_port import RequestEncoder, Run
from mmfold.adapters.venues.pending import Outcome, PendingRequests, RateLimit, rate_row
from mmfold.adapters.venues.port import Control, Ignored, MalformedFrame, RestRequest, VenueError, Verdict
from mmfold.engine.codes import EventKind, Flag, RequestOutcome, Side
from mmfold.engine.limits import NS_PER_MS, NS_PER_S
from mmfold.engine.manifest import Instrument, Manifest
from mmfold.engine.records import EVENT, NO_PRICE_TICKS, NO_TS_NS, NO_VALUE
from mmfold.replay.venue.desk import Desk

TakeRows = Callable[[np.ndarray], Awaitable[None]]
VENUE_KINDS = (
    EventKind.BOOK_SNAPSHOT, EventKind.BOOK_DELTA, EventKind.TRADE, EventKind.MARK, EventKind.FUNDING
)  # fmt: skip

PAUSE_S = 0.001
ORDER_ID_AT = 5  # in a Row


def withdrawn_row(effect: np.void, ts_now_ns: int) -> Row:
    """Return the CANCELED of an order that was cancelled before it was sent."""
    head = (0, NO_TS_NS, ts_now_ns, NO_PRICE_TICKS, 0, int(effect["order_id"]), NO_VALUE)
    return (*head, EventKind.CANCELED, Side.NONE, Flag.LAST, int(effect["instrument_index"]), EndReason.USER)


def dropped_row(waiter: Waiter, now_s: float, ts_now_ns: int) -> Row:
    """Return the REQUEST_RESULT of a request that waited too long for room, as the venue would have refused it."""
    effect = waiter.effect[0]
    waited_ns = round((now_s - waiter.since_s) * NS_PER_S)
    index, order_id = int(effect["instrument_index"]), int(effect["order_id"])
    return rate_row(index, order_id, RequestOutcome.RATE_LIMITED, ts_now_ns, waited_ns)


class Gateway(Protocol):
    """Takes order effects, journaled before; answers come by the `take` it was made with."""

    sees_market: bool  # whether it has to be shown the market: a simulated venue

    async def send(self, effects: np.ndarray, ts_now_ns: int) -> None:
        """Send PLACE, AMEND and CANCEL effects, in their order."""

    def see_market(self, rows: np.ndarray, ts_now_ns: int) -> None:
        """Look at one market event before the core does."""

    def settled_orders(self, rows: np.ndarray) -> frozenset[int]:
        """Return the orders of answers that were refused and of which nothing may still arrive."""
        ...

    async def expire(self, ts_now_ns: int, timeout_ms: int) -> None:
        """Close requests that nobody answered in time."""

    def halt(self) -> None:
        """Send nothing any more of what waits."""

    async def cancel_all(self, settle_ms: int) -> None:
        """Cancel everything at the venue, beside journal and core; again when what was on its way has arrived."""


class NoGateway:
    """Shadow: nothing is sent."""

    sees_market = False

    async def send(self, effects: np.ndarray, ts_now_ns: int) -> None:
        """Send nothing."""

    def see_market(self, rows: np.ndarray, ts_now_ns: int) -> None:
        """See nothing."""

    def settled_orders(self, rows: np.ndarray) -> frozenset[int]:
        """Return none: nothing is refused."""
        return frozenset()

    async def expire(self, ts_now_ns: int, timeout_ms: int) -> None:
        """Close nothing."""

    def halt(self) -> None:
        """Hold back nothing."""

    async def cancel_all(self, settle_ms: int) -> None:
        """Cancel nothing: no venue has an order."""


class PaperGateway(NoGateway):
    """Paper: the backtest's venue matches against the live market, with constant latencies."""

    sees_market = True

    def __init__(self, manifest: Manifest, take: TakeRows, entry_ns: int, response_ns: int) -> None:
        self.desk = Desk(manifest)
        self.desk.rehearse(0)
        self.take = take
        self.entry_ns, self.response_ns = entry_ns, response_ns
        self.tasks: set[asyncio.Task[None]] = set()

    async def send(self, effects: np.ndarray, ts_now_ns: int) -> None:
        """Let the requests reach the desk after the entry latency."""
        self.later(self.entry_ns, lambda: self.reach(effects, ts_now_ns + self.entry_ns))

    def see_market(self, rows: np.ndarray, ts_now_ns: int) -> None:
        """Match what rests against one market event."""
        if int(rows["kind"][0]) in VENUE_KINDS:
            self.answer(self.desk.apply_market(rows, ts_now_ns))

    def reach(self, effects: np.ndarray, ts_now_ns: int) -> None:
        """Carry out requests that have reached the desk."""
        for effect in effects:
            self.answer(self.desk.request(effect, ts_now_ns))

    def answer(self, rows: np.ndarray) -> None:
        """Let answers reach us after the response latency, as of then."""
        if not len(rows):
            return
        rows["ts_receive_ns"] = rows["ts_exchange_ns"] + self.response_ns

        def arrive() -> None:
            task = asyncio.ensure_future(self.take(rows))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

        self.later(self.response_ns, arrive)

    def later(self, delay_ns: int, do: Callable[[], None]) -> None:
        """Do something after a while; what is later asked for with the same delay comes later."""
        asyncio.get_running_loop().call_later(delay_ns / 1e9, do)


class VenueGateway:
    """A real venue, or one that speaks like it: order entry by WebSocket, by REST while that is down."""

    sees_market = False  # the venue has its own

    def __init__(
        self,
        encoder: RequestEncoder,
        requests: PendingRequests,
        rest: RestClient,
        take: TakeRows,
        on_doubt: Callable[[str], None],
        instruments: tuple[Instrument, ...],
    ) -> None:
        self.encoder = encoder
        self.names = encoder.operations
        self.order_path = rest.account_venue.order_path
        self.requests = requests
        self.rest = rest
        self.take = take
        self.instruments = instruments  # whose orders a cancel-all ends
        self.on_doubt = on_doubt  # the venue's open orders have to be looked at
        self.stream: Stream | None = None
        self.waiting = Waiting()
        self.draining: asyncio.Task[None] | None = None
        self.paid: dict[str, tuple[str, Spent]] = {}  # what requests under way have spent
        self.outbox: deque[bytes] = deque()
        self.flushing = False
        self.by_rest: set[str] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.number = 0
        self.log = EventLog("gateway")

    def see_market(self, rows: np.ndarray, ts_now_ns: int) -> None:
        """See nothing: the venue has its own market."""

    async def send(self, effects: np.ndarray, ts_now_ns: int) -> None:
        """Send effects as requests, each run of one kind as one; what the venue's limit has no room for waits."""
        late = [effects] if self.waiting else []
        for run in [] if late else self.encoder.split(effects):
            path = self.order_path + run.operation
            spent = self.take_room(run, path)
            if spent is None:
                late.append(run.effects)
            else:
                self.dispatch(run, path, spent, ts_now_ns)
        if late:
            await self.let_wait(np.concatenate(late))
        if self.outbox and not self.flushing:
            await self.flush()

    def take_room(self, run: Run, path: str) -> Spent | None:
        """Take the room that a run needs to leave now, None where there is none; a safe cancel leaves the reserve."""
        budget, count = self.rest.budget, len(run.effects)
        if run.operation not in self.names[CANCEL]:
            return budget.take(path, count)
        spent = budget.take(path, count, self.reserve(path))
        if spent is None and any(is_urgent(effect) for effect in run.effects):
            return budget.take(path, count)
        return spent

    def reserve(self, path: str) -> int:
        """Return how much of an operation's limit is kept for cancels that are for safety."""
        return self.rest.budget.limit_of(path) // 2

    def dispatch(self, run: Run, path: str, spent: Spent, ts_now_ns: int) -> None:
        """Let a run leave by the room that it took: by the stream, by REST while that is down."""
        self.number += 1
        request_id = f"{run.effects['seq'].item(0)}-{self.number}"
        self.paid[request_id] = (path, spent)
        socket = self.stream.socket if self.stream is not None else None
        if socket is None or socket.closed:
            request = self.encoder.encode_rest(run)
            self.requests.note_sent(request_id, run.effects, ts_now_ns)
            task = asyncio.create_task(self.send_rest(request_id, request, spent))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
            return
        self.outbox.append(self.encoder.encode_socket(run, request_id, self.rest.ts_ms()))
        self.requests.note_sent(request_id, run.effects, ts_now_ns)

    async def let_wait(self, effects: np.ndarray) -> None:
        """Let requests wait for room; a PLACE that a cancel takes back has ended, as the venue would say it."""
        withdrawn = self.waiting.add(effects, self.rest.budget.now_s())
        await self.take_local([withdrawn_row(effect[0], self.rest.now_ns()) for effect in withdrawn])
        await self.drain()
        if self.waiting and self.draining is None:
            self.draining = asyncio.create_task(self.drain_on())

    async def drain_on(self) -> None:
        """Send what waits whenever there is room, until nothing waits."""
        while self.waiting:
            budget = self.rest.budget
            paths = [
                self.order_path + name for kind in KINDS if self.waiting.by_kind[kind] for name in self.names[kind]
            ]
            await asyncio.sleep(max(PAUSE_S, min(budget.wait_s(path) for path in paths)))
            await self.drain()
        self.draining = None

    async def drain(self) -> None:
        """Send what waits and has room now; what has waited too long is answered as one too many."""
        now_s, now_ns = self.rest.budget.now_s(), self.rest.now_ns()
        overdue = self.waiting.overdue(now_s)
        if overdue:
            self.log.info("requests_dropped", order_ids=[int(one.effect["order_id"][0]) for one in overdue])
        for kind in KINDS:
            while order_ids := self.next_orders(kind, now_s):
                for run in self.encoder.split(self.waiting.take(kind, order_ids)):
                    path = self.order_path + run.operation
                    self.dispatch(run, path, self.rest.budget.spend(path, len(run.effects)), now_ns)
        await self.take_local([dropped_row(one, now_s, now_ns) for one in overdue])
        if self.outbox and not self.flushing:
            await self.flush()

    def next_orders(self, kind: int, now_s: float) -> list[int]:
        """Return the orders whose requests of a kind leave next in one run, none when there is no room."""
        ready, hurries = self.waiting.ready(kind, now_s)
        single, batch = (self.order_path + name for name in self.names[kind])
        rooms = [
            self.rest.budget.room(path) - (self.reserve(path) if kind == CANCEL and not hurries else 0)
            for path in (single, batch)
        ]
        if len(ready) > 1 and rooms[1] > 1:
            return ready[: min(rooms[1], self.encoder.batch_count_max)]
        return ready[:1] if rooms[0] > 0 else []

    async def take_local(self, rows: list[Row]) -> None:
        """Hand on answers to requests that never left."""
        if rows:
            for row in rows:
                self.requests.ledger.note_refused(row[ORDER_ID_AT])
            await self.take(as_rows(rows))

    def settled_orders(self, rows: np.ndarray) -> frozenset[int]:
        """Return the orders of answers that the rate limit refused and of which nothing may still arrive."""
        return self.requests.settled_orders(rows)

    def halt(self) -> None:
        """Send nothing any more of what waits."""
        self.waiting.clear()

    async def cancel_all(self, settle_ms: int) -> None:
        """Cancel every order of the session's symbols by REST, again when what was on its way must have arrived."""
        on_its_way = bool(self.requests.pending)
        await cancel_each(self.rest, self.instruments)
        if on_its_way:  # an order that was sent just before may arrive just after
            await asyncio.sleep(settle_ms / 1e3)
            await cancel_each(self.rest, self.instruments)

    async def flush(self) -> None:
        """Write what waits, in its order; whoever comes meanwhile only adds to it."""
        self.flushing = True
        try:
            while self.outbox:
                payload = self.outbox.popleft()
                socket = self.stream.socket if self.stream is not None else None
                if socket is None:
                    continue  # given up with the connection: its time-out tells
                await socket.send_frame(payload, aiohttp.WSMsgType.TEXT)
        except (OSError, aiohttp.ClientError) as error:
            self.log.warning("send_failed", reason=f"{type(error).__name__}: {error}"[:200])
        finally:
            self.flushing = False

    async def send_rest(self, request_id: str, request: RestRequest, spent: Spent) -> None:
        """Send one request by REST; without an answer it stays under way until its time-out."""
        self.by_rest.add(request_id)
        try:
            status, headers, body = await self.rest.send(request, spent)
            if request_id not in self.requests.pending:
                return  # too late: it has timed out, the venue is asked
            await self.settle(self.requests.parse_rest(request_id, status, headers, body, self.rest.now_ns()))
        except (TimeoutError, OSError, aiohttp.ClientError, MalformedFrame, VenueError) as error:
            self.log.warning("request_unanswered", request=request_id, reason=type(error).__name__)
        finally:
            self.by_rest.discard(request_id)

    async def on_told(self, told: Outcome | Control | Ignored | None) -> None:
        """Take what a frame of the order-entry stream says; one that was not understood leaves its request waiting."""
        if isinstance(told, Outcome):
            await self.settle(told)

    async def settle(self, outcome: Outcome) -> None:
        """Hand on what a request came to."""
        path, spent = self.paid.pop(outcome.request_id)
        limit = outcome.limit
        if limit is None and any(answer.verdict == Verdict.RATE_LIMITED for answer in outcome.answers):
            limit = RateLimit(self.rest.budget.limit_of(path), 0, 0)
        self.rest.budget.settle(path, spent, limit)
        refused: dict[tuple[int, str], list[int]] = {}  # a batch is mostly refused as a whole: one line for all of it
        for answer in outcome.answers:
            if answer.code in self.requests.clock_codes:
                self.on_doubt("the venue's clock is not where we think")
            if answer.verdict == Verdict.GONE:
                self.on_doubt("an order that we cancel or amend is gone")
            elif answer.verdict != Verdict.DONE:
                refused.setdefault((answer.code, answer.message), []).append(answer.order_id)
        for (code, message), order_ids in refused.items():
            self.log.info("request_refused", code=code, order_ids=order_ids, message=message)
        if len(outcome.rows):
            await self.take(outcome.rows)

    async def expire(self, ts_now_ns: int, timeout_ms: int) -> None:
        """Close requests that nobody answered in time; what they have spent is free when they cannot arrive."""
        self.paid = {key: paid for key, paid in self.paid.items() if key in self.requests.pending}
        if self.draining is not None and self.draining.done():
            self.draining.result()  # a fault of ours, told by whoever waits for this
        rows = self.requests.expire(ts_now_ns, timeout_ms * NS_PER_MS)
        if len(rows):
            await self.take(rows)

    async def on_down(self) -> None:
        """Close the requests of a lost connection: whether the venue has carried them out is not known."""
        self.outbox.clear()
        lost = [key for key in self.requests.pending if key not in self.by_rest]
        rows = self.requests.give_up(lost, self.rest.now_ns())
        if len(rows):
            await self.take(np.ascontiguousarray(rows, EVENT))
