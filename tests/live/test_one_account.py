"""One account: a kill outlives its session and its journal, another session's orders are seen, files are private."""

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmfold.adapters.live.account.foreign_orders import foreign_tags
from mmfold.adapters.live.session import has_segments
from mmfold.adapters.venues.link_ids import encode_link_id, run_tag
from mmfold.engine.codes import AlertCode, EventKind
from mmfold.journal.log.reader import Journal
from tests.adapters.emulator.running import RunningVenue
from tests.live.laws import check_replay, read_rows
from tests.live.processes import REPO, run_mm, running_venue, write_config
from tests.live.stage import WIDE

WAIT_S = 60.0


@pytest.fixture(scope="module")
def running() -> Iterator[RunningVenue]:
    with running_venue() as venue:
        yield venue


def words(running: RunningVenue, tmp_path: Path, journal: str, *more: str) -> list[str]:
    """Return the words of a session that rests its orders."""
    write_config(tmp_path / "mm.yaml", (*WIDE, "live.dead_man_window_s=0"))
    asked = ["live", "--mode", "testnet", "--endpoint", running.urls["rest"], "--symbols", "BTCUSDT", "--port", "0"]
    return [
        *asked,
        "--warmup",
        "0s",
        "--journal",
        str(tmp_path / journal),
        "--config",
        str(tmp_path / "mm.yaml"),
        *more,
    ]


def state(tmp_path: Path) -> dict[str, str]:
    return {"XDG_STATE_HOME": str(tmp_path / "state"), "NUMBA_DISABLE_JIT": "1"}


def resting(running: RunningVenue) -> list[str]:
    account = next(iter(running.venue.accounts.values()))
    return [order.link_id for order in list(account.open.values())]


def has_placed(journal: Path) -> bool:
    """Tell whether a rehearsal has orders that rest."""
    return has_segments(journal) and bool((read_rows(journal)["kind"] == EventKind.PLACE).sum() > 1)


def end_by(running: RunningVenue, tmp_path: Path, journal: str, number: signal.Signals, mode: str = "testnet") -> int:
    """Let a session rest orders, then signal it; returns its exit code."""
    asked = words(running, tmp_path, journal, "--mode", mode)
    command = [sys.executable, "-m", "mmfold.adapters.cli.main", *asked]
    with (tmp_path / f"{journal}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=REPO, env=os.environ | state(tmp_path), stderr=log, stdout=log)
    end_s = time.monotonic() + WAIT_S
    try:
        while not (resting(running) if mode == "testnet" else has_placed(tmp_path / journal)):
            assert time.monotonic() < end_s and process.poll() is None, (tmp_path / f"{journal}.log").read_text()
            time.sleep(0.05)
        process.send_signal(number)
        return process.wait(WAIT_S)
    finally:
        process.kill()
        process.wait()


def test_a_kill_outlives_its_journal_until_a_person_lifts_it(running: RunningVenue, tmp_path: Path) -> None:
    assert end_by(running, tmp_path, "j", signal.SIGUSR1) == 3
    assert resting(running) == []
    for journal, more in (("j", ()), ("new", ()), ("next", ("--continue-from", str(tmp_path / "j")))):
        done = run_mm(*words(running, tmp_path, journal, "--for", "1s", *more), **state(tmp_path))
        assert done.returncode == 3 and "this account was stopped: kill switch at" in done.stderr, done.stderr
        assert not (tmp_path / journal).exists() or journal == "j"
    shadow = run_mm(*words(running, tmp_path, "s", "--for", "1s", "--mode", "shadow"), **state(tmp_path))
    assert shadow.returncode == 0, "a rehearsal has no account"
    (said,) = [line for line in done.stderr.splitlines() if "mm resume" in line]
    assert run_mm(*said.partition("mm ")[2].split(), **state(tmp_path)).returncode == 0
    done = run_mm(*words(running, tmp_path, "j", "--for", "2s"), **state(tmp_path))
    assert done.returncode == 0, done.stderr


@pytest.fixture
def losing() -> Iterator[RunningVenue]:
    """Return a venue of one test alone: a position stays on its account."""
    with running_venue() as venue:
        yield venue


def test_a_daily_loss_does_too_and_the_day_begins_anew_by_that_word(losing: RunningVenue, tmp_path: Path) -> None:
    costly = ("--set", "guards.intraday_caps.daily_pnl_stop_usd=0.02", "--set", "strategy.min_spread_bps=0", "--set",
              "strategy.max_spread_bps=1", "--set", "risk.max_inv_usd_per_symbol=100000")  # fmt: skip
    done = run_mm(*words(losing, tmp_path, "j", "--for", "60s", *costly), **state(tmp_path))
    assert done.returncode == 3 and '"why":"daily loss"' in done.stderr, done.stderr
    assert resting(losing) == []
    stopped = Journal(tmp_path / "j").seq_next()
    for journal, more in (("j", ()), ("next", ("--continue-from", str(tmp_path / "j")))):
        done = run_mm(*words(losing, tmp_path, journal, "--for", "1s", *more), **state(tmp_path))
        assert done.returncode == 3 and "this account was stopped: daily loss at" in done.stderr, done.stderr
    assert Journal(tmp_path / "j").seq_next() == stopped and not (tmp_path / "next").exists()
    (said,) = [line for line in done.stderr.splitlines() if "mm resume" in line]
    assert run_mm(*said.partition("mm ")[2].split(), **state(tmp_path)).returncode == 0
    done = run_mm(*words(losing, tmp_path, "j", "--for", "3s"), **state(tmp_path))
    assert done.returncode == 0, done.stderr
    replayed = run_mm("replay", "--events", str(tmp_path / "j"), "--json", **state(tmp_path))
    assert replayed.returncode == 0, replayed.stderr
    kinds = [row["code"] for row in read_rows(tmp_path / "j") if row["kind"] == EventKind.ALERT]
    assert kinds.count(AlertCode.DAILY_LOSS) == 1
    placed = [row["seq"] for row in read_rows(tmp_path / "j") if row["kind"] == EventKind.PLACE]
    assert max(placed) > stopped, "it quotes again"


def test_orders_of_another_session_are_seen(running: RunningVenue, tmp_path: Path) -> None:
    assert end_by(running, tmp_path, "dead", signal.SIGKILL) == -signal.SIGKILL
    count, tag = len(resting(running)), run_tag(Journal(tmp_path / "dead").manifest().run_id)
    assert count > 0
    done = run_mm(*words(running, tmp_path, "new", "--for", "1s"), **state(tmp_path))
    assert done.returncode == 1, done.stderr
    assert f"another mm session are on this account: {count} in BTCUSDT (run tag {tag})" in done.stderr
    assert not (tmp_path / "new").exists() and len(resting(running)) == count
    done = run_mm(*words(running, tmp_path, "new", "--for", "1s", "--share-account"), **state(tmp_path))
    assert done.returncode == 0 and '"event":"foreign_session"' in done.stderr and tag in done.stderr
    assert len(resting(running)) == count, "they are left alone"
    words_on = words(running, tmp_path, "on", "--for", "1s", "--continue-from", str(tmp_path / "dead"))
    done = run_mm(*words_on, **state(tmp_path))
    assert done.returncode == 0 and resting(running) == [], done.stderr


def test_a_journal_takes_its_own_orders_up(running: RunningVenue, tmp_path: Path) -> None:
    assert end_by(running, tmp_path, "dead", signal.SIGKILL) == -signal.SIGKILL
    assert resting(running) != []
    done = run_mm(*words(running, tmp_path, "dead", "--for", "1s"), **state(tmp_path))
    assert done.returncode == 0 and resting(running) == [], done.stderr


@pytest.mark.parametrize("mode", ["paper", "shadow"])
def test_a_rehearsal_that_was_killed_quotes_again(running: RunningVenue, tmp_path: Path, mode: str) -> None:
    assert end_by(running, tmp_path, "dead", signal.SIGKILL, mode) == -signal.SIGKILL
    seq = Journal(tmp_path / "dead").seq_next()
    done = run_mm(*words(running, tmp_path, "dead", "--for", "4s", "--mode", mode), **state(tmp_path))
    assert done.returncode == 0, done.stderr
    rows = read_rows(tmp_path / "dead")
    later = rows[rows["seq"] >= seq]
    assert (later["kind"] == EventKind.PLACE).sum() > 1 and not (later["kind"] == EventKind.ALERT).any()
    assert check_replay(tmp_path / "dead").state.quoters[0]["unknown_order_count"] == 0


def test_files_of_a_session_are_its_users_alone(running: RunningVenue, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        for command in (words(running, tmp_path, "j", "--for", "1s", "--mode", "shadow", "--keep-raw"),
                        ["record", "--endpoint", running.urls["rest"], "--symbols", "BTCUSDT", "--for", "1s",
                         "--journal", str(tmp_path / "rec"), "--keep-raw"]):  # fmt: skip
            done = run_mm(*command, **state(tmp_path))
            assert done.returncode == 0, done.stderr
    finally:
        os.umask(before)
    for journal in (tmp_path / "j", tmp_path / "rec"):
        found = {path: stat.S_IMODE(path.lstat().st_mode) for path in (journal, *journal.rglob("*"))}
        assert len(found) > 3 and (journal / "raw-frames.log") in found
        assert {path: oct(mode) for path, mode in found.items() if mode != (0o700 if path.is_dir() else 0o600)} == {}


@pytest.mark.parametrize(
    "link_id, tags",
    [
        (encode_link_id(run_tag("mine"), 77), []),
        (encode_link_id(run_tag("parent"), 77), []),
        (encode_link_id(run_tag("other"), 77), [run_tag("other")]),
        ("mmXYZ-1", []), ("mm01234567", []), ("somebody's own", []), ("", []),
    ],
)  # fmt: skip
def test_a_run_tag_is_known(link_id: str, tags: list[str]) -> None:
    assert foreign_tags([link_id], ("mine", "parent")) == tags
