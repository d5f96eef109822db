"""The report document and the terminal view: exact figures, nothing that varies outside `run`."""

import io
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from rich.console import Console

from mmfold.engine.manifest import Instrument, canonical_json
from mmfold.engine.records import NO_PRICE_TICKS
from mmfold.engine.state import make_state
from mmfold.reports.summary import build_report, print_summary, symbols_json
from tests.reports.examples import MANIFEST, example_result


def printed(result, width: int = 100) -> str:
    file = io.StringIO()
    print_summary(result, {"report": Path("out/demo/report.html")}, Console(file=file, width=width))
    return file.getvalue()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("best_bid", "61740.4"),
        ("best_ask", "61740.6"),
        ("mid", "61740.5"),
        ("spread_bps", 0.032394),
        ("position", "0.006"),
        ("realized_pnl", "2.543"),
        ("unrealized_pnl", "0.063"),
        ("fees", "-0.120501"),
        ("funding", "0"),
        ("net_pnl", "2.726501"),
        ("turnover", "5186.16"),
        ("fills", 42),
        ("maker_share", 1.0),
        ("placed", 1_204),
        ("blocked", {"level_cap": 17, "min_spread": 3}),
        ("orders_live", {"bid": 3, "ask": 2}),
        ("currency", "USDT"),
    ],
)
def test_symbol_field(key, value):
    assert symbols_json(example_result())["BTCUSDT"][key] == value


def test_untouched_symbol_is_absent_not_zero():
    row = symbols_json(example_result())["ETHUSDT"]
    assert [row[key] for key in ("best_bid", "best_ask", "mid", "spread_bps", "maker_share")] == [None] * 5
    assert (row["net_pnl"], row["book"]["status"]) == ("0", "empty")


def test_bbo_stands_in_where_there_is_no_book():
    result = example_result()
    result.state.book_sides[1]["bbo_price_ticks"] = (250_000, 250_001)
    row = symbols_json(result)["ETHUSDT"]
    assert (row["best_bid"], row["best_ask"], row["mid"]) == ("2500", "2500.01", "2500.005")


def test_one_sided_book_has_no_mid():
    result = example_result()
    result.state.book_sides[0, 1]["best_price_ticks"] = NO_PRICE_TICKS
    row = symbols_json(result)["BTCUSDT"]
    assert (row["best_bid"], row["best_ask"], row["mid"], row["spread_bps"]) == ("61740.4", None, None, None)


def test_fractions_of_a_micro_are_kept():
    manifest = replace(MANIFEST, instruments=(Instrument(symbol="XUSDT", tick_size="0.00001", lot_size="0.01"),))
    state = make_state(manifest)
    state.signals[0]["mid_half_ticks"], state.positions[0]["position_lots"] = 3, 1
    result = replace(example_result(), manifest=manifest, state=state)
    assert symbols_json(result)["XUSDT"]["unrealized_pnl"] == "0.00000015"


def test_totals_add_up_per_currency_only():
    instruments = (*MANIFEST.instruments, Instrument(symbol="XBTC", tick_size="1", lot_size="1"))
    manifest = replace(MANIFEST, instruments=instruments)
    state = make_state(manifest)
    state.positions["realized_ticklots"], state.counters["placed_count"] = (10, 20, 7), (1, 2, 3)
    totals = build_report(replace(example_result(), manifest=manifest, state=state))["totals"]
    assert totals["placed"] == 6
    assert {currency: money["realized_pnl"] for currency, money in totals["money"].items()} == {
        "BTC": "7",
        "USDT": "0.003",
    }


def test_total_of_an_absent_amount_is_absent():
    result = example_result()
    result.state.positions[1]["position_lots"] = 1
    money = build_report(result)["totals"]["money"]["USDT"]
    assert (money["net_pnl"], money["realized_pnl"]) == (None, "2.543")


def test_net_is_the_sum_of_its_parts():
    result = example_result()
    result.state.positions["funding_micros"] = (12_345, -1)
    row = {key: Fraction(value) for key, value in build_report(result)["totals"]["money"]["USDT"].items()}
    assert row["funding"] == Fraction("0.012344")
    assert row["net_pnl"] == row["realized_pnl"] + row["unrealized_pnl"] - row["fees"] - row["funding"]


def test_only_run_varies():
    first, second = (build_report(replace(example_result(), seconds=s, source=p)) for s, p in ((1, "a"), (2, "b/c")))
    assert first.pop("run") != second.pop("run")
    assert canonical_json(first) == canonical_json(second)


@pytest.mark.parametrize(
    ("change", "words", "said"),
    [
        ({}, "No fills are assumed", False),
        ({"fills": 0}, "No fills are assumed", True),
        ({"sealed": False}, "not sealed", True),
        ({}, "not sealed", False),
        ({"witnessed_count": None}, "inputs only", True),
        ({}, "BTCUSDT book: gaps 1;", True),
        ({}, "Shadow", True),
    ],
)
def test_assumptions(change, words, said):
    notes = " ".join(build_report(replace(example_result(), **change))["assumptions"])
    assert (words in notes) == said


def test_terminal_view():
    text = printed(example_result())
    assert "12,345 events  41,230 rows  sealed  head 9f3c0123…e1f0   verified 0.4 s" in text
    assert "BTCUSDT  61,740.50   1,204      318      1,170     42   100%    +0.006    +2.73  USDT" in text
    assert "decisions identical to the witnessed ones (2,734 of 2,734)" in text
    assert "report    out/demo/report.html" in text
    assert "next      mm replay --events fixtures/demo --audit audit.jsonl" in text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"witnessed_count": None}, "no witnesses to compare"),
        ({"witnessed_count": 0}, "not every decision was compared with a witness (0 of 2,734)"),
        ({"sealed": False}, "unsealed  head 9f3c0123…e1f0   replayed 0.4 s"),
        ({"source": "a b"}, "mm journal cat 'a b'"),
    ],
)
def test_terminal_view_claims_no_more_than_is_known(change, words):
    assert words in printed(replace(example_result(), **change))


def test_columns_are_aligned():
    lines = [line for line in printed(example_result()).splitlines() if line.startswith("  ")][:3]
    assert len({line.rindex("USDT") for line in lines[1:]}) == 1
    assert lines[0].index("placed") + len("placed") == lines[1].index("1,204") + len("1,204")
