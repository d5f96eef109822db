"""A session with all that can interrupt one is one journal: replayed anywhere it decides and ends the same."""

import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mmfold.engine.codes import ConnectionState, EventKind, RequestOutcome
from tests.adapters.emulator.running import RunningVenue
from tests.live.laws import check_against_venue, check_end, check_journal, check_replay, read_rows
from tests.live.processes import Child, run_mm, running_venue, write_config
from tests.live.stage import TIGHT

FIRED_S = 30


def replayed(journal: Path, hash_seed: str, jit: str) -> dict[str, Any]:
    """Return what `mm replay` says of a journal in another process."""
    done = run_mm("replay", "--events", str(journal), "--json", PYTHONHASHSEED=hash_seed, NUMBA_DISABLE_JIT=jit)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    found.pop("run")
    return found


def wait_fired(running: RunningVenue) -> None:
    """Wait until the venue's fault has struck."""
    end_s = time.monotonic() + FIRED_S
    while not any(rule["fired"] for rule in running.venue.faults.report()):
        assert time.monotonic() < end_s, "no request came that could lose its answer"
        time.sleep(0.05)


def test_an_interrupted_session_is_replayed_the_same_everywhere(tmp_path: Path) -> None:
    journal, config = tmp_path / "journal", tmp_path / "config.yaml"
    write_config(config)
    with running_venue() as running:
        child = Child(running.urls["rest"], journal, config)
        child.wait_ready()
        time.sleep(0.4)
        running.set_faults({"fault": "disconnect", "at": "private:*"})
        time.sleep(1.0)
        running.set_faults({"fault": "ack_lost", "at": "trade:order.*"})
        wait_fired(running)
        time.sleep(1.5)  # until the request has timed out
        assert child.end(signal.SIGKILL) == -signal.SIGKILL
        child = Child(running.urls["rest"], journal, config)
        child.wait_ready()
        write_config(config, (*TIGHT, "strategy.levels_per_side=1"))
        child.send(signal.SIGHUP)
        time.sleep(0.8)
        assert child.end(signal.SIGTERM) == 0
        account = next(iter(running.venue.accounts.values()))
        rows = read_rows(journal)
        check_journal(rows)
        check_against_venue(rows, account)
        check_end(rows, account)
    downs = (rows["kind"] == EventKind.CONNECTION) & (rows["code"] == ConnectionState.DOWN)
    lost = (rows["kind"] == EventKind.REQUEST_RESULT) & (rows["code"] == RequestOutcome.TIMEOUT)
    configs = len(set(rows["seq"][rows["kind"] == EventKind.CONFIG].tolist()))
    assert downs.sum() >= 3 and lost.sum() and configs == 2
    here = check_replay(journal)
    with ThreadPoolExecutor(2) as pool:
        modes = [(seed, jit) for jit in "01" for seed in "12"]
        answers = list(pool.map(lambda mode: replayed(journal, *mode), modes))
    assert answers == [answers[0]] * len(modes)
    assert answers[0]["fills"] > 0 and answers[0]["witnessed"] == here.witnessed_count
    assert answers[0]["state_digest"] == here.state_digest and answers[0]["effects_digest"] == here.effects_digest
