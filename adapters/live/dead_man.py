"""The venue's dead-man switch: it cancels our orders when we have been gone for a while. Must never be taken as given.

It needs a private connection with the topic `dcp.future`, and holds for all derivatives of the account, whoever placed
them, until it is set otherwise at the venue.
Source: Bybit v5 docs, "Set Disconnect Cancel All" and the private websocket topic dcp.
"""

from mmfold.adapters.live.rest_client import RestClient
from mmfold.adapters.logs import EventLog
from mmfold.adapters.venues.bybit.rest import read_result
from mmfold.adapters.venues.bybit.signing import post_request
from mmfold.adapters.venues.port import MalformedFrame, VenueError, VenueUnreachable

TOPIC = "dcp.future"
LOG = EventLog("dead_man")


async def arm_dead_man(rest: RestClient, window_s: int) -> bool:
    """Ask the venue to cancel all when we are gone for so long; tells whether it will. 0 asks for nothing."""
    if window_s == 0:
        LOG.info("dead_man_off")
        return False
    body = {"product": "DERIVATIVES", "timeWindow": window_s}
    try:
        status, answer = await rest.ask(post_request("/v5/order/disconnected-cancel-all", body))
        read_result(answer, status)
    except (VenueError, VenueUnreachable, MalformedFrame) as error:
        LOG.warning("dead_man_refused", reason=str(error)[:200])
        return False
    LOG.info("dead_man_armed", window_s=window_s)
    return True
