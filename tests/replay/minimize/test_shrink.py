"""Laws of minimizing: what comes out fails alike, is 1-minimal over groups, replays, and is the same every time."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from mmfold.engine.codes import EventKind
from mmfold.engine.limits import ORDER_COUNT_MAX, ORDER_ID_SEQ_SHIFT
from mmfold.journal.log.reader import Journal
from mmfold.journal.log.verify import verify
from mmfold.replay.minimize import groups
from mmfold.replay.minimize.books import Books
from mmfold.replay.minimize.failure import DoesNotFail, PredicateError
from mmfold.replay.minimize.output import JSONL_NAME, TEST_NAME, write_output
from mmfold.replay.minimize.predicate import parse_predicate
from mmfold.replay.minimize.recording import read_recording
from mmfold.replay.minimize.reduce import joined_seqs, sizes
from mmfold.replay.minimize.regression import failure_of
from mmfold.replay.minimize.renumber import renumber
from mmfold.replay.minimize.session import Session
from mmfold.replay.minimize.shrink import Minimized, minimize
from mmfold.replay.minimize.trial import Trial
from mmfold.replay.run import ReplayOptions, replay
from tests.replay.venue.market import make_instruments, market_events, run, write_market

LONG_S = 600.0
CASES = [
    # strategy, market with faults, predicate
    ("grid", False, "abs(position_lots) > 40"),
    ("ladder", False, "fills >= 2"),
    ("ladder", True, "alert: book_gap"),
    ("ladder", True, "book_status == 'crossed' or book_status == 'locked'"),
    ("grid", False, "count(cancel) > 2"),
    ("ladder", False, "end: placed > 3"),
]


@dataclass(frozen=True)
class Ran:
    """A minimization and where it was written."""

    fails_if: str
    found: Minimized
    out: Path


@pytest.fixture(scope="module")
def journals(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, bool], Path]:
    """Return backtests by strategy and by whether the market has faults."""
    place, found = tmp_path_factory.mktemp("minimize"), {}
    for faults in (False, True):
        events = market_events(5, 700, instruments=2, faults=faults)
        source = write_market(place / f"market-{faults}", events, make_instruments(2))
        for name in ("grid", "ladder"):
            run(source, place / f"{name}-{faults}", name)
            found[name, faults] = place / f"{name}-{faults}"
    return found


def shrunk(path: Path, fails_if: str, workers: int = 1, seed: int = 0, count: int | None = None) -> Minimized:
    """Minimize a journal, or its first events."""
    recording = read_recording(path, fails_if=fails_if)
    recording = replace(recording, inputs=recording.inputs.cut(count or len(recording.inputs)))
    predicate = parse_predicate(fails_if, recording.manifest)
    return minimize(recording, predicate, budget_s=LONG_S, workers=workers, seed=seed)


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case[2])
def ran(request: pytest.FixtureRequest, journals: dict, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    name, faults, fails_if = request.param
    found = shrunk(journals[name, faults], fails_if)
    out = tmp_path_factory.mktemp("out") / "min"
    write_output(found, out, out)
    return Ran(fails_if, found, out)


def test_it_still_fails_for_the_same_reason(ran: Ran) -> None:
    assert failure_of(ran.out, ran.fails_if) == str(ran.found.signature)
    assert failure_of(ran.out / JSONL_NAME, ran.fails_if) == str(ran.found.signature)
    assert len(ran.found.result.inputs) < len(ran.found.recording.inputs) / 10
    assert ran.found.is_whole and not ran.found.fell_back


def test_it_verifies_and_replays_to_the_same_decisions(ran: Ran) -> None:
    head = verify(ran.out).head
    assert verify(ran.out).first_bad is None
    for path in (ran.out, ran.out / JSONL_NAME):
        result = replay(path, ReplayOptions())
        assert result.head == head and result.sealed and result.digest_count == 1
        assert result.witnessed_count == sum(map(len, ran.found.result.decided))
    manifest = Journal(ran.out).manifest()
    assert manifest.extra["parent_head"] == ran.found.recording.head
    assert manifest.parent_run == ran.found.recording.parent.run_id


def test_no_group_can_go(ran: Ran) -> None:
    result = ran.found.result.inputs
    predicate = parse_predicate(ran.fails_if, ran.found.recording.manifest)
    trial = Trial(ran.found.recording.manifest, predicate, takes_all=True)
    first = trial.run(result)
    trial.takes_all, trial.exempt, trial.fault_limit = False, frozenset(first.misfits), first.faults
    session = Session(trial, Books(result, ran.found.recording.manifest), result, ran.found.signature)
    for elements in (groups.causal(result), groups.single(result)):
        assert elements
        for element in elements:
            assert not session.try_one(session.without(joined_seqs([element]))), element


@pytest.mark.parametrize("case", [CASES[0], CASES[2]], ids=lambda case: case[2])
def test_workers_change_no_byte_nor_does_a_second_time(journals: dict, tmp_path: Path, case: tuple) -> None:
    name, faults, fails_if = case
    heads = set()
    for number, workers in enumerate((1, 2, 3, 1)):
        found = shrunk(journals[name, faults], fails_if, workers)
        out = tmp_path / str(number)
        head = write_output(found, out, out)
        told = (found.runs, found.rows_replayed, found.invalid_count, found.steps, (out / TEST_NAME).read_bytes())
        heads.add((head, (out / JSONL_NAME).read_bytes(), *told))
    assert len(heads) == 1


def test_another_seed_fails_alike(journals: dict) -> None:
    name, faults, fails_if = CASES[0]
    found = shrunk(journals[name, faults], fails_if, seed=3)
    assert found.signature == shrunk(journals[name, faults], fails_if).signature
    assert len(found.result.inputs) < 40


@pytest.mark.parametrize("number", [3, 8, 20])
def test_the_first_failure_counts_whatever_comes_behind(journals: dict, number: int) -> None:
    path = journals["ladder", False]
    recording = read_recording(path)
    rows = np.concatenate([chunk.copy() for chunk in Journal(path).chunks()])
    placed = rows["order_id"][(rows["kind"] == EventKind.PLACE) & (rows["instrument_index"] == 0)]
    predicate = parse_predicate(f"placed[XUSDT] > {number}", recording.manifest)
    outcome = Trial(recording.manifest, predicate, takes_all=True).run(recording.inputs)
    assert recording.inputs.first["seq"][outcome.failed_at] == placed[number] >> ORDER_ID_SEQ_SHIFT


def test_a_journal_that_passes_is_told(journals: dict) -> None:
    with pytest.raises(DoesNotFail, match="nothing to minimize"):
        shrunk(journals["grid", False], "position_lots > 1000000")


def test_a_budget_leaves_the_best_so_far(journals: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    name, faults, fails_if = CASES[0]
    sessions: list[Session] = []
    recording = read_recording(journals[name, faults])
    predicate = parse_predicate(fails_if, recording.manifest)

    def stop(rows: int) -> None:
        if sessions and sessions[0].runs == 12:
            sessions[0].stop_requested = True

    found = minimize(recording, predicate, budget_s=LONG_S, on_rows=stop, on_session=sessions.append)
    assert not found.is_whole and found.runs == 12
    assert Trial(recording.manifest, predicate).run(found.result.inputs).signature == found.signature
    assert not minimize(recording, predicate, budget_s=1e-9).is_whole


def test_where_other_seqs_pass_a_larger_one_is_given(journals: dict) -> None:
    recording = read_recording(journals["grid", False])
    predicate = parse_predicate("seq > 300", recording.manifest)
    found = minimize(recording, predicate, budget_s=LONG_S)
    assert found.fell_back and int(found.result.inputs.first["seq"][-1]) > 300


def test_code_of_the_users_decides_and_is_asked_again(journals: dict, tmp_path: Path) -> None:
    path = tmp_path / "checks.py"
    path.write_text(
        "def is_busy(core, effects):\n    return core.state.counters['placed_count'].sum() > 1 and 'busy'\n"
        "calls = []\ndef is_flaky(core, effects):\n    calls.append(1)\n    return len(calls) != 3\n"
        "def is_flaky_later(core, effects):\n    calls.append(1)\n    return len(calls) < 9 or len(calls) % 2 == 0\n"
        "def fails(core, effects):\n    raise KeyError('x')\n"
    )
    path_of, few = journals["grid", False], 40
    found = shrunk(path_of, f"{path}:is_busy", count=few)
    assert found.signature.place == "busy" and len(found.result.inputs) < 8
    with pytest.raises(DoesNotFail, match="is flaky: run 1"):
        shrunk(path_of, f"{path}:is_flaky", count=few)
    assert shrunk(path_of, f"{path}:is_flaky_later", count=few).flaky_count > 0
    for text, said in ((f"{path}:fails", "KeyError"), (f"{path}:nothing", "no function"), ("no.py:f", "no such file")):
        with pytest.raises(PredicateError, match=said):
            shrunk(path_of, text, count=few)


def test_the_exit_code_of_a_command_decides(journals: dict, tmp_path: Path) -> None:
    check = tmp_path / "check.py"
    check.write_text(
        "import sys\nfrom pathlib import Path\ndata = next(Path(sys.argv[1]).glob('*.mmj')).read_bytes()\n"
        f"kinds = data[64 + 56 :: 64]\nsys.exit(7 if kinds.count({int(EventKind.TRADE)}) > 1 else 0)\n"
    )
    found = shrunk(journals["grid", False], f"command: {sys.executable} -I {check}", count=16)
    assert found.signature.place == "exit 7"
    assert found.result.inputs.first["kind"].tolist() == [EventKind.MANIFEST, EventKind.TRADE, EventKind.TRADE]


def test_orders_and_their_answers_keep_to_each_other_under_other_seqs(journals: dict) -> None:
    recording = read_recording(journals["ladder", False])
    keep = recording.inputs.first["kind"] != EventKind.TRADE
    trial = Trial(recording.manifest, parse_predicate("fills >= 2", recording.manifest))
    before = trial.run(recording.inputs.kept(keep))
    found = renumber(recording.manifest, before.result(recording.inputs.kept(keep)))
    after = trial.run(found.inputs)
    assert after.signature == before.signature and not after.dropped and not after.mended
    seqs = np.concatenate([rows["seq"] for rows in found.events()])
    assert np.unique(seqs).tolist() == list(range(found.count()))


@pytest.mark.parametrize("count", [0, 1, 2, 3, 10, 1000, 100_000])
def test_subsets_shrink_to_single_elements(count: int) -> None:
    found = sizes(count)
    assert found[-1] == 1 and found == sorted(set(found), reverse=True)
    assert found[0] == max(1, count // 2) and len(found) < 30


@pytest.mark.parametrize("kind", [EventKind.CANCELED, EventKind.FILL])
def test_the_answer_that_fails_may_be_of_any_order_of_its_side(journals: dict, kind: EventKind) -> None:
    recording = read_recording(journals["ladder", False])
    inputs, seqs = recording.inputs, recording.inputs.first["seq"]
    stood_in = 0
    for last in np.flatnonzero(inputs.first["kind"] == kind).tolist():
        order_id = int(inputs.first["order_id"][last])
        predicate = parse_predicate(f"kind == '{kind.name.lower()}' and seq == {int(seqs[last])}", recording.manifest)
        trial = Trial(recording.manifest, predicate)
        candidate = inputs.cut(last + 1)
        candidate = candidate.kept(candidate.first["seq"] != order_id >> ORDER_ID_SEQ_SHIFT)
        outcome = trial.run(candidate)
        if outcome.stand_in is None or outcome.signature is None:
            continue
        stood_in += 1
        found = outcome.result(candidate)
        assert int(found.first["order_id"][-1]) == outcome.stand_in != order_id
        assert (outcome.stand_in ^ order_id) & (ORDER_COUNT_MAX // 2) == 0, "the other side"
        after = trial.run(found)
        assert after.signature == outcome.signature and after.failed_at == len(found) - 1
        assert after.stand_in is None and not after.mended and not after.dropped
    assert stood_in > 0
