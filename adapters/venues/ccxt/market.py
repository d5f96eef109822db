"""A venue's market streams through ccxt.pro, kept alive: books, trades, mark prices, settled funding as rows.

Each connection is a new client, so nothing of a former one is handed on. Must never take silence for a quiet market:
a book without news for a while ends the connection, as does whatever ccxt raises.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import numpy as np
import orjson

from mmfold.adapters.logs import EventLog
from mmfold.adapters.venues.ccxt.book import BookDeltas
from mmfold.adapters.venues.ccxt.loading import BOOK_DEPTH, UnifiedVenue
from mmfold.adapters.venues.ccxt.structures import UnifiedParser, ids_of
from mmfold.adapters.venues.connection import Backoff, StreamStatus
from mmfold.adapters.venues.ledger import as_rows
from mmfold.adapters.venues.market_stream import MarketTakers
from mmfold.adapters.venues.port import MalformedFrame
from mmfold.engine.limits import NS_PER_MS
from mmfold.engine.manifest import Manifest
from mmfold.engine.records import NO_ORDER_ID, NO_TS_NS, NO_VALUE

T = TypeVar("T")
SILENCE_S = 30.0  # of one book
FUNDING_POLL_S = 60.0


class StreamLost(Exception):
    """A connection of ccxt's ended, whatever the reason."""


class UnifiedMarket:
    """One venue's market as one stream that comes back; `on_up` runs before the first event of a connection."""

    def __init__(
        self,
        venue: UnifiedVenue,
        manifest: Manifest,
        takers: MarketTakers,
        silence_s: float = SILENCE_S,
    ) -> None:
        self.venue = venue
        self.parser = UnifiedParser(manifest, venue.symbols, venue.contract_sizes)
        self.derivatives = {
            instrument.symbol for instrument in manifest.instruments if instrument.contract in ("linear", "inverse")
        }
        self.takers = takers
        self.silence_s = silence_s
        self.status = StreamStatus("public")
        self.cut_asked = asyncio.Event()
        self.books = BookDeltas()
        self.trade_ns: dict[str, int] = {}  # exchange time of a symbol's last trade, over all connections
        self.marks: dict[str, tuple[int, int]] = {}  # mark and index price, 1e-8
        self.funding_ms: dict[str, int] = {}  # of the last settlement that was told
        self.log = EventLog("stream.public")

    @property
    def is_catching_up(self) -> bool:
        """Never: ccxt's books are whole."""
        return False

    async def run(self) -> None:
        """Keep the streams alive until cancelled."""
        backoff = Backoff()
        while True:
            started_s = time.monotonic()
            try:
                await self.live_once()
            except StreamLost as error:
                self.log.warning("stream_lost", reason=str(error)[:200])
            await backoff.wait(time.monotonic() - started_s)
            self.status.reconnects += 1

    async def live_once(self) -> None:
        """Live through one connection, until it is cut or any of its streams ends.

        Raises: StreamLost.
        """
        exchange = self.venue.connect()
        self.tap(exchange)
        self.books = BookDeltas(time.time_ns() // NS_PER_MS)  # no book has a thousand messages a second for long
        self.cut_asked.clear()
        loops: list[Coroutine[Any, Any, Any]] = [self.cut_asked.wait()]
        for symbol, ours in self.venue.symbols.items():
            loops += [self.watch_book(exchange, symbol), self.watch_trades(exchange, symbol)]
            if ours in self.derivatives and (exchange.has.get("watchMarkPrice") or exchange.has.get("watchTicker")):
                loops.append(self.watch_mark(exchange, symbol))
            if ours in self.derivatives and exchange.has.get("fetchFundingRateHistory") is True:
                loops.append(self.poll_funding(exchange, symbol))
        tasks = [asyncio.create_task(loop) for loop in loops]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            was_up, self.status.up = self.status.up, False
            await exchange.close()
            if was_up:
                await self.takers.on_down()

    def tap(self, exchange: Any) -> None:
        """Have every message that a client reads handed to `on_message` too, as the JSON that ccxt made of it."""
        keep, handle = self.takers.on_message, exchange.handle_message
        if keep is None:
            return

        def handle_kept(client: Any, message: Any) -> Any:
            keep("public", orjson.dumps(message, default=str), time.time_ns())
            return handle(client, message)

        exchange.handle_message = handle_kept

    async def cut(self) -> None:
        """End the connection, so that a new one begins."""
        self.cut_asked.set()

    async def hear(self, told: Awaitable[T], timeout_s: float | None = None) -> T:
        """Return what ccxt tells next.

        Raises: StreamLost for anything that it raises, and for silence.
        """
        try:
            return await asyncio.wait_for(told, timeout_s)
        except Exception as error:
            raise StreamLost(f"{type(error).__name__}: {error}") from error

    async def watch_book(self, exchange: Any, symbol: str) -> None:
        """Hand on a symbol's book and its changes; the first book of a connection makes it count as up.

        Raises: StreamLost.
        """
        while True:
            book = await self.hear(exchange.watch_order_book(symbol), self.silence_s)
            sides = {side: list(book[side][:BOOK_DEPTH]) for side in ("bids", "asks")}
            whole = {"symbol": symbol, "timestamp": book.get("timestamp"), **sides}
            rows, ts_ns = self.parsed(self.parser.parse_order_book, whole)
            if not len(rows):
                continue
            if not self.status.up:
                self.status.up = True
                self.log.info("stream_up", venue=self.venue.name, symbols=len(self.venue.symbols))
                await self.takers.on_up()
            await self.hand_on(self.books.news(rows), ts_ns)

    async def watch_trades(self, exchange: Any, symbol: str) -> None:
        """Hand on a symbol's trades, each once: what a connection begins with may have been told by the one before. The
        parser knows them by the venue's ids, those without an id are known by their time.

        Raises: StreamLost.
        """
        known_ns = self.trade_ns.get(symbol, NO_TS_NS)
        while True:
            rows, ts_ns = self.parsed(self.parser.parse_trades, await self.hear(exchange.watch_trades(symbol)))
            rows = rows[(rows["ts_exchange_ns"] > known_ns) | (ids_of(rows) != NO_ORDER_ID)]
            if len(rows):
                self.trade_ns[symbol] = max(self.trade_ns.get(symbol, NO_TS_NS), int(rows["ts_exchange_ns"].max()))
                await self.hand_on(rows, ts_ns)

    async def watch_mark(self, exchange: Any, symbol: str) -> None:
        """Hand on a derivative's mark and index price when one of them has changed.

        Raises: StreamLost.
        """
        watch = exchange.watch_mark_price if exchange.has.get("watchMarkPrice") else exchange.watch_ticker
        while True:
            rows, ts_ns = self.parsed(self.parser.parse_ticker, await self.hear(watch(symbol)))
            if not len(rows):
                continue
            prices = (int(rows[0]["aux"]), int(rows[0]["order_id"]))
            if self.marks.get(symbol) != prices:
                self.marks[symbol] = prices
                await self.hand_on(rows, ts_ns)

    async def poll_funding(self, exchange: Any, symbol: str) -> None:
        """Ask now and then for settlements since the start; a venue that does not answer is asked again later."""
        self.funding_ms.setdefault(symbol, time.time_ns() // NS_PER_MS)
        while True:
            await asyncio.sleep(FUNDING_POLL_S)
            try:
                await self.ask_funding(exchange, symbol)
            except StreamLost as error:
                self.log.warning("funding_unknown", symbol=symbol, reason=str(error)[:200])

    async def ask_funding(self, exchange: Any, symbol: str) -> None:
        """Hand on the settlements that were not told yet, at the last mark price; without one the core values them.

        Raises: StreamLost.
        """
        known_ms, (mark_e8, _) = self.funding_ms[symbol], self.marks.get(symbol, (NO_VALUE, NO_VALUE))
        told = await self.hear(exchange.fetch_funding_rate_history(symbol, known_ms), self.silence_s)
        rows, ts_ns = self.parsed(lambda rates, ns: self.parser.parse_settled(rates, ns, mark_e8), told)
        rows = rows[rows["ts_exchange_ns"] > known_ms * NS_PER_MS]
        if len(rows):
            self.funding_ms[symbol] = int(rows["ts_exchange_ns"].max()) // NS_PER_MS
            await self.hand_on(rows, ts_ns)

    def parsed(self, parse: Callable[[Any, int], np.ndarray], structure: Any) -> tuple[np.ndarray, int]:
        """Return the rows of a structure and the time; none for a structure that is refused, which is counted."""
        ts_ns = time.time_ns()
        self.status.frames += 1
        self.status.ts_frame_ns = ts_ns
        try:
            return parse(structure, ts_ns), ts_ns
        except MalformedFrame as error:
            self.status.refused += 1
            self.log.warning("frame_refused", stream="public", reason=error.reason)
            self.takers.on_refused(error, ts_ns)
            return as_rows([]), ts_ns

    async def hand_on(self, rows: np.ndarray, ts_ns: int) -> None:
        """Hand on events of a connection that is up; before its first book nothing has a market to be of."""
        if len(rows) and self.status.up:
            await self.takers.on_rows(rows, ts_ns)
