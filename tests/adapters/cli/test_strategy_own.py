"""A strategy file with parameters and a memory as a user runs it: the documented example, in both modes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mmfold.engine.records import CELL
from mmfold.journal.log.reader import Journal

REPO = Path(__file__).resolve().parents[3]
DEMO = REPO / "fixtures" / "demo.mmj"
EXAMPLE = REPO / "docs" / "examples" / "strategy_avellaneda.py"
GIVEN = ("--strategy", f"{EXAMPLE}:quote")
SAME = ("state_digest", "effects_digest", "head", "effects", "fills")
MEMORIES = """
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
config = load_config(None, None, ["mode=sent", "strategy.name=user"])
with Writer(path, segment_bytes_max=1 << 17) as writer:
    made = Backtest(Path(sys.argv[2]), config, Assumptions(), writer=writer).run()
found = [replay(path, ReplayOptions()), replay_segments(path, ReplayOptions(), 2)]
late = replay(path, ReplayOptions(seq_from=found[0].events - 1))  # from a checkpoint
assert late.events == found[0].events and late.rows == found[0].rows
found = [made, *found, late]
print(json.dumps([[one.state_digest, one.state.cells["memory"]["whole"].tolist()] for one in found]))
print(len(list((path / "checkpoints").iterdir())))
"""


def mm(*words: object, jit: bool = False) -> tuple[int, str, str]:
    """Run `mm ...` in a process of its own and return exit code, stdout and stderr."""
    return run_child([sys.executable, "-m", "mmfold.adapters.cli.main", *map(str, words)], "0" if jit else "1")


def run_child(command: list[str], disabled: str) -> tuple[int, str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    env = kept | {"NUMBA_DISABLE_JIT": disabled}
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False, timeout=170, env=env)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Return a journal made with the example, interpreted, and what the command printed."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "mm.yaml").write_text("user:\n  gamma: 0.05\nper_symbol:\n  ETHUSDT:\n    user:\n      qty_lots: 3\n")
    words = ("backtest", "--events", DEMO, *GIVEN, "--config", folder / "mm.yaml", "--set", "user.k=1.25")
    code, printed, told = mm(*words, "--out", folder / "bt", "--json")
    assert code == 0, told
    return folder / "bt", json.loads(printed)


def test_the_example_trades(made: tuple[Path, dict[str, Any]]) -> None:
    _, printed = made
    assert printed["fills"] > 5 and all(symbol["placed"] > 0 for symbol in printed["symbols"].values())


def test_the_compiled_replay_is_the_interpreted_backtest(made: tuple[Path, dict[str, Any]]) -> None:
    out, printed = made
    code, replayed, told = mm("replay", "--events", out, *GIVEN, "--json", jit=True)
    assert code == 0, told
    found = json.loads(replayed)
    assert {key: found[key] for key in SAME} == {key: printed[key] for key in SAME}
    assert found["run"]["jit"] and found["witnessed"] == sum(printed["effects"].values()) > 0


def test_the_memory_is_the_same_on_every_way(tmp_path: Path) -> None:
    command = [sys.executable, "-c", MEMORIES, f"{EXAMPLE}:quote", str(DEMO), str(tmp_path / "bt")]
    code, printed, told = run_child(command, "1")
    assert code == 0, told
    answers, checkpoints = printed.splitlines()
    first, *others = json.loads(answers)
    assert len(others) == 3 and all(one == first for one in others) and int(checkpoints) >= 1
    calls = [whole[2] for whole in first[1]]  # mid_half_ticks, ts_ns, calls
    assert all(one > 10 for one in calls) and CELL["memory"]["whole"].shape == (16,)


def test_people_read_the_names_of_the_file(made: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    out, _ = made
    extra = Journal(out).manifest().extra
    assert extra["strategy_params"] == "gamma,k,horizon_s,half_life_s,qty_lots,position_max"
    assert extra["strategy_memory"] == "variance=0.0,mid_half_ticks=0,ts_ns=0,calls=0"
    code, shown, told = mm("config", "show", "--events", out, *GIVEN, "--json")
    assert code == 0, told
    rows = {(one["symbol"], one["key"]): one["base"] for one in json.loads(shown)["parameters"]}
    assert rows["BTCUSDT", "user.gamma"] == 0.05 and rows["BTCUSDT", "user.k"] == 1.25
    assert (rows["BTCUSDT", "user.qty_lots"], rows["ETHUSDT", "user.qty_lots"]) == (2.0, 3.0)
    assert len([key for _, key in rows if key.startswith("user.")]) == 12
    words = ("replay", "--events", out, *GIVEN, "--until", 200, "--audit", tmp_path / "audit.jsonl")
    code, _, told = mm(*words)
    assert code == 0, told
    params = {json.loads(line)["fields"].get("param") for line in (tmp_path / "audit.jsonl").read_text().splitlines()}
    assert "user.gamma" in params and not [one for one in params if one and one.startswith("user_")]


def test_names_and_defaults_are_shown(tmp_path: Path) -> None:
    code, shown, told = mm("config", "show", *GIVEN, "--set", "user.gamma=3", "--json")
    assert code == 0, told
    document = json.loads(shown)
    assert document["config"]["user"]["gamma"] == 3 and document["config"]["user"]["k"] == 1.5
    assert (
        document["origins"]["user.k"] == "strategy file" and document["origins"]["user.gamma"] == "--set user.gamma=3"
    )


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((*GIVEN, "--set", "user.gama=1"), 1, "user.gama: unknown key, did you mean user.gamma?"),
        ((*GIVEN, "--set", "user.gamma=no"), 1, "user.gamma: must be a number"),
        (("--set", "user.gamma=1"), 0, "user.gamma is not used: no --strategy FILE:FUNCTION is given"),
    ],
)
def test_a_setting_that_no_file_has_is_told(words: tuple[str, ...], code: int, said: str) -> None:
    found, _, told = mm("backtest", "--events", DEMO, "--no-journal", "--until", "1970-01-02", *words)
    assert said in told and (found == code or code == 0), told
