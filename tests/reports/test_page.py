"""The report's files: the same bytes every time and everywhere, a page without network, charts that say it all."""

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

from mmfold.engine.limits import NS_PER_S
from mmfold.engine.records import EVENT, NO_PRICE_TICKS
from mmfold.engine.state import make_state
from mmfold.replay.result import SAMPLE
from mmfold.reports.artifact import write_artifact
from mmfold.reports.figures import draw_symbol, shorten_path, spread_labels, tick_decimals
from mmfold.reports.page import CHART_COUNT_MAX, busiest_instruments, sign_class, span_text, write_report
from tests.reports.examples import START_NS, example_fills, example_result

ROOT = Path(__file__).resolve().parents[2]
FILES = ("REPORT.md", "report.html", "report.json")
VOID = {"meta", "br", "img", "link", "input", "hr"}


@pytest.fixture(scope="module")
def directory(tmp_path_factory) -> Path:
    return write_report(example_result(), tmp_path_factory.mktemp("report")).parent


def test_files_are_there_and_nothing_else(directory):
    assert sorted(path.name for path in directory.iterdir()) == sorted(FILES)


def test_another_process_writes_the_same_bytes(directory, tmp_path):
    program = (
        "import sys; from pathlib import Path; from reports.page import write_report; "
        "from tests.reports.examples import example_result; write_report(example_result(), Path(sys.argv[1]))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C", "NUMBA_DISABLE_JIT": "1"}
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, env=environment, check=True)
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (directory / name).read_bytes(), name


def test_page_does_not_vary_with_the_run(directory, tmp_path):
    write_report(replace(example_result(), seconds=9.9, source="elsewhere/demo"), tmp_path)
    for name in ("report.html", "REPORT.md"):
        assert (tmp_path / name).read_bytes() == (directory / name).read_bytes()


def test_json_is_canonical(directory):
    data = (directory / "report.json").read_bytes()
    document = json.loads(data)
    assert data == json.dumps(document, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    assert document["digests"]["head"] == example_result().head


def test_page_needs_no_network(directory):
    page = (directory / "report.html").read_text()
    names = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert set(re.findall(r"https?://[^\"'\s)]+", page)) <= names
    assert not re.search(r"<(?:script|link|img|iframe)|@import|url\((?!#)", page)
    assert "metadata" not in page and page.count("<style") == 1


def test_page_names_its_proof(directory):
    page, result = (directory / "report.html").read_text(), example_result()
    config = json.loads((directory / "report.json").read_bytes())["digests"]["config"]
    for text in (result.head, result.state_digest, result.effects_digest, config, "What this assumes", "UTC"):
        assert text in page


def test_page_is_well_formed_and_ids_are_unique(directory):
    page, stack, ids = (directory / "report.html").read_text(), [], []

    class Checker(HTMLParser):
        def handle_starttag(self, tag, attrs):
            ids.extend(value for key, value in attrs if key == "id")
            if tag not in VOID:
                stack.append(tag)

        def handle_endtag(self, tag):
            assert stack.pop() == tag

    Checker().feed(page)
    assert stack == []
    assert len(ids) == len(set(ids)) > 0


def test_text_from_a_journal_is_text(tmp_path):
    result = example_result()
    odd = replace(result.manifest.instruments[0], symbol="A$<i>$USDT")
    manifest = replace(result.manifest, instruments=(odd, result.manifest.instruments[1]))
    page = write_report(
        replace(result, manifest=manifest, source="<b>x", params={"</pre>": {"x": 1}}), tmp_path
    ).read_text()
    assert "<b>x" not in page and "<i>" not in page and "</pre>" not in page
    assert "&lt;b&gt;x" in page and "Position, A$&lt;i&gt;$<" in page


def test_markdown(directory):
    text = (directory / "REPORT.md").read_bytes().decode("ascii")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert rows[2].startswith("| BTCUSDT | 42 | 1204 | 318 | 1170 | 0.006000 | 2.543000 | 0.063000 | -0.120501 |")
    assert rows[4].startswith("| TOTAL | 42 | 1204 | 318 | 1170 | - | 2.543000 |")
    assert len({line.count("|") for line in rows[:5]}) == 1


@pytest.mark.parametrize("size", ["wide", "narrow"])
def test_chart_is_an_svg_with_its_labels(size):
    svg = draw_symbol(example_result(), 0, size)
    ElementTree.fromstring(svg)
    for label in ("ask 61,750.2", "bid 61,745.2", "mid 61,747.55", "net +2.39", "realised +2.54", "UTC, 2024"):
        assert f">{label}" in svg


def mark_count(fills: np.ndarray) -> int:
    """Return how many marks fills add to a chart, the one of the realised PnL not counted."""
    result = example_result()
    with_fills, without = (draw_symbol(replace(result, fill_rows=rows), 0) for rows in (fills, fills[:0]))
    return with_fills.count("<use") - without.count("<use") - 1


def test_each_fill_is_a_mark():
    fills = example_result().fill_rows
    assert mark_count(fills) == len(fills) == 43


def test_chart_colours_are_the_pages(directory):
    svg, page = draw_symbol(example_result(), 0), (directory / "report.html").read_text()
    named = set(re.findall(r"var\((--mm-\w+)", svg))
    assert {"--mm-bid", "--mm-ask", "--mm-font"} <= named
    assert all(f"{name}:" in page for name in named)
    assert not re.findall(r"(?<!, )#[0-9a-f]{6}", re.sub(r"url\(#\w+\)|href=\"#\w+\"", "", svg))


def flat(samples: np.ndarray) -> np.ndarray:
    samples = samples.copy()
    samples["position_lots"] = samples["pnl_micros"] = 0
    return samples


@pytest.mark.parametrize(
    "change",
    [
        flat,
        lambda samples: samples[:1],
        lambda samples: samples[:2],
        lambda samples: np.concatenate([samples[:1]] * 3),
    ],
    ids=["flat", "one", "two", "one moment"],
)
def test_chart_of_little(change):
    result = example_result()
    bare = replace(result, samples=change(result.samples), fill_rows=np.zeros(0, EVENT))
    svg = draw_symbol(bare, 0)
    ElementTree.fromstring(svg)
    assert "net " in svg and "nan" not in svg


def test_chart_without_prices():
    result = example_result()
    for name in ("mid_half_ticks", "quote_bid_ticks", "quote_ask_ticks"):
        result.samples[name] = NO_PRICE_TICKS
    svg = draw_symbol(result, 0)
    assert "net +2.39" in svg and ">mid" not in svg and "nan" not in svg


@pytest.mark.parametrize("span_s", [0.004, 0.7, 9, 300, 7_200, 90_000, 86_400 * 20, 86_400 * 4_000])
def test_time_axis_at_every_scale(span_s):
    result = example_result()
    samples = result.samples[:2].copy()
    samples["ts_ns"] = (START_NS, START_NS + int(span_s * NS_PER_S))
    svg = draw_symbol(replace(result, samples=samples), 0, "narrow")
    ticks = re.findall(r">(\d\d[:-]\d\d[\d:. -]*|20\d\d-\d\d)</text>", svg)
    assert 1 <= len(ticks) == len(set(ticks)) <= 5


def test_very_many_fills_are_thinned_and_said_so():
    result = example_result()
    fills = np.concatenate([example_fills(result.samples, 1)] * 6)
    assert mark_count(fills) == len(fills) // 3
    assert "(1 in 3)" in draw_symbol(replace(result, fill_rows=fills), 0)


def test_charts_are_the_busiest_in_order():
    result = example_result()
    count = CHART_COUNT_MAX + 3
    manifest = replace(
        result.manifest,
        instruments=tuple(replace(result.manifest.instruments[0], symbol=f"S{i:02}USDT") for i in range(count)),
    )
    state = make_state(manifest)
    state.positions["fill_count"] = range(count)
    samples = np.zeros(count, SAMPLE)
    samples["instrument_index"] = range(count)
    busiest = busiest_instruments(replace(result, manifest=manifest, state=state, samples=samples))
    assert busiest == list(range(3, count))


@pytest.mark.parametrize(
    ("heights", "placed"),
    [
        ([], []),
        ([0.5], [0.5]),
        ([0.2, 0.8], [0.2, 0.8]),
        ([0.5, 0.5], [0.5, 0.6]),
        ([1.2, 1.0], [1.0, 0.9]),
        ([-1.0], [0.0]),
    ],
)
def test_spread_labels(heights, placed):
    assert spread_labels(heights, 0.1) == pytest.approx(placed)


@pytest.mark.parametrize(
    ("ticks", "decimals"),
    [
        ([0.0, 1.5, 3.0], 1),
        ([0.0, 1.0, 2.0], 0),
        ([-0.25, 0.0], 2),
        ([61_712.0, 61_720.0], 0),
        ([0.1, 0.2, 0.3], 1),
        ([5.0], 0),
    ],
)
def test_tick_decimals(ticks, decimals):
    assert tick_decimals(ticks) == decimals


@pytest.mark.parametrize(
    ("path", "short"),
    [
        ("M 0 0 L 10 0 L 10 5.04 z", "M0 0H10V5z"),
        ("M 1 1 L 1.01 1.02 L 2 3", "M1 1L2 3"),
        ("M 0 -1.5 C 0.397805 -1.5 1 2 3 4 z", "M 0.00 -1.50 C 0.40 -1.50 1.00 2.00 3.00 4.00 z"),
    ],
)
def test_shorten_path(path, short):
    assert shorten_path(path) == short


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0 s"), (1.2345, "1.23 s"), (60, "1 min"), (599, "9 min 59 s"), (7_260, "2 h 1 min"), (180_000, "2 d 2 h")],
)
def test_span_text(seconds, text):
    assert span_text(seconds) == text


@pytest.mark.parametrize(("shown", "style"), [("0.00", ""), ("-", ""), ("+0.10", "gain"), ("-0.10", "loss")])
def test_sign_class(shown, style):
    assert sign_class(shown) == style


def test_a_refused_write_leaves_what_was_there(tmp_path, monkeypatch):
    target = tmp_path / "report.json"
    target.write_bytes(b"old")

    def refuse(*_: object) -> None:
        raise OSError("no")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="no"):
        write_artifact(target, b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
    assert target.read_bytes() == b"old"
