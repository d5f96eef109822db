"""Orders that a former run of ours left resting: found by its tag, cancelled by REST; must never touch anybody else's.

Two ask for it: a session that takes over, before its first reconciliation, and a start that fails, before it gives up.
"""

import asyncio
from collections.abc import Iterable
from pathlib import Path

from mmfold.adapters.live.account.handover import former_runs
from mmfold.adapters.live.session import has_segments
from mmfold.adapters.live.venue.rest_client import RestClient
from mmfold.adapters.logs import EventLog
from mmfold.adapters.venues.link_ids import is_of_runs
from mmfold.adapters.venues.order_port import Resting
from mmfold.adapters.venues.port import MalformedFrame, VenueError, VenueUnreachable
from mmfold.engine.manifest import Instrument, Manifest
from mmfold.journal.log.lock import is_locked
from mmfold.journal.log.reader import Journal

ACCOUNT_MODES = ("testnet", "live")
TURN_COUNT_MAX = 12
TURN_PAUSE_S = 0.5
LOG = EventLog("left_orders")


class LeftOrders:
    """The orders of some former runs in some instruments."""

    def __init__(self, rest: RestClient, manifest: Manifest, run_ids: Iterable[str]) -> None:
        self.rest = rest
        self.instruments = manifest.instruments
        self.run_ids = tuple(run_ids)
        self.cancelled: set[str] = set()  # the venue's ids of orders that were asked to be cancelled

    async def list(self) -> list[tuple[Instrument, str]]:
        """Return (instrument, the venue's order id) of every such order that rests.

        Raises: VenueUnreachable, VenueError, MalformedFrame.
        """
        return [
            (instrument, order.venue_order_id)
            for instrument in self.instruments
            for order in await resting_orders(self.rest, instrument)
            if is_of_runs(order.link_id, self.run_ids)
        ]

    async def clear(self) -> int:
        """Cancel all of them and wait until the venue lists none; returns how many there were.

        Raises: VenueUnreachable when some still rest, VenueError, MalformedFrame.
        """
        for turn in range(TURN_COUNT_MAX):
            await asyncio.sleep(min(turn, 1) * TURN_PAUSE_S)
            left = await self.list()
            if not left:
                return len(self.cancelled)
            for instrument, venue_order_id in left:
                self.cancelled.add(venue_order_id)
                LOG.warning("former_order_cancelled", symbol=instrument.symbol, venue_order_id=venue_order_id)
                # Asked for, not awaited: an order that is gone by now is refused, and the list tells.
                request = self.rest.account_venue.request_cancel(instrument.contract, instrument.symbol, venue_order_id)
                await self.rest.send(request)
        raise VenueUnreachable(f"{len(left)} orders of a former run still rest after {TURN_COUNT_MAX} turns")


async def resting_orders(rest: RestClient, instrument: Instrument) -> list[Resting]:
    """Return what rests at the venue in an instrument, whoever placed it.

    Raises: VenueUnreachable, VenueError, MalformedFrame.
    """
    venue, contract, symbol = rest.account_venue, instrument.contract, instrument.symbol
    return venue.resting(await rest.pages(lambda cursor: venue.request_open_orders(contract, symbol, cursor)))


def read_left(journal: Path) -> Manifest | None:
    """Return the manifest of a journal whose session may have left orders, None where there is none to know of.

    A journal that is being written has a living session: its orders are not left.
    """
    try:
        if not has_segments(journal) or is_locked(journal):
            return None
        manifest = Journal(journal).manifest()
        return manifest if manifest.extra.get("mode") in ACCOUNT_MODES else None  # a rehearsal sends no order
    except Exception as error:  # whatever is broken there must not hide why the start failed
        LOG.error("former_journal_unreadable", error=error, journal=str(journal))
        return None


async def cancel_left(rest: RestClient, journals: Iterable[Path]) -> str:
    """Cancel what the sessions of some journals left resting; returns what became of it in words, empty if nothing.

    For a start that fails: it raises nothing, because the reason of the failure has to be told.
    """
    count, runs = 0, 0
    for journal in journals:
        manifest = read_left(journal)
        if manifest is None:
            continue
        runs += 1
        try:
            count += await LeftOrders(rest, manifest, (manifest.run_id, *former_runs(manifest))).clear()
        except (VenueUnreachable, VenueError, MalformedFrame, OSError, TimeoutError) as error:
            LOG.error("left_orders_uncancelled", error=error, journal=str(journal))
            return f"orders of run {manifest.run_id} may still rest at the venue, cancel them there: {error}"
    if not runs:
        return ""
    return f"orders of the former run that rested at the venue: {count}, all cancelled"
