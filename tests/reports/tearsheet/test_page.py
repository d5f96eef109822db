"""The tearsheet's files: the same bytes everywhere, one page without network, tables that hold every figure."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from mmfold.config.load import load_config
from mmfold.engine.limits import NS_PER_MS
from mmfold.journal.log.writer import Writer
from mmfold.replay.assumptions import Assumptions
from mmfold.replay.backtest import Backtest
from mmfold.replay.venue.queue import QueueModel
from mmfold.reports.tearsheet.charts import draw_equity, draw_markouts, draw_waits, thin
from mmfold.reports.tearsheet.fold import Tearsheet, fold_backtest
from mmfold.reports.tearsheet.metrics import tearsheet_document
from mmfold.reports.tearsheet.page import case_rank, shared_notes, title_text, write_tearsheet
from tests.reports.tearsheet.tape import Tape

ROOT = Path(__file__).resolve().parents[3]
DEMO = ROOT / "fixtures" / "demo.mmj"
FILES = ("REPORT.md", "report.html", "report.json")
CASES = ("pessimistic", "base", "optimistic")
VOID = {"meta", "br", "img", "link", "input", "hr"}
BAND = {
    "base": Assumptions(),
    "optimistic": Assumptions(queue_model=QueueModel.QPOS, entry_latency_ns=NS_PER_MS, response_latency_ns=0),
    "pessimistic": Assumptions(queue_model=QueueModel.RISK_AVERSE, entry_latency_ns=50 * NS_PER_MS),
}


def run_backtest(directory: Path, assumptions: Assumptions) -> Tearsheet:
    with Writer(directory) as writer:
        Backtest(DEMO, load_config(None, None, ["mode=sent"]), assumptions, writer=writer).run()
    return fold_backtest(directory)


@pytest.fixture(scope="module")
def band(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tearsheet]:
    journals = tmp_path_factory.mktemp("journals")
    return {name: run_backtest(journals / name, assumptions) for name, assumptions in BAND.items()}


@pytest.fixture(scope="module")
def directory(band: dict[str, Tearsheet], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tearsheet(tmp_path_factory.mktemp("band"), band).parent


@pytest.fixture(scope="module")
def single(band: dict[str, Tearsheet], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tearsheet(tmp_path_factory.mktemp("single"), {"base": band["base"]}).parent


def test_files_are_there_and_nothing_else(directory: Path, single: Path) -> None:
    for place in (directory, single):
        assert sorted(path.name for path in place.iterdir()) == sorted(FILES)


def test_another_process_writes_the_same_bytes(band: dict[str, Tearsheet], single: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from reports.tearsheet.fold import fold_backtest; "
        "from mmfold.reports.tearsheet.page import write_tearsheet; "
        "write_tearsheet(Path(sys.argv[2]), {'base': fold_backtest(Path(sys.argv[1]))})"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C", "NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, "-c", program, band["base"].result.source, str(tmp_path)]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (single / name).read_bytes(), name


def test_files_do_not_vary_with_the_place_and_the_run(
    band: dict[str, Tearsheet], directory: Path, tmp_path: Path
) -> None:
    moved = {
        name: replace(sheet, result=replace(sheet.result, source="elsewhere", seconds=9.9))
        for name, sheet in reversed(band.items())
    }
    write_tearsheet(tmp_path, moved)
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (directory / name).read_bytes(), name


def test_json_is_canonical_and_holds_every_case(band: dict[str, Tearsheet], directory: Path) -> None:
    data = (directory / "report.json").read_bytes()
    document = json.loads(data)
    assert data == json.dumps(document, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    assert set(document["cases"]) == set(CASES)
    for name, sheet in band.items():
        case = document["cases"][name]
        assert case["digests"]["head"] == sheet.result.head and case["journal"]["run_id"].startswith("backtest-")
        assert case["journal"]["parent_run"] and "run" not in case


def test_config_hash_is_of_the_journals_own_configuration(band: dict[str, Tearsheet]) -> None:
    params = tearsheet_document(band["base"])["params"]
    assert {values["mode"] for values in params.values()} == {1}, "the defaults say shadow, the backtest sent orders"


def test_totals_are_the_sums_of_the_symbols(band: dict[str, Tearsheet]) -> None:
    found = tearsheet_document(band["base"])["figures"]
    for currency, total in found["totals"].items():
        members = [row for row in found["symbols"].values() if row["currency"] == currency]
        assert len(members) == 2
        for key, value in total["pnl_micros"].items():
            assert value == sum(row["pnl_micros"][key] for row in members)
        for key in ("placed", "filled", "open_at_end"):
            assert total["orders"][key] == sum(row["orders"][key] for row in members)
        assert total["orders"]["fill_rate_qty"] is None, "lots of two instruments do not add up"


@pytest.mark.parametrize("kind", ["band", "single"])
def test_page_is_well_formed_and_needs_no_network(kind: str, directory: Path, single: Path) -> None:
    page, stack, ids = ((directory if kind == "band" else single) / "report.html").read_text(), [], []

    class Checker(HTMLParser):
        def handle_starttag(self, tag, attrs):
            ids.extend(value for key, value in attrs if key == "id")
            if tag not in VOID:
                stack.append(tag)

        def handle_endtag(self, tag):
            assert stack.pop() == tag

    Checker().feed(page)
    assert stack == [] and len(ids) == len(set(ids)) > 0
    names = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert set(re.findall(r"https?://[^\"'\s)]+", page)) <= names
    assert not re.search(r"<(?:script|link|img|iframe)|@import|url\((?!#)", page)
    assert not re.search(r"\bnan\b", page)


def test_page_shows_every_case_and_its_proof(band: dict[str, Tearsheet], directory: Path) -> None:
    page = (directory / "report.html").read_text()
    places = [page.index(f"<th>{case}</th>") for case in CASES]
    assert places == sorted(places), "from the worst to the best"
    for sheet in band.values():
        for text in (sheet.result.head, sheet.result.state_digest, sheet.result.manifest.run_id):
            assert text in page
    for text in ("Queue wait p95", "Order age p99", "Max drawdown", "CVaR95", "Hit rate", "Spread captured", "60 s"):
        assert text in page
    assert "every decision identical to its witness" in page


def test_style_is_the_replay_reports(single: Path) -> None:
    page = (single / "report.html").read_text()
    style = (ROOT / "reports" / "templates" / "style.css.j2").read_text().rstrip()
    assert style in page and "prefers-color-scheme: dark" in page and "@media print" in page


def test_markdown(directory: Path, band: dict[str, Tearsheet]) -> None:
    text = (directory / "REPORT.md").read_bytes().decode("ascii")
    rows = {
        line.split(" | ")[0].strip("| "): line.strip("| ").split(" | ") for line in text.splitlines() if "|" in line
    }
    assert rows["figure"] == ["figure", "unit", *CASES]
    for place, case in enumerate(CASES):
        parts = [
            sum(getattr(part, name) for part in band[case].pnl) for name in ("spread", "inventory", "fees", "funding")
        ]
        shown = [
            round(float(rows[name][2 + place]) * 1e6) for name in ("Spread captured", "Inventory", "Fees", "Funding")
        ]
        assert shown == [parts[0], parts[1], -parts[2], -parts[3]]
        assert rows["Orders placed"][2 + place] == str(sum(tally.placed_count for tally in band[case].orders))
    assert "- pessimistic: A request takes 50 ms to the venue, an answer 10 ms back" in text


def test_charts_are_svg_with_their_labels(band: dict[str, Tearsheet]) -> None:
    documents = {name: tearsheet_document(sheet) for name, sheet in band.items()}
    drawings = [
        draw_equity(band, [0, 1], "USDT", "wide"),
        draw_equity({"base": band["base"]}, [0, 1], "USDT", "narrow"),
        draw_markouts(documents, "USDT"),
        draw_waits(band, [0, 1], "USDT"),
    ]
    for svg in drawings:
        ElementTree.fromstring(svg)
        assert not re.findall(r"(?<!, )#[0-9a-f]{6}", re.sub(r"url\(#\w+\)|href=\"#\w+\"", "", svg))
    assert all(f">{name} " in drawings[0] for name in CASES) and ">base" not in drawings[1]


def test_a_page_of_nothing(tmp_path: Path) -> None:
    for name, text in (
        ("quiet", "0 | timer"),
        ("quotes", "0 | book 9999x9 / 10001x9 @1\n900 | timer"),
        ("timeless", ""),
    ):
        path = Tape(tmp_path / f"{name}-journal").write(text)
        page = write_tearsheet(tmp_path / name, {"base": fold_backtest(path)}).read_text()
        assert "no fills" in page
        assert ("Equity and drawdown" in page) == (name != "timeless")


def test_text_from_a_journal_is_text(band: dict[str, Tearsheet], tmp_path: Path) -> None:
    sheet = band["base"]
    odd = replace(sheet.result.manifest.instruments[0], symbol="A$<i>$USDT")
    manifest = replace(sheet.result.manifest, instruments=(odd, sheet.result.manifest.instruments[1]), run_id="<b>x")
    bad = replace(sheet, result=replace(sheet.result, manifest=manifest))
    page = write_tearsheet(tmp_path, {"<u>": bad, "base": bad}).read_text()
    assert not re.search(r"<b>|<i>|<u>", page) and "&lt;b&gt;x" in page and "&lt;u&gt;" in page


def test_cases_of_different_markets_are_no_band(band: dict[str, Tearsheet], tmp_path: Path) -> None:
    other = fold_backtest(Tape(tmp_path / "journal").write("0 | timer"))
    with pytest.raises(AssertionError, match="the same instruments"):
        write_tearsheet(tmp_path / "page", {"base": band["base"], "optimistic": other})
    assert not (tmp_path / "page").exists()


@pytest.mark.parametrize("count", [0, 1, 3, 400, 5_000])
def test_a_thinned_line_keeps_its_ends_and_extremes(count: int) -> None:
    values = (np.arange(count) * 7_919) % 1_009
    kept = thin(values)
    assert len(kept) <= 1_200 and np.array_equal(kept, np.unique(kept))
    if count:
        assert kept[-1] == count - 1
        assert values[kept].max() == values.max() and values[kept].min() == values.min()


def test_cases_stand_from_the_worst_to_the_best() -> None:
    assert sorted(["zeta", "optimistic", "base", "alpha", "pessimistic"], key=case_rank) == [*CASES, "alpha", "zeta"]


def test_notes_that_all_cases_share_are_said_once() -> None:
    documents = {"a": {"assumptions": ["x", "y"]}, "b": {"assumptions": ["x", "z"]}}
    assert shared_notes(documents) == (["x"], {"a": ["y"], "b": ["z"]})


@pytest.mark.parametrize(
    ("symbols", "title"), [(["A"], "A"), (["A", "B"], "A, B"), (list("ABCDEF"), "A, B, C, D and 2 more")]
)
def test_title(symbols: list[str], title: str) -> None:
    assert title_text(symbols) == title
