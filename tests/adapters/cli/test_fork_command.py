"""`mm fork` from the command line: what it writes and says, what it refuses, with which code; nothing half-written."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmfold.engine.codes import EventKind
from mmfold.journal.log.reader import Journal
from mmfold.journal.log.writer import Writer
from mmfold.replay.assumptions import Assumptions
from mmfold.replay.backtest import Backtest
from mmfold.replay.venue.queue import QueueModel
from tests.replay.venue.market import config_of, make_instruments, market_events, rows_of, write_market
from tests.replay.venue.scenario import MS

REPO = Path(__file__).resolve().parents[3]
Call = Callable[..., tuple[int, str, str]]
SEQ = 400
SET = ("--set", "grid.half_spread=0.3")
SLOW = Assumptions(entry_latency_ns=20 * MS, queue_model=QueueModel.RISK_AVERSE)
OUTPUTS = {"000000.mmj", "seal.json", "writer.lock", "FORK.md", "fork.svg"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with `market` and `bt`, a backtest of the grid on two instruments."""
    directory = tmp_path_factory.mktemp("fork")
    source = write_market(directory / "market", market_events(3, 450, instruments=2), make_instruments(2))
    with Writer(directory / "bt") as writer:
        Backtest(source, config_of("grid"), SLOW, writer=writer).run()
    rows = rows_of(directory / "bt")
    placed = np.flatnonzero(rows["kind"] == EventKind.PLACE)
    for name, place in (("early", placed[1]), ("late", placed[-1])):
        edited = rows.copy()
        edited["price_ticks"][place] -= 1
        with Writer(directory / name) as writer:
            writer.append(edited)
            writer.commit()
    return directory


def test_a_fork_is_written_told_and_read_by_the_others(call: Call, made: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "fork"
    code, told, err = call("fork", "--events", made / "bt", "--at", SEQ, *SET, "--out", out, "--json")
    found = json.loads(told)
    assert code == 0 and found["seq"] == SEQ and set(os.listdir(out)) == OUTPUTS, err
    assert found["trust"]["is_same"] and found["difference"]["differs"] and found["changed"]
    assert all(name.endswith("grid_half_spread_ticks_e6") for name in found["changed"]), found["changed"]
    assert found["venue"]["entry_latency_ns"] == 20 * MS and found["venue"]["queue_model"] == "risk_averse"
    manifest = Journal(out).manifest()
    assert manifest.extra["parent_head"] == found["parent_head"] == json.loads(
        call("journal", "info", made / "bt", "--json")[1]
    )["head"]  # fmt: skip
    code, told, _ = call("replay", "--events", out, "--json")
    replayed = json.loads(told)
    assert code == 0 and replayed["head"] == found["head"] and replayed["sealed"]
    assert call("at", "--events", out, "--seq", SEQ + 1)[0] == call("why", "--events", out, SEQ + 1)[0] == 0
    code, told, _ = call("diff", made / "bt", out, "--json")
    difference = json.loads(told)
    assert code == 2 and difference["counts"] == found["difference"]["counts"]
    assert difference["market"] == {**difference["market"], "a_only": 0, "b_only": 0}
    page = (out / "FORK.md").read_text()
    for text in (found["caveat"], found["head"], found["parent_head"], "## How far to trust it", "first difference"):
        assert text in page
    assert (out / "fork.svg").read_text().startswith("<svg")


def test_what_a_person_is_told(call: Call, made: Path, tmp_path: Path) -> None:
    words = ("fork", "--events", made / "bt", "--at", SEQ, *SET, "--latency", "5", "--out", tmp_path / "f")
    code, out, _ = call(*words)
    assert code == 0 and "caveat    The market is the recorded one" in out
    assert "trust     up to seq" in out and "were recorded" in out, "another latency than the backtest's"
    assert "set  XUSDT grid_half_spread" in out and "A is what happened, B the fork" in out and "B less A" in out
    assert not set(out) & {"\x1b"}
    assert call(*words)[0] == 1
    first = (tmp_path / "f" / "000000.mmj").read_bytes(), (tmp_path / "f" / "FORK.md").read_bytes()
    assert call(*words, "--force")[0] == 0
    assert first == ((tmp_path / "f" / "000000.mmj").read_bytes(), (tmp_path / "f" / "FORK.md").read_bytes())


def test_nothing_changed_is_said(call: Call, made: Path, tmp_path: Path) -> None:
    code, out, _ = call("fork", "--events", made / "bt", "--at", SEQ, "--out", tmp_path / "f")
    assert code == 0 and "note: nothing was changed in the configuration" in out and "exactly the recorded ones" in out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("bt", "99999999", "out", *SET), 1, "has no event at seq 99,999,999"),
        (("bt", "last", "out", *SET), 1, "no market event comes after seq"),
        (("market", "5", "out", *SET), 1, "holds a market and no decisions"),
        (("bt", "400", "out", "--set", "grid.half_spred=1"), 1, "half_spread"),
        (("bt", "400", "out", "--set", "grid.half_spread=-1"), 1, "grid.half_spread"),
        (("bt", "400", "out", "--queue-model", "fifo"), 1, "no market-by-order data"),
        (("bt", "400", "bt", *SET), 1, "expected another place than"),
        (("bt", "400", "bt/inside", *SET), 1, "expected another place than inside of"),
        (("early", "400", "out", *SET), 2, "decision differs at seq"),
        (("late", "400", "out", *SET), 2, "decision differs at seq"),
        (("none", "400", "out", *SET), 1, "none"),
        (("bt", "-1", "out", *SET), 64, "--at"),
    ],
)
def test_what_cannot_be_forked_leaves_nothing(
    call: Call, made: Path, tmp_path: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    for name in ("bt", "market", "early", "late"):
        shutil.copytree(made / name, tmp_path / name)
    events, seq, out, *rest = words
    if seq == "last":
        seq = str(int(rows_of(tmp_path / "bt")["seq"][-1]))
    ended, told, err = call("fork", "--events", tmp_path / events, "--at", seq, *rest, "--out", tmp_path / out)
    assert (ended, told) == (code, "") and said in err
    assert {path.name for path in tmp_path.iterdir()} == {"bt", "market", "early", "late"}
    assert not (tmp_path / "bt" / "FORK.md").exists()


def test_measured_latencies_have_to_be_given_again(call: Call, made: Path, tmp_path: Path) -> None:
    times = ",".join(str(1_700_000_001_000_000_000 + ms * MS) for ms in (0, 5, 10))
    (tmp_path / "latency.csv").write_text(f"request_ts_ns,venue_ts_ns,response_ts_ns\n{times}\n")
    words = ("--events", made / "market", "--strategy", "grid", "--latency-file", tmp_path / "latency.csv")
    code, _, err = call("backtest", *words, "--out", tmp_path / "bt", "--json")
    assert code == 0, err
    code, _, err = call("fork", "--events", tmp_path / "bt", "--at", 20, "--out", tmp_path / "f")
    assert code == 64 and "--latency-file" in err and not (tmp_path / "f").exists()
    code, _, err = call("fork", "--events", tmp_path / "bt", "--at", 20, *words[4:], "--out", tmp_path / "f", "--json")
    assert code == 0, err


def test_a_minimized_journal_is_forked(call: Call, made: Path, tmp_path: Path) -> None:
    words = (
        "minimize",
        "--events",
        made / "bt",
        "--fails-if",
        "position_lots > 20",
        "--out",
        tmp_path / "min",
        "--json",
    )
    code, told, err = call(*words, "--budget", "10m")
    assert code == 0, err
    rows = rows_of(tmp_path / "min")
    market = rows[(rows["kind"] >= EventKind.BOOK_SNAPSHOT) & (rows["kind"] <= EventKind.TRADE)]
    seq = int(market["seq"][-1]) - 1 if len(market) > 1 else 1
    code, told, err = call("fork", "--events", tmp_path / "min", "--at", seq, *SET, "--out", tmp_path / "f", "--json")
    assert code == 0, err
    assert call("replay", "--events", tmp_path / "f")[0] == 0 and json.loads(told)["seq"] <= seq


def mm(*words: object) -> tuple[int, str, str]:
    """Run `mm ...` in a process of its own: a strategy file is for good."""
    env: dict[str, Any] = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, "-m", "mmfold.adapters.cli.main", *map(str, words)]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False, timeout=170, env=env)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


def test_a_journal_goes_on_with_a_strategy_file(made: Path, tmp_path: Path) -> None:
    given = ("--strategy", f"{REPO / 'docs' / 'examples' / 'strategy_avellaneda.py'}:quote")
    words = ("fork", "--events", made / "bt", "--at", SEQ, *given, "--set", "user.gamma=0.05")
    code, told, err = mm(*words, "--out", tmp_path / "f", "--json")
    assert code == 0, err
    found = json.loads(told)
    assert Journal(tmp_path / "f").manifest().extra["strategy_function"] == "quote"
    assert {both[1] for name, both in found["changed"].items() if name.endswith("gamma")} == {0.05}
    assert sum(one["place"]["b_only"] for one in found["difference"]["counts"].values()) > 0
    assert mm("replay", "--events", tmp_path / "f", *given)[0] == 0
    code, _, err = mm("replay", "--events", tmp_path / "f")
    assert code == 1 and "was made with the strategy strategy_avellaneda.py:quote" in err
