"""Binance USD-M futures behind the port: its hosts, facts and streams; must never do I/O.

Which stream is where: since 2026-04-23 books, best prices and trades come on `/public` alone and mark prices on
`/market` alone; a connection of the other route answers a subscribe and stays silent. So there are two. Single trades
(`trade`) rather than `aggTrade`: they come at once and in order with the book, the others up to 100 ms late on the
other connection; recorded feeds have them.
Source: Binance USD-M futures docs, "Important WebSocket Change Notice", "Websocket Market Streams", "General Info",
read 2026-11-30.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from mmfold.adapters.venues.binance import rest
from mmfold.adapters.venues.binance.talk import BinanceTalk
from mmfold.adapters.venues.port import Capabilities, Hosts, MarketSockets, RestRequest
from mmfold.engine.manifest import Instrument, Manifest

if TYPE_CHECKING:
    from mmfold.adapters.venues.port import MarketParser

BOOK_STREAMS = ("depth@100ms", "trade", "bookTicker")
MARK_STREAM = "markPrice@1s"
STREAM_COUNT_MAX = 200  # of one connection, in the strictest edition of the documents
SYMBOL_COUNT_MAX = STREAM_COUNT_MAX // len(BOOK_STREAMS)


class TooManySymbols(ValueError):
    """More symbols than one connection's streams."""

    hint = f"choose at most {SYMBOL_COUNT_MAX} with --symbols; a second session may take the others"


class BinanceVenue:
    """The market side of Binance's USD-M futures."""

    name = "binance"
    hosts: Mapping[str, Hosts] = MappingProxyType(
        {
            "live": Hosts("https://fapi.binance.com", "wss://fstream.binance.com"),
            "testnet": Hosts("https://demo-fapi.binance.com", "wss://fstream.binancefuture.com"),
        }
    )
    capabilities = Capabilities(
        contracts=("linear",), book_start="rest", book_depths=(0,), testnet=True, order_entry=False
    )
    talk = BinanceTalk()

    def request_time(self) -> RestRequest:
        """Return the request for the venue's clock."""
        return rest.request_time()

    def parse_time(self, body: bytes, http_status: int) -> int:
        """Return the venue's clock.

        Units: ns. Raises: MalformedFrame, VenueError.
        """
        return rest.parse_time(body, http_status)

    def request_instruments(self, symbol: str, cursor: str = "") -> RestRequest:
        """Return the request for the instruments: the venue lists them all, whichever is asked for."""
        return rest.request_instruments()

    def parse_instruments(
        self, body: bytes, http_status: int, odd: dict[str, str] | None = None
    ) -> tuple[list[Instrument], str]:
        """Return the instruments that trade; there is no second page.

        `odd` gets the entries that cannot be taken, with the reason. Raises: MalformedFrame, VenueError.
        """
        return rest.parse_instruments(body, http_status, odd), ""

    def market_sockets(self, sockets: str, manifest: Manifest) -> MarketSockets:
        """Return where the streams of a manifest's instruments are and what to subscribe there.

        Raises: TooManySymbols.
        """
        symbols = [instrument.symbol.lower() for instrument in manifest.instruments]
        if len(symbols) > SYMBOL_COUNT_MAX:
            raise TooManySymbols(f"{len(symbols)} symbols, one connection of binance has {SYMBOL_COUNT_MAX}")
        marks = MarketSockets(
            url=f"{sockets}/market/stream", topics=tuple(f"{symbol}@{MARK_STREAM}" for symbol in symbols)
        )
        topics = tuple(f"{symbol}@{stream}" for symbol in symbols for stream in BOOK_STREAMS)
        return MarketSockets(url=f"{sockets}/public/stream", topics=topics, beside=(marks,))

    def market_parser(self, manifest: Manifest) -> "MarketParser":
        """Return a parser of the market streams."""
        from mmfold.adapters.venues.binance.public import BinanceParser  # only here: it loads numba

        return BinanceParser(manifest)
