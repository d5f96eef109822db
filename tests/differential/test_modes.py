"""Law 1: the same journal, the same bytes, however it is compiled, batched, hashed, stored, split or resumed."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmfold.engine.codes import EventKind, Side
from mmfold.engine.core import Core
from mmfold.engine.limits import CHAIN_BLOCK_EVENT_COUNT
from mmfold.journal.jsonl.file import write_jsonl
from mmfold.journal.log.writer import Writer
from mmfold.replay.parallel import TooFewCores, check_cores, replay_segments
from mmfold.replay.record import Recorder, market_rows
from mmfold.replay.result import ReplayResult
from mmfold.replay.run import Replay, ReplayOptions, replay
from tests.compile_first import CHECKED
from tests.differential import modes_child
from tests.differential.modes_child import DOCUMENT, FULL, Market, events_of, fold, manifest_of
from tests.engine.rows import book_event, event

CHILD = Path(modes_child.__file__)
EVENT_COUNT = 2_600
SEED = 20_241_108


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    """Return a journal of three instruments and everything that happens to them."""
    return Market(SEED).rows(EVENT_COUNT)


@pytest.fixture(scope="module")
def expected(rows: np.ndarray) -> dict[str, Any]:
    """Return what the whole journal folds to in this process."""
    return fold(rows)


@pytest.fixture(scope="module")
def file(rows: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the journal as a file of rows for children."""
    path = tmp_path_factory.mktemp("modes") / "rows.npy"
    np.save(path, rows)
    return path


@pytest.fixture(scope="module")
def journal(rows: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the journal as a directory of several segments, with the checkpoints of a first run."""
    path = tmp_path_factory.mktemp("modes") / "journal"
    with Writer(path, segment_bytes_max=64) as writer:
        for part in events_of(rows):
            writer.append(part)
            writer.commit()
    replay(path, ReplayOptions())
    return path


@pytest.fixture(scope="module")
def witnessed(rows: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the market of the journal as a session recorded it, decisions included."""
    path = tmp_path_factory.mktemp("modes") / "witnessed"
    document = {**DOCUMENT, "params": {name: {**params, "mode": 0} for name, params in DOCUMENT["params"].items()}}
    answers = (EventKind.ACK, EventKind.AMENDED, EventKind.CANCELED, EventKind.EXPIRED, EventKind.REQUEST_RESULT)
    with Writer(path, segment_bytes_max=64) as writer:
        recorder = Recorder(writer, manifest_of(rows), document)
        for part in market_rows([rows[~np.isin(rows["kind"], answers)]]):
            recorder.append(part)
        recorder.finish()
    return path


def run_child(file: Path, *flags: str, cwd: Path | None = None, **env: str) -> dict[str, Any]:
    """Fold the journal in another process."""
    command = [sys.executable, *flags, str(CHILD), str(file)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    done = subprocess.run(command, env=kept | env, cwd=cwd, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def answer(result: ReplayResult) -> tuple[Any, ...]:
    """Return what of a replay must not depend on how it was run."""
    return (
        result.events, result.rows, result.head, result.state_digest, result.effects_digest, result.effect_counts,
        result.fills, result.witnessed_count,
    )  # fmt: skip


def test_the_journal_holds_what_it_is_meant_to_test(rows: np.ndarray, expected: dict[str, Any]) -> None:
    kinds = {EventKind(kind) for kind in np.unique(rows["kind"])}
    outside = {EventKind.DIGEST, EventKind.NOTE, EventKind.FRAME}
    assert kinds == {kind for kind in EventKind if not 100 <= kind < 105} - outside
    assert all(count > 40 for count in expected["effects"].values()), expected["effects"]
    assert len(events_of(rows)) > 2 * CHAIN_BLOCK_EVENT_COUNT
    assert min(expected["features"].values()) > 0, expected["features"]
    assert min(expected["blocked"].values()) > 0 and expected["circuit_transition_count"] > 3, expected


@pytest.mark.parametrize("event_count", [1, 7, 4096])
def test_batches(rows: np.ndarray, expected: dict[str, Any], event_count: int) -> None:
    assert fold(rows, event_count) == expected


def test_compiled(file: Path, expected: dict[str, Any]) -> None:
    assert run_child(file, NUMBA_DISABLE_JIT="0") == expected


def test_interpreted_with_every_warning_an_error(file: Path, expected: dict[str, Any]) -> None:
    assert run_child(file, "-W", "error", NUMBA_DISABLE_JIT="1") == expected


def test_compiled_with_bounds_checks(file: Path, expected: dict[str, Any]) -> None:
    assert run_child(file, NUMBA_DISABLE_JIT="0", **CHECKED) == expected


@pytest.mark.parametrize(
    ("hash_seed", "zone", "locale"),
    [("0", "Asia/Kathmandu", "C"), ("1", "America/St_Johns", "tr_TR.UTF-8"), ("7", "", "POSIX")],
)
def test_surroundings(
    file: Path, expected: dict[str, Any], tmp_path: Path, hash_seed: str, zone: str, locale: str
) -> None:
    env = {"PYTHONHASHSEED": hash_seed, "TZ": zone, "LC_ALL": locale, "LANG": locale, "NUMBA_DISABLE_JIT": "0"}
    assert run_child(file, cwd=tmp_path, **env) == expected


@pytest.mark.parametrize("block", [1, 2])
def test_checkpoint_and_tail(rows: np.ndarray, expected: dict[str, Any], block: int) -> None:
    cut = int(np.searchsorted(rows["seq"], block * CHAIN_BLOCK_EVENT_COUNT))
    first = Core(manifest_of(rows))
    first.feed(rows[:cut])
    first.drain()
    first.effects_digest.close_block()
    second = Core(manifest_of(rows))
    second.load(first.dump())
    second.effects_digest.value = first.effects_digest.value
    second.feed(rows[cut:])
    second.finish()
    assert second.state_digest() == expected["state_digest"]
    assert second.effects_digest.hexdigest() == expected["effects_digest"]
    assert sum(second.effect_kind_counts) == sum(expected["effects"].values())


def test_checkpoint_after_any_event(rows: np.ndarray, expected: dict[str, Any]) -> None:
    core, events = Core(manifest_of(rows)), events_of(rows)
    for start in range(0, len(events), 100):
        core.feed(np.concatenate(events[start : start + 100]))
        core.drain()
        loaded = Core(manifest_of(rows))
        loaded.load(core.dump())
        assert loaded.state_digest() == core.state_digest()
        core = loaded
    assert core.state_digest() == expected["state_digest"]


def test_jsonl_is_the_binary_journal(rows: np.ndarray, journal: Path, tmp_path: Path) -> None:
    written = write_jsonl([rows], tmp_path / "events.jsonl")
    found, whole = replay(tmp_path / "events.jsonl", ReplayOptions()), replay(journal, ReplayOptions())
    assert answer(found) == answer(whole) and found.head == written.head.hex()
    write_jsonl([rows], tmp_path / "bare.jsonl.zst", sealed=False)
    bare = replay(tmp_path / "bare.jsonl.zst", ReplayOptions())
    assert answer(bare) == answer(whole) and not bare.sealed


def test_segments_and_checkpoints_are_there(journal: Path) -> None:
    assert len(list(journal.glob("*.mmj"))) == 3 and len(list((journal / "checkpoints").iterdir())) == 2


def test_workers(journal: Path) -> None:
    assert answer(replay_segments(journal, ReplayOptions(), 2)) == answer(replay(journal, ReplayOptions()))


@pytest.mark.parametrize("seq", [1, 1023, 1024, 1025, 2048, EVENT_COUNT - 1])
def test_from(journal: Path, seq: int) -> None:
    whole, late = Replay(journal, ReplayOptions()), Replay(journal, ReplayOptions(seq_from=seq))
    effects: dict[Replay, list[np.ndarray]] = {whole: [], late: []}
    for run in (whole, late):
        run.writers.append(lambda taken, run=run: effects[run].append(taken.copy()))  # type: ignore[misc]
    assert answer(late.run()) == answer(whole.run())
    all_effects = np.concatenate(effects[whole])
    assert (np.concatenate(effects[late]) == all_effects[all_effects["seq"] > seq]).all()


@pytest.mark.parametrize("seq", [0, 1, 1023, 1024, 1500, EVENT_COUNT - 1, EVENT_COUNT + 5])
def test_until(rows: np.ndarray, journal: Path, tmp_path: Path, seq: int) -> None:
    write_jsonl([rows[rows["seq"] <= seq]], tmp_path / "prefix.jsonl")
    assert answer(replay(journal, ReplayOptions(until_seq=seq))) == answer(
        replay(tmp_path / "prefix.jsonl", ReplayOptions())
    )


def test_until_a_time(rows: np.ndarray, journal: Path) -> None:
    # The first event that is later ends it, whatever comes back to an earlier time behind it.
    timed = rows[(rows["kind"] > EventKind.COMMAND) & (rows["kind"] != EventKind.DIGEST)]
    ts_ns = int(timed["ts_receive_ns"][len(timed) // 2])
    seq = int(timed["seq"][np.argmax(timed["ts_receive_ns"] > ts_ns)]) - 1
    by_time, by_seq = (
        replay(journal, options) for options in (ReplayOptions(until_ts_ns=ts_ns), ReplayOptions(until_seq=seq))
    )
    assert answer(by_time) == answer(by_seq)


def test_decisions_recorded_are_decisions_replayed(witnessed: Path) -> None:
    result = replay(witnessed, ReplayOptions(checkpoints=False))
    assert result.witnessed_count == sum(result.effect_counts.values()) > 500


def test_checkpoint_between_a_decision_and_its_witness(rows: np.ndarray, tmp_path: Path) -> None:
    trade = event(EventKind.TRADE, side=Side.BID, price_ticks=600_000, qty_lots=1)
    book = book_event(EventKind.BOOK_SNAPSHOT, [(600_000, 9_000)], [(600_001, 9_000)], aux=1)
    with Writer(tmp_path / "journal", segment_bytes_max=64) as writer:
        recorder = Recorder(writer, manifest_of(rows), {"params": {"A": {**FULL, "levels_per_side": 1}}})
        while writer.seq_next < CHAIN_BLOCK_EVENT_COUNT - 1:
            recorder.append(trade)
        recorder.append(book)
        assert writer.seq_next > CHAIN_BLOCK_EVENT_COUNT, "what it decided is in the next block, and segment"
        recorder.append(trade)
        recorder.finish()
    path, plain = tmp_path / "journal", replay(tmp_path / "journal", ReplayOptions(checkpoints=False))
    assert answer(replay(path, ReplayOptions())) == answer(plain)
    assert answer(replay(path, ReplayOptions(seq_from=plain.events - 1))) == answer(plain)
    assert answer(replay_segments(path, ReplayOptions(), 2)) == answer(plain)


def test_more_processes_than_cores_can_feed_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, workers, most in ((2, 2, 0), (3, 2, 0), (7, 4, 3), (1, 2, 0)):
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid, cores=cores: set(range(cores)))
        with pytest.raises(TooFewCores, match=f"need {2 * workers} cores; this process has {cores}") as refused:
            check_cores(workers)
        assert refused.value.hint == (f"at most --workers {most}" if most else "leave --workers out")
    for cores, workers in ((1, 1), (2, 1), (4, 2), (64, 32)):
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid, cores=cores: set(range(cores)))
        check_cores(workers)
