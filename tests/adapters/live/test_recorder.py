"""A recording of the emulator, by Bybit's own stream and through ccxt: whole books, honest gaps, a sealed journal."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import aiohttp
import numpy as np
import pytest

from mmfold.adapters.live.account.opening import CannotStart
from mmfold.adapters.live.recorder import Recorder, RecordPlan, make_recorder
from mmfold.adapters.live.runner import Pace
from mmfold.adapters.live.start import Plan
from mmfold.adapters.live.venue.endpoints import find_endpoints
from mmfold.config.load import load_config
from mmfold.engine.codes import BookStatus, EventKind
from mmfold.engine.core import Core
from mmfold.engine.manifest import parse_manifest
from mmfold.engine.payload import payload_bytes
from mmfold.journal.errors import JournalError
from mmfold.journal.log.reader import Journal
from mmfold.journal.log.seal import SEAL_NAME
from tests.adapters.emulator.running import RunningVenue
from tests.adapters.live.until import run_session, run_until

BOTH = pytest.mark.parametrize("venue", ["bybit", "ccxt:bybit"])
BOOK_TOPIC = "public:orderbook.50.BTCUSDT"


@pytest.fixture(autouse=True)
def _no_faults(running: RunningVenue) -> None:
    running.set_faults()


def plan_of(
    running: RunningVenue, venue: str, journal: Path, symbols: tuple[str, ...] = ("BTCUSDT", "ETHUSDT")
) -> RecordPlan:
    endpoints = find_endpoints(venue, "live", running.urls["rest"])
    return RecordPlan(venue=venue, endpoints=endpoints, symbols=symbols, journal=journal)


def has(journal: Path, is_enough: Callable[[np.ndarray], bool]) -> bool:
    """Tell whether a growing journal holds enough; at first it has no segment, or only the start of one."""
    with suppress(JournalError, ValueError):
        return is_enough(rows_of(journal))
    return False


def record(plan: RecordPlan, is_enough: Callable[[np.ndarray], bool]) -> Recorder:
    async def run() -> Recorder:
        async with aiohttp.ClientSession() as http:
            recorder = await make_recorder(plan, http)
            try:
                await run_until(recorder, lambda: has(plan.journal, is_enough))
            finally:
                recorder.close()
            return recorder

    return asyncio.run(run())


def rows_of(journal: Path) -> np.ndarray:
    return np.concatenate([rows.copy() for rows in Journal(journal).verified_chunks()])


def check_books(rows: np.ndarray) -> None:
    """Check that after a gap each book starts with a snapshot and that every delta continues its book."""
    place: dict[int, int | None] = {}
    for row in rows[(rows["flags"] & 1) != 0]:
        index, kind = int(row["instrument_index"]), row["kind"]
        if kind == EventKind.BOOK_GAP:
            place[index] = None
        elif kind == EventKind.BOOK_DELTA and place.get(index) is not None:
            assert int(row["order_id"]) == place[index]
        if kind in (EventKind.BOOK_SNAPSHOT, EventKind.BOOK_DELTA):
            assert kind == EventKind.BOOK_SNAPSHOT or place.get(index) is not None
            place[index] = int(row["aux"])


def final_books(rows: np.ndarray) -> list[BookStatus]:
    manifest = parse_manifest(payload_bytes(rows[rows["seq"] == 0]))
    core = Core(manifest)
    core.feed(rows)
    return [BookStatus(int(book["status"])) for book in core.state.books]


def holds(rows: np.ndarray, *kinds: EventKind) -> bool:
    return set(kinds) <= set(rows["kind"].tolist())


def gap_seqs(rows: np.ndarray) -> list[int]:
    return rows["seq"][rows["kind"] == EventKind.BOOK_GAP].tolist()  # type: ignore[no-any-return]


def has_books(rows: np.ndarray) -> bool:
    """Tell whether each book has come anew since the last gap; no kernel may have to be compiled for that."""
    later = rows[rows["seq"] > max(gap_seqs(rows), default=-1)]
    return set(later["instrument_index"][later["kind"] == EventKind.BOOK_SNAPSHOT].tolist()) == {0, 1}


def has_books_after_a_gap(rows: np.ndarray) -> bool:
    return bool(gap_seqs(rows)) and has_books(rows)


@BOTH
def test_a_recording_is_a_market(running: RunningVenue, tmp_path: Path, venue: str) -> None:
    plan = replace(plan_of(running, venue, tmp_path / "j"), keep_raw=True)
    kinds = (EventKind.BOOK_SNAPSHOT, EventKind.BOOK_DELTA, EventKind.TRADE, EventKind.MARK)
    recorder = record(plan, lambda rows: len(rows) > 400 and holds(rows, *kinds) and has_books(rows))
    rows = rows_of(plan.journal)
    manifest = parse_manifest(payload_bytes(rows[rows["seq"] == 0]))
    assert not manifest.witnessed and (plan.journal / SEAL_NAME).exists()
    grids = [(each.symbol, Decimal(each.tick_size), each.lot_size) for each in manifest.instruments]
    assert grids == [("BTCUSDT", Decimal("0.1"), "0.001"), ("ETHUSDT", Decimal("0.01"), "0.01")]
    assert [each.book_depth for each in manifest.instruments] == [50, 50]
    assert holds(rows, *kinds) and not holds(rows, EventKind.BOOK_GAP)
    assert (recorder.gaps, recorder.status.refused) == (0, 0)
    assert np.count_nonzero(rows["kind"] == EventKind.BOOK_SNAPSHOT) <= 200  # the first of each book, then deltas
    assert (plan.journal / "raw-frames.log").stat().st_size > 1_000
    check_books(rows)
    assert final_books(rows) == [BookStatus.LIVE, BookStatus.LIVE]


@BOTH
def test_a_lost_connection_is_a_gap_of_every_book(running: RunningVenue, tmp_path: Path, venue: str) -> None:
    running.set_faults({"fault": "disconnect", "at": BOOK_TOPIC, "after": 8})
    recorder = record(plan_of(running, venue, tmp_path / "j"), has_books_after_a_gap)
    rows = rows_of(tmp_path / "j")
    gaps = rows[rows["kind"] == EventKind.BOOK_GAP]
    assert recorder.status.reconnects == 1 and sorted(gaps["instrument_index"]) == [0, 1]
    check_books(rows)
    assert final_books(rows) == [BookStatus.LIVE, BookStatus.LIVE]


def test_a_missing_message_begins_a_new_connection(running: RunningVenue, tmp_path: Path) -> None:
    running.set_faults({"fault": "drop", "at": BOOK_TOPIC, "after": 8})
    recorder = record(plan_of(running, "bybit", tmp_path / "j"), has_books_after_a_gap)
    rows = rows_of(tmp_path / "j")
    assert recorder.status.reconnects == 1 and recorder.gaps == 2
    assert final_books(rows) == [BookStatus.LIVE, BookStatus.LIVE]


def test_a_recording_goes_on_where_it_ended(running: RunningVenue, tmp_path: Path) -> None:
    plan = plan_of(running, "bybit", tmp_path / "j")
    first, second = record(plan, has_books), record(plan, has_books_after_a_gap)
    rows = rows_of(plan.journal)
    assert first.manifest == second.manifest and len(rows) == second.writer.row_count
    assert np.count_nonzero(rows["kind"] == EventKind.BOOK_GAP) == 2
    check_books(rows)
    for other in (replace(plan, symbols=("BTCUSDT",)), replace(plan, venue="ccxt:bybit")):
        with pytest.raises(CannotStart, match="holds"):
            record(other, has_books)


def places_after_a_gap(rows: np.ndarray) -> bool:
    return EventKind.PLACE in rows["kind"][rows["seq"] > min(gap_seqs(rows), default=rows["seq"][-1])]


def test_a_session_through_ccxt_quotes_again_after_a_lost_connection(running: RunningVenue, tmp_path: Path) -> None:
    running.set_faults({"fault": "disconnect", "at": BOOK_TOPIC, "after": 8})
    plan = Plan(
        venue="ccxt:bybit", mode="paper", endpoints=find_endpoints("ccxt:bybit", "paper", running.urls["rest"]),
        symbols=("BTCUSDT",), journal=tmp_path / "j", config=load_config(None, None, ["mode=sent"]),
        pace=Pace(warmup_s=0.1),
    )  # fmt: skip

    runner = run_session(plan, lambda _: has(plan.journal, places_after_a_gap))
    rows = rows_of(plan.journal)
    assert runner.status.streams["public"].reconnects == 1
    assert places_after_a_gap(rows) and EventKind.PLACE in rows["kind"][rows["seq"] < min(gap_seqs(rows))]
    assert not runner.session.open_orders()
