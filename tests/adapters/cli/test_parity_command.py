"""`mm parity` as a user calls it: what it prints and with which code it ends."""

import json
from pathlib import Path

import pytest

from mmfold.adapters.cli.main import run
from tests.replay.venue.market import SLOW, make_instruments, market_events, write_market
from tests.replay.venue.market import run as run_backtest
from tests.reports.parity.recorded import record_steps

pytestmark = pytest.mark.usefixtures("same_kernels")
PARTS = ("fills", "latency", "fees", "funding")


@pytest.fixture(scope="module")
def journals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory of journals: two backtests of `market`, and one of a market that is cut."""
    directory = tmp_path_factory.mktemp("parity")
    events = market_events(3, 300, instruments=2)
    market = write_market(directory / "market", events, make_instruments(2))
    cut = write_market(directory / "shorter", events[:-3], make_instruments(2))
    for source, name, strategy in ((market, "a", "ladder"), (market, "b", "grid"), (cut, "cut", "ladder")):
        run_backtest(source, directory / name, strategy, SLOW)
    record_steps(directory / "other", "book, ack")
    return directory


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Run `mm parity` and return exit code, stdout and stderr."""
    code = run(["parity", *map(str, arguments)])
    told = capsys.readouterr()
    assert "Traceback" not in told.err
    return code, told.out, told.err


def test_a_journal_beside_itself(capsys: pytest.CaptureFixture[str], journals: Path) -> None:
    code, out, _ = call(capsys, journals / "a", journals / "a", "--json")
    found = json.loads(out)
    assert code == 0 and not found["diverged"] and found["first_difference"] is None
    assert not any(found["totals"]["USDT"][name] for name in (*PARTS, "total", "rounding"))
    code, out, _ = call(capsys, journals / "a", journals / "a")
    assert code == 0 and "every decision and answer is the same" in out and "both verified" in out


def test_two_that_differ(capsys: pytest.CaptureFixture[str], journals: Path, tmp_path: Path) -> None:
    code, out, err = call(capsys, journals / "a", journals / "b", "--json", "--out", tmp_path / "report")
    found = json.loads(out)
    assert code == 2 and found["diverged"] and not err
    money = found["totals"]["USDT"]
    assert money["total"] == sum(money[name] for name in PARTS) == money["b"] - money["a"]
    assert json.loads((tmp_path / "report" / "parity.json").read_text()) == found
    code, out, _ = call(capsys, journals / "a", journals / "b")
    assert code == 2 and "first difference: after market event" in out and "PnL, B less A" in out
    assert "  set  XUSDT" in out and "more (--json)" in out


@pytest.mark.parametrize(
    ("b", "said"),
    [("cut", "the market differs at market event 298"), ("other", "the instruments differ")],
)
def test_another_market_stops_it(capsys: pytest.CaptureFixture[str], journals: Path, b: str, said: str) -> None:
    code, out, err = call(capsys, journals / "a", journals / b)
    assert code == 2 and said in err and not out
    code, out, _ = call(capsys, journals / "a", journals / b, "--json")
    found = json.loads(out)
    assert code == 2 and found["diverged"] and said in found["market"]["difference"][0]


@pytest.mark.parametrize(
    ("names", "code", "said"),
    [
        (("a",), 64, "Missing argument 'B'"),
        (("a", "nowhere"), 1, "expected a journal, found nothing"),
        (("a", "market"), 1, "holds market data only"),
        (("market", "a"), 1, "holds market data only"),
    ],
)
def test_a_mistake_is_told_in_a_line(
    capsys: pytest.CaptureFixture[str], journals: Path, names: tuple[str, ...], code: int, said: str
) -> None:
    got, out, err = call(capsys, *(journals / name for name in names))
    assert (got, out) == (code, "") and said in err


def test_a_journal_that_was_changed_is_not_compared(
    capsys: pytest.CaptureFixture[str], journals: Path, tmp_path: Path
) -> None:
    changed = tmp_path / "changed"
    changed.mkdir()
    for path in (journals / "a").glob("*.mmj"):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        (changed / path.name).write_bytes(data)
    code, out, err = call(capsys, journals / "a", changed)
    assert code == 1 and not out and "error:" in err


def test_a_decision_that_the_core_did_not_make_is_named(
    capsys: pytest.CaptureFixture[str], journals: Path, tmp_path: Path
) -> None:
    assert run(["journal", "cat", str(journals / "a")]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for event in events:
        del event["hash"], event["prev"]
    same = tmp_path / "same.jsonl"
    same.write_text("".join(json.dumps(event) + "\n" for event in events))
    assert call(capsys, journals / "a", same)[0] == 0
    placed = next(event for event in events if event["kind"] == "place")
    placed["qty"] = "0.999"
    forged = tmp_path / "forged.jsonl"
    forged.write_text("".join(json.dumps(event) + "\n" for event in events))
    code, out, err = call(capsys, journals / "a", forged)
    assert (code, out) == (2, "") and err.startswith(f"B ({forged}): decision differs at seq {placed['seq']}")
