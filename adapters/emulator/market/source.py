"""Where the emulator's market comes from: a recorded journal or a seeded walk behind one face; must never pace it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from mmfold.adapters.emulator.errors import VenueSetupError
from mmfold.adapters.emulator.market.product import pick_symbols
from mmfold.adapters.emulator.market.synthetic import synthetic_events, synthetic_manifest
from mmfold.engine.codes import Continuity, EventKind, Flag
from mmfold.engine.limits import NS_PER_S
from mmfold.engine.manifest import Manifest
from mmfold.engine.records import NO_TS_NS
from mmfold.replay.source import EventSource

LOOP_PAUSE_NS = NS_PER_S
BOOK_KINDS = (EventKind.BOOK_SNAPSHOT, EventKind.BOOK_DELTA, EventKind.BOOK_CLEAR, EventKind.BOOK_GAP)
PLAYED_KINDS = (*BOOK_KINDS, EventKind.TRADE, EventKind.MARK, EventKind.FUNDING)

TimedEvents = Iterator[tuple[int, np.ndarray]]  # (ns since the start, rows of one event)


@dataclass(frozen=True)
class MarketSource:
    """A market to play: what is traded, and its events in order of time.

    `numbering` is that of a recorded feed's books, whatever venue lists them now.
    """

    manifest: Manifest
    name: str
    events: Callable[[], TimedEvents]
    numbering: Mapping[str, Continuity] = field(default_factory=dict)


def synthetic_source(seed: int, symbols: Sequence[str], venue: str = "bybit") -> MarketSource:
    """Return a made-up market that a venue lists.

    Raises: VenueSetupError.
    """
    manifest = synthetic_manifest(seed, symbols, venue)
    return MarketSource(manifest, f"synthetic {seed}", lambda: synthetic_events(manifest))


def journal_source(path: Path, symbols: Sequence[str], *, loop: bool, venue: str = "bybit") -> MarketSource:
    """Return a recorded market, of whatever venue, that a venue lists.

    Raises: VenueSetupError, JournalError, JsonlError.
    """
    recorded = EventSource(path).manifest
    picked = pick_symbols(recorded, symbols)
    manifest = replace(
        recorded, instruments=tuple(replace(instrument, venue=venue) for instrument in picked), witnessed=False
    )
    index_of = {
        recorded.symbol_index()[instrument.symbol]: index for index, instrument in enumerate(manifest.instruments)
    }
    numbering = {instrument.symbol: instrument.continuity for instrument in picked}
    return MarketSource(manifest, f"journal {path}", lambda: journal_events(path, index_of, loop=loop), numbering)


def journal_events(path: Path, index_of: dict[int, int], *, loop: bool) -> TimedEvents:
    """Yield a journal's market events, over and over if asked to.

    Raises: VenueSetupError for a journal without a market.
    """
    base_ns = 0
    while True:
        last_ns = None
        for offset_ns, rows in played_once(path, index_of):
            last_ns = base_ns + offset_ns
            yield last_ns, rows
        if last_ns is None:
            raise VenueSetupError(f"{path} holds no market events of these symbols", "import a capture first")
        if not loop:
            return
        base_ns = last_ns + LOOP_PAUSE_NS


def played_once(path: Path, index_of: dict[int, int]) -> TimedEvents:
    """Yield a journal's market events once; receive times that go back count as the latest seen."""
    start_ns = latest_ns = None
    for chunk in EventSource(path).chunks():
        ends = np.flatnonzero(chunk["flags"] & Flag.LAST) + 1
        starts = np.concatenate(([0], ends[:-1]))
        played = np.isin(chunk["kind"][starts], PLAYED_KINDS) & np.isin(
            chunk["instrument_index"][starts], list(index_of)
        )
        for start, end in zip(starts[played].tolist(), ends[played].tolist(), strict=True):
            rows = chunk[start:end].copy()
            rows["instrument_index"] = index_of[int(rows[0]["instrument_index"])]
            ts_ns = int(rows[0]["ts_receive_ns"])
            if ts_ns == NO_TS_NS:
                ts_ns = int(rows[0]["ts_exchange_ns"])
            if ts_ns == NO_TS_NS:
                ts_ns = latest_ns or 0
            start_ns = ts_ns if start_ns is None else start_ns
            latest_ns = ts_ns if latest_ns is None else max(latest_ns, ts_ns)
            yield latest_ns - start_ns, rows
