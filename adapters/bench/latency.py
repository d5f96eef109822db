"""Tick to order in one process: a frame's bytes into the session, a request's bytes out of it to the socket.

The session is the runner with its parser, journal, core and gateway. The market is the emulator's, on its own clock;
orders meet the simulated venue, whose answers and the timers between two frames are folded but not timed. Must never
time anything that a session does not do, or leave out what it does.
"""

import asyncio
import time
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, cast

import aiohttp
import numpy as np
import orjson

from mmfold.adapters.emulator.bybit.topics import DepthTopic
from mmfold.adapters.emulator.market.clock import Now
from mmfold.adapters.emulator.market.product import make_products
from mmfold.adapters.emulator.market.symbol import SymbolMarket
from mmfold.adapters.emulator.market.synthetic import synthetic_events, synthetic_manifest
from mmfold.adapters.live.heap import settled_heap
from mmfold.adapters.live.operator.status import LiveStatus
from mmfold.adapters.live.raw import RawFrames
from mmfold.adapters.live.rows import connection_row, timer_row
from mmfold.adapters.live.runner import Pace, Runner
from mmfold.adapters.live.session import Session, orders_of
from mmfold.adapters.live.venue.gateway import VenueGateway
from mmfold.adapters.live.venue.native_market import NativeMarket
from mmfold.adapters.live.venue.rest_client import RestClient
from mmfold.adapters.live.venue.stream import Socket, Stream, StreamPlan
from mmfold.adapters.venues.bybit.public import PublicParser
from mmfold.adapters.venues.bybit.requests import OPERATIONS, ORDER_PATH, RequestEncoder
from mmfold.adapters.venues.bybit.responses import RequestBook
from mmfold.adapters.venues.bybit.venue import BybitVenue
from mmfold.adapters.venues.ledger import OrderLedger
from mmfold.adapters.venues.port import Parsed
from mmfold.config.load import load_config
from mmfold.config.params import config_document
from mmfold.engine.codes import ConnectionState
from mmfold.engine.limits import NS_PER_MS, NS_PER_S
from mmfold.engine.manifest import Manifest
from mmfold.replay.venue.desk import Desk

SYMBOL = "BTCUSDT"
SEED = 7
DEPTH = 50
TS_START_NS = 1_700_000_000 * NS_PER_S
TIMER_NS = 100 * NS_PER_MS
REQUESTS_PER_S = 1_000_000  # more than there are
WARM_COUNT = 200  # decisions that are not counted
MARKET_EVENT_COUNT = 120_000


class TimedParser(PublicParser):
    """A parser that notes how long it took."""

    parse_ns = 0

    def parse(self, frame: bytes, ts_receive_ns: int) -> Parsed:
        """Parse a frame, timed."""
        started_ns = time.perf_counter_ns()
        parsed = super().parse(frame, ts_receive_ns)
        self.parse_ns = time.perf_counter_ns() - started_ns
        return parsed


class TimedSession(Session):
    """A session that adds up the time of its folds and commits, and keeps what it decided for the simulated venue."""

    fold_ns = commit_ns = folded_ns = 0

    def __init__(self, directory: Path, manifest: Manifest) -> None:
        self.decided_effects: list[np.ndarray] = []
        super().__init__(directory, manifest)

    def fold(self, rows: np.ndarray) -> np.ndarray:
        """Fold events, timed."""
        started_ns = time.perf_counter_ns()
        effects = super().fold(rows)
        self.folded_ns = time.perf_counter_ns()
        self.fold_ns += self.folded_ns - started_ns
        self.decided_effects.append(effects)
        return effects

    def commit(self) -> None:
        """Write what was folded, timed."""
        started_ns = time.perf_counter_ns()
        super().commit()
        self.commit_ns += time.perf_counter_ns() - started_ns


class Wire:
    """Where the order-entry socket is: notes what is sent, and when."""

    closed = False

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.sent_ns = 0

    async def send_frame(self, payload: bytes, _kind: aiohttp.WSMsgType) -> None:
        """Take the bytes of a request."""
        self.sent_ns = time.perf_counter_ns()
        self.sent.append(payload)


class Parts(NamedTuple):
    """The ns of one tick to its order; `rest` is the runner's own."""

    parse_ns: int
    fold_ns: int
    commit_ns: int
    encode_ns: int
    rest_ns: int


class Rehearsal:
    """A session in front of a made-up market and a simulated venue."""

    def __init__(self, directory: Path, http: aiohttp.ClientSession) -> None:
        manifest = synthetic_manifest(SEED, [SYMBOL])
        self.session = TimedSession(directory, manifest)
        self.manifest = self.session.manifest
        status = LiveStatus(
            mode="testnet", venue="bybit", manifest=self.manifest, state=self.session.core.state,
            journal=str(directory), ts_started_ns=TS_START_NS, params_hash="",
        )  # fmt: skip
        self.runner = Runner(self.session, status, Pace(), RawFrames(directory, keep_all=False))
        venue, self.parser = BybitVenue(), TimedParser(self.manifest)
        ledger, rest = OrderLedger(self.manifest.run_id), RestClient(http, venue, "")
        plan = StreamPlan("public", "", venue.talk)
        self.market = NativeMarket(http, rest, plan, self.parser, self.runner.takers(), self.runner.fail)
        self.now_s = 0.0  # of the market: the budget counts by it, and never says no
        rest.budget.now_s = lambda: self.now_s
        rest.budget.limits = {ORDER_PATH + name: REQUESTS_PER_S for names in OPERATIONS.values() for name in names}
        encoder, self.requests = RequestEncoder(self.manifest, ledger), RequestBook(ledger)
        self.gateway = VenueGateway(
            encoder, self.requests, rest, self.runner.take_answers, self.runner.ask_venue, self.manifest.instruments
        )
        self.runner.gateway = self.gateway
        self.wire = Wire()
        self.gateway.stream = Stream(
            http, StreamPlan("trade", "", venue.talk), ts_ms=rest.ts_ms, on_frame=self.market.on_frame,
            on_up=self.runner.on_public_up, on_down=self.gateway.on_down,
        )  # fmt: skip
        self.gateway.stream.socket = cast(Socket, self.wire)
        self.desk = Desk(self.manifest)

    async def carry_out(self, ts_ns: int) -> None:
        """Let the venue take the requests and its desk carry them out, until nothing more is asked for."""
        while self.wire.sent or self.session.decided_effects:
            requests, self.wire.sent = self.wire.sent, []
            for request in requests:
                await self.gateway.on_told(self.requests.parse_socket(answer_of(request), ts_ns))
            decided, self.session.decided_effects = self.session.decided_effects, []
            for order in [order for effects in decided for order in orders_of(effects)]:
                await self.answer(self.desk.request(order, ts_ns))

    async def answer(self, rows: np.ndarray) -> None:
        """Fold the venue's answers."""
        if len(rows):
            rows["ts_receive_ns"] = rows["ts_exchange_ns"]
            await self.runner.take(rows)

    async def tick(self, frame: bytes, ts_ns: int) -> tuple[int, Parts]:
        """Take one frame; returns the ns until its request left, or until it was folded, and their parts."""
        session, wire = self.session, self.wire
        self.now_s = ts_ns / NS_PER_S
        session.fold_ns = session.commit_ns = 0
        started_ns = time.perf_counter_ns()
        await self.market.on_frame(frame, ts_ns)
        done_ns = wire.sent_ns if wire.sent else session.folded_ns
        encode_ns, fold_ns = done_ns - session.folded_ns, session.fold_ns - session.commit_ns
        total_ns = done_ns - started_ns
        rest_ns = total_ns - self.parser.parse_ns - session.fold_ns - encode_ns
        return total_ns, Parts(self.parser.parse_ns, fold_ns, session.commit_ns, encode_ns, rest_ns)


def answer_of(request: bytes) -> bytes:
    """Return the venue's yes to a request."""
    asked: dict[str, Any] = orjson.loads(request)
    orders = asked["args"][0].get("request", asked["args"])
    said = [{"orderId": f"v-{order['orderLinkId']}"} for order in orders]
    answer = {"reqId": asked["reqId"], "retCode": 0, "retMsg": "OK", "op": asked["op"], "data": said[0]}
    if len(said) > 1:
        answer |= {"data": {"list": said}, "retExtInfo": {"list": [{"code": 0, "msg": "OK"}] * len(said)}}
    return orjson.dumps(answer)


class Moment(NamedTuple):
    """What happens at one time: a book's frame, market events as the venue sees them, or only that time passes."""

    ts_ns: int
    told: list[np.ndarray]
    frame: bytes | None


def make_moments(manifest: Manifest, count: int) -> list[Moment]:
    """Return a market's moments; made before, so that its making is not between two frames."""
    product = make_products(manifest)[SYMBOL]
    market = SymbolMarket(product, product.instrument.continuity)
    topic = DepthTopic(f"orderbook.{DEPTH}.{SYMBOL}", market, DEPTH)
    moments: list[Moment] = []
    timer_due_ns = 0
    for offset_ns, rows in islice(synthetic_events(manifest), count):
        now_ns = TS_START_NS + offset_ns
        while offset_ns >= timer_due_ns:
            moments.append(Moment(TS_START_NS + timer_due_ns, [], None))
            timer_due_ns += TIMER_NS
        told = market.apply(rows, now_ns)
        documents = topic.poll(Now(now_ns, offset_ns))
        moments.append(Moment(now_ns, told, orjson.dumps(documents[0]) if documents else None))
    return moments


def measure_tick_to_order(directory: Path) -> dict[str, object]:
    """Return p50 and p99 of frames that led to an order, whole and in parts, in microseconds."""
    deciding, quiet = asyncio.run(rehearse(directory))
    figures = np.array(deciding[WARM_COUNT:], np.int64)
    p50, p99 = percentiles_us(figures.sum(axis=1))
    parts_us = {
        name.removesuffix("_ns"): dict(zip(("p50", "p99"), percentiles_us(figures[:, place]), strict=True))
        for place, name in enumerate(Parts._fields)
    }
    return {
        "live_tick_to_order_us_p50": p50,
        "live_tick_to_order_us_p99": p99,
        "live_quiet_tick_us_p50": percentiles_us(np.array(quiet[WARM_COUNT:]))[0],
        "decisions": len(figures),
        "parts": parts_us,
    }


async def rehearse(directory: Path) -> tuple[list[Parts], list[int]]:
    """Let a session trade; returns the parts of each tick that led to an order, and the ns of each that did not."""
    async with aiohttp.ClientSession() as http:
        rehearsal = Rehearsal(directory, http)
        runner = rehearsal.runner
        await runner.configure(config_document(load_config(None, None, ["mode=sent"]), rehearsal.manifest))
        moments = make_moments(rehearsal.manifest, MARKET_EVENT_COUNT)
        with settled_heap():  # as the runner does
            figures = await play(rehearsal, moments)
        rehearsal.session.close()
        if runner.failure is not None:
            raise runner.failure
    return figures


async def play(rehearsal: Rehearsal, moments: list[Moment]) -> tuple[list[Parts], list[int]]:
    """Let a session trade through moments; returns as `rehearse`."""
    runner = rehearsal.runner
    deciding: list[Parts] = []
    quiet: list[int] = []
    for ts_ns, told, frame in moments:
        for rows in told:
            await rehearsal.answer(rehearsal.desk.apply_market(rows, ts_ns))
        if not told:
            await runner.take(timer_row(ts_ns))
        await rehearsal.carry_out(ts_ns)
        if frame is None:
            continue
        total_ns, parts = await rehearsal.tick(frame, ts_ns)
        if rehearsal.wire.sent:
            deciding.append(parts)
            await rehearsal.carry_out(ts_ns)
            continue
        if not quiet:
            await runner.take(connection_row(ConnectionState.UP, ts_ns))
        quiet.append(total_ns)
    return deciding, quiet


def percentiles_us(times_ns: np.ndarray) -> tuple[float, float]:
    """Return p50 and p99 in microseconds."""
    p50, p99 = np.percentile(times_ns, [50, 99])
    return round(float(p50) / 1e3, 1), round(float(p99) / 1e3, 1)
