"""`mm minimize` from the command line: what it writes, what it refuses, what a person is told."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mmfold.adapters.bundled import DEMO
from mmfold.journal.log.reader import Journal
from mmfold.replay.minimize.regression import failure_of
from mmfold.reports.minimized import ALL_NAMES

Call = Callable[..., tuple[int, str, str]]
FAILS_IF = "position_lots > 5"
LONG = ("--budget", "10m")


def minimize(call: Call, out: Path, *words: object, events: Path = DEMO, fails_if: str = FAILS_IF) -> tuple:
    return call("minimize", "--events", events, "--fails-if", fails_if, "--out", out, *words)


def test_a_failing_journal_becomes_a_small_one_and_a_test(call: Call, tmp_path: Path) -> None:
    code, told, _ = minimize(call, tmp_path / "min", "--json", *LONG)
    found = json.loads(told)
    assert code == 0 and found["events"] <= 30 and found["events_with_effects"] <= 30 and found["one_minimal"]
    assert found["signature"] == {"predicate": FAILS_IF, "place": "fill", "role": "BTCUSDT"}
    assert found["parent_head"] == json.loads(call("journal", "info", DEMO, "--json")[1])["head"]
    assert found["rows_replayed"] > found["rows"] and found["parent_events"] > 1_000
    assert Journal(tmp_path / "min").manifest().extra["parent_head"] == found["parent_head"]
    code, told, _ = call("replay", "--events", tmp_path / "min", "--json")
    assert code == 0 and json.loads(told)["head"] == found["head"]
    assert call("journal", "verify", tmp_path / "min" / "x.jsonl")[0] == 0
    assert set(os.listdir(tmp_path / "min")) == ALL_NAMES | {"000000.mmj", "seal.json", "writer.lock"}
    page = (tmp_path / "min" / "MINIMIZE.md").read_text()
    for text in (FAILS_IF, found["head"], found["parent_head"], "## Cause chain", "**fill**", "PLACE BTCUSDT bid"):
        assert text in page
    assert (tmp_path / "min" / "minimize.svg").read_text().startswith("<svg")


def test_the_generated_test_fails_until_the_fault_is_mended(call: Call, tmp_path: Path) -> None:
    assert minimize(call, tmp_path / "min", *LONG)[0] == 0
    path = tmp_path / "min" / "test_regression.py"
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(path.parent), str(path)]
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path)
    assert done.returncode == 1 and "1 failed" in done.stdout, done.stdout + done.stderr
    assert "it fails as it did: position_lots > 5 at fill of BTCUSDT" in done.stdout
    path.write_text(path.read_text().replace("FAILS_IF = 'position_lots > 5'", "FAILS_IF = 'position_lots > 5000'"))
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_is_told_how_the_journal_shrank(call: Call, tmp_path: Path) -> None:
    code, told, _ = minimize(call, tmp_path / "min", *LONG)
    first, sizes, signature, rows = told.splitlines()[:4]
    assert code == 0 and first.startswith(f"mm minimize  {DEMO}") and signature.strip().startswith(FAILS_IF)
    assert " -> " in sizes and sizes.endswith("runs, same failure)") and "rows replayed" in rows
    assert "next      pytest" in told


def test_twice_is_the_same_bytes(call: Call, tmp_path: Path) -> None:
    for name, workers in (("a", 1), ("b", 2)):
        assert minimize(call, tmp_path / name, "--workers", workers, *LONG)[0] == 0
    for name in ALL_NAMES | {"000000.mmj", "seal.json"}:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


@pytest.mark.parametrize(
    ("fails_if", "code", "said"),
    [
        ("position_lots > 5000", 2, "nothing to minimize"),
        ("exception", 2, "nothing was written"),
        ("position_lots >", 1, "column 16"),
        ("posiion_lots > 1", 1, "position_lots?"),
        ("position_lots[DOGEUSDT] > 1", 1, "the journal has BTCUSDT, ETHUSDT"),
        ("none.py:function", 1, "no such file"),
        ("command: /does/not/exist", 1, "No such file"),
    ],
)
def test_what_is_not_shrunk_leaves_nothing(call: Call, tmp_path: Path, fails_if: str, code: int, said: str) -> None:
    found, told, error = minimize(call, tmp_path / "min", fails_if=fails_if)
    assert found == code and said in error and not told
    assert not list(tmp_path.iterdir())


def test_a_journal_that_does_not_verify_is_refused_as_by_replay(call: Call, tmp_path: Path) -> None:
    shutil.copytree(DEMO, tmp_path / "j")
    segment = tmp_path / "j" / "000000.mmj"
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    replayed = call("replay", "--events", tmp_path / "j")
    found, told, error = minimize(call, tmp_path / "min", events=tmp_path / "j")
    assert found == replayed[0] == 1 and not told and error == replayed[2]
    assert not (tmp_path / "min").exists()


def test_an_output_is_no_input_and_is_replaced_only_when_asked(call: Call, tmp_path: Path) -> None:
    shutil.copytree(DEMO, tmp_path / "j")
    assert minimize(call, tmp_path / "j", "--force", events=tmp_path / "j")[0] == 1
    assert minimize(call, tmp_path / "j" / "min", events=tmp_path / "j")[0] == 1
    assert minimize(call, tmp_path / "min", *LONG)[0] == 0
    assert "exists already" in minimize(call, tmp_path / "min", *LONG)[2]
    assert minimize(call, tmp_path / "min", "--force", *LONG)[0] == 0
    (tmp_path / "min" / "notes.txt").write_text("mine")
    assert minimize(call, tmp_path / "min", "--force", *LONG)[0] == 1


def test_a_configuration_is_laid_over_and_written_down(call: Call, tmp_path: Path) -> None:
    words = ("--set", "strategy.levels_per_side=1", *LONG)
    code, told, _ = minimize(call, tmp_path / "min", "--json", *words, fails_if="placed > 3")
    assert code == 0
    assert failure_of(tmp_path / "min", "placed > 3") == "placed > 3 at " + " of ".join(
        json.loads(told)["signature"][key] for key in ("place", "role")
    )
    config = next(iter(Journal(tmp_path / "min").chunks()))
    assert b"levels_per_side" not in config.tobytes() or b'levels_per_side":1' in config.tobytes()


@pytest.mark.parametrize("budget", ["0", "x", "-5s", "5 parsecs"])
def test_a_budget_is_a_time(call: Call, tmp_path: Path, budget: str) -> None:
    code, _, error = minimize(call, tmp_path / "min", "--budget", budget)
    assert code == 64 and "60s" in error


def test_a_short_budget_writes_what_there_is(call: Call, tmp_path: Path) -> None:
    code, told, error = minimize(call, tmp_path / "min", "--budget", "1ms", "--json")
    assert code == 0 and not json.loads(told)["one_minimal"] and "ended before it was through" not in told
    assert failure_of(tmp_path / "min", FAILS_IF) is not None and not error
