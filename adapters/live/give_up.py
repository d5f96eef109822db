"""A start that failed: what a former session left resting at the venue is cancelled all the same, and said."""

from pathlib import Path

import aiohttp

from mmfold.adapters.live.account.left_orders import cancel_left
from mmfold.adapters.live.account.opening import CannotStart
from mmfold.adapters.live.start import Plan, find_keys
from mmfold.adapters.live.venue.rest_client import RestClient
from mmfold.adapters.venues.registry import native_venue


async def give_up(plan: Plan, http: aiohttp.ClientSession) -> str:
    """Cancel the orders of the sessions in the journals of a plan; returns what became of them, empty if there is
    nothing to say.

    It raises nothing: the reason why the start failed is what has to be told.
    """
    journals = journals_of(plan)
    if not plan.has_account or not journals:
        return ""
    pace = plan.pace
    rest = RestClient(
        http,
        native_venue(plan.venue),
        plan.endpoints.rest,
        recv_window_ms=pace.recv_window_ms,
        timeout_s=pace.rest_timeout_s,
    )
    try:
        await rest.read_clock()
        rest.keys = await find_keys(plan, http)
    except Exception as error:
        reason = error.__cause__ if isinstance(error, CannotStart) and error.__cause__ else error
        return f"orders of a former run may still rest at the venue, cancel them there: {reason}"
    return await cancel_left(rest, journals)


def journals_of(plan: Plan) -> list[Path]:
    """Return the journals whose session may have left orders: what is gone on with, and its successors."""
    found = [plan.journal] + ([plan.continue_from] if plan.continue_from is not None else [])
    found += sorted(plan.journal.parent.glob(f"{plan.journal.name}.[0-9]*"))
    return [each for each in found if each.is_dir()]
