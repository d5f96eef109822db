"""What the venue has, asked for and told as rows: missed fills, open orders, positions, cash.

Order matters: fills come before the list that no longer has their orders, positions after both. Must never correct the
core itself: each row is an event like any other.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field

import numpy as np

from mmfold.adapters.live.venue.rest_client import RestClient
from mmfold.adapters.venues.order_port import AnswerParser
from mmfold.engine.codes import EventKind, Flag
from mmfold.engine.limits import NS_PER_MS
from mmfold.engine.manifest import Manifest
from mmfold.engine.records import EVENT, NO_TS_NS

LOOK_BACK_MS = 60_000  # executions are asked for from so long before the time up to which they were
AGE_MS_MAX = 6 * 86_400_000  # the venue tells of the last 7 days
SEEN_COUNT_MAX = 1 << 11  # executions that are remembered; what is older than a forgotten one is not asked for again


@dataclass
class Seen:
    """The executions and fundings that are in the journal: the venue tells them more than once.

    Units: ts_last_ms is the venue's time up to which all executions were asked for, ts_first_ms that of the first look
    at the account, before which nothing is the session's (0: it has not looked), ts_forgotten_ns that of the newest
    execution that is no longer remembered.
    """

    executions: dict[tuple[int, int], int] = field(default_factory=dict)  # instrument_index, number: ts_exchange_ns
    # instrument_index, ts_exchange_ns of FUNDINGs without an execution number: journals before rules 3
    fundings: set[tuple[int, int]] = field(default_factory=set)
    ts_last_ms: int = 0
    ts_first_ms: int = 0
    ts_forgotten_ns: int = 0

    def note(self, rows: np.ndarray) -> None:
        """Note what a journal holds."""
        for row in rows[rows["kind"] == EventKind.FILL]:
            self.remember((int(row["instrument_index"]), int(row["aux"])), int(row["ts_exchange_ns"]))
        for row in rows[rows["kind"] == EventKind.FUNDING]:
            if not row["flags"] & Flag.PAID:
                self.fundings.add((int(row["instrument_index"]), int(row["ts_exchange_ns"])))
            elif row["flags"] & Flag.LAST:
                self.remember((int(row["instrument_index"]), int(row["order_id"])), int(row["ts_exchange_ns"]))
        if not self.ts_first_ms:
            openings = rows[(rows["kind"] == EventKind.POSITION) & (rows["flags"] & Flag.OPENING != 0)]
            if len(openings):
                self.ts_first_ms = int(openings["ts_receive_ns"][0]) // NS_PER_MS
        # A fill does not prove that those before it were told; each list of open orders was asked for after the fills.
        for row in rows[rows["kind"] == EventKind.OPEN_ORDERS]:
            if row["ts_exchange_ns"] != NO_TS_NS:
                self.ts_last_ms = max(self.ts_last_ms, int(row["ts_exchange_ns"]) // NS_PER_MS)
                self.ts_first_ms = self.ts_first_ms or self.ts_last_ms

    def news(self, rows: np.ndarray) -> np.ndarray:
        """Return rows of whole events without what was told before, and note the rest."""
        kinds = rows["kind"]
        if not ((kinds == EventKind.FILL) | (kinds == EventKind.FUNDING)).any():
            return rows
        keep = np.ones(len(rows), bool)
        for place, row in enumerate(rows):
            index = int(row["instrument_index"])
            if row["kind"] == EventKind.FILL:
                key = (index, int(row["aux"]))
                keep[place] = key not in self.executions
                self.remember(key, int(row["ts_exchange_ns"]))
            elif row["kind"] == EventKind.FUNDING and row["flags"] & Flag.PAID and row["flags"] & Flag.LAST:
                key = (index, int(row["order_id"]))
                is_old = (index, int(row["ts_exchange_ns"])) in self.fundings
                keep[place - 1 : place + 1] = key not in self.executions and not is_old
                self.remember(key, int(row["ts_exchange_ns"]))
        return rows if keep.all() else rows[keep]

    def remember(self, key: tuple[int, int], ts_exchange_ns: int) -> None:
        """Note one execution and forget the oldest of too many."""
        self.executions[key] = ts_exchange_ns
        if len(self.executions) > SEEN_COUNT_MAX:
            forgotten_ns = self.executions.pop(next(iter(self.executions)))
            self.ts_forgotten_ns = max(self.ts_forgotten_ns, forgotten_ns)

    def start_ms(self, now_ms: int) -> int:
        """Return from when on executions have to be asked for, so that none is told twice."""
        start_ms = max(self.ts_last_ms, now_ms - AGE_MS_MAX) - LOOK_BACK_MS
        return max([start_ms, *(ms + 1 for ms in (self.ts_forgotten_ns // NS_PER_MS, self.ts_first_ms) if ms)])


class Reconciler:
    """Asks the venue what it has."""

    def __init__(self, manifest: Manifest, rest: RestClient, parser: AnswerParser, seen: Seen) -> None:
        self.rest = rest
        self.venue = rest.account_venue
        self.parser = parser
        self.seen = seen
        self.symbols: dict[str, list[str]] = {}
        self.indices: dict[str, int] = {}
        for index, instrument in enumerate(manifest.instruments):
            self.symbols.setdefault(instrument.contract, []).append(instrument.symbol)
            self.indices[instrument.symbol] = index

    def news(self, rows: np.ndarray) -> np.ndarray:
        """Return what is new of the rows that a stream told."""
        return self.seen.news(rows)

    async def fills(self) -> np.ndarray:
        """Return the fills and fundings that no stream has told, oldest first.

        Raises: VenueUnreachable, VenueError, MalformedFrame.
        """
        asked_ms = self.rest.ts_ms()
        start_ms = self.seen.start_ms(asked_ms)
        found = []
        for contract, symbol in self.each():
            pages = await self.rest.pages(
                lambda cursor, c=contract, s=symbol: self.venue.request_executions(c, s, start_ms, cursor)  # type: ignore[misc]
            )
            for page in reversed(pages):  # newest first, each a piece of work
                told = self.parser.parse_executions([page], self.rest.now_ns())
                found += [told.rows, *foreign_rows(told.foreign)]
                await asyncio.sleep(0)
        self.seen.ts_last_ms = max(self.seen.ts_last_ms, asked_ms)
        return self.seen.news(joined(found))

    async def open_orders(self) -> AsyncIterator[tuple[float, int, np.ndarray]]:
        """Yield when each instrument's list was asked for, on the clock that never goes back, its index and rows.

        One by one: a list that waits for those of all others would lack what was placed meanwhile.
        Raises: VenueUnreachable, VenueError, MalformedFrame.
        """
        for contract, symbol in self.each():
            asked_s = time.monotonic()
            pages = await self.rest.pages(
                lambda cursor, c=contract, s=symbol: self.venue.request_open_orders(c, s, cursor)  # type: ignore[misc]
            )
            listed = self.parser.parse_open_orders(pages, contract, self.rest.now_ns(), symbol)
            yield asked_s, self.indices[symbol], listed.rows

    async def positions(self) -> np.ndarray:
        """Return the POSITION of every instrument and the BALANCE.

        Raises: VenueUnreachable, VenueError, MalformedFrame.
        """
        found = []
        for contract, symbols in self.symbols.items():
            if contract == "spot":
                continue
            pages = []
            for symbol in symbols:
                pages += await self.rest.pages(
                    lambda cursor, c=contract, s=symbol: self.venue.request_positions(c, s, cursor)  # type: ignore[misc]
                )
            found.append(self.parser.parse_positions(pages, contract, self.rest.now_ns()).rows)
        status, body = await self.rest.ask(self.venue.request_wallet(self.parser.coin))
        found.append(self.parser.parse_wallet(body, self.rest.now_ns(), status))
        return joined(found)

    def each(self) -> list[tuple[str, str]]:
        """Return (contract, symbol) of every instrument."""
        return [(contract, symbol) for contract, symbols in self.symbols.items() for symbol in symbols]


def foreign_rows(foreign: Iterable[object]) -> list[np.ndarray]:
    """Return the fills of orders that are not ours: they move our position all the same."""
    return [row for each in foreign if (row := getattr(each, "row", None)) is not None]


def joined(parts: list[np.ndarray]) -> np.ndarray:
    """Return rows one after the other."""
    return np.concatenate([np.atleast_1d(part) for part in parts]) if parts else np.zeros(0, EVENT)
