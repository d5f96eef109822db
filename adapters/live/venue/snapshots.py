"""Fetches the books of a venue whose streams do not bring them: asked for by REST, until each has one that continues.

At most one request of an instrument is under way, and a few in all; what fails is asked for again after a pause. Must
never hand on a snapshot that a former connection asked for.
"""

import asyncio
import time
from collections.abc import Callable

import numpy as np

from mmfold.adapters.live.venue.rest_client import RestClient
from mmfold.adapters.logs import EventLog
from mmfold.adapters.venues.market_stream import MarketTakers
from mmfold.adapters.venues.port import MalformedFrame, MarketParser, SnapshotDue, VenueError, VenueUnreachable

REQUEST_COUNT_MAX = 4  # under way at once, of all instruments
PAUSE_S = (0.5, 8.0)  # between two requests of an instrument: at first, and twice as long each time up to this
KEPT_AS = "rest"  # the name beside a kept answer


class Snapshots:
    """The snapshots of one market's books; `failure` ends with whatever went wrong here that is our fault."""

    def __init__(
        self,
        rest: RestClient,
        parser: MarketParser,
        takers: MarketTakers,
        refuse: Callable[[MalformedFrame, int], None],
    ) -> None:
        self.rest = rest
        self.parser = parser
        self.takers = takers
        self.refuse = refuse
        self.is_open = False  # while there is a connection
        self.fetching: dict[int, asyncio.Task[None]] = {}  # by instrument_index
        self.handing: set[asyncio.Task[None]] = set()  # have their answer: these are not cancelled
        self.again: dict[int, SnapshotDue] = {}  # were due anew while one was under way
        self.pauses_s: dict[int, float] = {}  # of the instruments that had to ask before
        self.room = asyncio.Semaphore(REQUEST_COUNT_MAX)
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.log = EventLog("snapshots")

    @property
    def is_under_way(self) -> bool:
        """Whether a book waits for its snapshot."""
        return bool(self.fetching)

    def begin(self) -> None:
        """Ask for what a new connection needs."""
        self.drop()
        self.is_open = True
        self.look()

    def look(self) -> None:
        """Ask for what is due now; without a connection nothing is."""
        if not self.is_open:
            return
        for due in self.parser.snapshots_due():
            if due.instrument_index in self.fetching:
                self.again[due.instrument_index] = due
            else:
                self.start(due)

    def start(self, due: SnapshotDue) -> None:
        """Begin to fetch one snapshot."""
        task = asyncio.create_task(self.bring(due))
        self.fetching[due.instrument_index] = task
        task.add_done_callback(self.note_end)

    def note_end(self, task: "asyncio.Task[None]") -> None:
        """Tell of a fault of ours."""
        self.handing.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not self.failure.done():
            self.failure.set_exception(error)

    def drop(self) -> None:
        """Give up what is under way: the connection that it was for has ended."""
        self.is_open = False
        for task in self.fetching.values():
            task.cancel()
        self.fetching.clear()
        self.again.clear()
        self.pauses_s.clear()

    async def bring(self, due: SnapshotDue) -> None:
        """Fetch one snapshot, hand on its rows, and ask for what is due then."""
        index, task = due.instrument_index, asyncio.current_task()
        assert task is not None
        rows, ts_ns = await self.fetch(due)
        # From here on it is not cancelled: what is folded is released whole.
        del self.fetching[index]
        self.handing.add(task)
        if len(rows):
            self.pauses_s.pop(index, None)
            await self.takers.on_rows(rows, ts_ns)
        if self.is_open and index in self.again and index not in self.fetching:
            self.start(self.again.pop(index))
        self.look()

    async def fetch(self, due: SnapshotDue) -> tuple[np.ndarray, int]:
        """Return the rows of a snapshot and when it came, none for one that is too old; a failure is tried again."""
        index = due.instrument_index
        while True:
            pause_s = self.pauses_s.get(index, 0.0)
            self.pauses_s[index] = min(max(2 * pause_s, PAUSE_S[0]), PAUSE_S[1])
            await asyncio.sleep(pause_s)
            try:
                async with self.room:
                    status, body = await self.rest.ask(due.request)
                ts_ns = time.time_ns()
                return self.parsed(due, body, status, ts_ns), ts_ns
            except MalformedFrame as error:
                self.refuse(error, time.time_ns())
                reason = error.reason
            except (VenueError, VenueUnreachable) as error:
                reason = str(error)
            self.log.warning("snapshot_failed", instrument_index=index, reason=reason[:200])

    def parsed(self, due: SnapshotDue, body: bytes, status: int, ts_ns: int) -> np.ndarray:
        """Return the rows of an answer, which is kept as it came where all is kept.

        Raises: MalformedFrame, VenueError.
        """
        keep = self.takers.on_message
        if keep is not None:
            keep(KEPT_AS, body, ts_ns)
        return self.parser.parse_snapshot(due, body, status, ts_ns)
