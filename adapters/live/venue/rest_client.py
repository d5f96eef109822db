"""REST requests over one HTTP session: signed, on the venue's clock, bounded; must never log what it sends."""

import asyncio
import time
from collections.abc import Callable

import aiohttp

from mmfold.adapters.live.venue.budget import Budget, Spent
from mmfold.adapters.venues.order_port import OrderVenue, Page, with_orders
from mmfold.adapters.venues.port import (
    Credentials,
    MalformedFrame,
    NativeVenue,
    RestRequest,
    VenueError,
    VenueUnreachable,
    Verdict,
)
from mmfold.engine.limits import NS_PER_MS

HTTP_TIMEOUT = 408
BODY_BYTES_MAX = 16 << 20
PAGE_COUNT_MAX = 200
TRY_COUNT = 3
TRY_PAUSE_S = 0.1
ROUND_TRIP_NS_MAX = 500 * NS_PER_MS  # a clock that was read more slowly is not believed over the one we have


def make_budget(venue: NativeVenue) -> Budget:
    """Return what an account of a venue may send, as its capabilities say until it tells."""
    can = venue.capabilities
    if not can.order_entry:
        return Budget()
    return Budget(
        order_path=with_orders(venue).order_path, orders_per_s=can.requests_per_s, queries_per_s=can.queries_per_s
    )


class RestClient:
    """One venue's REST door.

    Units: recv_window_ms bounds how late the venue still takes a request; timeout_s how long we wait for its answer.
    """

    def __init__(
        self,
        http: aiohttp.ClientSession,
        venue: NativeVenue,
        base: str,
        keys: Credentials | None = None,
        *,
        recv_window_ms: int = 5_000,
        timeout_s: float = 5.0,
    ) -> None:
        self.http = http
        self.venue = venue
        self.base = base
        self.keys = keys
        self.recv_window_ms = recv_window_ms
        self.budget = make_budget(venue)  # of the account
        self.timeout = aiohttp.ClientTimeout(total=timeout_s)
        self.offset_ns = 0  # what the venue's clock is ahead of ours
        self.round_trip_ns = 0  # how long that reading took: the offset is known to half of it

    @property
    def account_venue(self) -> OrderVenue:
        """The venue as the one that takes our orders."""
        return with_orders(self.venue)

    @staticmethod
    def now_ns() -> int:
        """Return our own clock: receive times are on it."""
        return time.time_ns()

    def ts_ms(self) -> int:
        """Return the venue's time as we know it."""
        return (time.time_ns() + self.offset_ns) // NS_PER_MS

    async def send(self, request: RestRequest, spent: Spent | None = None) -> tuple[int, dict[str, str], bytes]:
        """Send one request once and return status, headers and body.

        A private one waits for the account's budget, unless it was spent for it before.
        Raises: aiohttp.ClientError, TimeoutError, VenueError for an answer that is too long.
        """
        if not request.private:
            return await self.exchange(request, {"Content-Type": "application/json"} if request.body else {})
        assert self.keys is not None
        paid = spent or await self.budget.wait(request.path)
        signed = self.account_venue.sign(request, self.keys, self.ts_ms(), self.recv_window_ms)
        status, headers, body = await self.exchange(request, signed)
        if spent is None:
            self.budget.settle(request.path, paid, self.account_venue.read_limit(headers))
        return status, headers, body

    async def exchange(self, request: RestRequest, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        """Send one request as it is and return status, headers and body.

        Raises: aiohttp.ClientError, TimeoutError, VenueError for an answer that is too long.
        """
        async with self.http.request(
            request.method,
            f"{self.base}{request.target}",
            data=request.body or None,
            headers=headers,
            timeout=self.timeout,
            allow_redirects=False,
        ) as answer:
            body = await answer.content.read(BODY_BYTES_MAX + 1)
            while not answer.content.at_eof() and len(body) <= BODY_BYTES_MAX:
                body += await answer.content.read(BODY_BYTES_MAX + 1 - len(body))
            if len(body) > BODY_BYTES_MAX:
                said = f"an answer of more than {BODY_BYTES_MAX:,} bytes"
                raise VenueError(answer.status, said, Verdict.UNKNOWN, "nothing of it is read")
            return answer.status, dict(answer.headers), body

    async def ask(self, request: RestRequest) -> tuple[int, bytes]:
        """Send a question, which may be asked again, and return status and body.

        Raises: VenueUnreachable after some tries.
        """
        reason = ""
        for turn in range(TRY_COUNT):
            await asyncio.sleep(turn * TRY_PAUSE_S)
            try:
                status, _, body = await self.send(request)
            except (TimeoutError, aiohttp.ClientError) as error:
                reason = f"{type(error).__name__}: {error}"
                continue
            if status < 500 and status not in (HTTP_TIMEOUT, 429):
                return status, body
            reason = f"HTTP {status}"
        raise VenueUnreachable(f"{request.method} {request.path} at {self.base}: {reason}")

    async def read_clock(self, reading_count_max: int = 1) -> int:
        """Ask for the venue's clock, again while answers are slow; note what it is ahead of ours and return that.

        Units: ns. Raises: VenueUnreachable, VenueError, MalformedFrame.
        """
        read: list[tuple[int, int]] = []  # round trip, offset
        while len(read) < reading_count_max and not (read and read[-1][0] <= ROUND_TRIP_NS_MAX):
            start_ns, before_ns = time.monotonic_ns(), time.time_ns()
            status, body = await self.ask(self.venue.request_time())
            after_ns = time.time_ns()
            offset_ns = self.venue.parse_time(body, status) - (before_ns + after_ns) // 2
            read.append((time.monotonic_ns() - start_ns, offset_ns))
        self.round_trip_ns, self.offset_ns = min(read)
        return self.offset_ns

    async def follow_clock(self) -> None:
        """Read the venue's clock again: both drift, and a venue may mend its own.

        Raises: VenueUnreachable, VenueError, MalformedFrame.
        """
        offset_ns = self.offset_ns
        await self.read_clock()
        if self.round_trip_ns > ROUND_TRIP_NS_MAX:
            self.offset_ns = offset_ns

    async def pages(self, make: Callable[[str], RestRequest]) -> list[Page]:
        """Ask for a whole list, page by page; `make` returns the request of a cursor.

        Raises: VenueUnreachable, VenueError, MalformedFrame.
        """
        found: list[Page] = []
        cursor = ""
        while True:
            status, body = await self.ask(make(cursor))
            found.append(self.account_venue.read_page(body, status))
            cursor = found[-1].next_cursor
            if not cursor:
                return found
            if len(found) >= PAGE_COUNT_MAX:
                raise MalformedFrame(f"a list of more than {PAGE_COUNT_MAX} pages", body)
