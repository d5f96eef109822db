"""The venue's dead-man switch: it cancels our orders when we have been gone a while; must never be taken as given."""

from mmfold.adapters.live.venue.rest_client import RestClient
from mmfold.adapters.logs import EventLog
from mmfold.adapters.venues.port import MalformedFrame, VenueError, VenueUnreachable

LOG = EventLog("dead_man")


async def arm_dead_man(rest: RestClient, window_s: int) -> bool:
    """Ask the venue to cancel all when we are gone for so long; tells whether it will. 0 asks for nothing."""
    if window_s == 0:
        LOG.info("dead_man_off")
        return False
    venue = rest.account_venue
    if not venue.capabilities.dead_man:
        LOG.warning("dead_man_refused", reason=f"{venue.name} has none")
        return False
    try:
        status, answer = await rest.ask(venue.request_dead_man(window_s))
        venue.check_done(answer, status)
    except (VenueError, VenueUnreachable, MalformedFrame) as error:
        LOG.warning("dead_man_refused", reason=str(error)[:200])
        return False
    LOG.info("dead_man_armed", window_s=window_s)
    return True
