"""The registry of reports: names, files, and that a report writes what its line says, no more and no less."""

import subprocess
import sys
from pathlib import Path

import pytest

from mmfold.reports.registry import REPORTS, reports_of
from mmfold.reports.seam import EffectsReport, Feed, Report
from tests.reports.examples import example_result

RESULTS = reports_of(Feed.RESULT)
WAYS = {"replay": (Feed.EFFECTS, Feed.RESULT), "backtest": (Feed.SHEETS,)}


@pytest.mark.parametrize("command", WAYS)
def test_each_has_a_name_of_its_own_at_its_command(command: str) -> None:
    names = [report.name for report in reports_of(*WAYS[command])]
    assert names and len(set(names)) == len(names)


def test_what_stands_beside_a_journal_has_names_of_its_own() -> None:
    files = [name for report in reports_of(Feed.SHEETS) for name in report.files]
    assert files and len(set(files)) == len(files)


def test_every_report_is_of_one_way() -> None:
    assert [report for feeds in WAYS.values() for report in reports_of(*feeds)] == sorted(
        REPORTS, key=lambda report: report.feed is Feed.SHEETS
    )


@pytest.mark.parametrize("report", RESULTS, ids=lambda report: report.name)
def test_a_report_of_a_result_writes_its_files(report: Report, tmp_path: Path) -> None:
    page = report.load()(example_result(), tmp_path / "place")
    made = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert made == ({f"place/{name}" for name in report.files} or {"place"}) and page.is_file()


@pytest.mark.parametrize("report", reports_of(Feed.EFFECTS), ids=lambda report: report.name)
def test_a_report_of_effects_leaves_nothing_when_the_replay_fails(report: Report, tmp_path: Path) -> None:
    result = example_result()
    made: EffectsReport
    with pytest.raises(RuntimeError), report.load()(tmp_path / "place", result.manifest) as made:
        made.write(result.fill_rows[:0])
        raise RuntimeError
    assert not list(tmp_path.iterdir())
    with report.load()(tmp_path / "place", result.manifest):
        pass
    assert (tmp_path / "place").read_bytes() == b""


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "two-words", "feed": Feed.RESULT},
        {"name": "one", "feed": Feed.SHEETS},
        {"name": "one", "feed": Feed.EFFECTS, "sampled": True},
    ],
)
def test_a_line_that_could_not_work_is_refused(fields: dict) -> None:
    with pytest.raises(AssertionError):
        Report(help="", make="a:b", **fields)


def test_the_registry_loads_no_report() -> None:
    check = (
        "import sys, mmfold.reports.registry; "
        "print(sorted({'numpy', 'numba', 'jinja2', 'matplotlib', 'rich', 'mmfold.reports.audit'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
