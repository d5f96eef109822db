"""`mm live --strategy FILE:FUNCTION`: a user's own strategy trades, is bound to its journal, and fails in one line.

Each session is a process of its own, interpreted: a process has one strategy, and nothing has to be compiled.
"""

import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from mmfold.engine.codes import EventKind
from mmfold.journal.log.reader import Journal
from tests.adapters.emulator.running import RunningVenue
from tests.live.processes import run_mm, running_venue, write_config
from tests.live.stage import TIGHT

MINE = """from mmfold.engine.quoting.maker import set_target

LOTS = 3


def quote(clock, cell):
    for side in range(2):
        set_target(cell, side, 0, cell["sides"][side]["best_price_ticks"], LOTS)
"""
FAILS = MINE.replace("    for", '    assert cell["quote_sides"][0]["open_lots"] < LOTS, "one is enough"\n    for')
OWN = """from mmfold.engine.quoting.maker import set_target

PARAMS = {"lots": 3}
MEMORY = {"calls": 0, "sum": 0.5}


def quote(clock, instrument):
    instrument["memory"]["calls"] += 1
    instrument["memory"]["sum"] += instrument["signal"]["imbalance"]
    for side in range(2):
        set_target(instrument, side, 0, instrument["sides"][side]["best_price_ticks"], int(instrument["user"]["lots"]))
"""


@pytest.fixture(scope="module")
def running() -> Iterator[RunningVenue]:
    with running_venue() as venue:
        yield venue


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    write_config(tmp_path / "mm.yaml", TIGHT)
    return path


def session(running: RunningVenue, tmp_path: Path, mode: str, *words: object) -> "subprocess.CompletedProcess[str]":
    """Run a short session on journal `j` and return what became of it."""
    asked = ["live", "--mode", mode, "--endpoint", running.urls["rest"], "--symbols", "BTCUSDT", "--for", "3s"]
    asked += ["--warmup", "0s", "--port", "0", "--journal", str(tmp_path / "j"), "--config", str(tmp_path / "mm.yaml")]
    done = run_mm(*asked, *map(str, words), NUMBA_DISABLE_JIT="1", XDG_STATE_HOME=str(tmp_path / "state"))
    assert "Traceback" not in done.stderr and '"trace"' not in done.stderr, done.stderr
    return done


@pytest.mark.parametrize("mode", ["shadow", "paper", "testnet"])
def test_it_trades_and_its_journal_replays(running: RunningVenue, tmp_path: Path, mine: Path, mode: str) -> None:
    done = session(running, tmp_path, mode, "--strategy", f"{mine}:quote")
    assert done.returncode == 0, done.stderr
    sha256 = hashlib.sha256(mine.read_bytes()).hexdigest()
    assert f"strategy {mine.name}:quote  sha256 {sha256}" in done.stderr
    assert f"next      mm replay --events {tmp_path / 'j'} --strategy {mine}:quote" in done.stdout
    extra = Journal(tmp_path / "j").manifest().extra
    assert (extra["strategy_file"], extra["strategy_function"], extra["strategy_sha256"]) == (
        mine.name, "quote", sha256,
    )  # fmt: skip
    words = ("replay", "--events", str(tmp_path / "j"), "--strategy", f"{mine}:quote", "--json")
    replayed = run_mm(*words, NUMBA_DISABLE_JIT="1")
    assert replayed.returncode == 0, replayed.stderr
    found = json.loads(replayed.stdout)
    assert found["effects"]["place"] > 0 and found["witnessed"] == sum(found["effects"].values())


def test_a_journal_goes_on_with_its_own_strategy_only(running: RunningVenue, tmp_path: Path, mine: Path) -> None:
    given = ("--strategy", f"{mine}:quote")
    assert session(running, tmp_path, "testnet", *given).returncode == 0
    events = Journal(tmp_path / "j").seq_next()
    done = session(running, tmp_path, "testnet")
    assert done.returncode == 1 and "was made with the strategy mine.py:quote, sha256" in done.stderr
    mine.write_text(MINE.replace("LOTS = 3", "LOTS = 2"))
    done = session(running, tmp_path, "testnet", *given)
    assert done.returncode == 1 and hashlib.sha256(mine.read_bytes()).hexdigest() in done.stderr
    assert "--continue-from" in done.stderr and Journal(tmp_path / "j").seq_next() == events
    mine.write_text(MINE)
    assert session(running, tmp_path, "testnet", *given).returncode == 0
    assert Journal(tmp_path / "j").seq_next() > events


def test_its_parameters_and_memory_last_over_a_restart(running: RunningVenue, tmp_path: Path, mine: Path) -> None:
    mine.write_text(OWN)
    given = ("--strategy", f"{mine}:quote")
    for lots in (2, 4):  # the second start recovers the first one's state, then its setting is an event
        done = session(running, tmp_path, "testnet", *given, "--set", f"user.lots={lots}", "--adopt-position")
        assert done.returncode == 0, done.stderr
    done = session(running, tmp_path, "testnet", *given, "--set", "user.lot=1", "--adopt-position")
    assert done.returncode == 1 and "user.lot: unknown key, did you mean user.lots?" in done.stderr
    shown = run_mm("config", "show", "--events", str(tmp_path / "j"), *given, "--json", NUMBA_DISABLE_JIT="1")
    assert shown.returncode == 0, shown.stderr
    parameters = {one["key"]: one["effective"] for one in json.loads(shown.stdout)["parameters"]}
    assert parameters["user.lots"] == 4.0
    orders = list(Journal(tmp_path / "j").chunks())
    placed = {int(qty) for rows in orders for qty in rows["qty_lots"][rows["kind"] == EventKind.PLACE]}
    assert {2, 4} <= placed


@pytest.mark.parametrize(
    "words, text",
    [
        (("--set", "strategy.name=user"), "none was given\n       give --strategy FILE:FUNCTION"),
        (("--strategy", "nowhere.py:quote"), "nowhere.py: No such file"),
        (("--strategy", "grid"), "'grid' is not FILE:FUNCTION"),
        (("--strategy", "mine.py:quote", "--set", "strategy.name=grid"), "leave strategy.name to --strategy"),
    ],
)
def test_what_cannot_be_is_one_line(
    running: RunningVenue, tmp_path: Path, mine: Path, words: tuple[str, ...], text: str
) -> None:
    given = [word.replace("mine.py", str(mine)) for word in words]
    done = session(running, tmp_path, "shadow", *given)
    assert done.returncode == 1 and text in done.stderr, done.stderr
    assert not (tmp_path / "j").exists()


def test_a_strategy_that_fails_ends_the_session(running: RunningVenue, tmp_path: Path, mine: Path) -> None:
    mine.write_text(FAILS)
    done = session(running, tmp_path, "testnet", "--strategy", f"{mine}:quote", "--adopt-position")
    assert done.returncode == 1, done.stderr
    assert f"error: {mine}:7: quote failed at seq " in done.stderr and "one is enough" in done.stderr
    account = next(iter(running.venue.accounts.values()))
    assert not account.open, "nothing rests after a failure"
    # The same events fail again; another journal goes on from what was held, with the file mended.
    done = session(running, tmp_path, "testnet", "--strategy", f"{mine}:quote")
    assert done.returncode == 1 and "one is enough" in done.stderr
    mine.write_text(MINE)
    words = ("--strategy", f"{mine}:quote", "--continue-from", tmp_path / "j", "--journal", tmp_path / "next")
    assert session(running, tmp_path, "testnet", *words).returncode == 0


def test_a_running_session_does_not_become_another_strategys(tmp_path: Path) -> None:
    from mmfold.adapters.cli.live_command import read_config
    from mmfold.replay.strategy.file import StrategyMissing

    (tmp_path / "mm.yaml").write_text(yaml.safe_dump({"strategy": {"name": "user"}}))
    asked = {"config_path": tmp_path / "mm.yaml", "profile": None, "overrides": (), "mode": "testnet"}
    with pytest.raises(StrategyMissing, match="none was given"):
        read_config(asked)
