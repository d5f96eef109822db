"""Cancels every order of a session's symbols by REST, whoever placed it: the last resort, beside the journal and the
core; must never take a silence for a yes.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress

import aiohttp

from mmfold.adapters.live.venue.rest_client import RestClient
from mmfold.adapters.logs import EventLog
from mmfold.adapters.venues.port import MalformedFrame, VenueError, VenueUnreachable
from mmfold.engine.manifest import Instrument

CANCEL_TRY_COUNT = 5
CANCEL_PAUSE_S = 0.3
LOG = EventLog("live")


async def cancel_each(rest: RestClient, instruments: Iterable[Instrument]) -> None:
    """Cancel the orders of every instrument; the venue has to say yes."""
    venue = rest.account_venue
    for instrument in instruments:
        symbol = instrument.symbol
        request = venue.request_cancel_all(instrument.contract, symbol)
        for turn in range(CANCEL_TRY_COUNT):
            await asyncio.sleep(turn * CANCEL_PAUSE_S)
            try:
                status, _, body = await rest.send(request)
                venue.check_done(body, status)
                LOG.warning("cancel_all", symbol=symbol)
                break
            except (TimeoutError, OSError, aiohttp.ClientError, VenueError, MalformedFrame) as error:
                LOG.error("cancel_all_failed", symbol=symbol, error=error)
            with suppress(VenueUnreachable, VenueError, MalformedFrame):
                await rest.read_clock()  # a clock that is off is a reason to be refused
