"""Orders of another session of mm on our account, known by their run tag; must never cancel one."""

import re
from collections import Counter
from collections.abc import Iterable

from mmfold.adapters.live.account.left_orders import resting_orders
from mmfold.adapters.live.account.opening import CannotStart
from mmfold.adapters.live.venue.rest_client import RestClient
from mmfold.adapters.logs import EventLog
from mmfold.adapters.venues.link_ids import run_tag
from mmfold.engine.manifest import Manifest

TAGGED = re.compile(r"mm([0-9a-f]{8})-[0-9a-z]+")
FLAG = "--share-account"
LOG = EventLog("account")


async def check_foreign(rest: RestClient, manifest: Manifest, runs: Iterable[str], *, is_shared: bool) -> None:
    """Check that no session of mm but these runs has orders in our symbols, or tell of them where that is wanted.

    Raises: CannotStart, VenueUnreachable, VenueError, MalformedFrame.
    """
    found: Counter[tuple[str, str]] = Counter()
    ours = tuple(runs)
    for instrument in manifest.instruments:
        orders = await resting_orders(rest, instrument)
        found.update((instrument.symbol, tag) for tag in foreign_tags((one.link_id for one in orders), ours))
    if found and not is_shared:
        said = ", ".join(f"{count} in {symbol} (run tag {tag})" for (symbol, tag), count in sorted(found.items()))
        raise CannotStart(
            f"open orders of another mm session are on this account: {said}",
            "stop that session (mm stop), or take over from its journal (--continue-from), or cancel them at the "
            f"venue; {FLAG} trades beside it",
        )
    for (symbol, tag), count in sorted(found.items()):
        LOG.warning("foreign_session", symbol=symbol, run_tag=tag, open_orders=count)


def foreign_tags(link_ids: Iterable[str], run_ids: Iterable[str]) -> list[str]:
    """Return the run tags of orders that mm placed in other runs than these, one per order."""
    ours = {run_tag(run_id) for run_id in run_ids}
    matches = (TAGGED.fullmatch(text) for text in link_ids)
    return [match[1] for match in matches if match is not None and match[1] not in ours]
