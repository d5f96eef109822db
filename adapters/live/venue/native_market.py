"""The market of a venue that our own code speaks: its streams' frames and, where they lack the books, snapshots as
events; must never know which venue it is.
"""

import asyncio
from collections.abc import Callable, Sequence

import aiohttp
import numpy as np

from mmfold.adapters.live.venue.rest_client import RestClient
from mmfold.adapters.live.venue.snapshots import Snapshots
from mmfold.adapters.live.venue.stream import Stream, StreamPlan
from mmfold.adapters.logs import EventLog
from mmfold.adapters.venues.connection import StreamStatus
from mmfold.adapters.venues.market_stream import MarketTakers
from mmfold.adapters.venues.port import MalformedFrame, MarketParser
from mmfold.engine.manifest import Manifest

PUBLIC = "public"


class NativeMarket:
    """The market streams of a manifest's instruments as one stream that comes back."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        rest: RestClient,
        plan: StreamPlan,
        parser: MarketParser,
        takers: MarketTakers,
        on_failed: Callable[[BaseException], None],
        beside: Sequence[StreamPlan] = (),
    ) -> None:
        self.parser = parser
        self.takers = takers
        self.on_failed = on_failed  # what came cannot be kept
        is_by_rest = rest.venue.capabilities.book_start == "rest"
        self.snapshots = Snapshots(rest, parser, takers, self.refuse) if is_by_rest else None
        self.stream = Stream(
            http, plan, ts_ms=rest.ts_ms, on_frame=self.on_frame, on_up=self.on_up, on_down=self.on_down
        )
        # They carry no books: neither their beginning nor their end is anything to those.
        self.beside = [
            Stream(http, each, ts_ms=rest.ts_ms, on_frame=self.on_frame, on_up=rest_still, on_down=rest_still)
            for each in beside
        ]
        self.log = EventLog("market")

    @property
    def status(self) -> StreamStatus:
        """How the connection is."""
        return self.stream.status

    @property
    def is_catching_up(self) -> bool:
        """Whether a book's snapshot is on its way."""
        return self.snapshots is not None and self.snapshots.is_under_way

    async def run(self) -> None:
        """Keep the streams alive until cancelled.

        Raises: StreamRefused when it was never up.
        """
        running = [asyncio.ensure_future(each.run()) for each in (self.stream, *self.beside)]
        failure = [] if self.snapshots is None else [self.snapshots.failure]
        try:
            done, _ = await asyncio.wait([*running, *failure], return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                each.result()
        finally:
            if self.snapshots is not None:
                self.snapshots.drop()
            for each in running:
                each.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def cut(self) -> None:
        """End the connection, so that a new one begins."""
        await self.stream.cut()

    async def on_frame(self, frame: bytes, ts_receive_ns: int) -> None:
        """Take a frame: its rows, and what it makes due. What is not understood is kept and counted."""
        keep = self.takers.on_message
        try:
            if keep is not None:
                keep(PUBLIC, frame, ts_receive_ns)
            rows = self.parser.parse(frame, ts_receive_ns)
        except MalformedFrame as error:
            self.refuse(error, ts_receive_ns)
            return
        except OSError as error:  # a frame that cannot be kept is lost, and so will the journal's be
            self.on_failed(error)
            return
        if isinstance(rows, np.ndarray) and len(rows):
            await self.takers.on_rows(rows, ts_receive_ns)
        if self.snapshots is not None:
            self.snapshots.look()

    def refuse(self, error: MalformedFrame, ts_receive_ns: int) -> None:
        """Keep and count a frame that was not understood."""
        self.status.refused += 1
        self.log.warning("frame_refused", stream=PUBLIC, reason=error.reason, size_bytes=len(error.frame))
        try:
            self.takers.on_refused(error, ts_receive_ns)
        except OSError as failure:
            self.on_failed(failure)

    async def on_up(self) -> None:
        """Start with empty books."""
        self.parser.forget_books()
        await self.takers.on_up()
        if self.snapshots is not None:
            self.snapshots.begin()

    async def on_down(self) -> None:
        """Give up what was for this connection."""
        self.parser.forget_books()
        if self.snapshots is not None:
            self.snapshots.drop()
        await self.takers.on_down()


async def rest_still() -> None:
    """Do nothing."""


def open_native(
    http: aiohttp.ClientSession,
    rest: RestClient,
    sockets: str,
    manifest: Manifest,
    takers: MarketTakers,
    *,
    on_failed: Callable[[BaseException], None],
    silence_s: float,
    ping_s: float,
) -> NativeMarket:
    """Return the market of a manifest's instruments at the venue that a REST door leads to, not connected yet."""
    venue = rest.venue
    where = venue.market_sockets(sockets, manifest)
    plan, *beside = (
        StreamPlan(f"{PUBLIC}{number or ''}", each.url, venue.talk, each.topics, silence_s=silence_s, ping_s=ping_s)
        for number, each in enumerate((where, *where.beside))
    )
    return NativeMarket(http, rest, plan, venue.market_parser(manifest), takers, on_failed, beside)
