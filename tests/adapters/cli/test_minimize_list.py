"""`mm minimize` of an event list: its files, its words, its exit codes."""

import json
from pathlib import Path

import pytest

from mmfold.adapters.cli.main import run
from tests.replay.minimize.test_legacy import FIVE, write


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a list that fails, in the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ARTIFACTS_DIR", raising=False)
    return write(tmp_path / "x.jsonl", FIVE)


@pytest.mark.parametrize(
    ("words", "places"),
    [
        ((), ("artifacts/REPRO_MIN.jsonl", "artifacts/REPRO_MIN.md")),
        (("--out", "made/min"), ("made/min/REPRO_MIN.jsonl", "made/min/REPRO_MIN.md")),
        (("--out-jsonl", "a.jsonl"), ("a.jsonl", "a.md")),
        (("--out-jsonl", "a.jsonl", "--out-md", "b.md"), ("a.jsonl", "b.md")),
    ],
)
def test_what_is_left_is_written(
    listed: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], places: tuple[str, str]
) -> None:
    assert run(["minimize", "--events", "x.jsonl", *words]) == 0
    out = capsys.readouterr().out
    assert out.startswith("baseline: fail=True reason=DRIFT\ntime-slice: kept left [0,2000]\n")
    assert "\nResult: events=1\n" in out
    assert Path(places[0]).read_text() == '{"reason":"DRIFT_EDGE","ts_ms":2000,"type":"guard"}\n'
    assert Path(places[1]).read_text().startswith("REPRO MINIMIZER\n")
    assert run(["minimize", "x.jsonl", *words]) == 1
    assert "exists already" in capsys.readouterr().err
    assert run(["minimize", "x.jsonl", *words, "--force", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["events"], found["parent_events"], found["out_jsonl"], found["reason"]) == (1, 5, places[0], "DRIFT")


def test_artifacts_have_their_own_root(listed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTIFACTS_DIR", "elsewhere")
    assert run(["minimize", "x.jsonl"]) == 0 and Path("elsewhere/REPRO_MIN.md").is_file()


def test_a_list_that_passes_writes_nothing(listed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(listed, FIVE.replace("DRIFT", "OK"))
    assert run(["minimize", "x.jsonl"]) == 2
    assert "no-fail: baseline passes" in capsys.readouterr().err
    assert run(["minimize", "x.jsonl", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["steps"] == ["no-fail: baseline passes"]
    assert [path.name for path in listed.parent.iterdir()] == ["x.jsonl"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("x.jsonl", "--fails-if", "fills > 0"), 64, "leave --fails-if out"),
        (("x.jsonl", "--out-jsonl", "x.jsonl", "--force"), 1, "which is read"),
        (("x.jsonl", "--out-jsonl", "y", "--out-md", "y"), 64, "name one file"),
        (("demo",), 64, "needs --fails-if and --out"),
        (("demo", "--fails-if", "fills > 0", "--out", "d", "--out-md", "b.md"), 64, "of an event list"),
        (("none.jsonl", "--fails-if", "fills > 0", "--out", "d"), 1, "none.jsonl"),
    ],
)
def test_what_cannot_be_done_is_said(
    listed: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, said: str
) -> None:
    assert run(["minimize", *words]) == code and said in capsys.readouterr().err
    assert [path.name for path in listed.parent.iterdir()] == ["x.jsonl"]


def test_lines_that_are_left_out_are_said(listed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(listed, FIVE + "nonsense\n")
    assert run(["minimize", "x.jsonl"]) == 0
    assert "warning: 1 lines are no events" in capsys.readouterr().err
