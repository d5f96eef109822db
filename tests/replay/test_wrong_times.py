"""A backtest of a recording with wrong times: the result of the right one, within bounds, and told."""

import numpy as np
import pytest

from mmfold.engine.codes import EventKind
from mmfold.engine.limits import NS_PER_MS, NS_PER_S
from mmfold.engine.records import NO_ORDER_ID, NO_TS_NS
from mmfold.replay import bounds
from mmfold.replay.assumptions import Assumptions
from mmfold.replay.backtest import Backtest
from mmfold.reports.recording import clock_document, recording_notes
from tests.engine.rows import event
from tests.replay.venue.market import config_of, make_instruments, market_events, rows_of, run, write_market
from tests.replay.venue.scenario import MS

HOUR, YEAR = 3_600 * NS_PER_S, 365 * 86_400 * NS_PER_S
CALM = Assumptions()


def market(change=lambda events: None, count=1_200):
    events = market_events(3, count, behind_ns=1_270 * MS, faults=False, back=0.0)
    change(events)
    return events


def moved(column, by_ns, first, last=None):
    def change(events):
        for rows in events[first : first + 1 if last is None else last]:
            rows[column] += np.where(rows[column] == NO_TS_NS, 0, by_ns)

    return change


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = write_market(tmp_path_factory.mktemp("sound") / "m", market(), make_instruments(1))
    return run(path, None, "grid", CALM)


CHANGES = [
    ("wrong_times", moved("ts_exchange_ns", 3 * NS_PER_S, 600)),
    ("wrong_times", moved("ts_exchange_ns", YEAR, 600)),
    ("wrong_times", moved("ts_exchange_ns", -HOUR, 600)),
    ("wrong_times", moved("ts_receive_ns", 3 * YEAR, 600)),
    ("wrong_times", moved("ts_receive_ns", -YEAR, 600)),
    ("wrong_times", moved("ts_exchange_ns", -YEAR, 0)),
    ("wrong_times", moved("ts_receive_ns", YEAR, 1_199)),
    ("steps", moved("ts_receive_ns", HOUR, 700, 1_200)),
    ("steps", moved("ts_receive_ns", -4 * NS_PER_S, 700, 1_200)),
]


@pytest.mark.parametrize(("what", "change"), CHANGES)
def test_one_wrong_time_changes_next_to_nothing(tmp_path, sound, what, change):
    path = write_market(tmp_path / "m", market(change), make_instruments(1))
    found = run(path, tmp_path / "out", "grid", CALM)
    assert sound.fills > 20 and abs(found.fills - sound.fills) <= max(3, sound.fills // 10)
    assert abs(found.events - sound.events) <= sound.events // 20
    document = clock_document(found.clocks[0])
    assert document is not None and (len(document["steps"]), document["wrong_times"]) == (
        (1, 0) if what == "steps" else (0, 1)
    )
    assert any(("clock" if what == "steps" else "wrong times of 1 event") in note for note in recording_notes(found))
    rows = rows_of(tmp_path / "out")
    timed = rows[(rows["kind"] >= EventKind.BOOK_SNAPSHOT) & (rows["kind"] < EventKind.ACK)]
    assert (timed["ts_receive_ns"] >= timed["ts_exchange_ns"]).all()


def test_a_sound_recording_has_no_clock_to_tell_of(sound):
    assert sound.clocks == (None,) and sound.timers_left_out == 0
    assert len(recording_notes(sound)) == 1, "its shift alone"


def test_a_long_gap_has_so_many_timers_and_no_more(tmp_path):
    events = market(moved("ts_exchange_ns", 40 * YEAR, 600, 1_200))
    moved("ts_receive_ns", 40 * YEAR, 600, 1_200)(events)
    path = write_market(tmp_path / "m", events, make_instruments(1))
    found = run(path, tmp_path / "out", "grid", CALM)
    rows = rows_of(tmp_path / "out")
    timers = rows[rows["kind"] == EventKind.TIMER]["ts_receive_ns"]
    assert bounds.TIMER_COUNT_BETWEEN_MAX <= len(timers) < bounds.TIMER_COUNT_BETWEEN_MAX + 3_000
    assert found.timers_left_out + len(timers) == (timers[-1] - timers[0]) // CALM.timer_interval_ns + 1
    assert not ((timers - timers[0]) % CALM.timer_interval_ns).any(), "they keep their pace"
    assert any("timers were left out" in note for note in recording_notes(found))


def feeds(tmp_path, venue, ids):
    """Two recordings of one market, the second from the end of the first on, a bit late; both are told trades."""
    paths = []
    for place, numbers in enumerate(ids):
        events = market_events(3, 300, behind_ns=0, faults=False, back=0.0)
        start_ns, end_ns = (int(events[at]["ts_receive_ns"][-1]) for at in (0, -1))
        for rows in events:
            rows["ts_exchange_ns"] += place * (end_ns - start_ns)
            rows["ts_receive_ns"] += place * (end_ns - start_ns + NS_PER_MS)
        told = []
        for number in numbers:
            fields = {"aux": number, "order_id": NO_ORDER_ID} if venue == "binance" else {"aux": 7, "order_id": number}
            rows = event(EventKind.TRADE, side=0, price_ticks=10_000, qty_lots=1, **fields)
            rows["ts_exchange_ns"], rows["ts_receive_ns"] = end_ns, end_ns + place * NS_PER_MS
            told.append(rows)
        kept = [rows for rows in events if rows["kind"][0] != EventKind.TRADE or rows["qty_lots"][0] == 1]
        kept = [kept[0], *told, *kept[1:]] if place else [*kept, *told]
        paths.append(write_market(tmp_path / f"m{place}", kept, make_instruments(1, venue)))
    return paths


@pytest.mark.parametrize("venue", ["binance", "bybit"])
def test_trades_that_two_recordings_tell_count_once(tmp_path, venue):
    first, second = 1 << 40, 1 << 41  # beyond the market's own numbers
    paths = feeds(tmp_path, venue, [(first, second), (second, first + 1)])
    result = Backtest(paths, config_of("grid"), CALM).run()
    assert result.trades_told_twice == 1
    assert any("count once" in note for note in recording_notes(result))
