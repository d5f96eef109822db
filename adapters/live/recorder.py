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

from mmfold.adapters.live.endpoints import Endpoints, unified_name
from mmfold.adapters.live.opening import RECORD, find_manifest
from mmfold.adapters.live.raw import RawFrames
from mmfold.adapters.live.rest_client import RestClient
from mmfold.adapters.live.session import has_segments
from mmfold.adapters.live.start import await_emulator, check_clock, find_instruments, plan_public
from mmfold.adapters.live.stream import Stream
from mmfold.adapters.logs import EventLog
from mmfold.adapters.venues.bybit.public import PublicParser, gap_rows
from mmfold.adapters.venues.ccxt.loading import load_venue
from mmfold.adapters.venues.ccxt.market import UnifiedMarket
from mmfold.adapters.venues.connection import StreamStatus
from mmfold.adapters.venues.port import MalformedFrame
from mmfold.engine.codes import EventKind, Flag
from mmfold.engine.manifest import Manifest, encode_manifest
from mmfold.engine.payload import payload_rows
from mmfold.journal.errors import JournalError
from mmfold.journal.writer import Writer

COMMIT_S = 0.25
CHECK_TURNS = 4  # each second


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
        self.stream: Stream | UnifiedMarket
        self.stop_asked = asyncio.Event()
        self.failure: BaseException | None = None
        self.is_stopping = False
        self.gaps = 0
        self.kind_counts = np.zeros(256, np.int64)  # events of this run
        self.venue_seqs: dict[int, int] = {}  # of each book's last message
        self.parser = PublicParser(manifest)
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

    async def on_frame(self, frame: bytes, ts_receive_ns: int) -> None:
        """Take a frame of the venue's own stream."""
        self.raw.keep("public", frame, ts_receive_ns)
        try:
            rows = self.parser.parse(frame, ts_receive_ns)
        except MalformedFrame as error:
            self.status.refused += 1
            self.on_refused(error, ts_receive_ns)
            return
        if isinstance(rows, np.ndarray) and len(rows):
            await self.on_rows(rows, ts_receive_ns)

    async def on_rows(self, rows: np.ndarray, ts_receive_ns: int) -> None:
        """Take whole market events; a book message that does not continue its book begins a new connection."""
        self.append(rows)
        if self.skips(rows):
            self.log.warning("book_gap", seq=self.writer.seq_next)
            await self.stream.cut()

    def skips(self, rows: np.ndarray) -> bool:
        """Tell whether a book message is missing before some rows, and note where the books are."""
        kind = int(rows["kind"][-1])
        if kind not in (EventKind.BOOK_SNAPSHOT, EventKind.BOOK_DELTA):
            return False
        index = int(rows["instrument_index"][-1])
        before, self.venue_seqs[index] = self.venue_seqs.get(index), int(rows["aux"][-1])
        return kind == EventKind.BOOK_DELTA and int(rows["order_id"][-1]) != before

    def on_refused(self, error: MalformedFrame, ts_receive_ns: int) -> None:
        """Keep what was not understood."""
        self.log.warning("frame_refused", stream="public", reason=error.reason, size_bytes=len(error.frame))
        self.raw.refuse("public", error.frame, ts_receive_ns, error.reason)

    async def on_up(self) -> None:
        """Start with empty books: a snapshot comes first."""
        self.parser.forget_books()
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
    name = unified_name(plan.venue)
    if name is not None:
        url = plan.endpoints.rest if plan.endpoints.sockets else None
        venue = await load_venue(name, url, plan.symbols)
        recorder = open_recorder(plan, find_manifest(plan.journal, RECORD, plan.venue, venue.instruments))
        recorder.stream = UnifiedMarket(
            venue, recorder.manifest, on_rows=recorder.on_rows, on_up=recorder.on_up, on_down=recorder.on_down,
            on_refused=recorder.on_refused, on_message=recorder.raw.keep if plan.keep_raw else None,
        )  # fmt: skip
        return recorder
    rest = RestClient(http, plan.endpoints.rest, None)
    await check_clock(rest)
    instruments = await find_instruments(plan.venue, plan.symbols, rest)
    recorder = open_recorder(plan, find_manifest(plan.journal, RECORD, plan.venue, instruments))
    recorder.stream = Stream(
        http, plan_public(plan.endpoints, recorder.manifest), ts_ms=rest.ts_ms, on_frame=recorder.on_frame,
        on_up=recorder.on_up, on_down=recorder.on_down,
    )  # fmt: skip
    return recorder


def open_recorder(plan: RecordPlan, manifest: Manifest) -> Recorder:
    """Return a recorder of a plan's journal."""
    return Recorder(plan.journal, manifest, keep_raw=plan.keep_raw, sync=plan.sync)
