"""The report of two journals: both sides of the first difference, sums in exact integers, the same bytes again."""

import json
from pathlib import Path

import pytest

from mmfold.engine.limits import MICROS_PER_UNIT
from mmfold.replay.parity.market import compare_markets, differing_instrument
from mmfold.replay.parity.session import Session
from mmfold.reports.parity.document import PART_NAMES, micros_text, parity_document, render_markdown, write_parity
from mmfold.reports.parity.pnl import compare_sessions
from mmfold.reports.parity.words import instrument_lines, market_lines
from tests.engine.rows import make_manifest
from tests.replay.venue.market import SLOW, make_instruments, market_events, run, write_market
from tests.reports.parity.recorded import fees_manifest, record_steps, session_of


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Session, Session]:
    """Return a session with a fill, and one where the order expires."""
    directory = tmp_path_factory.mktemp("pair")
    a = session_of(record_steps(directory / "a", "book, ack, fill 9990x5, book"))
    b = session_of(record_steps(directory / "b", "book, ack, book, fill 9990x2 taker"))
    return a, b


def test_the_first_difference_is_told_with_both_sides(pair: tuple[Session, Session]) -> None:
    document = parity_document(compare_sessions(*pair))
    seq_a, seq_b = (session.fills[0][0].seq for session in pair)
    assert document["first_difference"]["text"] == [
        "after market event 1 (BOOK_SNAPSHOT X, 2023-11-14T22:13:22.000Z)",
        f"  A  seq {seq_a}, after market event 1:  FILL X bid 9,990 x 5 (order 1, maker)",
        f"  B  seq {seq_b}, after market event 2:  FILL X bid 9,990 x 2 (order 1, taker)",
    ]
    assert document["first_difference"]["a"]["price"] == "9990" and document["diverged"]
    assert document["answers"] == {"first_moved": None, "moved": 0, "same": 1}


def test_the_same_journal_twice(pair: tuple[Session, Session]) -> None:
    document = parity_document(compare_sessions(pair[0], pair[0]))
    assert (document["diverged"], document["first_difference"], document["settings"]) == (False, None, {})
    money = document["symbols"]["X"]["pnl_micros"]
    assert money["a"] == money["b"] and not any(money[name] for name in (*PART_NAMES, "total", "rounding"))
    assert "every decision and answer is the same;" in render_markdown(document)


def test_sums_are_exact_and_by_currency(tmp_path: Path) -> None:
    source = write_market(tmp_path / "market", market_events(3, 500, instruments=2), make_instruments(2))
    for name, strategy in (("a", "ladder"), ("b", "grid")):
        run(source, tmp_path / name, strategy, SLOW)
    document = parity_document(compare_sessions(session_of(tmp_path / "a"), session_of(tmp_path / "b")))
    assert list(document["totals"]) == ["USDT"] and list(document["symbols"]) == ["XUSDT", "YUSDT"]
    total = document["totals"]["USDT"]
    for name, value in total.items():
        assert value == sum(row["pnl_micros"][name] for row in document["symbols"].values()), name
    assert total["total"] == sum(total[name] for name in PART_NAMES) == total["b"] - total["a"] != 0
    assert document["settings"]["XUSDT strategy"] == ["0", "1"]
    assert render_markdown(document).count("| TOTAL | USDT |") == 1


def test_the_files_are_the_document(pair: tuple[Session, Session], tmp_path: Path) -> None:
    document = parity_document(compare_sessions(*pair))
    for name in ("one", "two"):
        write_parity(document, tmp_path / name)
    assert json.loads((tmp_path / "one" / "parity.json").read_text()) == document
    for name in ("parity.json", "PARITY.md"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    text = (tmp_path / "one" / "PARITY.md").read_text(encoding="ascii")
    # B lacks 3 lots worth 10 each: -30 of the fills; 2 lots as taker for 9.99, 5 as maker for 4.995.
    assert "| X | quote of X | +45.005 | +10.01 | -30 | 0 | -4.995 | 0 | -34.995 | 0 |" in text
    assert "after market event 2:  FILL X bid 9,990 x 2 (order 1, taker)\n```" in text


def test_another_market_is_told_with_both_sides(tmp_path: Path) -> None:
    a = record_steps(tmp_path / "a", "book, gap, book")
    b = record_steps(tmp_path / "b", "book, funding 5, book")
    count, difference = compare_markets(a, b)
    assert count == 1 and difference is not None
    lines = market_lines(difference, make_manifest(), make_manifest())
    assert lines[0].startswith("the market differs at market event 2")
    assert "BOOK_GAP X" in lines[1] and "FUNDING X (aux 5," in lines[2]
    cut = record_steps(tmp_path / "cut", "book")
    _, difference = compare_markets(a, cut)
    assert difference is not None
    assert market_lines(difference, make_manifest(), make_manifest())[2] == "  B  the journal ends"


def test_other_instruments_are_told_with_both_sides() -> None:
    found = differing_instrument(fees_manifest(), fees_manifest(tick_size="0.5"))
    assert found is not None
    assert instrument_lines(*found)[1:] == ["  A  X linear, tick 1, lot 1", "  B  X linear, tick 0.5, lot 1"]
    assert instrument_lines(None, found[1])[1] == "  A  none"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1, "+0.000001"), (-1, "-0.000001"), (-MICROS_PER_UNIT, "-1"), (2_500_000, "+2.5")],
)
def test_micros(value: int, text: str) -> None:
    assert micros_text(value) == text
