"""`mm ticks` as a user and as a script calls it: the acceptance check of spec/reports.md 1 among it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmfold.adapters.cli.main import run

REPO = Path(__file__).resolve().parents[3]
ENVIRONMENT = ("MM_FREEZE_UTC", "MM_FREEZE_UTC_ISO", "MM_VERSION")
ORDERS = [
    {"ts_ms": 0, "type": "book", "bid": 100.0, "ask": 101.0},
    {"ts_ms": 10, "type": "place", "cl_id": "A", "symbol": "BTCUSDT", "side": "buy", "price": 100.0, "size": 1.0},
    {"ts_ms": 20, "type": "place", "cl_id": "B", "symbol": "BTCUSDT", "side": "sell", "price": 101.0, "size": 1.5},
    {"ts_ms": 30, "type": "book", "bid": 100.0, "ask": 101.0},
]


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)


def write_lines(path: Path, documents: list[dict]) -> Path:
    path.write_text("".join(f"{json.dumps(one)}\n" for one in documents))
    return path


@pytest.fixture
def ticks(tmp_path: Path) -> Path:
    """Return the 91 ticks of spec/reports.md 1."""
    documents = [
        {"ts_ms": 10 * i, "bid": round(100 + i / 100, 2), "ask": round(100.1 + i / 100, 2), "trades": 0}
        for i in range(91)
    ]
    return write_lines(tmp_path / "ticks.jsonl", documents)


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    return write_lines(tmp_path / "orders.jsonl", ORDERS)


def call(*words: object) -> int:
    return run(["ticks", *map(str, words)])


def run_words(ticks: Path, out: Path) -> list[object]:
    return ["run", "--ticks", ticks, "--mode", "queue_aware", "--out", out]


def walk_words(ticks: Path, out: Path) -> list[object]:
    return ["wf", "--ticks", ticks, "--mode", "queue_aware", "--train", 30, "--test", 20, "--out", out]


def test_acceptance_run_and_walk_forward_twice(ticks: Path, tmp_path: Path) -> None:
    program = [sys.executable, "-m", "mmfold.adapters.cli.main", "ticks"]
    made: list[dict[str, bytes]] = []
    for seed, place in (("1", tmp_path / "first"), ("2", tmp_path / "second")):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(REPO)}
        for words in ([*run_words(ticks, place / "r.json"), "--gate"], walk_words(ticks, place / "w.json")):
            done = subprocess.run(
                [*program, *map(str, words)], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
            )
            out = Path(str(words[words.index("--out") + 1]))
            assert done.returncode == 0 and done.stdout == f"WROTE:{out}:{out.stat().st_size}\n", done.stderr
        made.append({path.name: path.read_bytes() for path in sorted(place.iterdir())})
    assert made[0] == made[1] and set(made[0]) == {"r.json", "r.md", "w.json", "w.md"}
    for name, data in made[0].items():
        assert data.isascii() and data.endswith(b"\n") and not data.endswith(b"\n\n") and b"\r" not in data
        if name.endswith(".json"):
            document = json.loads(data)
            assert data == json.dumps(document, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    assert json.loads(made[0]["r.json"]) == {
        "fees_bps": -364.0,
        "fills_total": 182,
        "net_bps": 364.0,
        "net_bps_avg": 2.0,
        "order_age_p95_ms": 0.0,
        "runtime": {"mode": "backtest", "utc": "1970-01-01T00:00:00Z", "version": "0.2.0"},
        "taker_share_pct": 0.0,
        "turnover_usd": 9145.5,
    }


def test_a_walk_forward_report(ticks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(*walk_words(ticks, tmp_path / "w.json"), "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told.pop("run")["bytes"] == (tmp_path / "w.json").stat().st_size
    assert told == json.loads((tmp_path / "w.json").read_text())
    assert [(one["i"], one["train"], one["test"]) for one in told["windows"]] == [
        (0, 30, 20),
        (20, 30, 20),
        (40, 30, 20),
    ]
    # Ticks 30..49 have bids 100.30 to 100.49 and asks 0.10 above: the mean of both is 100.445.
    assert told["windows"][0]["turnover_usd"] == 2008.9 and told["mean"]["turnover_usd"] == 2012.9
    assert told["median"]["fills_total"] == told["mean"]["fills_total"] == 40
    assert told["runtime"]["mode"] == "backtest"


def test_too_few_ticks_are_zeros(ticks: Path, tmp_path: Path) -> None:
    words = [90 if word == 20 else word for word in walk_words(ticks, tmp_path / "w.json")]
    assert call(*words) == 0
    found = json.loads((tmp_path / "w.json").read_text())
    assert found["windows"] == [] and set(found["mean"].values()) == set(found["median"].values()) == {0}


@pytest.mark.parametrize(("remainder", "turnover"), [("keep", 251.5), ("drop", 125.75), ("shared", 201.5)])
def test_a_sim_report(
    orders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], remainder: str, turnover: float
) -> None:
    out = tmp_path / "SIM_REPORT.json"
    assert call("sim", "--events", orders, "--out", out, "--remainder", remainder, "--gate", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["orders"] == {"active": 0, "canceled": 0, "placed": 2, "refused": 0, "replaced": 0}
    report = json.loads(out.read_text())
    assert report["turnover_usd"] == told["turnover_usd"] == turnover and report["runtime"]["mode"] == "sim"
    assert out.with_suffix(".md").read_text().startswith("# SIM REPORT\n\n| metric | value |\n")


def test_a_failed_gate_exits_2_and_leaves_the_report(
    orders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "s.json"
    assert call("sim", "--events", orders, "--out", out, "--mode", "conservative", "--gate") == 2
    told = capsys.readouterr()
    assert told.out == f"WROTE:{out}:{out.stat().st_size}\n"
    assert told.err.endswith("gate failed: net_bps is 0.000000, needs >= 2.5\n")
    assert call("sim", "--events", orders, "--out", out, "--mode", "conservative", "--force") == 0


def test_a_bad_line_is_told_and_nothing_is_written(
    ticks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ticks.write_text(ticks.read_text() + '{"ts_ms":1}\n')
    for words, error in ((run_words, "cli_run_failed"), (walk_words, "cli_wf_failed")):
        assert call(*words(ticks, tmp_path / "new" / "r.json")) == 1
        told = capsys.readouterr()
        assert told.out == f"ERROR:{error}\n"
        assert told.err.startswith(f"error: E_BT_LOADER:missing_field: {ticks} line 92 (byte ")
    assert call("sim", "--events", tmp_path / "absent", "--out", tmp_path / "new" / "s.json", "--json") == 1
    told = capsys.readouterr()
    assert told.out == "" and "ERROR:cli_sim_failed\nerror: E_BT_LOADER:io_error: " in told.err
    assert not (tmp_path / "new").exists()


def test_an_output_that_cannot_be_written_is_told(
    ticks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*run_words(ticks, ticks / "r.json")) == 1
    told = capsys.readouterr()
    assert told.out == "ERROR:cli_run_failed\n" and "Traceback" not in told.err


@pytest.mark.parametrize("name", ["ticks.jsonl", "r.md", "sub/../ticks.jsonl"])
def test_an_output_never_replaces_the_input_or_its_own_table(ticks: Path, tmp_path: Path, name: str) -> None:
    before = ticks.read_bytes()
    assert call(*run_words(ticks, tmp_path / name)) == 64
    assert ticks.read_bytes() == before and list(tmp_path.iterdir()) == [ticks]


def test_the_environment_names_time_and_version(
    ticks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MM_FREEZE_UTC", "0")
    monkeypatch.setenv("MM_VERSION", "dev")
    ticks.write_text(ticks.read_text().replace('"ts_ms": 900', '"ts_ms": 1700000000999'))
    assert call(*run_words(ticks, tmp_path / "r.json")) == 0
    runtime = json.loads((tmp_path / "r.json").read_text())["runtime"]
    assert runtime == {"mode": "backtest", "utc": "2023-11-14T22:13:20Z", "version": "dev"}
    monkeypatch.setenv("MM_FREEZE_UTC", "maybe")
    assert call(*run_words(ticks, tmp_path / "r2.json")) == 1
    assert "MM_FREEZE_UTC 'maybe'" in capsys.readouterr().err and not (tmp_path / "r2.json").exists()
