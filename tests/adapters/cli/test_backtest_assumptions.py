"""`mm backtest` is told what to take for granted, says all of it, and leaves nothing behind when it refuses."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmfold.adapters.cli.assumptions import FIELDS
from mmfold.adapters.cli.main import run
from mmfold.config.load import key_names
from mmfold.config.venue import VenueAssumptions
from mmfold.engine.codes import EventKind
from mmfold.engine.records import EVENT
from mmfold.replay.assumptions import Assumptions
from mmfold.replay.latency_file import COLUMNS
from tests.engine.rows import T0_NS, book_event
from tests.replay.venue.market import make_instruments, market_events, write_market
from tests.replay.venue.scenario import MS

EXAMPLE = Path(__file__).resolve().parents[3] / "docs" / "examples" / "assumptions.yaml"
CALIBRATION = {
    "latency_ms_mean": 15, "latency_ms_std": 5, "amend_latency_ms": 10, "cancel_latency_ms": 8,
    "toxic_sweep_prob": 0.02, "extra_slippage_bps": 0.5,
}  # fmt: skip
CALIBRATED = {
    "entry_latency_ns": 15 * MS, "latency_std_ns": 5 * MS, "amend_latency_ns": 10 * MS, "cancel_latency_ns": 8 * MS,
    "toxic_fill_ppm": 20_000, "extra_slippage_ppm": 50,
}  # fmt: skip
LATENCY_ROWS = [(T0_NS - 1, T0_NS + 4 * MS, T0_NS + 9 * MS), (T0_NS + 900 * MS, T0_NS + 903 * MS, T0_NS + 904 * MS)]
EXAMPLE_NUMBERS = {
    "timer_interval_ns": 100 * MS, "entry_latency_ns": 15 * MS, "response_latency_ns": 12 * MS,
    "latency_std_ns": 5 * MS, "amend_latency_ns": 10 * MS, "cancel_latency_ns": 8 * MS, "queue_model": "power",
    "partial_fills": True, "volume_micros": 250_000_000_000, "toxic_fill_ppm": 20_000, "extra_slippage_ppm": 50,
    "equity_micros": 10_000_000_000, "initial_margin_ppm": 100_000, "maintenance_margin_ppm": 5_000,
    "liquidation_fee_ppm": 2_000, "request_per_s_max": 20, "request_timeout_ns": 5_000 * MS, "order_lifetime_ns": 0,
    "min_notional_filter": False,
    "outage_interval_ns": 600_000 * MS, "outage_ns": 2_000 * MS, "restart_ppm": 250_000, "latency_samples": None,
    "fee_tiers": [
        {"volume_micros": 0, "maker_fee_ppm": 100, "taker_fee_ppm": 550},
        {"volume_micros": 10**12, "maker_fee_ppm": 60, "taker_fee_ppm": 400},
        {"volume_micros": 10**13, "maker_fee_ppm": -20, "taker_fee_ppm": 320},
    ],
}  # fmt: skip
SAID = (
    "- A request takes 15 ms to the venue, an answer 12 ms back, on average: normal with a standard deviation of 5 ms, "
    "at least 0.",
    "- To the venue instead: amend 10 ms, cancel 8 ms.",
    "- Timers come every 100 ms",
    "- Fees by own notional of 30 days per instrument, 250,000 USD of it traded before: from 0 on maker 1 bps, taker "
    "5.5 bps; from 1,000,000 on maker 0.6 bps, taker 4 bps; from 10,000,000 on maker -0.2 bps, taker 3.2 bps.",
    "- 2 % of the maker fills, drawn one by one, are charged as taker's.",
    "- Every fill is 0.5 bps of the mid worse",
    "- Each instrument's account has 10,000, in the money of its PnL: an order binds 10 % of its notional, a position "
    "with less than 0.5 % is closed by the venue for 20 bps.",
    "- The venue takes at most 20 requests a second; no order expires; any notional is taken.",
    "- The trading connection breaks once in every 600 s for 2,000 ms; a request lost in it is known as such after "
    "5,000 ms; in 25 % of the breaks the venue drops all orders.",
)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a recording of half a second of a market."""
    return write_market(tmp_path_factory.mktemp("market") / "m", market_events(4, 120), make_instruments(1))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Return a directory with files of assumptions, a calibration and measured latencies."""
    (tmp_path / "a.yaml").write_text(
        "latency: {entry_ms: 3, std_ms: 1, cancel_ms: 2}\nqueue: {model: log}\ntimer_ms: 40"
    )
    (tmp_path / "file.yaml").write_text("latency: {file: l.csv, amend_ms: 7}")
    (tmp_path / "c.json").write_text(json.dumps(CALIBRATION))
    lines = [",".join(COLUMNS), *(",".join(map(str, row)) for row in LATENCY_ROWS)]
    (tmp_path / "l.csv").write_text("\n".join(lines))
    return tmp_path


def venue_of(capsys: pytest.CaptureFixture[str], market: Path, *options: object) -> dict[str, Any]:
    """Return the assumptions that a backtest says it ran under."""
    arguments = ["backtest", "--events", str(market), "--no-journal", "--json", *map(str, options)]
    assert run(arguments) == 0, capsys.readouterr().err
    found: dict[str, Any] = json.loads(capsys.readouterr().out)["venue"]
    return found


def test_every_key_has_its_field() -> None:
    sections = {name.partition(".")[0] for name in FIELDS if "." in name}
    beside = sections | {"queue.model", "latency.file"} | {n for n in key_names(VenueAssumptions) if "tiers" in n}
    assert set(FIELDS) == set(key_names(VenueAssumptions)) - beside
    assert {field for field, _ in FIELDS.values()} | {"queue_model"} == set(Assumptions().numbers())


def test_the_report_says_all_of_the_example(capsys: pytest.CaptureFixture[str], market: Path, tmp_path: Path) -> None:
    out = tmp_path / "bt"
    assert run(["backtest", "--events", str(market), "--assumptions", str(EXAMPLE), "--out", str(out), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    case = json.loads((out / "report.json").read_text())["cases"]["base"]
    assert printed["venue"] == case["venue"] == EXAMPLE_NUMBERS
    text = (out / "REPORT.md").read_text()
    page = (out / "report.html").read_text()
    for sentence in SAID:
        assert sentence in text, sentence
        assert sentence.removeprefix("- ").replace("'", "&#39;") in page, sentence
    assert run(["replay", "--events", str(out), "--json", "--report", str(tmp_path / "r")]) == 0
    assert json.loads((tmp_path / "r" / "report.json").read_text())["venue"] == EXAMPLE_NUMBERS


MEASURED = {"latency_samples": "2 sha256"}
PLAIN = {"entry_latency_ns": 10 * MS, "response_latency_ns": 10 * MS, "latency_std_ns": 0, "amend_latency_ns": None}


# options, what is in force
PRECEDENCE = [
    ("", {**PLAIN, "queue_model": "power", "partial_fills": True, "timer_interval_ns": 100 * MS, "fee_tiers": []}),
    ("--latency 3", {**PLAIN, "entry_latency_ns": 3 * MS, "response_latency_ns": 3 * MS}),
    ("--latency 3.5,0.25", {**PLAIN, "entry_latency_ns": 3_500_000, "response_latency_ns": 250_000}),
    ("--latency normal:4,1.5",
     {"entry_latency_ns": 4 * MS, "response_latency_ns": 4 * MS, "latency_std_ns": 1_500_000}),
    ("--assumptions a.yaml", {"entry_latency_ns": 3 * MS, "latency_std_ns": MS, "response_latency_ns": 10 * MS,
                              "cancel_latency_ns": 2 * MS, "queue_model": "log", "timer_interval_ns": 40 * MS}),
    ("--assumptions a.yaml --latency 5 --queue-model qpos --timer-ms 70 --whole-fills",
     {"entry_latency_ns": 5 * MS, "latency_std_ns": 0, "cancel_latency_ns": 2 * MS, "queue_model": "qpos",
      "timer_interval_ns": 70 * MS, "partial_fills": False}),
    ("--calibration c.json", {**CALIBRATED, "response_latency_ns": 10 * MS}),
    ("--calibration c.json --assumptions a.yaml", {**CALIBRATED, "queue_model": "log"}),
    ("--calibration c.json --latency 1", {**CALIBRATED, "entry_latency_ns": MS, "latency_std_ns": 0}),
    ("--latency-file l.csv", MEASURED),
    ("--assumptions file.yaml", {**MEASURED, "amend_latency_ns": 7 * MS}),
    ("--assumptions file.yaml --latency 5", {"latency_samples": None, "entry_latency_ns": 5 * MS}),
    ("--assumptions file.yaml --calibration c.json", {"latency_samples": None, **CALIBRATED}),
    ("--assumptions a.yaml --latency-file l.csv", {**MEASURED, "cancel_latency_ns": 2 * MS, "queue_model": "log"}),
]  # fmt: skip


@pytest.mark.parametrize(("options", "expected"), PRECEDENCE, ids=[one[0] or "nothing" for one in PRECEDENCE])
def test_what_is_said_later_wins(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    market: Path,
    files: Path,
    options: str,
    expected: dict[str, Any],
) -> None:
    monkeypatch.chdir(files)
    found = venue_of(capsys, market, *options.split())
    if found["latency_samples"]:
        found["latency_samples"] = found["latency_samples"][:8]
    assert {key: found[key] for key in expected} == expected


def test_a_band_scales_every_latency(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, market: Path, files: Path
) -> None:
    monkeypatch.chdir(files)
    words = ["--events", str(market), "--band", "--calibration", "c.json", "--latency", "normal:6,3", "--out", "bt"]
    assert run(["backtest", *words]) == 0
    shown = capsys.readouterr().out
    assert "queue model risk_averse, every latency x 3; optimistic: qpos, every latency / 3" in " ".join(shown.split())
    cases = json.loads((files / "bt" / "report.json").read_text())["cases"]
    expected = {"entry": 6 * MS, "response": 6 * MS, "amend": 10 * MS, "cancel": 8 * MS}
    for name, model, factor in (("pessimistic", "risk_averse", 3), ("base", "power", 1), ("optimistic", "qpos", 1 / 3)):
        venue = cases[name]["venue"]
        assert {way: venue[f"{way}_latency_ns"] for way in expected} == {
            way: round(ns * factor) for way, ns in expected.items()
        }
        assert (venue["latency_std_ns"], venue["queue_model"]) == (round(3 * MS * factor), model)
        assert venue["toxic_fill_ppm"] == 20_000
    notes = (files / "bt" / "REPORT.md").read_text()
    assert "- pessimistic: A request takes 18 ms to the venue, an answer 18 ms back, on average" in notes


def test_a_recording_with_faults_is_run_and_its_faults_are_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    events = market_events(3, 900, behind_ns=1_270 * MS)
    market = write_market(tmp_path / "m", events, make_instruments(1))
    out = tmp_path / "bt"
    assert run(["backtest", "--events", str(market), "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    assert run(["backtest", "--events", str(market), "--no-journal", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    book, shift_ns = printed["symbols"]["XUSDT"]["book"], printed["feed"]["shifts_ns"][0]
    assert book["gaps"] > 0 and book["crossed"] > 0 and shift_ns == -printed["feed"]["low_ns"] > 1_000 * MS
    said = f"Recording 1: {shift_ns // MS:,} ms were added to its receive times, its lowest feed latency was -"
    faults = ("gaps", "restarts", "ignored", "crossed")
    counted = f"XUSDT book: {', '.join(f'{name} {book[name]:,}' for name in faults if book[name])}"
    text = (out / "REPORT.md").read_text()
    assert said in shown and said in text and counted in text


# What is refused; a strategy that raises: tests/adapters/cli/test_strategy_command.py


def no_filters(tmp_path: Path) -> list[str]:
    """Write a recording whose instrument has no tick size."""
    manifest = {"kind": "manifest", "payload": {"schema_version": 1, "run_id": "x", "instruments": [
        {"symbol": "XUSDT", "lot_size": "0.001"}]}}  # fmt: skip
    (tmp_path / "m.jsonl").write_text(json.dumps(manifest) + "\n")
    return ["--events", str(tmp_path / "m.jsonl")]


def market_of(tmp_path: Path, *events: np.ndarray) -> list[str]:
    """Write a recording of given events."""
    return ["--events", str(write_market(tmp_path / "m", list(events), make_instruments(1)))]


def book(kind: EventKind, seq: int, receive_ns: int = T0_NS + MS) -> np.ndarray:
    """Return a book message."""
    at = {"ts_exchange_ns": T0_NS, "ts_receive_ns": receive_ns}
    return book_event(kind, [(9_999, 40)], [(10_001, 40)], aux=seq, order_id=seq - 1, **at)


def cut_journal(tmp_path: Path) -> list[str]:
    """Write a recording whose rows were tampered with."""
    path = write_market(tmp_path / "m", market_events(4, 40), make_instruments(1))
    data = bytearray((path / "000000.mmj").read_bytes())
    data[-EVENT.itemsize + 24] ^= 1
    (path / "000000.mmj").write_bytes(data)
    return ["--events", str(path)]


def with_file(name: str, text: str, option: str) -> Any:
    """Return what writes a file and names it in an option."""

    def write(tmp_path: Path) -> list[str]:
        (tmp_path / name).write_text(text)
        return [option, str(tmp_path / name)]

    return write


HEAD = ",".join(COLUMNS)
REFUSED = {
    "no snapshot": (lambda at: market_of(at, book(EventKind.BOOK_DELTA, 2)), "no book snapshot", "mm import"),
    "no market": (market_of, "no book or trade", "mm import"),
    "no such file": (lambda at: ["--events", str(at / "none")], "expected a journal, found nothing", ""),
    "tampered": (cut_journal, "000000.mmj", ""),
    "no filters": (no_filters, "XUSDT has no tick_size", ""),
    "params": (lambda at: ["--set", "strategy.skew_coeff=7"], "skew_coeff: 7 is out of range [0, 1]", "mm config"),
    "unknown param": (lambda at: ["--set", "strategy.skew_coef=1"], "did you mean strategy.skew_coeff", ""),
    "queue model": (with_file("a.yaml", "queue: {model: powr}", "--assumptions"), "'powr' is not one of", "mm docs"),
    "assumption": (with_file("a.yaml", "latency:\n  entry_ms: -1", "--assumptions"), "(a.yaml line 2)", "mm docs"),
    "calibration": (with_file("c.json", '{"toxic_sweep_prob": 2}', "--calibration"), "out of range [0, 1]", "one JSON"),
    "latencies": (with_file("l.csv", "a,b\n1,2", "--latency-file"), "column request_ts_ns is missing", "a header with"),
    "order": (with_file("l.csv", f"{HEAD}\n5,6,7\n5,6,7", "--latency-file"), "line 3: request_ts_ns 5", "that rise"),
    "leg": (with_file("l.csv", f"{HEAD}\n5,4,7", "--latency-file"), "line 2: venue_ts_ns 4 is before", "a header with"),
    "empty": (with_file("l.csv", f"{HEAD}\n", "--latency-file"), "holds no row", "a header with"),
    "another time": (with_file("l.csv", f"{HEAD}\n5,6,7", "--latency-file"), "do not overlap", "--latency"),
    "no latencies": (lambda at: ["--latency-file", str(at / "l.csv")], "l.csv: No such file", "check the path"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_told_and_leaves_nothing(
    capsys: pytest.CaptureFixture[str], market: Path, tmp_path: Path, name: str
) -> None:
    make, said, step = REFUSED[name]
    options = make(tmp_path)
    if options[0] != "--events":
        options = ["--events", str(market), *options]
    out = tmp_path / "deep" / "bt"
    before = set(tmp_path.rglob("*"))
    assert run(["backtest", *options, "--out", str(out)]) == 1
    printed, told = capsys.readouterr()
    assert not printed and "Traceback" not in told and told.startswith(("error: ", "nothing is kept"))
    assert said in told and step in told
    assert set(tmp_path.rglob("*")) - {out.parent} == before and not out.exists()


@pytest.mark.parametrize("name", [name for name in REFUSED if name != "tampered"])
def test_a_refusal_does_not_touch_what_force_would_replace(market: Path, tmp_path: Path, name: str) -> None:
    options = REFUSED[name][0](tmp_path)
    if options[0] != "--events":
        options = ["--events", str(market), *options]
    out = tmp_path / "bt"
    out.mkdir()
    (out / "report.json").write_text("earlier")
    assert run(["backtest", *options, "--out", str(out), "--force"]) == 1
    assert (out / "report.json").read_text() == "earlier" and len(list(out.iterdir())) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--latency-file", "x.csv", "--latency", "5"], "give either --latency-file or --latency"),
        (["--latency-file", "x.csv", "--calibration", "c.json"], "give either --latency-file or --calibration"),
        (["--latency", "normal:5"], "is not MS, ENTRY_MS,RESPONSE_MS or normal:MEAN_MS,STD_MS"),
        (["--latency", "uniform:5,6"], "is not MS, ENTRY_MS,RESPONSE_MS or normal:MEAN_MS,STD_MS"),
        (["--latency", "nan"], "is not MS"),
        (["--latency", "70000"], "each 0 to 60,000"),
    ],
)
def test_wrong_usage(capsys: pytest.CaptureFixture[str], market: Path, options: list[str], said: str) -> None:
    assert run(["backtest", "--events", str(market), "--no-journal", *options]) == 64
    assert said in capsys.readouterr().err


def test_help_has_its_options_in_groups(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["backtest", "--help"]) == 0
    text = capsys.readouterr().out
    places = [text.index(part) for part in ("Market and strategy:", "--events", "Assumptions about the venue:",
                                            "--calibration", "Output:", "--out", "Options:", "--help")]  # fmt: skip
    assert places == sorted(places)
    assert text.count("--latency-file") == 1
