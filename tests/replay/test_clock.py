"""Wrong times and clock steps of a recording: found, told, put right; whatever is sound stays as it is."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmfold.engine.codes import EventKind, Flag
from mmfold.engine.limits import NS_PER_MS, NS_PER_S
from mmfold.engine.records import EVENT, NO_TS_NS
from mmfold.replay.bounds import LATE_NS, OFF_NS, OUTLIER_NS, STEADY_EVENT_COUNT
from mmfold.replay.clock import Clock, find_clock, needs_clock
from mmfold.replay.window import measure_span

T0_NS = 1_700_000_000 * NS_PER_S
HOUR, YEAR = 3_600 * NS_PER_S, 365 * 86_400 * NS_PER_S
S, MS = NS_PER_S, NS_PER_MS
K = EventKind


def recording(count=400, pace_ns=100 * MS, behind_ns=1_200 * MS):
    """A recording whose clock is behind, with feed latencies of 5 to 25 ms: books and trades by turns."""
    rows = np.zeros(count, EVENT)
    numbers = np.arange(count)
    rows["seq"], rows["flags"] = numbers, Flag.LAST
    rows["kind"] = np.where(numbers % 2, K.TRADE, K.BOOK_DELTA)
    rows["kind"][0] = K.BOOK_SNAPSHOT
    rows["ts_exchange_ns"] = T0_NS + numbers * pace_ns
    rows["ts_receive_ns"] = rows["ts_exchange_ns"] - behind_ns + 5 * MS + (numbers * 7919 % 21) * MS
    return rows


def clock_of(rows, chunk=10**9):
    chunks = [rows[at : at + chunk] for at in range(0, len(rows), chunk)]
    return find_clock(lambda: iter(chunks)) if needs_clock(measure_span(iter(chunks))) else None


def corrected(rows, clock, chunk=10**9):
    if clock is None:
        return rows
    return np.concatenate(list(clock.correct(rows[at : at + chunk] for at in range(0, len(rows), chunk))))


def spoilt(rows, column, changes):
    rows = rows.copy()
    for at, by_ns in changes.items():
        rows[column][at] += by_ns
    return rows


def worst_ns(rows, right):
    """The greatest difference of any time from what it should be."""
    return max(int(np.abs(rows[name] - right[name]).max()) for name in ("ts_exchange_ns", "ts_receive_ns"))


@pytest.mark.parametrize("pace_ns", [MS, 100 * MS, 20 * S])
def test_a_sound_recording_is_not_touched(pace_ns):
    assert clock_of(recording(pace_ns=pace_ns)) is None
    late = recording()
    late["ts_receive_ns"][200:220] += np.arange(20, 0, -1) * 100 * MS  # held up for two seconds, then on its way again
    assert clock_of(late) is None


WRONG = [
    ("ts_exchange_ns", {200: 2 * S}),
    ("ts_exchange_ns", {200: 600 * MS}),
    ("ts_exchange_ns", {200: HOUR}),
    ("ts_exchange_ns", {200: 3 * YEAR}),
    ("ts_exchange_ns", {200: -2 * HOUR}),
    ("ts_exchange_ns", {200: -T0_NS}),
    ("ts_exchange_ns", {0: 5 * S}),
    ("ts_exchange_ns", {0: -T0_NS}),
    ("ts_exchange_ns", {399: 5 * S}),
    ("ts_exchange_ns", {399: YEAR}),
    ("ts_exchange_ns", {20: 5 * S, 21: 9 * S, 90: -HOUR, 300: YEAR, 301: YEAR}),
    ("ts_exchange_ns", dict.fromkeys(range(200, 200 + STEADY_EVENT_COUNT - 1), 3 * S)),
    ("ts_receive_ns", {200: 10 * S}),
    ("ts_receive_ns", {200: -10 * S}),
    ("ts_receive_ns", {200: HOUR}),
    ("ts_receive_ns", {200: 3 * YEAR}),
    ("ts_receive_ns", {200: -T0_NS}),
    ("ts_receive_ns", {0: YEAR}),
    ("ts_receive_ns", {0: -HOUR}),
    ("ts_receive_ns", {399: YEAR}),
    ("ts_receive_ns", {399: -3 * S}),
    ("ts_receive_ns", {50: HOUR, 51: -HOUR, 300: YEAR}),
]


@pytest.mark.parametrize(("column", "changes"), WRONG)
def test_wrong_times_are_put_right_and_told(column, changes):
    right = recording()
    rows = spoilt(right, column, changes)
    clock = clock_of(rows)
    assert clock is not None and clock.steps == () and clock.is_steady
    assert clock.wrong_numbers.tolist() == sorted(changes)
    found = corrected(rows, clock)
    assert worst_ns(found, right) <= 21 * MS
    others = np.setdiff1d(np.arange(len(rows)), list(changes))
    assert (found[others] == right[others]).all(), "what was right stays to the byte"
    span, was = measure_span(iter([found])), measure_span(iter([right]))
    assert was["low_ns"] <= span["low_ns"] <= was["low_ns"] + 21 * MS and span["high_ns"] <= was["high_ns"] + 21 * MS


@pytest.mark.parametrize("by_ns", [YEAR, -YEAR, 2 * HOUR])
def test_both_times_of_an_event_off_the_recording(by_ns):
    right = recording()
    rows = spoilt(spoilt(right, "ts_exchange_ns", {200: by_ns}), "ts_receive_ns", {200: by_ns})
    clock = clock_of(rows)
    assert clock is not None and clock.wrong_numbers.tolist() == [200]
    assert worst_ns(corrected(rows, clock), right) <= 200 * MS


STEPS = [(200, 3 * S), (200, -3 * S), (200, HOUR), (200, -HOUR), (100, -700 * MS), (390 - STEADY_EVENT_COUNT, 5 * S)]


@pytest.mark.parametrize(("at", "step_ns"), STEPS)
def test_a_step_of_the_clock_is_found_named_and_undone(at, step_ns):
    right = recording()
    rows = right.copy()
    rows["ts_receive_ns"][at:] += step_ns
    clock = clock_of(rows)
    assert clock is not None and not len(clock.wrong_numbers)
    (step,) = clock.steps
    assert step.ts_ns == right["ts_exchange_ns"][at] and abs(step.step_ns - step_ns) <= 21 * MS
    found = corrected(rows, clock)
    # On the clock of the longer part.
    base_ns = found["ts_receive_ns"] - right["ts_receive_ns"]
    assert np.ptp(base_ns) <= 21 * MS and (found["ts_exchange_ns"] == right["ts_exchange_ns"]).all()
    assert np.ptp(found["ts_receive_ns"] - found["ts_exchange_ns"]) <= 42 * MS


def test_steps_and_wrong_times_at_once():
    right = recording(1_000)
    rows = right.copy()
    rows["ts_receive_ns"][300:] -= HOUR
    rows["ts_receive_ns"][600:] += HOUR + 2 * S
    rows = spoilt(rows, "ts_exchange_ns", {100: 9 * S, 450: YEAR, 800: -2 * HOUR})
    clock = clock_of(rows)
    assert clock is not None and clock.wrong_numbers.tolist() == [100, 450, 800]
    assert [round(step.step_ns / S) for step in clock.steps] == [-3600, 3602]
    found = corrected(rows, clock)
    latency_ns = found["ts_receive_ns"] - found["ts_exchange_ns"]
    assert np.ptp(latency_ns) <= 63 * MS


def test_events_with_one_time():
    right = recording()
    right["kind"][5::10] = K.BBO
    right["ts_exchange_ns"][5::10] = NO_TS_NS  # as of Binance spot
    right["kind"][6::50] = K.MARK
    right["ts_receive_ns"][6::50] = NO_TS_NS
    assert clock_of(right) is None
    rows = spoilt(right, "ts_receive_ns", {105: HOUR, 205: -HOUR, 305: 2 * S})
    rows["ts_exchange_ns"][156] += 3 * YEAR
    clock = clock_of(rows)
    assert clock is not None and clock.wrong_numbers.tolist() == [105, 156, 205, 305]
    found = corrected(rows, clock)
    timed = right["ts_receive_ns"] != NO_TS_NS
    assert np.abs(found["ts_receive_ns"] - right["ts_receive_ns"])[timed].max() <= 150 * MS
    assert np.abs(found["ts_exchange_ns"] - right["ts_exchange_ns"])[156] <= 200 * MS
    assert (found["ts_exchange_ns"] == NO_TS_NS).tolist() == (right["ts_exchange_ns"] == NO_TS_NS).tolist()


def test_quiet_hours_are_time_that_passes():
    rows = recording()
    rows["ts_exchange_ns"][200:] += 40 * HOUR
    rows["ts_receive_ns"][200:] += 40 * HOUR
    assert clock_of(rows) is None


def test_two_recorders_in_one_recording():
    # Merged captures of two clocks, a second apart: half of all events are early, so early is no mistake.
    rows = recording(2_000)
    rows["ts_receive_ns"][::2] -= S
    clock = clock_of(rows)
    assert clock is None or not len(clock.wrong_numbers)


def test_few_events():
    right = recording(12)
    rows = spoilt(right, "ts_exchange_ns", {6: HOUR})
    clock = clock_of(rows)
    assert clock is not None and clock.wrong_numbers.tolist() == [6]
    assert worst_ns(corrected(rows, clock), right) <= 21 * MS


CHANGES = st.dictionaries(
    st.integers(0, 119),
    st.tuples(
        st.sampled_from(["ts_exchange_ns", "ts_receive_ns"]),
        st.sampled_from(
            [-YEAR, -HOUR, -LATE_NS, -OUTLIER_NS - 1, -S, S, OUTLIER_NS + 1, LATE_NS + S, OFF_NS, HOUR, YEAR]
        ),
    ),
    max_size=12,
)


@settings(max_examples=60)
@given(changes=CHANGES, step=st.sampled_from([0, HOUR, -2 * S]), cuts=st.sets(st.integers(1, 119), max_size=4))
def test_no_latency_is_negative_and_cuts_do_not_matter(changes, step, cuts):
    rows = recording(120)
    rows["ts_receive_ns"][70:] += step
    for at, (column, by_ns) in changes.items():
        rows[column][at] += by_ns
    chunks = [rows[a:b] for a, b in pairwise([0, *sorted(cuts), len(rows)])]
    whole = find_clock(lambda: iter([rows]))
    cut = find_clock(lambda: iter(chunks))
    assert (whole is None) == (cut is None)
    if whole is None or cut is None:
        return
    found = corrected(rows, whole)
    assert (found == np.concatenate(list(cut.correct(iter(chunks))))).all()
    latency_ns = found["ts_receive_ns"] - found["ts_exchange_ns"]
    low_ns = measure_span(iter([found]))["low_ns"]
    shifted = latency_ns + max(0, -int(low_ns))
    assert shifted.min() >= 0
    if len(changes) <= 4:
        assert isinstance(whole, Clock) and shifted.max() <= LATE_NS + 2 * S
