"""A new journal on an account with a past: its position adopted or kept flat, the venue's dead-man switch armed."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import aiohttp
import numpy as np
import pytest

from mmfold.adapters.live.runner import Runner
from mmfold.adapters.live.start import Plan, make_runner
from mmfold.adapters.venues.bybit.private import PrivateParser
from mmfold.config.errors import ConfigError
from mmfold.config.load import load_config
from mmfold.engine.codes import EventKind, Flag
from mmfold.engine.views import view_rows
from mmfold.journal.log.reader import Journal
from tests.adapters.emulator.running import LINEAR, RunningVenue, place, rest
from tests.adapters.live.until import plan_session, run_session
from tests.adapters.venues.bybit.words import MANIFEST, frame, ledger


@pytest.fixture(autouse=True)
def _no_faults(running: RunningVenue) -> None:
    running.set_faults()
    running.call(running.venue.dcp_window_s.clear)


def session(
    running: RunningVenue, journal: Path, is_enough: Callable[[Runner], bool], *settings: str, adopt: bool = False
) -> Runner:
    """Run a session on the venue's first account."""
    return run_session(plan_session(running, journal, *settings, adopt=adopt), is_enough)


def trades(runner: Runner) -> bool:
    return runner.status.phase == "trading"


def has_placed(runner: Runner) -> bool:
    return bool(runner.session.core.state.counters["placed_count"].sum())


def hold(running: RunningVenue, side: str, qty: str) -> dict[str, str]:
    """Trade at the market, move what happened out of sight, and return the position."""
    key = running.keys[0]
    answer = rest(running, "POST", "/v5/order/create", place(side, qty, None), key).json()
    assert answer["retCode"] == 0
    account = running.venue.accounts[key.key]
    running.call(account.executions.clear)
    found = rest(running, "GET", "/v5/position/list", LINEAR, key).json()["result"]["list"][0]
    return dict(found)


@pytest.mark.parametrize(("side", "sign"), [("Buy", 1), ("Sell", -1)])
def test_a_position_of_before_is_adopted(running: RunningVenue, tmp_path: Path, side: str, sign: int) -> None:
    held = hold(running, side, "0.005")
    try:
        runner = session(running, tmp_path / "j", trades, "enabled=false", adopt=True)
    finally:
        hold(running, "Sell" if sign > 0 else "Buy", "0.005")
    rows = np.concatenate([rows.copy() for rows in Journal(tmp_path / "j").verified_chunks()])
    assert not (rows["kind"] == EventKind.FILL).any(), "what was executed before is no fill of this session"
    opening, _, told, *_ = view_rows(rows[rows["kind"] == EventKind.POSITION], EventKind.POSITION)
    assert opening["flags"] & Flag.OPENING and not told["flags"] & Flag.OPENING
    assert (int(opening["qty_lots"]), int(told["qty_lots"])) == (5 * sign, 5 * sign)
    assert int(opening["average_price_e8"]) == int(told["average_price_e8"]) == round(float(held["avgPrice"]) * 1e8)
    position = runner.session.core.state.positions[0]
    assert (position["position_lots"], position["opening_lots"], position["fill_count"]) == (5 * sign, 5 * sign, 0)
    assert runner.status.unexplained == {}


def test_executions_of_the_minute_before_are_no_fills(running: RunningVenue, tmp_path: Path) -> None:
    key = running.keys[0]
    for side in ("Buy", "Sell"):  # flat again, and the venue still tells both
        assert rest(running, "POST", "/v5/order/create", place(side, "0.005", None), key).json()["retCode"] == 0
    try:
        runner = session(running, tmp_path / "j", trades, "enabled=false")
    finally:
        running.call(running.venue.accounts[key.key].executions.clear)
    rows = np.concatenate([rows.copy() for rows in Journal(tmp_path / "j").verified_chunks()])
    assert not (rows["kind"] == EventKind.FILL).any()
    position = runner.session.core.state.positions[0]
    assert (position["position_lots"], position["fees_micros"]) == (0, 0) and runner.status.unexplained == {}


async def begin(plan: Plan) -> None:
    """Begin a journal and go no further."""
    async with aiohttp.ClientSession() as http:
        (await make_runner(plan, http)).session.close()


@pytest.mark.parametrize("first", ["a whole session", "one that died before its first look"])
def test_a_restart_within_that_minute_inherits_nothing_either(
    running: RunningVenue, tmp_path: Path, first: str
) -> None:
    key = running.keys[0]
    for side, qty in (("Buy", "0.005"), ("Sell", "0.002")):
        assert rest(running, "POST", "/v5/order/create", place(side, qty, None), key).json()["retCode"] == 0
    plan = plan_session(running, tmp_path / "j", "enabled=false", adopt=True)
    try:
        if first == "a whole session":
            assert run_session(plan, trades).session.core.state.positions[0]["position_lots"] == 3
        else:
            asyncio.run(begin(plan))
        again = run_session(plan, trades)
    finally:
        running.call(running.venue.accounts[key.key].executions.clear)
        hold(running, "Sell", "0.003")
    position = again.session.core.state.positions[0]
    assert (position["position_lots"], position["opening_lots"], position["fill_count"]) == (3, 3, 0)
    assert again.status.unexplained == {}


def test_without_the_flag_it_is_kept_flat(
    running: RunningVenue, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hold(running, "Buy", "0.005")
    try:
        runner = session(running, tmp_path / "j", lambda runner: bool(runner.status.unexplained))
    finally:
        hold(running, "Sell", "0.005")
    rows = np.concatenate([rows.copy() for rows in Journal(tmp_path / "j").verified_chunks()])
    assert list(runner.status.unexplained) == ["BTCUSDT"]
    assert not len(rows[np.isin(rows["kind"], (EventKind.FILL, EventKind.PLACE))])
    [said] = [record for record in caplog.records if record.msg == "position_of_before"]
    assert "--adopt-position" in said.fields["hint"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("seconds", "armed"), [(10, {10}), (0, set()), (300, {300})])
def test_the_dead_man_switch(running: RunningVenue, tmp_path: Path, seconds: int, armed: set[int]) -> None:
    session(running, tmp_path / "j", trades, f"live.dead_man_window_s={seconds}")
    assert set(running.venue.dcp_window_s.values()) == armed


def test_a_venue_without_the_switch_is_traded_at(running: RunningVenue, tmp_path: Path) -> None:
    path = "rest:/v5/order/disconnected-cancel-all"
    running.set_faults({"fault": "server_error", "at": path, "count": None})
    runner = session(running, tmp_path / "j", has_placed)
    assert not running.venue.dcp_window_s and has_placed(runner)


def test_a_window_that_no_venue_takes_is_refused() -> None:
    with pytest.raises(ConfigError, match="neither 0 nor at least 3"):
        load_config(None, None, ["live.dead_man_window_s=2"])


def test_the_switchs_topic_says_nothing() -> None:
    told = PrivateParser(MANIFEST, ledger()).parse(frame("dcp.future", []), 1)
    assert told.what == "dcp.future"  # type: ignore[union-attr]
