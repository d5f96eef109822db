"""Two cores that are compared: what differs first is found, in one build and between two; what cannot be is told."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mmfold.config.errors import ConfigError
from mmfold.config.load import load_config
from mmfold.engine.codes import EventKind
from mmfold.engine.limits import ORDER_ID_SEQ_SHIFT
from mmfold.journal.log.reader import Journal
from mmfold.replay.minimize.failure import DoesNotFail, MinimizeError, PredicateError, Signature
from mmfold.replay.minimize.folding import Fed, Folder
from mmfold.replay.minimize.other_build import FarFolder, OtherBuild
from mmfold.replay.minimize.output import write_output
from mmfold.replay.minimize.predicate import parse_predicate
from mmfold.replay.minimize.recording import read_recording
from mmfold.replay.minimize.regression import failure_of
from mmfold.replay.minimize.rival import release
from mmfold.replay.minimize.shrink import Minimized, minimize
from mmfold.replay.minimize.trial import Trial
from tests.planted.build import ROOT, Build, planted_build
from tests.replay.venue.market import make_instruments, market_events, run, write_market

LONG_S = 600.0
PLACED = '    effect["code"] = Reason.QUOTE\n'
WORSE = '    effect["price_ticks"] -= cell["counter"]["placed_count"] > 2\n'  # in what is told, not in the state
LATE = ("engine/placing.py", PLACED, PLACED + WORSE)
FILLED = '    order["filled_lots"] += filled_lots\n'
RAISING = ("engine/orders.py", FILLED, "    assert filled_lots < 0\n")
RECORD = """
import sys
from pathlib import Path
from tests.replay.venue.market import run
run(Path(sys.argv[1]), Path(sys.argv[2]), "ladder")
"""


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    events = market_events(5, 120, faults=False)
    return write_market(tmp_path_factory.mktemp("rival") / "market", events, make_instruments(1))


@pytest.fixture(scope="module")
def journal(market: Path) -> Path:
    """Return a backtest of this build."""
    run(market, market.parent / "ladder", "ladder")
    return market.parent / "ladder"


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Return a build that asks for a worse price from its third order on."""
    return planted_build(tmp_path_factory.mktemp("other"), LATE, interpreted=True)


@pytest.fixture(scope="module")
def recorded(market: Path, other: Build) -> Path:
    """Return a backtest of the other build."""
    words = [other.python, "-c", RECORD, market, market.parent / "recorded"]
    done = subprocess.run([str(word) for word in words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return market.parent / "recorded"


def shrunk(path: Path, fails_if: str) -> Minimized:
    recording = read_recording(path, fails_if=fails_if)
    predicate = parse_predicate(fails_if, recording.manifest)
    return minimize(recording, predicate, budget_s=LONG_S)


def first_difference(path: Path, fails_if: str) -> tuple[Signature | None, int]:
    recording = read_recording(path)
    predicate = parse_predicate(fails_if, recording.manifest)
    outcome = Trial(recording.manifest, predicate, takes_all=True).run(recording.inputs)
    release(predicate)
    return outcome.signature, int(recording.inputs.first["seq"][outcome.failed_at])


def rows_of(path: Path) -> np.ndarray:
    return np.concatenate([chunk.copy() for chunk in Journal(path).chunks()])


def cause_seq(order_id: int) -> int:
    return int(order_id) >> ORDER_ID_SEQ_SHIFT


def third_place(path: Path) -> int:
    """Return the seq of the input that the third order was placed at."""
    rows = rows_of(path)
    return cause_seq(rows["order_id"][rows["kind"] == EventKind.PLACE][2])


def test_two_configurations_of_one_build(journal: Path, tmp_path: Path) -> None:
    fails_if = "digest_differs: strategy.levels_per_side=1"
    signature, seq = first_difference(journal, fails_if)
    rows = rows_of(journal)
    assert signature is not None and signature[1:] == ("place", "XUSDT")  # the second level's, and the other side's
    assert seq == cause_seq(rows["order_id"][rows["kind"] == EventKind.PLACE][0])
    found = shrunk(journal, fails_if)
    assert found.is_whole and found.signature == signature and len(found.result.inputs) <= 4
    write_output(found, tmp_path / "min", tmp_path / "min")
    assert failure_of(tmp_path / "min", fails_if) == str(signature)
    # The second cannot be laid over what is left: its policy has no other keys there.
    for same in ("maker.post_only_offset_bps=1", "autopolicy.trigger_events_total=6"):
        assert failure_of(tmp_path / "min", f"digest_differs: {same}") is None


def test_what_a_configuration_sets_is_no_decision(journal: Path) -> None:
    with pytest.raises(DoesNotFail, match="nothing to minimize"):
        shrunk(journal, "digest_differs: strategy.guard_pause_ms=299")  # the guard is off: told at CONFIG, never used


def test_two_builds(journal: Path, other: Build, tmp_path: Path) -> None:
    fails_if = f"digest_differs: build {other.python}"
    signature, seq = first_difference(journal, fails_if)
    assert signature is not None and signature.place == "place" and seq == third_place(journal)
    found = shrunk(journal, fails_if)
    assert found.is_whole and found.signature == signature and len(found.result.inputs) < 40
    assert sum(int((rows["kind"] == EventKind.PLACE).sum()) for rows in found.result.decided) >= 3
    write_output(found, tmp_path / "min", tmp_path / "min")
    assert failure_of(tmp_path / "min", fails_if) == str(signature)
    assert failure_of(tmp_path / "min", f"digest_differs: build {sys.executable}") is None


def test_a_record_that_this_build_contradicts(recorded: Path, journal: Path, other: Build) -> None:
    fails_if = f"effect_differs: build {other.python}"
    signature, seq = first_difference(recorded, fails_if)
    found = shrunk(recorded, fails_if)
    assert found.signature == signature and signature is not None and signature.place == "place"
    assert seq == found.failing_seq == third_place(recorded) and len(found.result.inputs) < 40
    with pytest.raises(DoesNotFail, match="every recorded decision is what this build decides"):
        shrunk(journal, fails_if)
    with pytest.raises(MinimizeError, match="does not decide what is recorded up to seq"):
        shrunk(recorded, f"effect_differs: build {sys.executable}")


def test_a_record_is_of_the_journal_as_it_is(recorded: Path, market: Path, other: Build) -> None:
    fails_if = f"effect_differs: build {other.python}"
    with pytest.raises(DoesNotFail, match="records no decisions"):
        shrunk(market, fails_if)
    recording = read_recording(recorded, load_config(None, None, ("strategy.levels_per_side=1",)))
    with pytest.raises(MinimizeError, match="as it was recorded"):
        minimize(recording, parse_predicate(fails_if, recording.manifest))


def test_a_build_that_raises_differs_there(journal: Path, tmp_path: Path) -> None:
    build = planted_build(tmp_path, RAISING, interpreted=True)
    signature, seq = first_difference(journal, f"digest_differs: build {build.python}")
    rows = rows_of(journal)
    assert signature is not None and signature.place.startswith("AssertionError:orders.py:apply_order_fill:")
    assert signature.place.endswith(" only there") and seq == int(rows["seq"][rows["kind"] == EventKind.FILL][0])


@pytest.mark.parametrize(
    ("fails_if", "error", "said"),
    [
        ("effect_differs", PredicateError, "says nothing of fewer inputs"),
        ("effect_differs: strategy.skew_coeff=0", PredicateError, "says nothing of fewer inputs"),
        ("digest_differs", PredicateError, "compared with what"),
        ("digest_differs: build", PredicateError, "which build"),
        ("digest_differs: strategy.levels_per_side=1 'x", PredicateError, "No closing quotation"),
        ("digest_differs: strategy.leels_per_side=1", ConfigError, "leels_per_side"),
        ("digest_differs: build no/such/python", MinimizeError, "No such file"),
        (f"digest_differs: build {sys.executable} -c 'import sys; sys.exit(3)'", MinimizeError, "exit code 3"),
        (f"digest_differs: build {sys.executable} -c 'import nowhere'", MinimizeError, "No module named 'nowhere'"),
    ],
)
def test_what_cannot_be_compared_is_told(journal: Path, fails_if: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        shrunk(journal, fails_if)


def test_keys_of_another_strategy_lay_nothing_over_a_journal(journal: Path) -> None:
    with pytest.raises(PredicateError, match="these keys lay nothing over") as refused:
        parse_predicate("digest_differs: grid.half_spread=2", read_recording(journal).manifest)
    assert "strategy.name=grid" in refused.value.hint


def test_a_far_core_goes_on_from_where_it_stood(journal: Path) -> None:
    recording = read_recording(journal)
    inputs, build = recording.inputs, OtherBuild((sys.executable,))
    half = int(inputs.bounds[len(inputs) // 2])
    here = Folder(recording.manifest)
    wanted = [here.feed(rows) for rows in (inputs.rows[:half], inputs.rows[half:])]
    first = FarFolder(build, recording.manifest)
    assert alike(first.feed(inputs.rows[:half]), wanted[0])
    second = FarFolder(build, recording.manifest)
    second.load(first.dump())
    assert alike(second.feed(inputs.rows[half:]), wanted[1])
    with pytest.raises(AssertionError, match="holds another core"):
        first.feed(inputs.rows[half:])
    build.close()


def alike(one: Fed, other: Fed) -> bool:
    both = [[(end, effects.tobytes()) for end, effects in fed.decided] for fed in (one, other)]
    return both[0] == both[1] and bool(both[0])
