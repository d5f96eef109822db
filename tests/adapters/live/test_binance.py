"""Binance through the port: recordings and sessions on its emulator, over what goes wrong on both connections."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from mmfold.adapters.live.recorder import Recorder, RecordPlan
from mmfold.adapters.live.runner import Pace, Runner
from mmfold.adapters.live.start import Plan
from mmfold.adapters.live.venue import snapshots
from mmfold.adapters.live.venue.endpoints import find_endpoints
from mmfold.config.load import load_config
from mmfold.engine.codes import BookStatus, EventKind
from tests.adapters.emulator.binance.running import RunningBinance
from tests.adapters.live.test_recorder import final_books, gap_seqs, has, rows_of
from tests.adapters.live.test_recorder import record as run_recording
from tests.adapters.live.until import run_session
from tests.live.laws import check_replay

SYMBOLS = ("BTCUSDT", "ETHUSDT")


@pytest.fixture(scope="module")
def shared_venue() -> Iterator[RunningBinance]:
    venue = RunningBinance()
    yield venue
    venue.close()


@pytest.fixture
def binance(shared_venue: RunningBinance, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningBinance]:
    monkeypatch.setattr(snapshots, "PAUSE_S", (0.1, 0.4))
    yield shared_venue
    shared_venue.set_faults()


def url_of(binance: RunningBinance) -> str:
    return f"http://127.0.0.1:{binance.server.port}"


def record(binance: RunningBinance, journal: Path, is_enough: Callable[[np.ndarray], bool]) -> Recorder:
    endpoints = find_endpoints("binance", "live", url_of(binance))
    plan = RecordPlan(venue="binance", endpoints=endpoints, symbols=SYMBOLS, journal=journal)
    return run_recording(plan, is_enough)


def count_of(rows: np.ndarray, kind: EventKind) -> int:
    return int(np.count_nonzero((rows["kind"] == kind) & ((rows["flags"] & 1) != 0)))


def has_all(rows: np.ndarray) -> bool:
    """Tell whether there is enough of everything since the last gap."""
    later = rows[rows["seq"] > max(gap_seqs(rows), default=-1)]
    least = {EventKind.BOOK_SNAPSHOT: 2, EventKind.BOOK_DELTA: 20, EventKind.TRADE: 5, EventKind.BBO: 5}
    return all(count_of(later, kind) >= count for kind, count in least.items()) and count_of(rows, EventKind.MARK) > 3


def test_a_recording_has_all_streams_of_both_connections(binance: RunningBinance, tmp_path: Path) -> None:
    recorder = record(binance, tmp_path / "j", has_all)
    rows = rows_of(tmp_path / "j")
    assert (recorder.gaps, recorder.status.refused, recorder.status.reconnects) == (0, 0, 0)
    assert count_of(rows, EventKind.BOOK_SNAPSHOT) == 2 and final_books(rows) == [BookStatus.LIVE] * 2
    assert set(rows["instrument_index"][rows["kind"] == EventKind.MARK].tolist()) == {0, 1}


def test_marks_that_are_lost_are_no_gap_of_a_book(binance: RunningBinance, tmp_path: Path) -> None:
    binance.set_faults({"fault": "disconnect", "at": "public:*@markPrice@1s"})
    recorder = record(binance, tmp_path / "j", has_all)
    assert (recorder.gaps, recorder.status.reconnects) == (0, 0)
    assert recorder.stream.beside[0].status.reconnects == 1  # type: ignore[union-attr]


@pytest.mark.parametrize("fault", ["drop", "restart", "disconnect", "malformed"])
def test_a_recording_goes_on_after(binance: RunningBinance, tmp_path: Path, fault: str) -> None:
    binance.set_faults({"fault": fault, "at": "public:btcusdt@depth@100ms", "after": 6})
    recorder = record(binance, tmp_path / "j", lambda rows: bool(gap_seqs(rows)) and has_all(rows))
    assert recorder.status.reconnects == 1 and recorder.gaps == 2
    assert final_books(rows_of(tmp_path / "j")) == [BookStatus.LIVE] * 2


@pytest.mark.parametrize("mode", ["paper", "shadow"])
def test_a_session_quotes_again_after_a_gap(binance: RunningBinance, tmp_path: Path, mode: str) -> None:
    def placed_after_gap(rows: np.ndarray) -> bool:
        seqs = rows["seq"][rows["kind"] == EventKind.PLACE]
        return bool(len(seqs) and gap_seqs(rows) and (seqs > gap_seqs(rows)[0]).any())

    def is_enough(_: Runner) -> bool:
        return has(tmp_path / "j", placed_after_gap)

    binance.set_faults({"fault": "drop", "at": "public:btcusdt@depth@100ms", "after": 25})
    plan = Plan(
        venue="binance", mode=mode, endpoints=find_endpoints("binance", mode, url_of(binance)), symbols=("BTCUSDT",),
        journal=tmp_path / "j", pace=Pace(warmup_s=0.1),
        config=load_config(None, None, [f"mode={'shadow' if mode == 'shadow' else 'sent'}"]),
    )  # fmt: skip
    runner = run_session(plan, is_enough)
    assert placed_after_gap(rows_of(tmp_path / "j")) and runner.status.streams["public"].reconnects == 1
    check_replay(tmp_path / "j")
