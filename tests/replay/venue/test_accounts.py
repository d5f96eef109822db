"""Cash is conserved: position, cost, PnL, fees and funding of a backtest are the fold of its journal's FILL rows."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmfold.engine.codes import EventKind
from tests.replay.venue.accounts import check_money, check_sizes
from tests.replay.venue.market import CASES, Ran, rows_of, run, run_case, write_market


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def ran(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Return a backtest of either strategy on either market."""
    return run_case(tmp_path_factory.mktemp("accounts"), *request.param)


def test_cash_and_pnl_are_the_fold_of_the_fills(ran: Ran) -> None:
    for index in range(len(ran.result.manifest.instruments)):
        check_money(ran, index)


def test_a_wrong_unit_is_seen(ran: Ran) -> None:
    position = ran.result.state.positions
    for name in ("position_lots", "cost_ticklots", "fees_micros", "spread_half_ticklots"):
        position[name][0] += 1
        with pytest.raises(AssertionError):
            check_money(ran, 0)
        position[name][0] -= 1


def test_no_fill_outside_an_orders_life_price_or_size(ran: Ran) -> None:
    check_sizes(ran)


def test_a_fee_moves_the_result_by_itself_alone(ran: Ran, tmp_path: Path) -> None:
    # Fees decide nothing, so the fills are the same and what is paid is the rate's, rounded up a fill.
    paid = []
    events = [part.copy() for part in split_events(rows_of(ran.source))]
    for rate in (-50, 0, 100, 550):
        instruments = tuple(replace(one, maker_fee_ppm=rate) for one in ran.result.manifest.instruments)
        result = run(write_market(tmp_path / str(rate), events, instruments), None, ran.name)
        position = result.state.positions[0]
        paid.append((result.fills, int(position["realized_ticklots"]), int(position["fees_micros"])))
    assert len({one[:2] for one in paid}) == 1
    fees = [one[2] for one in paid]
    assert fees == sorted(fees) and fees[0] < fees[1] == 0 < fees[2] < fees[3]


def split_events(rows: np.ndarray) -> list[np.ndarray]:
    """Return a recording's market events."""
    rows = rows[rows["kind"] >= EventKind.BOOK_SNAPSHOT]
    return np.split(rows, np.flatnonzero(np.diff(rows["seq"])) + 1)
