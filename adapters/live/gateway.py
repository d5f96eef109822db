"""Where decisions go: a venue, a simulated one, or nowhere; each answer comes back as rows. Must never decide or retry
an order under another id.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

import aiohttp
import numpy as np

from mmfold.adapters.bybit.frames import Control, Ignored, MalformedFrame
from mmfold.adapters.bybit.requests import RequestEncoder
from mmfold.adapters.bybit.responses import Outcome, RequestBook
from mmfold.adapters.bybit.rest import VenueError
from mmfold.adapters.bybit.ret_codes import TIME_WINDOW, Verdict
from mmfold.adapters.bybit.signing import RestRequest
from mmfold.adapters.live.rest_client import RestClient
from mmfold.adapters.live.stream import Stream
from mmfold.adapters.logs import EventLog
from mmfold.engine.codes import EventKind
from mmfold.engine.limits import NS_PER_MS
from mmfold.engine.manifest import Manifest
from mmfold.engine.records import EVENT
from mmfold.replay.venue.desk import Desk

TakeRows = Callable[[np.ndarray], Awaitable[None]]
VENUE_KINDS = (
    EventKind.BOOK_SNAPSHOT, EventKind.BOOK_DELTA, EventKind.TRADE, EventKind.MARK, EventKind.FUNDING
)  # fmt: skip


class Gateway(Protocol):
    """Takes order effects, journaled before; answers come by the `take` it was made with."""

    async def send(self, effects: np.ndarray, ts_now_ns: int) -> None:
        """Send PLACE, AMEND and CANCEL effects, in their order."""

    def see_market(self, rows: np.ndarray, ts_now_ns: int) -> None:
        """Look at one market event before the core does."""


class NoGateway:
    """Shadow: nothing is sent."""

    async def send(self, effects: np.ndarray, ts_now_ns: int) -> None:
        """Send nothing."""

    def see_market(self, rows: np.ndarray, ts_now_ns: int) -> None:
        """See nothing."""


class PaperGateway:
    """Paper: the backtest's venue matches against the live market, with constant latencies."""

    def __init__(self, manifest: Manifest, take: TakeRows, entry_ns: int, response_ns: int) -> None:
        self.desk = Desk(manifest)
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


class BybitGateway:
    """A real venue, or one that speaks like it: order entry by WebSocket, by REST while that is down."""

    def __init__(
        self,
        encoder: RequestEncoder,
        requests: RequestBook,
        rest: RestClient,
        take: TakeRows,
        on_doubt: Callable[[str], None],
    ) -> None:
        self.encoder = encoder
        self.requests = requests
        self.rest = rest
        self.take = take
        self.on_doubt = on_doubt  # the venue's open orders have to be looked at
        self.stream: Stream | None = None
        self.outbox: deque[bytes] = deque()
        self.flushing = False
        self.by_rest: set[str] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.number = 0
        self.log = EventLog("gateway")

    def see_market(self, rows: np.ndarray, ts_now_ns: int) -> None:
        """See nothing: the venue has its own market."""

    async def send(self, effects: np.ndarray, ts_now_ns: int) -> None:
        """Send effects as requests, each run of one kind as one."""
        for run in self.encoder.split(effects):
            self.number += 1
            request_id = f"{run.effects['seq'].item(0)}-{self.number}"
            socket = self.stream.socket if self.stream is not None else None
            if socket is None or socket.closed:
                request = self.encoder.encode_rest(run)
                self.requests.note_sent(request_id, run.effects, ts_now_ns)
                task = asyncio.create_task(self.send_rest(request_id, request))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)
                continue
            self.outbox.append(self.encoder.encode_socket(run, request_id, self.rest.ts_ms()))
            self.requests.note_sent(request_id, run.effects, ts_now_ns)
        if not self.flushing:
            await self.flush()

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

    async def send_rest(self, request_id: str, request: RestRequest) -> None:
        """Send one request by REST; without an answer it stays under way until its time-out."""
        self.by_rest.add(request_id)
        try:
            status, headers, body = await self.rest.send(request)
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
        refused: dict[tuple[int, str], list[int]] = {}  # a batch is mostly refused as a whole: one line for all of it
        for answer in outcome.answers:
            if answer.code == TIME_WINDOW:
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
        """Close requests that nobody answered in time."""
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
