"""The comparison with hftbacktest: its own rules as tables, our figures on the captures, and the peer's when there is
one."""

import os
import re
from pathlib import Path

import numpy as np
import pytest

from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.manifest import Instrument
from mmfold.engine.records import EVENT, NO_VALUE
from tests.parity.compare import DECISION, FILL, Run, TieRule, causes, explain, import_capture, our_run, parity, totals
from tests.parity.peer_rows import AT_LOCAL, AT_VENUE, decimals, peer_rows

PAGE = Path(__file__).resolve().parents[2] / "docs" / "backtest-parity.md"
PEER = os.environ.get("MM_PEER_PYTHON")
MS = 1_000_000
RULE = TieRule(half_spread_e6=10_000_000, skew_e6=100_000)
INSTRUMENT = Instrument(symbol="BTCUSDT", venue="binance", contract="linear", tick_size="0.10", lot_size="0.001")
CAPTURES = {"BTCUSDT": "usdm_btcusdt_20240808.gz", "ETHUSDT": "usdm_ethusdt_20240808.gz"}


def decided(*rows: tuple[int, ...]) -> np.ndarray:
    """Return decisions from (ms, best bid, best ask, position, bid, ask)."""
    return np.array([(ms * MS, *rest) for ms, *rest in rows], DECISION)


def filled(*rows: tuple[int, ...]) -> np.ndarray:
    """Return fills from (ms, side, price)."""
    return np.array([(ms * MS, *rest) for ms, *rest in rows], FILL)


OURS = [(100, 1000, 1001, 0, 990, 1010), (200, 1000, 1001, 0, 990, 1010)]
CAUSES = [  # the peer's second decision, the cause
    ((200, 1000, 1001, 0, 990, 1010), None),
    ((200, 999, 1001, 0, 990, 1010), "book"),
    ((200, 1000, 1001, 2, 990, 1010), "position"),
    ((200, 1000, 1001, 0, 991, 1010), "tie"),
    ((300, 1000, 1001, 0, 990, 1010), "ours only"),
]


@pytest.mark.parametrize(("second", "cause"), CAUSES, ids=str)
def test_a_decision_differs_for_its_first_input_that_does(second: tuple[int, ...], cause: str | None) -> None:
    found = causes(Run(decided(*OURS), filled()), Run(decided(OURS[0], second), filled()), RULE)
    assert found[:1] == ([] if cause is None else [(200 * MS, cause)])


def test_the_same_inputs_off_a_tie_blame_the_rule() -> None:
    ours, peer = decided((100, 1000, 1002, 0, 991, 1011)), decided((100, 1000, 1002, 0, 990, 1011))
    assert causes(Run(ours, filled()), Run(peer, filled()), RULE) == [(100 * MS, "rule")]


TIES = [  # best bid, best ask, position in lots: 0.1 ticks of skew a lot
    (1000, 1001, 0, True),
    (1000, 1002, 0, False),
    (1000, 1001, 10, True),
    (1000, 1001, 2, False),
    (1000, 1002, 5, True),
    (1000, 1002, -5, True),
]


@pytest.mark.parametrize(("bid", "ask", "position", "tie"), TIES, ids=str)
def test_a_tie_is_a_quote_between_two_ticks(bid: int, ask: int, position: int, tie: bool) -> None:
    assert RULE.is_tie(decided((100, bid, ask, position, 0, 0))[0]) == tie


FILLS = [  # our fills, the peer's fills, the peer's second decision, differences (owner, place, cause)
    ([(250, 0, 990)], [(250, 0, 990)], OURS[1], []),
    ([(250, 0, 990)], [(251, 0, 990)], OURS[1], [("ours", 0, "venue"), ("peer", 0, "venue")]),
    (
        [(250, 0, 990)],
        [(240, 0, 991)],
        (200, 1000, 1001, 0, 991, 1010),
        [("peer", 0, "tie"), ("ours", 0, "tie")],
    ),
    ([(250, 0, 990), (250, 0, 990)], [(250, 0, 990)], OURS[1], [("ours", 0, "venue")]),
    ([(205, 0, 990)], [], (200, 1000, 1001, 0, 991, 1010), [("ours", 0, "venue")]),  # the decision came too late
]


@pytest.mark.parametrize(("ours", "peer", "second", "expected"), FILLS, ids=str)
def test_a_fill_of_one_side_has_the_cause_of_its_order(
    ours: list[tuple[int, ...]],
    peer: list[tuple[int, ...]],
    second: tuple[int, ...],
    expected: list[tuple[str, int, str]],
) -> None:
    found = explain(Run(decided(*OURS), filled(*ours)), Run(decided(OURS[0], second), filled(*peer)), RULE, 50)
    assert [(one.owner, one.place, one.cause) for one in found] == expected


def test_only_the_first_fills_are_explained() -> None:
    ours = Run(decided(*OURS), filled((250, 0, 990), (260, 0, 990)))
    assert len(explain(ours, Run(decided(*OURS), filled()), RULE, 1)) == 1


def market_row(kind: EventKind, ms: tuple[int, int], price: int, qty: int, venue_seq: int = NO_VALUE) -> np.ndarray:
    """Return one bid row at (exchange, receive) ms."""
    row = np.zeros(1, EVENT)
    row["kind"], row["side"], row["flags"], row["aux"] = kind, Side.BID, Flag.LAST, venue_seq
    row["ts_exchange_ns"], row["ts_receive_ns"] = ms[0] * MS, ms[1] * MS
    row["price_ticks"], row["qty_lots"] = price, qty
    return row


def test_the_books_start_is_put_right_for_the_peer() -> None:
    rows = np.concatenate(
        [
            market_row(EventKind.BOOK_DELTA, (10, -90), 100, 1, venue_seq=5),  # in the snapshot already
            market_row(EventKind.BOOK_DELTA, (20, -60), 101, 2, venue_seq=8),  # newer, received before it
            market_row(EventKind.BOOK_SNAPSHOT, (25, -50), 102, 3, venue_seq=7),
            market_row(EventKind.TRADE, (22, -40), 103, 4),
            market_row(EventKind.BOOK_DELTA, (30, -30), 104, 5, venue_seq=9),
        ]
    )
    rows["seq"] = np.arange(len(rows))
    found = peer_rows(rows, INSTRUMENT)
    # The lowest latency is -100 ms, so receive times are 100 ms later.
    at_venue, at_local = found[found["ev"] & AT_VENUE > 0], found[found["ev"] & AT_LOCAL > 0]
    assert at_venue["px"].tolist() == [10.0, 10.3, 10.2, 10.1, 10.4]
    assert at_venue["qty"].tolist() == [0.0, 0.004, 0.003, 0.002, 0.005]
    assert (at_venue["exch_ts"] // MS).tolist() == [10, 22, 25, 25, 30]
    assert at_local["px"].tolist() == [10.0, 10.2, 10.1, 10.3, 10.4]
    assert (at_local["local_ts"] // MS).tolist() == [10, 50, 50, 60, 70]


@pytest.mark.parametrize(("count", "size", "text"), [(618_079, "0.10", "61807.9"), (3, "0.001", "0.003")])
def test_decimals_are_what_a_parser_gives(count: int, size: str, text: str) -> None:
    assert decimals(np.array([count]), size)[0] == float(text)


def documented(symbol: str, half_spread: str) -> tuple[int, int, int, int]:
    """Return (our fills, our position, the peer's fills, its position) from the page's table."""
    row = re.search(rf"\| {symbol} \| {half_spread} \| (\d+), ([+-]\d+) \| (\d+), ([+-]\d+) \|", PAGE.read_text())
    assert row, (symbol, half_spread)
    return tuple(map(int, row.groups()))  # type: ignore[return-value]


@pytest.mark.realdata
@pytest.mark.parametrize(("symbol", "half_spread"), [("BTCUSDT", "1.0"), ("ETHUSDT", "1.0"), ("ETHUSDT", "0.05")])
def test_our_side_of_the_pages_table(shared_data: Path, tmp_path: Path, symbol: str, half_spread: str) -> None:
    import_capture(shared_data / "binance_raw_ws" / CAPTURES[symbol], tmp_path / "market")
    run, _ = our_run(tmp_path / "market", half_spread, "10", tmp_path / "ours")
    assert (totals(run)["fills"], totals(run)["position"]) == documented(symbol, half_spread)[:2]


@pytest.mark.realdata
@pytest.mark.skipif(PEER is None, reason="no peer: set MM_PEER_PYTHON to an interpreter that has hftbacktest 2.4.4")
@pytest.mark.parametrize(("symbol", "half_spread"), [("BTCUSDT", "1.0"), ("ETHUSDT", "1.0"), ("ETHUSDT", "0.05")])
def test_beside_the_peer(shared_data: Path, symbol: str, half_spread: str) -> None:
    assert PEER is not None
    found = parity(shared_data / "binance_raw_ws" / CAPTURES[symbol], Path(PEER), half_spread, "10", 50)
    ours, written, alike = found["ours"], found["peer"]["as written"], found["peer"]["both"]
    figures = (ours["fills"], ours["position"], written["fills"], written["position"])
    assert figures == documented(symbol, half_spread)
    assert abs(ours["fills"] - written["fills"]) <= 0.02 * written["fills"]
    assert abs(ours["position"] - written["position"]) <= 2
    assert {one["cause"] for one in written["differences"]} <= {"tie", "position"}
    # With the two causes taken away nothing is left: every fill at the same exchange time and price.
    assert alike["fills"] == alike["fills_common"] == ours["fills"]
    assert set(alike["decisions_differ"]) <= {"ours only"}
