"""Every planted bug on every journal that shows it: shrunk, compared, verified, tried with and without the bug.

    python -m tests.planted.matrix --keep DIR [--source backtest] [--bug "lost cancel ack"] [--no-yardstick]

Journals are made once and kept in DIR. Seconds are of `mm minimize` (in brackets the processor time of its process,
which compiles kernels the first time): on a machine that others use as well the latter says more. The yardstick
(yardstick.py) is given up at five times the rows.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mmfold.config.load import load_config
from mmfold.journal.log.verify import verify
from mmfold.journal.log.writer import Writer
from mmfold.replay.backtest import Backtest
from mmfold.replay.minimize.regression import failure_of
from tests.planted import capture, session
from tests.planted.bugs import BACKTEST, BUGS, CAPTURE, SESSION, SOURCES, Bug
from tests.planted.build import ROOT, Build, planted_build
from tests.planted.market import INSTRUMENT, market_rows, write_rows
from tests.replay.venue.market import LADDER, SLOW

MARKET_EVENT_COUNT = 445_000  # with orders, answers, decisions and timers a million events
BUDGET_S, EVENTS_MAX, ROWS_SHARE = 60, 30, 5
SHARED_DATA = ROOT.parent / "shared" / "data"
RUNS = (("first", 2), ("again", 2), ("alone", 1))  # name, workers


class Missing(Exception):
    """What a journal is made of is not there."""


@dataclass
class Cell:
    """What came of a bug on a journal."""

    bug: str
    source: str
    events: int = 0  # of the journal, decisions included
    left: int = 0
    rows: int = 0
    seconds: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    yardstick: int = 0
    yardstick_is_whole: bool = True
    faults: list[str] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """How many times the rows the yardstick needs."""
        return self.yardstick / self.rows if self.rows else 0.0

    def check(self, holds: bool, what: str) -> None:
        """Note what does not hold."""
        if not holds:
            self.faults.append(what)


def make_backtest(place: Path) -> Path:
    """Write a backtest of a million events."""
    market = write_rows(place / "backtest-market", (INSTRUMENT,), market_rows(MARKET_EVENT_COUNT))
    return run_backtest(market, place / "backtest", LADDER)


def make_capture(place: Path) -> Path:
    """Write a backtest on a recorded capture."""
    if not SHARED_DATA.is_dir():
        raise Missing("no recorded feeds: ../shared/data does not exist beside the checkout")
    return run_backtest(capture.make_market(SHARED_DATA, place), place / "capture", capture.TRADING)


def run_backtest(market: Path, out: Path, config: tuple[str, ...]) -> Path:
    """Run one backtest with a journal."""
    with Writer(out) as writer:
        Backtest(market, load_config(None, None, config), SLOW, writer=writer).run()
    return out


MAKERS: dict[str, Callable[[Path], Path]] = {
    CAPTURE: make_capture,
    SESSION: session.make_session,
    BACKTEST: make_backtest,
}


def run(build: Build, *words: object) -> subprocess.CompletedProcess[str]:
    """Run Python in a build."""
    return subprocess.run(
        [str(word) for word in (build.python, *words)], cwd=ROOT, capture_output=True, text=True, check=False
    )


def run_mm(build: Build, *words: object) -> subprocess.CompletedProcess[str]:
    """Run `mm` of a build."""
    return run(build, "-m", "mmfold.adapters.cli.main", *words)


def files_of(out: Path) -> dict[str, bytes]:
    """Return what a minimization left."""
    return {path.name: path.read_bytes() for path in sorted(out.iterdir()) if path.is_file() and path.suffix != ".lock"}


@dataclass(frozen=True)
class Matrix:
    """Builds and journals, in one place."""

    place: Path
    sound: Build
    budget_s: int = BUDGET_S

    def cell(self, name: str, bug: Bug, source: str, journal: Path, *, measures: bool = True) -> Cell:
        """Shrink a journal under a bug and try all that has to hold."""
        found = Cell(name, source, verify(journal).events)
        place = self.place / "out" / f"{source}-{name.replace(' ', '-')}"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        build, fails_if = planted_build(place / "build", bug.edit), bug.predicate(source, str(self.sound.python))
        outputs = []
        for run_name, workers in RUNS:
            document = self.minimize(build, journal, fails_if, place / run_name, workers, found)
            if document is None:
                return found
            outputs.append(files_of(place / run_name))
        found.check(outputs[0] == outputs[1], "two runs differ")
        found.check(outputs[0] == outputs[2], "1 and 2 workers differ")
        self.check_output(build, journal, fails_if, place / RUNS[0][0], found)
        if measures:
            done = run(build, "-m", "tests.planted.yardstick", journal, fails_if, ROWS_SHARE * found.rows + 1)
            found.check(done.returncode == 0, f"the yardstick: {done.stderr[-300:]}")
            if done.returncode == 0:
                told = json.loads(done.stdout)
                found.yardstick, found.yardstick_is_whole = told["rows"], told["is_whole"]
                found.check(found.ratio >= ROWS_SHARE, f"the yardstick needs {found.ratio:.1f} times the rows")
        return found

    def minimize(
        self, build: Build, journal: Path, fails_if: str, out: Path, workers: int, found: Cell
    ) -> dict[str, object] | None:
        """Run `mm minimize`; None where it did not end well."""
        before_s = children_s()
        done = run_mm(
            build, "minimize", "--events", journal, "--fails-if", fails_if, "--out", out, "--workers", workers,
            "--budget", f"{self.budget_s}s", "--json",
        )  # fmt: skip
        found.cpu_s.append(children_s() - before_s)
        found.check(done.returncode == 0, f"exit code {done.returncode}: {done.stderr.strip()[-300:]}")
        if done.returncode:
            return None
        document: dict[str, object] = json.loads(done.stdout)
        found.left, found.rows = int(str(document["events"])), int(str(document["rows_replayed"]))
        found.seconds.append(document["run"]["seconds"])  # type: ignore[index]
        found.check(found.left <= EVENTS_MAX, f"{found.left} events are left")
        found.check(bool(document["one_minimal"]), "it was not through within the budget")
        found.check(min(found.seconds[-1], found.cpu_s[-1]) <= BUDGET_S, f"{found.seconds[-1]:.0f} s")
        return document

    def check_output(self, build: Build, journal: Path, fails_if: str, out: Path, found: Cell) -> None:
        """Check that the output verifies, and that its test fails with the bug alone, as the journal does."""
        found.check(run_mm(build, "replay", "--events", out).returncode == 0, "the output does not replay")
        found.check(verify(out).first_bad is None, "the output does not verify")
        options = ("-q", "-p", "no:cacheprovider", "--rootdir", out)
        with_bug = run(build, "-m", "pytest", *options, out / "test_regression.py")
        found.check("1 failed" in with_bug.stdout and "it fails as it did" in with_bug.stdout, "its test passes")
        without = run(self.sound, "-m", "pytest", *options, out / "test_regression.py")
        found.check(without.returncode == 0, "its test fails without the bug")
        found.check(failure_of(journal, fails_if) is None, "the journal fails without the bug")


def children_s() -> float:
    """Return the processor time of the processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def line_of(cell: Cell) -> str:
    """Return a cell as a row of the table."""
    seconds = " ".join(f"{each:.1f}" for each in cell.seconds)
    processor = " ".join(f"{each:.0f}" for each in cell.cpu_s)
    yardstick = "-" if not cell.yardstick else f"{'' if cell.yardstick_is_whole else '>'}{cell.yardstick:,}"
    return (
        f"| {cell.bug} | {cell.source} | {cell.events:,} | {cell.left} | {seconds} ({processor}) | {cell.rows:,} | "
        f"{yardstick} | {cell.ratio:.1f} | {'; '.join(cell.faults) or 'holds'} |"
    )


def journal_of(source: str, place: Path) -> Path:
    """Return the journal of a source, made when it is not there yet."""
    path = place / source
    if not path.is_dir():
        MAKERS[source](place)
    return path


def main() -> int:
    """Print the table; the exit code is 2 where something does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, required=True)
    parser.add_argument("--source", choices=SOURCES, action="append")
    parser.add_argument("--bug", choices=list(BUGS), action="append")
    parser.add_argument("--budget", type=int, default=BUDGET_S, help="seconds; more on a machine that others use")
    parser.add_argument("--no-yardstick", action="store_true")
    asked = parser.parse_args()
    asked.keep.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("NUMBA_DISABLE_JIT", "0")  # each build compiles its kernels once
    os.environ["XDG_STATE_HOME"] = str(asked.keep / "state")
    shutil.rmtree(asked.keep / "sound", ignore_errors=True)
    matrix = Matrix(asked.keep, planted_build(asked.keep / "sound"), asked.budget)
    print("| bug | journal | events | left | seconds (processor), workers 2 2 1 | rows | yardstick | ratio | |")
    print("|---|---|---:|---:|---|---:|---:|---:|---|")
    holds = True
    for source in asked.source or SOURCES:
        try:
            journal = journal_of(source, asked.keep)
        except Missing as error:
            print(f"| | {source} | | | | | | | skipped: {error} |")
            continue
        for name in asked.bug or BUGS:
            cell = matrix.cell(name, BUGS[name], source, journal, measures=not asked.no_yardstick)
            print(line_of(cell), flush=True)
            holds = holds and not cell.faults
    print(f"load of the machine at the end: {' '.join(f'{each:.1f}' for each in os.getloadavg())}")
    return 0 if holds else 2


if __name__ == "__main__":
    raise SystemExit(main())
