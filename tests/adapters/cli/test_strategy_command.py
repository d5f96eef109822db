"""`--strategy FILE:FUNCTION` as a user calls it, each call in a process of its own: a process has one strategy."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mmfold.adapters.cli.main import run
from mmfold.journal.log.reader import Journal

REPO = Path(__file__).resolve().parents[3]
DEMO = REPO / "fixtures" / "demo.mmj"
EXAMPLE = REPO / "docs" / "examples" / "strategy_spread.py"
AT_THE_TOUCH = ("--set", "maker.post_only_offset_bps=0")
SAME = ("state_digest", "effects_digest", "head", "effects", "fills")
SEGMENTS = """
import json, sys
from pathlib import Path
from mmfold.replay.strategy.file import install_strategy, read_strategy
install_strategy(read_strategy(sys.argv[1]))
from mmfold.config.load import load_config
from mmfold.journal.log.writer import Writer
from mmfold.replay.backtest import Assumptions, Backtest
from mmfold.replay.parallel import replay_segments
from mmfold.replay.run import ReplayOptions, replay
path = Path(sys.argv[3])
config = load_config(None, None, ["mode=sent", "strategy.name=user", "maker.post_only_offset_bps=0"])
with Writer(path, segment_bytes_max=1 << 17) as writer:
    made = Backtest(Path(sys.argv[2]), config, Assumptions(), writer=writer).run()
found = [replay(path, ReplayOptions()), replay_segments(path, ReplayOptions(), 2)]
print(json.dumps([[one.state_digest, one.effects_digest, one.fills] for one in [made, *found]]))
print(len(list((path / "checkpoints").iterdir())))
"""
FAILS = """from mmfold.engine.quoting.maker import set_target


def quote(clock, cell):
    fills = cell["position"]["fill_count"]
    assert fills < 1, "one fill is enough"
    set_target(cell, 0, 0, cell["sides"][0]["best_price_ticks"], 2)
"""


def mm(*words: object, jit: bool = False) -> tuple[int, str, str]:
    """Run `mm ...` and return exit code, stdout and stderr."""
    command = [sys.executable, "-m", "mmfold.adapters.cli.main", *map(str, words)]
    return run_child(command, "0" if jit else "1")


def run_child(command: list[str], disabled: str) -> tuple[int, str, str]:
    """Run a process, interpreted or compiled."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    env = kept | {"NUMBA_DISABLE_JIT": disabled}
    done = subprocess.run(command, env=env, cwd=REPO, capture_output=True, text=True, check=False, timeout=110)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Return a journal made with the documented example, interpreted, and what the command printed."""
    out = tmp_path_factory.mktemp("strategy") / "bt"
    code, printed, told = mm(
        "backtest", "--events", DEMO, "--strategy", f"{EXAMPLE}:quote", *AT_THE_TOUCH, "--out", out, "--json"
    )
    assert code == 0, told
    return out, json.loads(printed)


def test_the_example_trades(made: tuple[Path, dict[str, Any]]) -> None:
    out, printed = made
    assert printed["fills"] > 50 and printed["orders"] > 50
    assert all(symbol["placed"] > 0 for symbol in printed["symbols"].values())
    assert (out / "report.html").exists()


def test_the_next_step_names_the_strategy(made: tuple[Path, dict[str, Any]]) -> None:
    code, printed, told = mm("replay", "--events", made[0], "--strategy", f"{EXAMPLE}:quote", "--until", 100)
    assert code == 0, told
    assert f"next      mm why --events {made[0]} --strategy {EXAMPLE}:quote " in printed
    assert f"mm replay --events {made[0]} --strategy {EXAMPLE}:quote --audit audit.jsonl" in printed


def test_the_manifest_names_the_file(made: tuple[Path, dict[str, Any]]) -> None:
    extra = Journal(made[0]).manifest().extra
    assert extra["strategy_file"] == EXAMPLE.name and extra["strategy_function"] == "quote"
    assert extra["strategy_sha256"] == hashlib.sha256(EXAMPLE.read_bytes()).hexdigest()


def test_compiled_replay_is_the_interpreted_backtest(made: tuple[Path, dict[str, Any]]) -> None:
    out, printed = made
    code, replayed, told = mm("replay", "--events", out, "--strategy", f"{EXAMPLE}:quote", "--json", jit=True)
    assert code == 0, told
    found = json.loads(replayed)
    assert {key: found[key] for key in SAME} == {key: printed[key] for key in SAME}
    assert found["run"]["jit"] and found["witnessed"] == sum(printed["effects"].values()) > 0


def test_workers_load_the_strategy(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SEGMENTS, f"{EXAMPLE}:quote", str(DEMO), str(tmp_path / "bt")]
    code, printed, told = run_child(command, "1")
    assert code == 0, told
    answers, checkpoints = printed.splitlines()
    made, alone, together = json.loads(answers)
    assert made == alone == together and made[2] > 50
    assert int(checkpoints) >= 1


def test_replay_wants_the_recorded_file(
    made: tuple[Path, dict[str, Any]], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out, _ = made
    sha256 = hashlib.sha256(EXAMPLE.read_bytes()).hexdigest()
    before = os.environ.get("NUMBA_DISABLE_JIT")
    try:
        assert run(["replay", "--events", str(out)]) == 1
    finally:
        os.environ.pop("NUMBA_DISABLE_JIT", None)
        os.environ.update({} if before is None else {"NUMBA_DISABLE_JIT": before})
    told = capsys.readouterr().err
    assert f"made with the strategy {EXAMPLE.name}:quote, sha256 {sha256}" in told and "--strategy" in told
    other = tmp_path / EXAMPLE.name
    other.write_text(EXAMPLE.read_text().replace("QUOTE_LOTS = 2", "QUOTE_LOTS = 3"))
    code, _, told = mm("replay", "--events", out, "--strategy", f"{other}:quote")
    assert code == 1 and sha256 in told and hashlib.sha256(other.read_bytes()).hexdigest() in told
    code, _, told = mm("replay", "--events", DEMO, "--strategy", f"{EXAMPLE}:quote")
    assert code == 1 and "was not made with a strategy file" in told


def test_a_strategy_that_raises_leaves_nothing(tmp_path: Path) -> None:
    path, out = tmp_path / "fails.py", tmp_path / "bt"
    path.write_text(FAILS)
    words = ("backtest", "--events", DEMO, "--strategy", f"{path}:quote", *AT_THE_TOUCH, "--out", out)
    code, printed, told = mm(*words)
    assert code == 1 and not printed
    assert f"error: {path}:6: quote failed at seq " in told and "AssertionError: one fill is enough" in told
    assert 'line: assert fills < 1, "one fill is enough"' in told and f"{out} is removed" in told
    assert sorted(tmp_path.iterdir()) == [path]


def test_a_refused_file_touches_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path, out = tmp_path / "mine.py", tmp_path / "bt"
    path.write_text("import numpy as np\n\ndef quote(clock, cell):\n    x = np.exp(1.0)\n")
    out.mkdir()
    (out / "report.json").write_text("earlier")
    words = ["backtest", "--events", str(DEMO), "--strategy", f"{path}:quote", "--out", str(out), "--force"]
    assert run(words) == 1
    told = capsys.readouterr().err
    assert f"error: {path}:4: call of np.exp is refused\n" in told and "differ between machines" in told
    assert (out / "report.json").read_text() == "earlier"


@pytest.mark.parametrize(
    ("strategy", "said"),
    [("nowhere.py:quote", "nowhere.py: No such file or directory"), ("user", "none was given")],
)
def test_a_missing_file_is_told(capsys: pytest.CaptureFixture[str], strategy: str, said: str) -> None:
    assert run(["backtest", "--events", str(DEMO), "--strategy", strategy, "--no-journal"]) == 1
    told = capsys.readouterr().err
    assert said in told and "Traceback" not in told


@pytest.mark.parametrize("arguments", ["100.0, 2", "100, 2.5", 'cell["signal"]["mid_half_ticks"] / 2, 2'])
@pytest.mark.parametrize("name", ["set_target", "set_target as put"])
def test_a_target_that_is_no_whole_number_is_refused(tmp_path: Path, name: str, arguments: str) -> None:
    path = tmp_path / "mine.py"
    call = f"{name.split()[-1]}(cell, 0, 0, {arguments})"
    path.write_text(f"from mmfold.engine.quoting.maker import {name}\n\n\ndef quote(clock, cell):\n    {call}\n")
    code, _, told = mm("backtest", "--events", DEMO, "--strategy", f"{path}:quote", "--no-journal")
    assert code == 1 and f"error: {path}:5: quote failed at seq " in told and "are whole numbers" in told, told
    assert f"line: {call}" in told


def test_it_is_no_code_either(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(FAILS.replace("fill_count", "position_lots").replace("< 1", "< 99").replace(", 2)", ", 2.0)"))
    code, _, told = mm("backtest", "--events", DEMO, "--strategy", f"{path}:quote", "--no-journal", jit=True)
    assert code == 1 and f"{path}:7: quote cannot be compiled: a price in ticks and a size in lots are whole" in told
