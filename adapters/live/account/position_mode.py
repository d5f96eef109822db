"""The account's position mode, asked for before a session's first order; must never change it."""

from collections.abc import Iterable

from mmfold.adapters.live.venue.rest_client import RestClient
from mmfold.adapters.venues.order_port import HedgeMode, Page
from mmfold.engine.manifest import Instrument


async def check_one_way(rest: RestClient, instruments: Iterable[Instrument]) -> None:
    """Check that no symbol holds long and short apart: such sides have no place in one position.

    Raises: HedgeMode, VenueUnreachable, VenueError, MalformedFrame.
    """
    venue = rest.account_venue
    if not venue.capabilities.hedge_mode:
        return
    pages: list[Page] = []
    for instrument in instruments:
        pages += await rest.pages(
            lambda cursor, one=instrument: venue.request_positions(one.contract, one.symbol, cursor)  # type: ignore[misc]
        )
    if hedged := venue.hedged(pages):
        raise HedgeMode(hedged, venue.hedge_hint)
