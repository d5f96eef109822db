"""A session taken up by another build, or in another journal: nothing of its money is lost, nothing is left resting.

The former build is the release before the layouts had names: its wheel is made from this repository's own history.
"""

import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from mmfold.adapters.live.account.handover import FORMER_RUNS, PARENT_HEAD
from mmfold.adapters.venues.link_ids import run_tag
from mmfold.engine.limits import MICROS_PER_UNIT
from mmfold.engine.manifest import Manifest
from mmfold.journal.log.reader import Journal
from mmfold.replay.result import ReplayResult
from mmfold.reports.position import mark_half_ticks, position_amounts
from tests.adapters.emulator.running import RunningVenue
from tests.live.laws import check_replay
from tests.live.processes import READY_S, REPO, Child, run_mm, running_venue, write_config
from tests.live.stage import TIGHT

FORMER_COMMIT = "76edd62"  # the last commit of release 0.1.0
WAIT_S = 90.0
KILL_COUNT_MAX = 5
SETTINGS = (*TIGHT, "live.dead_man_window_s=0")  # the venue itself cancels nothing


@pytest.fixture(scope="module")
def former_build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory that the former release's wheel is installed in, or skip where its commit is not there."""
    directory = tmp_path_factory.mktemp("former")
    archive = subprocess.run(["git", "-C", str(REPO), "archive", FORMER_COMMIT], capture_output=True, check=False)
    if archive.returncode:
        pytest.skip(f"commit {FORMER_COMMIT} is not in this clone: no former build to hand over from")
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as tar:
        tar.extractall(directory / "source", filter="data")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"]
    wheels = directory / "wheels"
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), str(directory / "source")]
    subprocess.run(build, check=True, timeout=WAIT_S)
    install = [*pip, "install", "--no-deps", "--target", str(directory / "installed"), *map(str, wheels.glob("*.whl"))]
    subprocess.run(install, check=True, timeout=WAIT_S)
    return directory / "installed"


def wait_for(condition: Callable[[], Any], process: "subprocess.Popen[bytes] | None" = None) -> None:
    """Wait until something holds; a process that ends before has failed."""
    end_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end_s, "it never came to that"
        assert process is None or process.poll() is None, f"the session ended with {process.returncode}"
        time.sleep(0.02)


def leave_orders(former_build: Path, running: RunningVenue, journal: Path, config: Path) -> Any:
    """Let the former build trade until it has fills and resting orders, then kill it; returns the venue's account."""
    words = [
        "live",
        "--mode",
        "testnet",
        "--endpoint",
        running.urls["rest"],
        "--symbols",
        "BTCUSDT",
        "--warmup",
        "200ms",
    ]
    command = [
        sys.executable,
        "-P",
        "-m",
        "adapters.cli.main",
        *words,
        "--journal",
        str(journal),
        "--config",
        str(config),
    ]
    environment = {**os.environ, "PYTHONPATH": str(former_build), "NUMBA_DISABLE_JIT": "1"}
    with journal.with_suffix(".old.log").open("wb") as log:
        process = subprocess.Popen([*command, "--port", "0"], cwd=journal.parent, env=environment, stderr=log)
    try:
        account = next(iter(running.venue.accounts.values()))
        wait_for(lambda: len(account.executions) >= 3 and len(account.open) >= 2, process)
    finally:
        process.kill()
        process.wait()
    return account


def rests_of(account: Any, manifest: Manifest) -> list[str]:
    """Return the link ids of a run's orders that rest at the venue."""
    return [order.link_id for order in account.open.values() if run_tag(manifest.run_id) in order.link_id]


def check_sums(result: ReplayResult, account: Any) -> None:
    """Check that former and present session together are what the venue executed: position, fees, PnL."""
    state, instrument = result.state, result.manifest.instruments[0]
    row = state.positions[0]
    told = [each.payload() for each in account.executions]
    sizes = [Fraction(each["execQty"]) * (1 if each["side"] == "Buy" else -1) for each in told]
    cash = -sum(size * Fraction(each["execPrice"]) for size, each in zip(sizes, told, strict=True))
    fees = sum(Fraction(each["execFee"]) for each in told)
    lots = sum(sizes) / Fraction(instrument.lot_size)
    assert int(row["position_lots"]) == lots == account.positions["BTCUSDT"].lots
    paid = Fraction(int(row["opening_fees_micros"]) + int(row["fees_micros"]), MICROS_PER_UNIT)
    assert abs(paid - fees) <= Fraction(len(account.executions), MICROS_PER_UNIT)  # each is rounded up to a micro
    mark = mark_half_ticks(state, 0)
    assert mark is not None
    exact = cash + Fraction(mark, 2) * Fraction(instrument.tick_size) * sum(sizes) - paid
    amounts = position_amounts(result.manifest, state, 0)
    assert amounts.net is not None and abs(amounts.before + amounts.opening + amounts.net - exact) <= Fraction(
        2, MICROS_PER_UNIT
    )


def end_and_check(child: Child, new: Path, old: Path, account: Any) -> None:
    """End a session that took over and check what it left."""
    assert child.end(signal.SIGTERM) == 0, Path(child.log.name).read_text()[-2_000:]
    assert not account.open
    manifest, parent = Journal(new).manifest(), Journal(old)
    list(parent.verified_chunks())
    assert manifest.parent_run == parent.manifest().run_id == manifest.extra[FORMER_RUNS]
    assert manifest.extra[PARENT_HEAD] == parent.head.hex()
    check_sums(check_replay(new), account)


def test_a_session_of_the_former_release_is_taken_up(former_build: Path, tmp_path: Path) -> None:
    old, new, config = tmp_path / "old", tmp_path / "new", tmp_path / "config.yaml"
    write_config(config, SETTINGS)
    with running_venue() as running:
        account = leave_orders(former_build, running, old, config)
        executions = len(account.executions)
        child = Child(running.urls["rest"], new, config, old)
        child.wait_ready()
        assert not rests_of(account, Journal(old).manifest()), "orders of the former run still rest"
        wait_for(lambda: len(account.executions) > executions + 2, child.process)
        child.end(signal.SIGKILL)
        child = Child(running.urls["rest"], new, config, old)  # the same command again goes on with the new journal
        child.wait_ready()
        time.sleep(0.3)
        end_and_check(child, new, old, account)


def test_the_same_command_after_an_upgrade_goes_on_beside(former_build: Path, tmp_path: Path) -> None:
    old, config = tmp_path / "s", tmp_path / "config.yaml"
    write_config(config, SETTINGS)
    with running_venue(8) as running:
        account = leave_orders(former_build, running, old, config)
        child = Child(running.urls["rest"], old, config)
        child.wait_ready()
        time.sleep(0.3)
        end_and_check(child, tmp_path / "s.2", old, account)
        child = Child(running.urls["rest"], old, config)  # and once more: no third journal
        child.wait_ready()
        assert child.end(signal.SIGTERM) == 0
        assert sorted(path.name for path in tmp_path.glob("s*") if path.is_dir()) == ["s", "s.2"]


# what is wrong with the start | the words of it
BAD_STARTS: list[tuple[str, list[str]]] = [
    ("configuration", ["--set", "risk.max_inv_usd_per_symbol=-1"]),
    ("symbols", ["--symbols", "BTCUSDT,NOSUCHUSDT"]),
]


@pytest.mark.parametrize(("name", "words"), BAD_STARTS, ids=[name for name, _ in BAD_STARTS])
def test_a_start_that_fails_leaves_no_orders(tmp_path: Path, name: str, words: list[str]) -> None:
    journal, config = tmp_path / "journal", tmp_path / "config.yaml"
    write_config(config, SETTINGS)
    with running_venue(9) as running:
        account = next(iter(running.venue.accounts.values()))
        for _ in range(KILL_COUNT_MAX):  # killed between a cancel and the next order it leaves nothing
            child = Child(running.urls["rest"], journal, config)
            child.wait_ready()
            wait_for(lambda: len(account.open) >= 2, child.process)
            child.end(signal.SIGKILL)
            if account.open:
                break
        assert account.open, "nothing rests that could be left"
        command = ["live", "--mode", "testnet", "--endpoint", running.urls["rest"], "--journal", str(journal)]
        symbols = [] if "--symbols" in words else ["--symbols", "BTCUSDT"]
        done = run_mm(*command, *symbols, *words, timeout_s=READY_S)
        assert done.returncode == 1, done.stderr
        assert "orders of the former run that rested at the venue:" in done.stderr and "all cancelled" in done.stderr
        assert not account.open, "orders rest that nobody watches"
