"""One venue's market as one stream that comes back, and the venues whose streams a client library has.

Who takes the market gives `MarketTakers`; what brings it is a `MarketStream`, whoever speaks to the venue.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mmfold.adapters.venues.connection import StreamStatus
from mmfold.adapters.venues.port import Capabilities, MalformedFrame
from mmfold.engine.manifest import Instrument, Manifest

OnRows = Callable[[np.ndarray, int], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class MarketTakers:
    """Who takes a market: a session or a recording.

    `on_up` runs before the first event of a connection, `on_down` after its last; `on_message` gets what came as it
    came, with the name of what it came by, and is None where nobody keeps it.
    """

    on_rows: OnRows
    on_up: Callable[[], Awaitable[None]]
    on_down: Callable[[], Awaitable[None]]
    on_refused: Callable[[MalformedFrame, int], None]
    on_message: Callable[[str, bytes, int], None] | None = None


class MarketStream(Protocol):
    """A market under way."""

    @property
    def status(self) -> StreamStatus:
        """How the connection is."""
        ...

    @property
    def is_catching_up(self) -> bool:
        """Whether a book's snapshot is on its way: asking anew would only take longer."""
        ...

    async def run(self) -> None:
        """Keep it alive until cancelled.

        Raises: StreamRefused when it was never up.
        """
        ...

    async def cut(self) -> None:
        """End the connection, so that a new one begins."""
        ...


class LoadedMarket(Protocol):
    """The instruments that were asked for, and what opens their streams."""

    instruments: tuple[Instrument, ...]

    def open(self, manifest: Manifest, takers: MarketTakers) -> MarketStream:
        """Return their market, not connected yet."""
        ...


class ClientVenue(Protocol):
    """A venue behind a client library, which has the connections: the market alone."""

    name: str
    capabilities: Capabilities

    async def load(self, url: str | None, symbols: tuple[str, ...]) -> LoadedMarket:
        """Return the market of some symbols, at another address if one is given.

        Raises: VenueUnreachable, or the venue's own error for what it does not have.
        """
        ...
