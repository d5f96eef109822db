"""`mm backtest --from --until`: the times of `mm journal cat`, said in result and report, refused in one line."""

import json
from pathlib import Path

import pytest

from mmfold.adapters.cli.main import run
from tests.engine.rows import T0_NS
from tests.replay.venue.market import make_instruments, market_events, write_market


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    events = market_events(5, 600, faults=False)
    return write_market(tmp_path_factory.mktemp("market") / "m", events, make_instruments(1))


def backtest(market: Path, *options: str) -> int:
    return run(["backtest", "--events", str(market), "--strategy", "grid", "--set", "grid.qty=0.03", *options])


def test_a_span_is_said(market: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ends = {"from_ns": T0_NS + 2_000_000_000, "until_ns": T0_NS + 6_000_000_000}
    options = ("--from", str(ends["from_ns"]), "--until", str(ends["until_ns"]), "--out", str(tmp_path / "j"))
    assert backtest(market, *options, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["span"] == ends and document["orders"] > 0
    assert "Trades from 20" in (tmp_path / "j" / "REPORT.md").read_text()
    assert run(["replay", "--events", str(tmp_path / "j")]) == 0
    capsys.readouterr()
    assert backtest(market, "--no-journal", "--json") == 0
    assert json.loads(capsys.readouterr().out)["span"] == {"from_ns": None, "until_ns": None}


REFUSED = [
    (("--from", "17"), 64, "17 is a seq: give a time such as"),
    (("--until", "never"), 64, "neither a seq nor a time"),
    (("--from", "2026-01-02", "--until", "2026-01-01"), 64, "2026-01-01 is not after --from 2026-01-02"),
    (("--from", "2099-01-01"), 1, "--from 2099-01-01T00:00:00Z: the recording is of 20"),
    (("--until", "2001-01-01"), 1, "--until 2001-01-01T00:00:00Z: the recording is of 20"),
]


@pytest.mark.parametrize(("options", "code", "message"), REFUSED)
def test_a_span_is_refused(
    market: Path, options: tuple[str, ...], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert backtest(market, *options, "--no-journal") == code
    assert message in capsys.readouterr().err
