"""Cancels every order of a session's symbols by REST, whoever placed it: the last resort, beside the journal and the
core; must never take a silence for a yes.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import aiohttp

from mmfold.adapters.live.gateway import BybitGateway
from mmfold.adapters.logs import EventLog
from mmfold.adapters.venues.bybit.rest import read_result
from mmfold.adapters.venues.port import MalformedFrame, VenueError, VenueUnreachable

if TYPE_CHECKING:
    from mmfold.adapters.live.runner import Pace

CANCEL_TRY_COUNT = 5
CANCEL_PAUSE_S = 0.3
LOG = EventLog("live")


async def cancel_all(gateway: BybitGateway, symbols: Sequence[str], pace: "Pace") -> None:
    """Cancel the orders of some symbols, again when what was on its way must have arrived."""
    on_its_way = bool(gateway.requests.pending)
    await cancel_each(gateway, symbols)
    if on_its_way:  # an order that was sent just before may arrive just after
        await asyncio.sleep(pace.settle_ms / 1e3)
        await cancel_each(gateway, symbols)


async def cancel_each(gateway: BybitGateway, symbols: Sequence[str]) -> None:
    """Cancel the orders of every symbol; the venue has to say yes."""
    for symbol in symbols:
        request = gateway.encoder.encode_cancel_all(symbol=symbol)
        for turn in range(CANCEL_TRY_COUNT):
            await asyncio.sleep(turn * CANCEL_PAUSE_S)
            try:
                status, _, body = await gateway.rest.send(request)
                read_result(body, status)
                LOG.warning("cancel_all", symbol=symbol)
                break
            except (TimeoutError, OSError, aiohttp.ClientError, VenueError, MalformedFrame) as error:
                LOG.error("cancel_all_failed", symbol=symbol, error=error)
            with suppress(VenueUnreachable, VenueError, MalformedFrame):
                await gateway.rest.read_clock()  # a clock that is off is a reason to be refused
