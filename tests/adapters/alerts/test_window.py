"""Once per window, as a table over a clock of the test's."""

import pytest

from mmfold.adapters.alerts.window import Windows
from mmfold.engine.codes import AlertCode
from tests.adapters.alerts.made import alert

GAP, UNKNOWN = AlertCode.BOOK_GAP, AlertCode.ORDER_UNKNOWN
A, B = "AUSDT", "BUSDT"

# window of 60 s: what happens when | what is told then: `!` an alert at once, (kind, symbol, count, s) a count
TABLE = [
    ("one", [(0, GAP, A), (61, None, "")], ["! 0 book_gap A"]),
    ("repeats", [(0, GAP, A), (1, GAP, A), (59, GAP, A), (60, None, "")], ["! 0 book_gap A", "60 book_gap A 2 in 60"]),
    ("not before its end", [(0, GAP, A), (1, GAP, A), (59.9, None, "")], ["! 0 book_gap A"]),
    ("symbols apart", [(0, GAP, A), (1, GAP, B)], ["! 0 book_gap A", "! 1 book_gap B"]),
    ("kinds apart", [(0, GAP, A), (1, UNKNOWN, A)], ["! 0 book_gap A", "! 1 order_unknown A"]),
    ("quiet, then again", [(0, GAP, A), (60, None, ""), (61, GAP, A)], ["! 0 book_gap A", "! 61 book_gap A"]),
    (
        "a count begins the next window",
        [(0, GAP, A), (5, GAP, A), (60, None, ""), (70, GAP, A), (119, None, ""), (120, None, "")],
        ["! 0 book_gap A", "60 book_gap A 1 in 60", "120 book_gap A 1 in 60"],
    ),
    ("told late", [(0, GAP, A), (5, GAP, A), (90, None, "")], ["! 0 book_gap A", "90 book_gap A 1 in 90"]),
]


@pytest.mark.parametrize(("name", "steps", "told"), TABLE, ids=[row[0] for row in TABLE])
def test_the_rule(name: str, steps: list[tuple], told: list[str]) -> None:
    windows, found = Windows(60.0), []
    for now_s, code, symbol in steps:
        if code is not None and windows.is_first(alert(code, symbol), now_s):
            found.append(f"! {now_s} {code.name.lower()} {symbol[0]}")
        for last, repeats in windows.close_due(now_s):
            told_now = f"{now_s} {last.kind.name} {last.symbol[0]} {repeats.count} in {repeats.seconds:.0f}"
            found.append(told_now)
    assert found == told


def test_a_flood_is_one_alert_and_one_count_a_window() -> None:
    windows, first, counts = Windows(60.0), 0, []
    for number in range(100_000):
        now_s = number * 0.003  # 300 s
        first += windows.is_first(alert(), now_s)
        counts += [repeats.count for _, repeats in windows.close_due(now_s)]
    counts += [repeats.count for _, repeats in windows.close_all(300.0)]
    assert first == 1 and len(counts) == 5
    assert first + sum(counts) == 100_000, "none is lost"


def test_the_count_speaks_of_the_last() -> None:
    windows = Windows(60.0)
    for seq in (1, 2, 3):
        windows.is_first(alert(seq=seq), float(seq))
    ((last, repeats),) = windows.close_all(11.0)
    assert (last.seq, str(repeats)) == (3, "and 2 more in 10 s")
    assert list(windows.close_all(12.0)) == [], "what was told is not told again"
