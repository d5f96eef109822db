"""Outages of the trading connection and restarts of the venue, in whole backtests: requests get lost, the core asks
what is open, quoting goes on; at the end both sides agree on what rests.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from mmfold.engine.codes import AlertCode, ConnectionState, EventKind, OrderStatus, RequestOutcome
from mmfold.engine.limits import ORDER_COUNT_MAX
from mmfold.journal.log.writer import Writer
from mmfold.replay.assumptions import Assumptions
from mmfold.replay.backtest import Backtest, BacktestResult
from mmfold.replay.run import ReplayOptions, replay
from tests.replay.venue.market import config_of, make_instruments, market_events, rows_of, write_market
from tests.replay.venue.scenario import MS

BROKEN = Assumptions(
    entry_latency_ns=20 * MS,
    response_latency_ns=15 * MS,
    latency_std_ns=6 * MS,
    request_timeout_ns=120 * MS,
    outage_interval_ns=5_000 * MS,
    outage_ns=600 * MS,
    restart_ppm=400_000,
)
OPEN = (OrderStatus.ACCEPTED, OrderStatus.AMENDING, OrderStatus.CANCELLING)
ANSWERS = (
    EventKind.ACK, EventKind.REJECT, EventKind.AMENDED, EventKind.CANCELED, EventKind.EXPIRED, EventKind.FILL,
    EventKind.OPEN_ORDERS,
)  # fmt: skip


@dataclass(frozen=True)
class Broken:
    """A backtest with outages: what it left in memory and on disk."""

    name: str
    source: Path
    path: Path
    backtest: Backtest
    result: BacktestResult
    rows: np.ndarray


@pytest.fixture(scope="module", params=["ladder", "grid"])
def broken(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Broken:
    """Return a backtest of either strategy on two instruments."""
    directory = tmp_path_factory.mktemp("outages")
    source = write_market(directory / "m", market_events(14, 3_000, instruments=2, faults=False), make_instruments(2))
    with Writer(directory / "bt") as writer:
        backtest = Backtest(source, config_of(request.param), BROKEN, seed=5, writer=writer)
        result = backtest.run()
    return Broken(request.param, source, directory / "bt", backtest, result, rows_of(directory / "bt"))


def states(rows: np.ndarray) -> list[tuple[int, int]]:
    """Return (row number, state) of every CONNECTION event."""
    at = np.flatnonzero(rows["kind"] == EventKind.CONNECTION)
    return list(zip(at.tolist(), rows["code"][at].tolist(), strict=True))


def test_the_journal_replays_to_the_same_digests(broken: Broken) -> None:
    found = replay(broken.path, ReplayOptions(checkpoints=False))
    assert (found.state_digest, found.effects_digest) == (broken.result.state_digest, broken.result.effects_digest)
    assert found.witnessed_count == sum(broken.result.effect_counts.values()) > 100


def test_the_seed_alone_says_when(broken: Broken) -> None:
    again = Backtest(broken.source, config_of(broken.name), BROKEN, seed=5).run()
    other = Backtest(broken.source, config_of(broken.name), BROKEN, seed=6).run()
    assert again.effects_digest == broken.result.effects_digest != other.effects_digest


def test_each_interval_has_its_outage_and_the_connection_comes_back(broken: Broken) -> None:
    told = states(broken.rows)
    assert [state for _, state in told] == [ConnectionState.DOWN, ConnectionState.UP] * (len(told) // 2)
    times_ns = broken.rows["ts_exchange_ns"][[row for row, _ in told]]
    assert (times_ns[1::2] - times_ns[0::2] == BROKEN.outage_ns).all()
    span_ns = int(broken.backtest.measure().ts_seen_ns) - broken.backtest.measure().ts_first_ns
    assert abs(len(told) // 2 - span_ns / (BROKEN.outage_interval_ns / 2 + BROKEN.outage_ns / 2)) < 6 <= len(told) // 2


def test_a_lost_request_is_asked_for_and_quoting_goes_on(broken: Broken) -> None:
    rows, told = broken.rows, states(broken.rows)
    lost = np.flatnonzero((rows["kind"] == EventKind.REQUEST_RESULT) & (rows["code"] == RequestOutcome.TIMEOUT))
    unknown = np.flatnonzero((rows["kind"] == EventKind.ALERT) & (rows["code"] == AlertCode.ORDER_UNKNOWN))
    listed = np.flatnonzero(rows["kind"] == EventKind.OPEN_ORDERS)
    placed = np.flatnonzero(rows["kind"] == EventKind.PLACE)
    assert len(lost) >= 3 and len(unknown) >= 1, "the outages lose requests"
    for at in unknown:
        symbol = rows["instrument_index"][at]
        answers = listed[(listed > at) & (rows["instrument_index"][listed] == symbol)]
        assert len(answers), "the venue is asked what is open"
        assert (placed[rows["instrument_index"][placed] == symbol] > answers[0]).any(), "then it quotes again"
    ups = [row for row, state in told if state == ConnectionState.UP]
    downs = [row for row, state in told[2:] if state == ConnectionState.DOWN]
    for up, end in zip(ups, [*downs, len(rows)], strict=True):
        assert ((placed > up) & (placed < end)).any(), "after every outage, the last included"
    for down, up in zip([row for row, state in told if state == ConnectionState.DOWN], ups, strict=True):
        assert not ((placed > down) & (placed < up)).any(), "nothing is placed without a connection"


def test_no_answer_arrives_in_an_outage_or_overtakes_another(broken: Broken) -> None:
    rows = broken.rows
    answers = rows[np.isin(rows["kind"], ANSWERS)]
    assert (np.diff(answers["ts_exchange_ns"]) >= 0).all() and (np.diff(answers["ts_receive_ns"]) >= 0).all()
    times_ns = rows["ts_exchange_ns"][[row for row, _ in states(rows)]]
    for begin_ns, end_ns in zip(times_ns[0::2], times_ns[1::2], strict=True):
        # What left before the outage may still arrive; what the venue says in it waits for the end.
        during = answers[(answers["ts_exchange_ns"] >= begin_ns) & (answers["ts_exchange_ns"] < end_ns)]
        assert (during["ts_receive_ns"] >= end_ns).all()


def resting(backtest: Backtest, index: int) -> dict[int, tuple[int, int]]:
    """Return {order id: (price, lots)} of the orders that the venue has."""
    orders = backtest.arrays.venues[index]["orders"]
    return {
        int(one["order_id"]): (int(one["price_ticks"]), int(one["qty_lots"])) for one in orders if one["resting"] == 1
    }


def known_open(backtest: Backtest, index: int) -> dict[int, tuple[int, int]]:
    """Return the same of the orders that the core believes to be open."""
    found = {}
    for slot in range(ORDER_COUNT_MAX):
        order = backtest.arrays.cells[index]["orders"][slot]
        assert order["status"] != OrderStatus.UNKNOWN
        if order["status"] in OPEN:
            found[int(order["order_id"])] = (int(order["price_ticks"]), int(order["qty_lots"]))
    return found


def check_agreement(backtest: Backtest) -> None:
    """Compare what the venue has with what the core believes, orders and position."""
    for index in range(2):
        assert resting(backtest, index) == known_open(backtest, index)
        sides = [backtest.arrays.cells, backtest.arrays.venue_cells]
        core, venue = (cells[index]["position"] for cells in sides)
        assert core["position_lots"] == venue["position_lots"] and core["fees_micros"] == venue["fees_micros"]


def test_both_sides_agree_at_the_end(broken: Broken) -> None:
    check_agreement(broken.backtest)
    assert any(resting(broken.backtest, index) for index in range(2))


@pytest.mark.parametrize("name", ["ladder", "grid"])
@pytest.mark.parametrize("count", range(385, 445, 15))
def test_a_recording_may_end_in_an_outage(tmp_path: Path, name: str, count: int) -> None:
    # Long outages and a market cut at many places: in an outage, before a timeout, before an answer.
    source = write_market(tmp_path / "m", market_events(9, count, instruments=2, faults=False), make_instruments(2))
    often = replace(BROKEN, outage_interval_ns=1_500 * MS, outage_ns=1_000 * MS)
    backtest = Backtest(source, config_of(name), often, seed=5)
    backtest.run()
    check_agreement(backtest)
