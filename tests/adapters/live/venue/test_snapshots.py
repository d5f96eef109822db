"""A venue whose streams lack the books: they are fetched by REST, again after whatever goes wrong, and bridged."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmfold.adapters.cli.main import run
from mmfold.adapters.doctor.check import Status
from mmfold.adapters.doctor.credentials import Door, check_credentials
from mmfold.adapters.doctor.venue import check_instruments, check_reachable, parse_endpoint
from mmfold.adapters.live.recorder import Recorder, RecordPlan
from mmfold.adapters.live.runner import Pace, Runner
from mmfold.adapters.live.start import Plan
from mmfold.adapters.live.venue import snapshots
from mmfold.adapters.live.venue.endpoints import find_endpoints
from mmfold.adapters.venues import registry
from mmfold.config.load import load_config
from mmfold.engine.codes import BookStatus, EventKind
from tests.adapters.live.made_up import SYMBOLS, MadeUpServer, MadeUpVenue
from tests.adapters.live.test_recorder import final_books, gap_seqs, has, rows_of
from tests.adapters.live.test_recorder import record as run_recording
from tests.adapters.live.until import run_session
from tests.live.laws import check_replay

LIVE = [BookStatus.LIVE] * len(SYMBOLS)


@pytest.fixture(scope="module")
def made_up() -> Iterator[MadeUpServer]:
    server = MadeUpServer()
    yield server
    server.close()


@pytest.fixture
def server(made_up: MadeUpServer, monkeypatch: pytest.MonkeyPatch) -> MadeUpServer:
    monkeypatch.setitem(registry.VENUES, "madeup", "tests.adapters.live.made_up:MadeUpVenue")
    monkeypatch.setattr(snapshots, "PAUSE_S", (0.1, 0.4))
    made_up.forget()
    return made_up


def record(server: MadeUpServer, journal: Path, is_enough: Callable[[np.ndarray], bool]) -> Recorder:
    endpoints = find_endpoints("madeup", "live", server.url)
    plan = RecordPlan(venue="madeup", endpoints=endpoints, symbols=SYMBOLS, journal=journal, keep_raw=True)
    return run_recording(plan, is_enough)


def session(server: MadeUpServer, journal: Path, mode: str, is_enough: Callable[[Runner], bool]) -> Runner:
    plan = Plan(
        venue="madeup", mode=mode, endpoints=find_endpoints("madeup", mode, server.url), symbols=SYMBOLS,
        journal=journal, config=load_config(None, None, [f"mode={'shadow' if mode == 'shadow' else 'sent'}"]),
        pace=Pace(warmup_s=0.1),
    )  # fmt: skip
    return run_session(plan, is_enough)


def later(rows: np.ndarray, kind: EventKind) -> np.ndarray:
    """Return the last rows of a kind's events since the last gap."""
    is_one = (rows["kind"] == kind) & ((rows["flags"] & 1) != 0) & (rows["seq"] > max(gap_seqs(rows), default=-1))
    return rows[is_one]


def are_bridged(rows: np.ndarray) -> bool:
    """Tell whether each book has a snapshot and five deltas beyond it."""
    found = later(rows, EventKind.BOOK_SNAPSHOT)
    numbers = {int(row["instrument_index"]): int(row["aux"]) for row in found}
    after = [
        int(row["instrument_index"])
        for row in later(rows, EventKind.BOOK_DELTA)
        if int(row["aux"]) > numbers.get(int(row["instrument_index"]), 1 << 62)
    ]
    return all(after.count(index) >= 5 for index in range(len(SYMBOLS)))


def are_bridged_after_a_gap(rows: np.ndarray) -> bool:
    return bool(gap_seqs(rows)) and are_bridged(rows)


def test_a_recording_begins_each_book_by_rest(server: MadeUpServer, tmp_path: Path) -> None:
    recorder = record(server, tmp_path / "j", are_bridged)
    rows = rows_of(tmp_path / "j")
    assert (recorder.gaps, recorder.status.refused, recorder.status.reconnects) == (0, 0, 0)
    assert np.count_nonzero(later(rows, EventKind.BOOK_SNAPSHOT)) == 2 and final_books(rows) == LIVE
    assert sorted(symbol for symbol, _ in server.depth_asked) == list(SYMBOLS)
    kept = (tmp_path / "j" / "raw-frames.log").read_bytes().splitlines()
    assert [line.split()[1] for line in kept if b'"last"' in line] == [b"rest", b"rest"]


FAULTS: dict[str, tuple[list[Any], int]] = {  # what the first answers are | refused
    "refused": ([418, 418], 0),
    "malformed": ([b"<html>", b'{"symbol": "AAA", "last": 9000000, "bids": [["-1", "x"]], "asks": []}'], 2),
    "too old": ([-900_000, -900_000], 0),
    "server error": ([503, 503, 503, 503], 0),  # three tries are one question
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_goes_wrong_is_asked_again_after_a_pause(server: MadeUpServer, tmp_path: Path, name: str) -> None:
    faults, refused_count = FAULTS[name]
    server.depth_faults["AAA"] = list(faults)
    recorder = record(server, tmp_path / "j", are_bridged)
    asked = [at for symbol, at in server.depth_asked if symbol == "AAA"]
    assert len(asked) == len(faults) + 1 and min(b - a for a, b in pairwise(asked)) >= 0.09
    assert server.most_under_way["AAA"] == 1 and [one for one, _ in server.depth_asked].count("BBB") == 1
    assert (recorder.status.refused, recorder.status.reconnects, recorder.gaps) == (refused_count, 0, 0)
    refused = tmp_path / "j" / "refused-frames.log"
    assert len(refused.read_bytes().splitlines()) == refused_count if refused_count else not refused.exists()
    assert final_books(rows_of(tmp_path / "j")) == LIVE


def test_a_lost_delta_of_a_recording_begins_anew(server: MadeUpServer, tmp_path: Path) -> None:
    armed: list[bool] = []

    def is_enough(rows: np.ndarray) -> bool:
        if not armed and are_bridged(rows):
            armed.append(True)
            server.drops["BBB"] = 1
        return are_bridged_after_a_gap(rows)

    recorder = record(server, tmp_path / "j", is_enough)
    assert (recorder.status.reconnects, recorder.gaps) == (1, 2)
    assert final_books(rows_of(tmp_path / "j")) == LIVE


def test_a_lost_connection_takes_its_question_with_it(server: MadeUpServer, tmp_path: Path) -> None:
    server.depth_faults["AAA"] = [0.6]
    armed: list[bool] = []

    def is_enough(rows: np.ndarray) -> bool:
        if not armed and "AAA" in [symbol for symbol, _ in server.depth_asked]:
            armed.append(True)
            server.cut()
        is_answered = time.monotonic() > server.depth_asked[0][1] + 1.0  # the first one too
        return bool(gap_seqs(rows)) and is_answered and are_bridged(rows)

    recorder = record(server, tmp_path / "j", is_enough)
    rows = rows_of(tmp_path / "j")
    snapshots_of_it = (rows["kind"] == EventKind.BOOK_SNAPSHOT) & (rows["instrument_index"] == 0) & (rows["flags"] & 1)
    assert [symbol for symbol, _ in server.depth_asked].count("AAA") == 2 and recorder.status.reconnects == 1
    assert np.count_nonzero(snapshots_of_it) == 1 and final_books(rows) == LIVE


@pytest.mark.parametrize("mode", ["paper", "shadow"])
def test_a_session_quotes_again_after_a_lost_delta(server: MadeUpServer, tmp_path: Path, mode: str) -> None:
    armed: list[bool] = []

    def placed(rows: np.ndarray, *, after_gap: bool) -> bool:
        first = min(gap_seqs(rows), default=1 << 62)
        seqs = rows["seq"][rows["kind"] == EventKind.PLACE]
        return bool((seqs > first).any() if after_gap else len(seqs))

    def is_enough(_: Runner) -> bool:
        if not armed and has(tmp_path / "j", lambda rows: placed(rows, after_gap=False)):
            armed.append(True)
            server.drops["AAA"] = 1
        return bool(armed) and has(tmp_path / "j", lambda rows: placed(rows, after_gap=True))

    runner = session(server, tmp_path / "j", mode, is_enough)
    rows = rows_of(tmp_path / "j")
    assert placed(rows, after_gap=True) and runner.status.streams["public"].reconnects == 1
    assert len(server.depth_asked) == 4 and max(server.most_under_way.values()) == 1
    check_replay(tmp_path / "j")


def test_a_slow_snapshot_is_waited_for(server: MadeUpServer, tmp_path: Path) -> None:
    armed: list[bool] = []

    def is_enough(runner: Runner) -> bool:
        live = (runner.session.core.state.books["status"] == BookStatus.LIVE).all()
        if not armed and live:
            armed.append(True)
            server.depth_faults["AAA"] = [2.5]  # longer than the pause between two resyncs
            server.drops["AAA"] = 1
        return bool(live) and runner.status.streams["public"].reconnects > 0

    runner = session(server, tmp_path / "j", "paper", is_enough)
    assert (runner.session.core.state.books["status"] == BookStatus.LIVE).all()
    assert (runner.status.streams["public"].reconnects, len(server.depth_asked)) == (1, 4)


@pytest.mark.parametrize("mode", ["testnet", "live"])
def test_a_mode_with_an_account_is_refused_in_a_line(
    server: MadeUpServer, tmp_path: Path, mode: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MM_LIVE_ENABLE", "1")
    asked = ["live", "--venue", "madeup", "--mode", mode, "--symbols", "AAA", "--journal", str(tmp_path / "j")]
    assert run([*asked, "--endpoint", server.url]) == 64
    said = capfd.readouterr().err
    assert "madeup" in said and "use --mode paper or shadow" in said and not (tmp_path / "j").exists()


def test_the_doctor_wants_no_keys_for_a_market(server: MadeUpServer) -> None:
    venue, endpoint = MadeUpVenue(), parse_endpoint(server.url)
    reached = check_reachable(venue, endpoint, server.url)
    listed = check_instruments(venue, endpoint, list(SYMBOLS), None)
    door = Door(venue, endpoint, reached.offset_ns, SYMBOLS)
    keys = check_credentials("paper", {}, door, datetime.now(UTC))
    found = [*reached.checks, *listed, *keys]
    assert [(one.name, one.status) for one in found] == [
        (name, Status.OK) for name in ("venue", "clock", "instruments", "credentials")
    ]
    assert "not needed for this venue" in keys[0].found
    [refused] = check_credentials("testnet", {}, door, datetime.now(UTC))
    assert (refused.status, refused.token) == (Status.FAIL, "no_order_entry:madeup")
