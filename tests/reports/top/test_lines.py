"""The lines of a frame fit every window, and what has no room is counted."""

import copy
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmfold.journal.log.reader import Journal
from mmfold.reports.top.frame import frame_document
from mmfold.reports.top.lines import frame_lines
from mmfold.reports.top.watch import Watch

DEMO = Path(__file__).resolve().parents[3] / "fixtures" / "demo.mmj"


@pytest.fixture(scope="module")
def demo() -> dict[str, Any]:
    watch = Watch(DEMO)
    watch.feed(np.concatenate(list(Journal(DEMO).chunks())))
    return {**frame_document(watch, 2924, bytes(32), None), "ended": "sealed", "journal": "demo"}


def with_symbols(document: dict[str, Any], count: int) -> dict[str, Any]:
    """Return the frame with its first instrument so many times."""
    one = document["symbols"]["BTCUSDT"]
    return {**document, "symbols": {f"S{index:02d}USDT": copy.deepcopy(one) for index in range(count)}}


def with_orders(document: dict[str, Any], count: int) -> dict[str, Any]:
    """Return the frame with so many bids and as many asks in its first instrument."""
    document = copy.deepcopy(document)
    symbol = document["symbols"]["BTCUSDT"]
    bid = next(order for order in symbol["orders"] if order["side"] == "bid")
    symbol["orders"] = [{**bid, "side": side} for side in ("bid", "ask") for _ in range(count)]
    return document


@pytest.mark.parametrize("width", [40, 80, 100, 117, 118, 120, 200])
@pytest.mark.parametrize("height", [10, 17, 24, 25, 40, 60, 200])
@pytest.mark.parametrize("symbols", [1, 2, 3, 9, 60])
def test_a_frame_fits_its_window(demo: dict[str, Any], width: int, height: int, symbols: int) -> None:
    lines = frame_lines(with_symbols(demo, symbols), width, height)
    assert len(lines) <= height and max(len(line) for line in lines) <= width
    if height < 17 or width < 80:
        return
    text = "\n".join(line.plain for line in lines)
    shown = len(set(re.findall(r"── (S\d\dUSDT)", text)))
    left_out = re.search(r"and (\d+) more: --symbol", text)
    assert shown + (int(left_out.group(1)) if left_out else 0) == symbols
    assert len(re.findall(r"AMEND", text)) >= 3


def test_ten_decisions_and_an_instrument_in_full_fit_the_smallest_window(demo: dict[str, Any]) -> None:
    lines = [line.plain for line in frame_lines(demo, 80, 24)]
    assert len(lines) == 24 and sum("AMEND" in line for line in lines) == 10
    assert sum(line.startswith("── BTCUSDT  book live") for line in lines) == 1
    assert sum(line.startswith("── ETHUSDT  quoting") for line in lines) == 1


def test_a_taller_window_shows_more_instruments_in_full_then_more_orders(demo: dict[str, Any]) -> None:
    for height, full in ((24, 1), (33, 1), (34, 2), (60, 2)):
        lines = [line.plain for line in frame_lines(demo, 80, height)]
        assert sum("book live" in line for line in lines) == full, height
    for height, row_count in ((24, 1), (34, 1), (36, 3), (60, 10)):
        lines = [line.plain for line in frame_lines(with_orders(demo, 10), 80, height)]
        first = lines[: next(index for index, line in enumerate(lines) if "ETHUSDT" in line)]
        rows = [line for line in first if re.match(r"bid .* accepted ", line)]
        assert len(rows) == row_count, height
        assert rows[-1].endswith(f"+{10 - row_count}") == (row_count < 10)


@pytest.mark.parametrize(("height", "shown", "rest"), [(24, 9, "and 11 more"), (60, 20, "")])
def test_orders_beside_the_figures_that_have_no_room_are_counted(
    demo: dict[str, Any], height: int, shown: int, rest: str
) -> None:
    lines = [line.plain for line in frame_lines(with_orders(demo, 10), 120, height)]
    first = lines[3 : next(index for index, line in enumerate(lines) if "ETHUSDT" in line)]
    beside = [line[82:] for line in first]
    assert sum(" accepted " in text for text in beside) == shown
    assert beside[-1].startswith(rest) if rest else "and" not in beside[-1]


# | what the frame holds | what the terminal says |
WORDS = [
    (lambda d, s: d.update(ended="", time={"event": None, "lag_s": 0.24}), "behind 0.2 s"),
    (lambda d, s: d.update(ended="no writer", time={"event": None, "lag_s": 3600.0}), "no writer  behind 3,600.0 s"),
    (lambda d, s: d.update(connection="down"), "connection down"),
    (lambda d, s: d.update(witnessed=None), "inputs only"),
    (lambda d, s: d.update(latency={"count": 9, "p50_ms": 1.24, "p99_ms": 1234.5}), "p50 1.2  p99 1,234.5 ms"),
    (lambda d, s: s.update(block_reason="md_stale"), "blocked: md_stale"),
    (lambda d, s: s.update(guards=["frozen", "bid paused 0.3 s"]), "quoting  frozen  bid paused 0.3 s"),
    (lambda d, s: s.update(mid=None), "no mid"),
    (lambda d, s: s.update(book_status="stale"), "book stale"),
    (lambda d, s: s.update(orders=[]), "no open orders"),
    (lambda d, s: s["counters"].update(request_timeout=3), "timeouts 3"),
    (lambda d, s: s["position"].update(qty_max="0.5"), "+0.004/0.500"),
    (lambda d, s: s["position"].update(exposure_max=None), "exposure                 260"),
]


@pytest.mark.parametrize(("change", "words"), WORDS, ids=[words for _, words in WORDS])
def test_what_matters_is_said(demo: dict[str, Any], change: Any, words: str) -> None:
    document = copy.deepcopy(demo)
    change(document, document["symbols"]["BTCUSDT"])
    assert words in "\n".join(line.plain for line in frame_lines(document, 140, None))


@pytest.mark.parametrize("height", [None, 24])
@pytest.mark.parametrize("width", [20, 40, 59, 60, 61, 80, 100, 120])
def test_no_number_is_cut(demo: dict[str, Any], width: int, height: int | None) -> None:
    """What stands between two spaces of a narrow frame stands so in a wide one too."""
    whole = {word for line in frame_lines(demo, 500, None) for word in line.plain.split()}
    whole |= {word for line in frame_lines(demo, 100, None) for word in line.plain.split()}
    lines = frame_lines(demo, width, height)
    numbers = [word for line in lines for word in line.plain.split() if any(map(str.isdigit, word))]
    assert len(numbers) > 10 and max(len(line) for line in lines) <= width
    assert [word for word in numbers if word not in whole and not word.startswith("+")] == []
