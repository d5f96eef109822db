"""A client of any venue by its port alone: the live parts on real sockets, what they tell kept as rows."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import aiohttp
import numpy as np

from mmfold.adapters.live.account.reconcile import Reconciler, Seen
from mmfold.adapters.live.start import find_instruments
from mmfold.adapters.live.venue.cancel_all import cancel_each
from mmfold.adapters.live.venue.endpoints import Endpoints, find_endpoints
from mmfold.adapters.live.venue.gateway import VenueGateway
from mmfold.adapters.live.venue.native_market import open_native
from mmfold.adapters.live.venue.rest_client import RestClient
from mmfold.adapters.live.venue.stream import Stream, StreamPlan
from mmfold.adapters.venues.market_stream import MarketTakers
from mmfold.adapters.venues.order_port import AccountParts, Private
from mmfold.adapters.venues.registry import native_venue
from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.limits import MICROS_PER_UNIT, ORDER_ID_SEQ_SHIFT
from mmfold.engine.manifest import Manifest
from mmfold.engine.records import EVENT, NO_ORDER_ID, NO_PRICE_TICKS, NO_VALUE
from tests.adapters.venues.conformance.targets import Emulator, Target

WAIT_S = 20.0
RECV_WINDOW_MS = 5_000
BELOW_PPM = 20_000  # how far from the best price an order rests that is not to be filled


class Client:
    """One account, or none, at a venue: requests leave by `send`, what comes back is in `rows`."""

    def __init__(self, target: Target, running: Emulator, rest: RestClient) -> None:
        self.target, self.running, self.rest = target, running, rest
        self.venue = native_venue(target.venue)
        self.endpoints: Endpoints = find_endpoints(target.venue, "live", running.urls["rest"])
        self.manifest: Manifest
        self.parts: AccountParts
        self.gateway: VenueGateway
        self.reconciler: Reconciler
        self.private: Stream
        self.rows: list[Any] = []
        self.book: dict[tuple[int, int], int] = {}  # of the first instrument: (side, price_ticks): qty_lots
        self.doubts: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.next_seq = 10

    # What comes

    async def take(self, rows: np.ndarray) -> None:
        self.rows += list(rows)

    async def take_market(self, rows: np.ndarray, ts_ns: int) -> None:
        for row in rows[(rows["instrument_index"] == 0) & np.isin(rows["kind"], BOOK_KINDS)]:
            self.book[int(row["side"]), int(row["price_ticks"])] = int(row["qty_lots"])

    async def take_private(self, frame: bytes, ts_ns: int) -> None:
        told = self.parts.private.parse(frame, ts_ns)
        if isinstance(told, Private):
            await self.take(self.reconciler.news(told.rows))

    async def take_order_entry(self, frame: bytes, ts_ns: int) -> None:
        await self.gateway.on_told(self.parts.requests.parse_socket(frame, ts_ns))

    def of(self, kind: EventKind, order_id: int | None = None) -> list[Any]:
        """Return what was told so far of a kind, of an order."""
        return [row for row in self.rows if row["kind"] == kind and order_id in (None, int(row["order_id"]))]

    async def until(self, test: Callable[[], Any], what: str) -> Any:
        """Wait until something is so, and return it."""
        end_s = time.monotonic() + WAIT_S
        while not (found := test()):
            for task in self.tasks:
                if task.done():
                    task.result()
            assert time.monotonic() < end_s, f"{what}: not within {WAIT_S:g} s"
            await asyncio.sleep(0.01)
        return found

    async def told(self, kind: EventKind, order_id: int) -> Any:
        """Return the first row of a kind for an order, once it has come."""
        return (await self.until(lambda: self.of(kind, order_id), f"{kind.name} of {order_id}"))[0]

    async def ended(self, order_id: int) -> None:
        """Wait until an order is refused or has ended without a cancel of ours."""
        kinds = (EventKind.EXPIRED, EventKind.REJECT, EventKind.CANCELED)
        await self.until(lambda: [row for kind in kinds for row in self.of(kind, order_id)], f"the end of {order_id}")

    # What leaves

    def best(self, side: Side) -> int:
        prices = [price for (at, price), qty in self.book.items() if at == side and qty]
        return max(prices) if side == Side.BID else min(prices)

    def lots(self) -> int:
        """Return a size that the venue takes, small."""
        one = self.manifest.instruments[0]
        value = Decimal(one.tick_size) * Decimal(one.lot_size) * self.best(Side.BID) * MICROS_PER_UNIT / 2
        return max(one.min_qty_lots, int(one.min_notional_micros / value) + 1)

    def place(self, side: Side = Side.BID, *, flags: int = Flag.POST_ONLY, takes: bool = False) -> np.ndarray:
        """Return a PLACE of a new order: far from the market, or through the other side."""
        self.next_seq += 1
        away = -1 if (side == Side.BID) != takes else 1
        best = self.best(Side.ASK if (side == Side.BID) == takes else Side.BID)
        price_ticks = best + away * best * BELOW_PPM // 1_000_000
        return effect(EventKind.PLACE, self.next_seq << ORDER_ID_SEQ_SHIFT, side, price_ticks, self.lots(), flags)

    async def send(self, *effects: np.ndarray) -> int:
        """Send effects as the session would; returns the order of the first."""
        await self.gateway.send(np.concatenate(effects), time.time_ns())
        return int(effects[0]["order_id"][0])

    async def rest_one(self) -> tuple[int, np.ndarray]:
        """Place an order that rests, and return it once its ACK has come."""
        placed = self.place()
        order_id = await self.send(placed)
        await self.told(EventKind.ACK, order_id)
        return order_id, placed

    async def trade(self, side: Side) -> Any:
        """Trade at once and return the FILL."""
        order_id = await self.send(self.place(side, flags=Flag.IOC, takes=True))
        return await self.told(EventKind.FILL, order_id)

    async def begin_clean(self) -> None:
        """Leave nothing of a former case: no order, no position, no fill that is told again."""
        await cancel_each(self.rest, self.manifest.instruments)
        while lots := (await self.position_and_cash())[0]:
            closing = self.place(Side.ASK if lots > 0 else Side.BID, flags=Flag.IOC | Flag.REDUCE_ONLY, takes=True)
            closing["qty_lots"] = abs(lots)
            await self.told(EventKind.FILL, await self.send(closing))
        await self.until(lambda: not self.parts.requests.pending, "the answers")
        await self.reconciler.fills()  # of before: remembered, so that nobody tells them again
        self.rows.clear()
        self.doubts.clear()

    # What the venue lists

    async def open_orders(self) -> list[int]:
        """Return our orders that the venue lists for the first instrument; what is news in the list is taken."""
        async for _, index, listed in self.reconciler.open_orders():
            if index == 0:
                is_list = listed["kind"] == EventKind.OPEN_ORDERS
                await self.take(listed[~is_list])
                found = listed["order_id"][is_list].tolist()
        return sorted(order_id for order_id in found if order_id != NO_ORDER_ID)

    async def position_and_cash(self) -> tuple[int, int]:
        """Return the first instrument's position in lots and the account's cash in micros."""
        rows = await self.reconciler.positions()
        [position] = rows[(rows["kind"] == EventKind.POSITION) & (rows["instrument_index"] == 0)]
        [balance] = rows[rows["kind"] == EventKind.BALANCE]
        return int(position["qty_lots"]), int(balance["aux"])


BOOK_KINDS = (EventKind.BOOK_SNAPSHOT, EventKind.BOOK_DELTA)


def effect(
    kind: EventKind, order_id: int, side: Side, price_ticks: int = NO_PRICE_TICKS, qty_lots: int = 0, flags: int = 0,
    aux: int = NO_VALUE,
) -> np.ndarray:  # fmt: skip
    """Return one order effect."""
    row = np.zeros(1, EVENT)
    row["kind"], row["order_id"], row["side"], row["flags"] = kind, order_id, side, Flag.LAST | flags
    row["price_ticks"], row["qty_lots"], row["aux"] = price_ticks, qty_lots, aux
    return row


async def nothing() -> None:
    """Have nothing to catch up with."""


def refuse(error: Exception, ts_ns: int) -> None:
    raise AssertionError(f"a frame of the venue's was not understood: {error}")


@asynccontextmanager
async def connected(target: Target, running: Emulator, number: int) -> AsyncIterator[Client]:
    """Connect to a venue, and to an account of it where it has some."""
    venue = native_venue(target.venue)
    async with aiohttp.ClientSession() as http:
        rest = RestClient(http, venue, running.urls["rest"], recv_window_ms=RECV_WINDOW_MS)
        await rest.read_clock()
        client = Client(target, running, rest)
        if target.account_keys is not None:
            rest.keys = target.account_keys(running)
        instruments = await find_instruments(target.venue, target.symbols[:1], rest)
        client.manifest = Manifest(run_id=f"conformance-{number}-{time.time_ns()}", instruments=instruments)
        takers = MarketTakers(on_rows=client.take_market, on_up=nothing, on_down=nothing, on_refused=refuse)
        streams: list[Any] = [
            open_native(
                http, rest, client.endpoints.sockets, client.manifest, takers, on_failed=lambda error: None,
                silence_s=10.0, ping_s=5.0,
            )
        ]  # fmt: skip
        if venue.capabilities.order_entry:
            streams += open_account(client, http)
        client.tasks = [asyncio.create_task(stream.run()) for stream in streams]
        try:
            await client.until(lambda: all(stream.status.up for stream in streams) and client.book, "the streams")
            if venue.capabilities.order_entry:
                await client.begin_clean()
            yield client
        finally:
            for task in client.tasks:
                task.cancel()
            await asyncio.gather(*client.tasks, return_exceptions=True)


def open_account(client: Client, http: aiohttp.ClientSession) -> list[Stream]:
    """Return the private and the order-entry stream of a client's account."""
    rest, venue = client.rest, client.rest.account_venue
    client.parts = parts = venue.account(client.manifest, RECV_WINDOW_MS)
    client.reconciler = Reconciler(client.manifest, rest, parts.answers, Seen(ts_last_ms=rest.ts_ms()))
    client.gateway = VenueGateway(
        parts.encoder, parts.requests, rest, client.take, client.doubts.append, client.manifest.instruments
    )
    where = venue.account_sockets(client.endpoints.sockets, dead_man=venue.capabilities.dead_man)

    def make(name: str, url: str, topics: tuple[str, ...], on_frame: Any) -> Stream:
        plan = StreamPlan(name, url, venue.talk, topics, rest.keys)
        return Stream(http, plan, ts_ms=rest.ts_ms, on_frame=on_frame, on_up=nothing, on_down=nothing)

    client.private = make("private", where.private_url, where.private_topics, client.take_private)
    client.gateway.stream = make("trade", where.order_url, (), client.take_order_entry)
    return [client.private, client.gateway.stream]
