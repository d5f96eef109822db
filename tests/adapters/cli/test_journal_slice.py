"""`mm journal slice` from the command line: what it says, in words and as JSON, and how it refuses."""

import json
from pathlib import Path

import pytest

from mmfold.adapters.cli.main import run
from tests.engine.rows import T0_NS
from tests.replay.venue.market import make_instruments, market_events, write_market


def test_a_slice_is_told_and_replays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parent = str(write_market(tmp_path / "m", market_events(5, 300), make_instruments(1)))
    ends = ["--from", str(T0_NS + 500_000_000), "--until", str(T0_NS + 2_000_000_000)]
    assert run(["journal", "slice", parent, *ends, "--out", str(tmp_path / "s"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["parent_run"] == "synthetic" and document["opening_events"] > 0
    assert run(["journal", "verify", str(tmp_path / "s"), "--head", document["head"]]) == 0
    assert run(["replay", "--events", str(tmp_path / "s")]) == 0
    assert "head" in capsys.readouterr().out
    assert run(["journal", "slice", parent, *ends, "--out", str(tmp_path / "s")]) == 1
    assert "exists already" in capsys.readouterr().err
    assert run(["journal", "slice", parent, *ends, "--out", str(tmp_path / "s"), "--force"]) == 0
    assert document["parent_head"] in capsys.readouterr().out


def test_a_session_is_refused_with_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["journal", "slice", "demo", "--from", "100", "--out", str(tmp_path / "s")]) == 1
    assert "--market-only takes the market alone" in capsys.readouterr().err
    assert run(["journal", "slice", "demo", "--from", "100", "--out", str(tmp_path / "s"), "--market-only"]) == 0
    assert run(["journal", "slice", "demo", "--out", str(tmp_path / "t")]) == 64
    assert "mm journal convert copies a journal" in capsys.readouterr().err
