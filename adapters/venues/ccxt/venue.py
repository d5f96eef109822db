"""A venue of ccxt.pro as the registry hands it out; must never load ccxt before a market is asked for."""

from mmfold.adapters.venues.ccxt.loading import BOOK_DEPTH, UnifiedVenue, load_venue
from mmfold.adapters.venues.ccxt.market import UnifiedMarket
from mmfold.adapters.venues.market_stream import MarketTakers
from mmfold.adapters.venues.port import Capabilities
from mmfold.engine.manifest import Instrument, Manifest

CAPABILITIES = Capabilities(
    contracts=("linear", "inverse", "spot"), book_start="stream", book_depths=(BOOK_DEPTH,), testnet=False,
    order_entry=False,
)  # fmt: skip


class CcxtMarket:
    """The markets of one venue that were asked for."""

    def __init__(self, venue: UnifiedVenue) -> None:
        self.venue = venue
        self.instruments: tuple[Instrument, ...] = venue.instruments

    def open(self, manifest: Manifest, takers: MarketTakers) -> UnifiedMarket:
        """Return their streams as one, not connected yet."""
        return UnifiedMarket(self.venue, manifest, takers)


class CcxtVenue:
    """Any venue of ccxt.pro: its market, through ccxt's own connections."""

    capabilities = CAPABILITIES

    def __init__(self, name: str) -> None:
        self.name = name

    async def load(self, url: str | None, symbols: tuple[str, ...]) -> CcxtMarket:
        """Load the venue's markets and return those that were asked for.

        Raises: UnknownVenue, VenueUnreachable.
        """
        return CcxtMarket(await load_venue(self.name, url, symbols))
