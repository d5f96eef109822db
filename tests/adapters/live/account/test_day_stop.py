"""The stop at the day's loss over journals: a new one goes on with the day, a person's word alone begins it anew."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmfold.adapters.live.account import day_stop
from mmfold.adapters.live.account.account_stop import AccountStop, lift_stop
from mmfold.adapters.live.account.handover import CannotHandOver, Place
from mmfold.adapters.live.account.opening import open_session
from mmfold.adapters.live.session import Session
from mmfold.engine.codes import EventKind, Side
from mmfold.engine.limits import NS_PER_DAY
from mmfold.engine.manifest import Instrument, Manifest
from tests.engine.rows import PLAIN, book_event, event

LISTED = tuple(Instrument(symbol=one, tick_size="1", lot_size="1", maker_fee_ppm=0, taker_fee_ppm=0) for one in "AB")
MANIFEST = Manifest(run_id="t", instruments=LISTED, source="live")
LIMITED = {"params": {symbol: {**PLAIN, "daily_loss_micros_max": 500_000_000} for symbol in "AB"}}
STOP = AccountStop(account="0123456789abcdef", venue="bybit", mode="live")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def traded(journal: Path, mids: tuple[int, int], ts_ns: int) -> Session:
    """Return a session that bought 5 of each symbol at 10,000 and saw the mids go elsewhere."""
    session = Session(journal, MANIFEST)
    session.fold_config(LIMITED)
    for index, mid in enumerate(mids):
        for rows in (book(index, 10_000, ts_ns), fill(index, ts_ns), book(index, mid, ts_ns)):
            session.fold(rows)
    return session


def book(index: int, mid: int, ts_ns: int) -> np.ndarray:
    return book_event(EventKind.BOOK_SNAPSHOT, [(mid - 1, 5)], [(mid + 1, 5)], aux=1, instrument_index=index,
                      ts_receive_ns=ts_ns)  # fmt: skip


def fill(index: int, ts_ns: int) -> np.ndarray:
    return event(EventKind.FILL, instrument_index=index, side=Side.BID, price_ticks=10_000, qty_lots=5,
                 ts_receive_ns=ts_ns)  # fmt: skip


def went_on(tmp_path: Path, symbols: str = "AB", stop: AccountStop | None = None) -> Session:
    """Return the session that goes on in a new journal."""
    instruments = tuple(one for one in LISTED if one.symbol in symbols)
    manifest = replace(MANIFEST, run_id="u", instruments=instruments)
    session = open_session(Place(tmp_path / "b", tmp_path / "a"), manifest, "none", stop)
    session.fold_config({"params": {symbol: LIMITED["params"][symbol] for symbol in symbols}})
    return session


def test_a_new_journal_goes_on_with_the_day(tmp_path: Path) -> None:
    now_ns = time.time_ns()
    traded(tmp_path / "a", (9_950, 9_960), now_ns).close()  # 250 and 200 are lost
    session = went_on(tmp_path)
    for index, mid in enumerate((9_950, 9_960)):
        session.fold(book(index, mid, time.time_ns()))
    assert session.core.state.clock[0]["day_pnl_micros"] == -450_000_000
    session.fold(book(1, 9_950, time.time_ns()))
    assert session.core.state.clock[0]["day_pnl_micros"] == -500_000_000
    assert session.core.state.clock[0]["day_stopped"] == 1
    session.close()


def test_one_of_yesterday_begins_a_day(tmp_path: Path) -> None:
    traded(tmp_path / "a", (9_950, 9_960), time.time_ns() - NS_PER_DAY).close()
    session = went_on(tmp_path)
    session.fold(book(0, 9_940, time.time_ns()))
    assert session.core.state.clock[0]["day_pnl_micros"] == 0
    session.close()


def test_what_is_left_out_has_lost_it_all_the_same(tmp_path: Path) -> None:
    now_ns = time.time_ns()
    former = traded(tmp_path / "a", (9_950, 9_960), now_ns)
    sold = fill(1, now_ns)
    sold["side"], sold["price_ticks"] = Side.ASK, 9_960
    former.fold(sold)
    former.close()
    session = went_on(tmp_path, "A")
    session.fold(book(0, 9_951, time.time_ns()))
    assert session.core.state.clock[0]["day_pnl_micros"] == -445_000_000
    session.close()


@pytest.mark.parametrize(
    ("reason", "is_lifted", "day_pnl_micros"),
    [(day_stop.REASON, True, 0), (day_stop.REASON, False, -500_000_000), ("kill switch", True, -500_000_000)],
)
def test_a_stop_is_over_when_a_person_has_lifted_it(
    tmp_path: Path, reason: str, is_lifted: bool, day_pnl_micros: int
) -> None:
    session = traded(tmp_path / "a", (9_950, 9_950), time.time_ns())
    assert session.core.state.clock[0]["day_stopped"] == 1
    assert not day_stop.is_lifted(session.core.state, STOP)
    STOP.keep(reason)
    if is_lifted:
        lift_stop(STOP.account)
    assert day_stop.is_lifted(session.core.state, STOP) == (day_pnl_micros == 0)
    assert not day_stop.is_lifted(session.core.state, None), "a rehearsal has no account"
    session.close()
    new = went_on(tmp_path, stop=STOP)
    for index in range(2):
        new.fold(book(index, 9_950, time.time_ns()))
    assert new.core.state.clock[0]["day_pnl_micros"] == day_pnl_micros
    assert new.core.state.clock[0]["day_stopped"] == (day_pnl_micros != 0)
    if day_pnl_micros == 0:
        assert not STOP.was_lifted(day_stop.REASON, 0), "it was for that stop, not for one that comes later"
    new.close()


def sold_again(tmp_path: Path) -> None:
    """Leave a session of today that has lost 450 and holds nothing."""
    now_ns = time.time_ns()
    session = traded(tmp_path / "a", (9_950, 9_960), now_ns)
    for index, price in enumerate((9_950, 9_960)):
        rows = fill(index, now_ns)
        rows["side"], rows["price_ticks"] = Side.ASK, price
        session.fold(rows)
    session.close()


def test_another_symbol_carries_the_day_and_one_that_cannot_is_refused(tmp_path: Path) -> None:
    sold_again(tmp_path)
    other = Instrument(symbol="C", tick_size="1", lot_size="1", maker_fee_ppm=0, taker_fee_ppm=0)
    manifest = replace(MANIFEST, run_id="u", instruments=(other,))
    session = open_session(Place(tmp_path / "b", tmp_path / "a"), manifest, "none")
    session.fold(book(0, 100, time.time_ns()))
    assert session.core.state.clock[0]["day_pnl_micros"] == -450_000_000
    session.close()
    inverse = replace(other, contract="inverse", contract_value="1")
    manifest = replace(MANIFEST, run_id="v", instruments=(inverse,))
    with pytest.raises(CannotHandOver, match="-450,000,000 micros of this day in symbols that --symbols leaves out"):
        open_session(Place(tmp_path / "c", tmp_path / "a"), manifest, "none")
