"""The account's position mode, asked for before a session's first order; must never change it."""

from collections.abc import Iterable

from mmfold.adapters.live.rest_client import RestClient
from mmfold.adapters.venues.bybit.position_mode import HedgeMode, hedged_symbols
from mmfold.adapters.venues.bybit.rest import Page, request_positions


async def check_one_way(rest: RestClient, category: str, symbols: Iterable[str]) -> None:
    """Check that no symbol holds long and short apart: such sides have no place in one position.

    Raises: HedgeMode, VenueUnreachable, VenueError, MalformedFrame.
    """
    pages: list[Page] = []
    for symbol in symbols:
        pages += await rest.pages(
            lambda cursor, asked=symbol: request_positions(category, asked, cursor=cursor)  # type: ignore[misc]
        )
    if hedged := hedged_symbols(pages):
        raise HedgeMode(hedged)
