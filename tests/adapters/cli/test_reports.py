"""A report that is registered is an option of `mm replay` or a file of `mm backtest`, with nothing else to edit."""

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mmfold.adapters.cli.main import run
from mmfold.reports import registry
from tests.reports.made_up import MADE_UP

Mm = Callable[..., tuple[int, str, str]]
COMMANDS = ("replay", "backtest")


@pytest.fixture
def mm(same_kernels: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Mm:
    """Return a function that runs `mm` of a build whose registry has three lines more."""
    monkeypatch.setattr(registry, "REPORTS", (*registry.REPORTS, *MADE_UP))
    for command in COMMANDS:
        monkeypatch.delitem(sys.modules, f"mmfold.adapters.cli.{command}_command", raising=False)
        monkeypatch.setitem(
            sys.modules, name := f"mmfold.adapters.cli.{command}_command", importlib.import_module(name)
        )
    monkeypatch.chdir(tmp_path)

    def call(*words: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = run([str(word) for word in words])
        told = capfd.readouterr()
        return code, told.out, told.err

    return call


def test_a_replay_writes_what_was_asked_for(mm: Mm) -> None:
    code, out, err = mm("replay", "--events", "demo", "--places", "n", "--positions", "new/p", "--json")
    assert code == 0, err
    document = json.loads(out)
    assert Path("n").read_text() == f"{document['effects']['place']}\n" != "0\n"
    assert len(json.loads(Path("new/p/positions.json").read_text())) == len(document["symbols"])
    assert int(Path("new/p/positions.txt").read_text().split()[0]) > 0
    assert document["run"]["positions"] == str(Path("new/p/positions.txt"))
    code, out, _ = mm("replay", "--events", "demo", "--positions", "new/q", "--metrics", "m")
    assert code == 0 and f"positions {Path('new/q/positions.txt')}" in out and Path("m").stat().st_size
    assert not Path("new/q/report.html").exists()


def test_its_option_is_as_the_others_are(mm: Mm) -> None:
    code, out, _ = mm("replay", "--help")
    assert code == 0 and "--places FILE " in out and "--positions DIR " in out and "--fills" not in out
    Path("n").write_text("mine")
    assert mm("replay", "--events", "demo", "--places", "n")[0] == 1 and Path("n").read_text() == "mine"
    assert mm("replay", "--events", "demo", "--places", "a", "--audit", "a")[0] == 1
    Path("p").mkdir()
    Path("p/positions.txt").write_text("mine")
    assert mm("replay", "--events", "demo", "--positions", "p")[0] == 1 and len(list(Path("p").iterdir())) == 1
    assert mm("replay", "--events", "demo", "--positions", "p", "--force")[0] == 0
    for asked in ("places", "positions"):
        code, _, err = mm("replay", "--events", "demo", "--workers", 2, f"--{asked}", "other")
        assert code == 64 and "it goes with --config, --set, --metrics, --json" in err


def test_a_backtest_writes_it_beside_the_journal(mm: Mm) -> None:
    code, out, err = mm("backtest", "--events", "demo", "--out", "bt", "--band")
    assert code == 0, err
    counts, cases = json.loads(Path("bt/fills.json").read_text())
    assert sorted(counts) == cases == ["base", "optimistic", "pessimistic"]
    assert f"fills     {Path('bt/fills.json')}" in out and Path("bt/report.html").is_file()
    code, out, err = mm("backtest", "--events", "demo", "--out", "bt", "--force", "--json")  # what it wrote it replaces
    assert code == 0 and json.loads(out)["run"]["fills"] == str(Path("bt/fills.json")), err


def test_an_audit_log_is_checked_against_its_journal(mm: Mm) -> None:
    demo = ("replay", "--events", "demo", "--until", 400)
    assert mm(*demo, "--audit", "log")[0] == 0
    code, out, err = mm(*demo, "--check-audit", "log")
    assert code == 0 and "checked   log is this journal's audit log" in out, err
    lines = Path("log").read_bytes().splitlines(keepends=True)
    code, out, _ = mm(*demo, "--check-audit", "log", "--json")
    assert code == 0 and json.loads(out)["audit_checked"] == len(lines) > 50
    Path("log").write_bytes(b"".join([*lines[:30], *lines[31:]]))
    code, out, err = mm(*demo, "--check-audit", "log", "--audit", "new", "--report", "page")
    assert code == 2 and "log line 31: edited" in err and not out
    assert not Path("new").exists() and not Path("page").exists()
    assert mm(*demo, "--check-audit", "log", "--audit", "log", "--force")[0] == 1  # it is an input
    assert Path("log").read_bytes() == b"".join([*lines[:30], *lines[31:]])
    for also in (("--workers", 2), ("--from", 100)):
        code, _, err = mm("replay", "--events", "demo", "--check-audit", "log", *also)
        assert code == 64 and "without --workers and --from" in err
    assert mm("replay", "--events", "demo", "--check-audit", "none")[0] == 64
