"""A recording: a venue's market to a journal, nothing else; no core, no decisions. Must never hide that something is
missing: each lost connection and each skipped message is a BOOK_GAP of the books that it may concern.
"""

import asyncio
import itertools
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import aiohttp
import numpy as np

from mmfold.adapters.live.account.opening import RECORD, find_manifest
from mmfold.adapters.live.raw import RawFrames
from mmfold.adapters.live.rows import gap_rows
from mmfold.adapters.live.runner import Pace
from mmfold.adapters.live.session import has_segments
from mmfold.adapters.live.start import await_emulator, check_clock, find_instruments
from mmfold.adapters.live.venue.endpoints import Endpoints
from mmfold.adapters.live.venue.native_market import open_native
from mmfold.adapters.live.venue.rest_client import RestClient
from mmfold.adapters.logs import EventLog
from mmfold.adapters.venues.connection import StreamStatus
from mmfold.adapters.venues.market_stream import MarketStream, MarketTakers
from mmfold.adapters.venues.registry import client_name, client_venue, native_venue
from mmfold.engine.codes import Continuity, EventKind, Flag
from mmfold.engine.manifest import Manifest, encode_manifest
from mmfold.engine.payload import payload_rows
from mmfold.journal.errors import JournalError
from mmfold.journal.log.writer import Writer

COMMIT_S = 0.25
CHECK_TURNS = 4  # each second
# Which messages of a book continue each other: with the snapshots in the stream, and beside it.
STREAM_KINDS = ((EventKind.BOOK_SNAPSHOT, EventKind.BOOK_DELTA), (EventKind.BOOK_DELTA,))


@dataclass(frozen=True, kw_only=True)
class RecordPlan:
    """What was asked for on the command line."""

    venue: str
    endpoints: Endpoints
    symbols: tuple[str, ...]
    journal: Path
    keep_raw: bool = False
    sync: Literal["none", "commit"] = "none"


class Recorder:
    """A recording under way; `run` returns when it was asked to stop or cannot go on.

    Raises: JournalError.
    """

    def __init__(
        self, directory: Path, manifest: Manifest, *, keep_raw: bool, sync: Literal["none", "commit"] = "none"
    ) -> None:
        self.directory = directory
        self.manifest = manifest
        self.stream: MarketStream
        self.stop_asked = asyncio.Event()
        self.failure: BaseException | None = None
        self.is_stopping = False
        self.gaps = 0
        self.kind_counts = np.zeros(256, np.int64)  # events of this run
        self.venue_seqs: dict[int, int] = {}  # of each book's last message in the stream
        beside = [one.continuity == Continuity.BESIDE_STREAM for one in manifest.instruments]
        self.chain_kinds = [STREAM_KINDS[is_beside] for is_beside in beside]
        self.log = EventLog(RECORD)
        goes_on = has_segments(directory)
        self.writer = Writer(directory, sync=sync)
        self.raw = RawFrames(directory, keep_all=keep_raw)
        if goes_on:
            self.append_gaps()  # what happened since the last recording is not known
        else:
            self.writer.append(payload_rows(EventKind.MANIFEST, 0, encode_manifest(manifest)))
        self.writer.commit()

    @property
    def status(self) -> StreamStatus:
        """How the connection is."""
        return self.stream.status

    def append(self, rows: np.ndarray) -> None:
        """Number whole events and journal them; a journal that cannot be written ends the recording."""
        if self.failure is not None:
            return
        is_last = (rows["flags"] & Flag.LAST) != 0
        rows["seq"] = self.writer.seq_next + np.cumsum(is_last) - is_last
        try:
            self.writer.append(rows)
        except (JournalError, OSError) as error:
            self.fail(error)
            return
        self.kind_counts += np.bincount(rows["kind"][is_last], minlength=256)

    def fail(self, error: BaseException) -> None:
        """Stop for good; the journal ends at its last commit."""
        self.failure = self.failure or error
        self.log.error("recording_failed", error=error)
        self.stop_asked.set()

    def append_gaps(self) -> None:
        """Say of every book that messages are missing here."""
        self.venue_seqs.clear()
        for index in range(len(self.manifest.instruments)):
            self.append(gap_rows(index, time.time_ns()))
            self.gaps += 1

    def takers(self) -> MarketTakers:
        """Return what a market hands on to."""
        return MarketTakers(
            on_rows=self.on_rows, on_up=self.on_up, on_down=self.on_down,
            on_refused=lambda error, ts_ns: self.raw.refuse("public", error.frame, ts_ns, error.reason),
            on_message=self.raw.keep if self.raw.keep_all else None,
        )  # fmt: skip

    async def on_rows(self, rows: np.ndarray, ts_receive_ns: int) -> None:
        """Take whole market events; a book message that does not continue its book begins a new connection."""
        self.append(rows)
        if self.skips(rows):
            self.log.warning("book_gap", seq=self.writer.seq_next)
            await self.stream.cut()

    def skips(self, rows: np.ndarray) -> bool:
        """Tell whether a book message is missing before some rows, and note where the books are.

        A snapshot beside the stream is none of its messages: the deltas continue each other.
        """
        kind, index = int(rows["kind"][-1]), int(rows["instrument_index"][-1])
        if kind not in self.chain_kinds[index]:
            return False
        before, self.venue_seqs[index] = self.venue_seqs.get(index), int(rows["aux"][-1])
        is_first = before is None and EventKind.BOOK_SNAPSHOT not in self.chain_kinds[index]
        return kind == EventKind.BOOK_DELTA and not is_first and int(rows["order_id"][-1]) != before

    async def on_up(self) -> None:
        """Start with empty books: a snapshot comes first."""
        self.venue_seqs.clear()

    async def on_down(self) -> None:
        """Mark the gap, unless the end was asked for: nothing follows it."""
        if not self.is_stopping:
            self.append_gaps()

    async def commit_loop(self) -> None:
        """Write what waits, at an even pace, and see each second that the journal is there as it was written."""
        for turn in itertools.count(1):
            await asyncio.sleep(COMMIT_S)
            try:
                self.writer.commit()
                self.raw.flush()
                if turn % CHECK_TURNS == 0:
                    self.writer.check_in_place()
            except (JournalError, OSError) as error:
                self.fail(error)

    async def run(self) -> None:
        """Record until asked to stop.

        Raises: StreamRefused, JournalError, OSError.
        """
        tasks = [asyncio.ensure_future(each) for each in (self.stream.run(), self.commit_loop())]
        stop = asyncio.ensure_future(self.stop_asked.wait())
        try:
            done, _ = await asyncio.wait([*tasks, stop], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if task is not stop and task.exception() is not None:
                    self.failure = self.failure or task.exception()
        finally:
            self.is_stopping = True
            for task in [*tasks, stop]:
                task.cancel()
            await asyncio.gather(*tasks, stop, return_exceptions=True)
        if self.failure is not None:
            raise self.failure

    def close(self) -> None:
        """Seal the journal; after a failed write it ends at its last commit, without one."""
        self.raw.close()
        self.writer.close(seal=not isinstance(self.failure, JournalError | OSError))


async def make_recorder(plan: RecordPlan, http: aiohttp.ClientSession) -> Recorder:
    """Open or take up the recording and wire it to the venue; nothing is connected yet.

    Raises: CannotStart, UnknownVenue, VenueUnreachable, VenueError, MalformedFrame, JournalError.
    """
    await await_emulator(plan.endpoints)
    if client_name(plan.venue) is not None:
        url = plan.endpoints.rest if plan.endpoints.sockets else None
        loaded = await client_venue(plan.venue).load(url, plan.symbols)
        recorder = open_recorder(plan, find_manifest(plan.journal, RECORD, plan.venue, loaded.instruments))
        recorder.stream = loaded.open(recorder.manifest, recorder.takers())
        return recorder
    rest = RestClient(http, native_venue(plan.venue), plan.endpoints.rest)
    await check_clock(rest)
    instruments = await find_instruments(plan.venue, plan.symbols, rest)
    recorder = open_recorder(plan, find_manifest(plan.journal, RECORD, plan.venue, instruments))
    pace = Pace()
    recorder.stream = open_native(
        http, rest, plan.endpoints.sockets, recorder.manifest, recorder.takers(), on_failed=recorder.fail,
        silence_s=pace.silence_market_s, ping_s=pace.ping_s,
    )  # fmt: skip
    return recorder


def open_recorder(plan: RecordPlan, manifest: Manifest) -> Recorder:
    """Return a recorder of a plan's journal."""
    return Recorder(plan.journal, manifest, keep_raw=plan.keep_raw, sync=plan.sync)
