"""Alerts of real sessions: a person hears of what ends them, once, and nothing is left running."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from mmfold.engine.codes import AlertCode, EventKind
from mmfold.journal.log.reader import Journal
from mmfold.journal.log.seal import read_seal
from tests.adapters.alerts.made import hearing, is_running, left_running
from tests.adapters.emulator.running import RunningVenue
from tests.live.laws import check_replay, read_rows
from tests.live.processes import REPO, running_venue, write_config
from tests.live.stage import WIDE

WAIT_S = 90.0


@pytest.fixture(scope="module")
def venue() -> Iterator[RunningVenue]:
    with running_venue() as running:
        yield running


class Session:
    """A session whose program hears its alerts."""

    def __init__(
        self, tmp_path: Path, url: str, mode: str = "paper", *, body: str = "", sets: tuple[str, ...] = (),
        symbols: str = "BTCUSDT", **keys: object,
    ) -> None:  # fmt: skip
        program, self.out = hearing(tmp_path, body)
        self.journal, self.place = tmp_path / "journal", tmp_path
        config = tmp_path / "mm.yaml"
        write_config(config, (*WIDE, "live.dead_man_window_s=0"))
        document = yaml.safe_load(config.read_text()) | {"alerts": {"exec": list(program.words), **keys}}
        config.write_text(yaml.safe_dump(document))
        words = ["live", "--mode", mode, "--endpoint", url, "--symbols", symbols, "--port", "0", "--warmup", "0s"]
        words += ["--journal", str(self.journal), "--config", str(config), "--json"]
        words += [word for one in sets for word in ("--set", one)]
        env = {"XDG_STATE_HOME": str(tmp_path / "state"), "NUMBA_DISABLE_JIT": "1"}
        self.log = (tmp_path / "log").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mmfold.adapters.cli.main", *words], cwd=REPO, env=os.environ | env,
            stdout=subprocess.DEVNULL, stderr=self.log, start_new_session=True,
        )  # fmt: skip

    def heard(self) -> list[dict]:
        return [json.loads(line) for line in self.out.read_text().splitlines()] if self.out.exists() else []

    def told(self) -> str:
        return (self.place / "log").read_text()

    def until(self, test: Callable[[], bool], what: str) -> None:
        end_s = time.monotonic() + WAIT_S
        while not test():
            assert time.monotonic() < end_s, f"{what}: {self.told()[-2_000:]}"
            time.sleep(0.05)

    def has_placed(self) -> bool:
        is_begun = self.journal.is_dir() and list(self.journal.glob("*.mmj"))
        return bool(is_begun) and bool((read_rows(self.journal)["kind"] == EventKind.PLACE).sum() > 1)


@contextmanager
def session(*words: object, **more: object) -> Iterator[Session]:
    made = Session(*words, **more)  # type: ignore[arg-type]
    try:
        yield made
    finally:
        made.process.kill()
        made.process.wait()
        made.log.close()
        made.until(lambda: not is_running(str(made.place)), "an orphan")


@pytest.mark.parametrize("mode", ["paper", "shadow", "testnet"])
def test_a_kill_is_one_critical_alert(venue: RunningVenue, tmp_path: Path, mode: str) -> None:
    with session(tmp_path, venue.urls["rest"], mode) as running:
        running.until(running.has_placed, "orders")
        running.process.send_signal(signal.SIGUSR1)
        assert running.process.wait(WAIT_S) == 3, running.told()[-2_000:]
        heard = running.heard()
        assert [one["kind"] for one in heard if one["severity"] == "critical"] == ["killswitch_fired"]
        (alert,) = [one for one in heard if one["severity"] == "critical"]
        assert alert["run_id"] == Journal(running.journal).manifest().run_id
        assert alert["payload"]["mode"] == mode and "mm resume" in alert["hint"]
        assert not left_running(str(tmp_path)), "an orphan"
        assert '"alert_sent"' in running.told()
    check_replay(running.journal)


@pytest.mark.parametrize("mode", ["paper", "testnet"])
def test_the_loss_of_a_day_is_one_critical_alert(venue: RunningVenue, tmp_path: Path, mode: str) -> None:
    costly = ("guards.intraday_caps.daily_pnl_stop_usd=0.02", "strategy.min_spread_bps=0", "strategy.max_spread_bps=2")
    with session(tmp_path, venue.urls["rest"], mode, sets=costly) as running:
        assert running.process.wait(WAIT_S) == 3, running.told()[-2_000:]
        (alert,) = [one for one in running.heard() if one["severity"] == "critical"]
        assert (alert["kind"], alert["symbol"]) == ("daily_loss", "BTCUSDT")
        rows = read_rows(running.journal)
        told = rows[(rows["kind"] == EventKind.ALERT) & (rows["code"] == AlertCode.DAILY_LOSS)]
        assert told["seq"].tolist() == [alert["seq"]]
        assert alert["payload"]["detail"] < 0 and "mm resume" in alert["hint"]


def test_ctrl_c_ends_a_session_whose_program_hangs(tmp_path: Path) -> None:
    keys = {"venue_down_s": 1, "exec_timeout_s": 60}
    with (
        running_venue() as own,
        session(tmp_path, own.urls["rest"], body="import time; time.sleep(300)", **keys) as running,
    ):
        running.until(running.has_placed, "orders")
        own.wait(own.server.close())
        running.until(lambda: bool(running.heard()), "an alert")
        begun_s = time.monotonic()
        os.killpg(running.process.pid, signal.SIGINT)
        assert running.process.wait(WAIT_S) == 0
        assert time.monotonic() - begun_s < 30
        assert not left_running(str(tmp_path)), "an orphan"
        assert read_seal(running.journal) is not None and '"alert_dropped"' in running.told()
    check_replay(running.journal)


def test_a_session_that_is_killed_is_told_by_what_outlives_it(venue: RunningVenue, tmp_path: Path) -> None:
    with session(tmp_path, venue.urls["rest"]) as running:
        running.until(running.has_placed, "orders")
        running.process.kill()
        running.until(lambda: bool(running.heard()), "the last word")
        running.until(lambda: not is_running(str(tmp_path)), "an orphan")
        assert [(one["kind"], one["severity"]) for one in running.heard()] == [("session_died", "critical")]


def test_a_venue_that_is_gone_is_told(tmp_path: Path) -> None:
    with running_venue() as own, session(tmp_path, own.urls["rest"], venue_down_s=2, min_severity="info") as running:
        running.until(running.has_placed, "orders")
        own.wait(own.server.close())
        running.until(lambda: "venue_down" in [one["kind"] for one in running.heard()], "an alert")
        config = tmp_path / "mm.yaml"
        config.write_text(config.read_text().replace("venue_down_s: 2", "venue_down_s: 3"))
        running.until(lambda: "alerts: a change holds from the next start on" in running.told(), "a warning")
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(WAIT_S) == 0
        down = [one for one in running.heard() if one["kind"] == "venue_down"]
        assert len(down) == 1 and down[0]["text"].startswith("no connection to the venue: public for")


def test_a_full_disk_is_told(venue: RunningVenue, tmp_path: Path) -> None:
    with session(tmp_path, venue.urls["rest"]) as running:
        running.until(running.has_placed, "orders")
        size_bytes = (running.journal / "000000.mmj").stat().st_size
        resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (size_bytes + 20_001, resource.RLIM_INFINITY))
        assert running.process.wait(WAIT_S) == 1
        critical = [one for one in running.heard() if one["severity"] == "critical"]
        assert [one["kind"] for one in critical] == ["journal_full"] and "cannot grow" in critical[0]["text"]


def test_a_start_that_fails_is_told(venue: RunningVenue, tmp_path: Path) -> None:
    with session(tmp_path, venue.urls["rest"], symbols="NOSUCHUSDT") as running:
        assert running.process.wait(WAIT_S) == 1
        (alert,) = running.heard()
        assert (alert["kind"], alert["run_id"], alert["severity"]) == ("session_failed", "", "critical")
        assert "has no linear instrument NOSUCHUSDT" in alert["text"]


def test_a_channel_that_cannot_be_ends_the_start(venue: RunningVenue, tmp_path: Path) -> None:
    with session(tmp_path, venue.urls["rest"], webhook="env:NO_SUCH_VARIABLE_HERE") as running:
        assert running.process.wait(WAIT_S) == 1
        assert "alerts.webhook: NO_SUCH_VARIABLE_HERE is not set" in running.told()
        assert not running.journal.exists() and not running.heard()
