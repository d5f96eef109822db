"""`mm backtest` as a user calls it, on the bundled journal's market."""

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from mmfold.adapters.cli.main import run
from mmfold.engine.codes import EventKind
from mmfold.engine.manifest import Instrument, Manifest, encode_manifest
from mmfold.engine.payload import payload_rows
from mmfold.journal.jsonl.file import write_jsonl
from mmfold.journal.log.reader import Journal
from mmfold.journal.log.writer import Writer
from tests.engine.rows import T0_NS
from tests.replay.venue.by_order import tell_orders
from tests.replay.venue.market import LADDER, is_fault, make_instruments, market_events, write_market
from tests.replay.venue.scenario import MS, Walk

REPO = Path(__file__).resolve().parents[3]
DEMO = REPO / "fixtures" / "demo.mmj"


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    """Run a command with --json and return what it printed."""
    assert run([str(argument) for argument in (*arguments, "--json")]) == 0, capsys.readouterr().err
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_the_new_journal_replays_to_the_same_digests(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    tested = call(capsys, "backtest", "--events", DEMO, "--out", tmp_path / "bt")
    replayed = call(capsys, "replay", "--events", tmp_path / "bt")
    for key in ("state_digest", "effects_digest", "head", "effects", "fills"):
        assert tested[key] == replayed[key], key
    assert replayed["witnessed"] == sum(tested["effects"].values()) > 0
    assert set(tested["position"]) == set(tested["symbols"]) == {"BTCUSDT", "ETHUSDT"}
    parts = tested["pnl"]["USDT"]
    assert set(parts) == {"total", "spread", "inventory", "fees", "funding"}
    for name in ("report.json", "report.html", "REPORT.md"):
        assert (tmp_path / "bt" / name).stat().st_size > 1_000


def test_without_a_journal_no_other_run_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["backtest", "--events", str(DEMO), "--no-journal"]) == 0
    said = capsys.readouterr().out
    assert "next      mm backtest with --out DIR" in said and "mm replay" not in said


def test_no_journal_gives_the_same_digests(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    tested = call(capsys, "backtest", "--events", DEMO, "--out", tmp_path / "bt")
    bare = call(capsys, "backtest", "--events", DEMO, "--no-journal")
    assert bare["head"] == ""
    for key in ("state_digest", "effects_digest", "orders", "pnl", "run_id"):
        assert bare[key] == tested[key], key


def test_a_band_runs_three_and_reports_them_together(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    found = call(capsys, "backtest", "--events", DEMO, "--band", "--out", tmp_path / "bt")
    assert set(found["band"]) == {"pessimistic", "base", "optimistic"}
    cases = json.loads((tmp_path / "bt" / "report.json").read_text())["cases"]
    assert set(cases) == set(found["band"])
    for name in cases:
        assert call(capsys, "journal", "verify", tmp_path / "bt" / name)["ok"]


def test_the_result_says_how_deep_the_book_was_shown(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    result = call(capsys, "backtest", "--events", DEMO, "--out", tmp_path / "bt")
    symbols = Journal(DEMO).manifest().symbol_index()
    assert result["shown_depth"] == {symbol: {"levels": 0, "orders_outside": 0} for symbol in symbols}
    told = "Outside of it rested no order;"
    assert all(told in (tmp_path / "bt" / name).read_text() for name in ("REPORT.md", "report.html", "report.json"))


def test_force_replaces_a_backtest_and_nothing_else(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = ["backtest", "--events", str(DEMO), "--out", str(tmp_path / "bt"), "--json"]
    assert run(arguments) == 0 and run(arguments) == 1
    assert "--force replaces" in capsys.readouterr().err
    assert run([*arguments, "--force"]) == 0
    (tmp_path / "bt" / "notes.txt").write_text("mine")
    assert run([*arguments, "--force"]) == 1
    said = 'expected an earlier backtest and nothing else in what --force replaces, found "notes.txt"'
    assert said in capsys.readouterr().err
    assert (tmp_path / "bt" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ([], 64, "give either --out DIR or --no-journal"),
        (["--no-journal", "--out", "x"], 64, "give either --out DIR or --no-journal"),
        (["--no-journal", "--latency", "fast"], 64, "is not MS, ENTRY_MS,RESPONSE_MS or normal:MEAN_MS,STD_MS"),
        (["--no-journal", "--latency", "-1"], 64, "is not MS, ENTRY_MS,RESPONSE_MS or normal:MEAN_MS,STD_MS"),
        (["--no-journal", "--queue-model", "best"], 64, "'best' is not one of"),
        (["--no-journal", "--queue-model", "fifo"], 1, "no market-by-order data (book_order events) of BTC"),
        (["--no-journal", "--strategy", "martingale"], 1, "strategy.name"),
        (["--no-journal", "--set", "strategy.skew_coeff=7"], 1, "out of range [0, 1]"),
        (["--no-journal", "--timer-ms", "0"], 64, "is not in the range"),
    ],
)
def test_a_mistake_is_told_in_a_line(
    capsys: pytest.CaptureFixture[str], options: list[str], code: int, said: str
) -> None:
    assert run(["backtest", "--events", str(DEMO), *options]) == code
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error


def test_a_journal_without_a_market_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    manifest = Manifest(run_id="empty", instruments=(Instrument(symbol="A", tick_size="1", lot_size="1"),))
    with Writer(tmp_path / "journal") as writer:
        writer.append(payload_rows(EventKind.MANIFEST, 0, encode_manifest(manifest)))
    out = tmp_path / "bt"
    assert run(["backtest", "--events", str(tmp_path / "journal"), "--out", str(out)]) == 1
    assert "no book or trade" in capsys.readouterr().err


def write_by_order(directory: Path) -> Path:
    """Write a market that is told order by order as JSONL, as another tool would hand it over; returns its path."""
    random = Random(11)
    walk, events = Walk(0, random, 10_000, 200), []
    for number in range(1_500):
        ts_ns = T0_NS + number * 20 * MS
        one = walk.happening(ts_ns, ts_ns + 3 * MS)
        if not is_fault(one, walk) and one.kind != EventKind.MARK:
            events.append(one)
    rows = [one.rows() for one in tell_orders(random, events)]
    write_market(directory / "recorded", rows, make_instruments(1))
    write_jsonl(Journal(directory / "recorded").chunks(), directory / "recorded.jsonl")
    return directory / "recorded.jsonl"


def test_a_market_told_order_by_order(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    imported = call(capsys, "import", "jsonl", write_by_order(tmp_path), "--out", tmp_path / "market")
    assert imported["events"]["book_order"] > 1_000
    options = [f"--set={key}" for key in LADDER if not key.startswith("mode")]
    tested, again = (
        call(capsys, "backtest", "--events", source, "--queue-model", "fifo", *options, "--out", tmp_path / name)
        for source, name in ((tmp_path / "market", "bt"), (tmp_path / "bt", "again"))
    )
    assert tested["fills"] > 20 and any("queue model fifo" in note for note in tested["assumptions"])
    replayed = call(capsys, "replay", "--events", tmp_path / "bt")
    assert (replayed["effects_digest"], replayed["fills"]) == (tested["effects_digest"], tested["fills"])
    assert (again["fills"], again["pnl"]) == (tested["fills"], tested["pnl"])
    averse = call(
        capsys, "backtest", "--events", tmp_path / "market", "--queue-model", "risk_averse", *options, "--no-journal"
    )
    assert averse["effects_digest"] != tested["effects_digest"]


def test_several_recordings_are_one_market(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    x, y = (
        write_market(tmp_path / one.symbol, market_events(seed, 300), (one,))
        for seed, one in enumerate(make_instruments(2))
    )
    tested = call(capsys, "backtest", "--events", x, "--events", y, "--out", tmp_path / "bt")
    assert set(tested["symbols"]) == {"XUSDT", "YUSDT"}
    assert call(capsys, "replay", "--events", tmp_path / "bt")["state_digest"] == tested["state_digest"]
    assert run(["backtest", "--events", str(x), "--events", str(y), "--no-journal"]) == 0
    shown = capsys.readouterr().out
    assert f"{x} + {y}" in shown and "mm replay" not in shown
    assert run(["backtest", "--events", str(x), "--events", str(x), "--no-journal"]) == 1
    error = capsys.readouterr().err
    assert "XUSDT is in" in error and "must follow each other" in error and "Traceback" not in error
