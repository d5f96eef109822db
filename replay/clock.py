"""The clock of a recording's receive times and the times that are wrong, put right; must never leave out an event.

What is done is told: steps of the clock are undone, so that every stretch has the lowest feed latency of the longest
one; a wrong time is refused and its event gets the one that its neighbours say. The bounds stand in replay/bounds.py.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mmfold.engine.codes import Flag
from mmfold.engine.records import KIND_COUNT, NO_TS_NS
from mmfold.replay.bounds import (
    EARLY_SHARE,
    FEW_EVENT_COUNT,
    LATE_NS,
    OFF_NS,
    OUTLIER_NS,
    STEADY_EVENT_COUNT,
    WRONG_COUNT_MAX,
)
from mmfold.replay.clock_kernel import LINE, STRETCH, TIMED, WRONG, finish, follow, mark_kinds, take_times
from mmfold.replay.venue.records import NEVER_NS

STRETCH_ROOM = 1 << 10  # of stretches, doubled when it is full
Chunks = Callable[[], Iterator[np.ndarray]]


@dataclass(frozen=True)
class ClockStep:
    """One step of the receive clock against the exchange's, with the exchange time where it was."""

    ts_ns: int
    step_ns: int


@dataclass(frozen=True)
class Clock:
    """How the receive times of a recording are put right.

    Shape: from the market event with number `firsts[i]` on, `extra_ns[i]` is added to receive times; the event
        `wrong_numbers[i]` gets the two times `right_ns[i]`, exchange and receive, NO_TS_NS where it had none.
    """

    firsts: np.ndarray
    extra_ns: np.ndarray
    wrong_numbers: np.ndarray
    right_ns: np.ndarray
    steps: tuple[ClockStep, ...]
    wrong_first_ns: int  # the first wrong time's event, by its right time
    is_steady: bool = True

    def correct(self, chunks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield the recording with its times put right."""
        number = 0
        for chunk in chunks:
            yield self.corrected(chunk, number)
            number += int(is_market_start(chunk).sum())

    def corrected(self, chunk: np.ndarray, number: int) -> np.ndarray:
        """Return a copy of a chunk of whole events with its times put right; its first market event has a number."""
        rows = chunk.copy()
        starts = is_market_start(rows)
        numbers = number + np.cumsum(starts) - 1
        market = np.flatnonzero(MARKET_KINDS[rows["kind"]] > 0)
        numbers = numbers[market]
        extra_ns = self.extra_ns[np.maximum(np.searchsorted(self.firsts, numbers, "right") - 1, 0)]
        receive_ns = rows["ts_receive_ns"][market]
        rows["ts_receive_ns"][market] = np.where(receive_ns == NO_TS_NS, receive_ns, receive_ns + extra_ns)
        if len(self.wrong_numbers):
            at = np.minimum(np.searchsorted(self.wrong_numbers, numbers), len(self.wrong_numbers) - 1)
            wrong = self.wrong_numbers[at] == numbers
            rows["ts_exchange_ns"][market[wrong]] = self.right_ns[at[wrong], 0]
            rows["ts_receive_ns"][market[wrong]] = self.right_ns[at[wrong], 1]
        return rows


MARKET_KINDS = np.zeros(KIND_COUNT, np.uint8)
mark_kinds(MARKET_KINDS)


def is_market_start(rows: np.ndarray) -> np.ndarray:
    """Tell of each row of whole events whether it is the first of a market event."""
    is_first = np.ones(len(rows), bool)
    is_first[1:] = (rows["flags"][:-1] & Flag.LAST) != 0
    found: np.ndarray = is_first & (MARKET_KINDS[rows["kind"]] > 0)
    return found


def needs_clock(span: np.void) -> bool:
    """Tell whether a recording's times are so far apart that its clock has to be looked at."""
    apart_ns = int(span["high_ns"]) - int(span["low_ns"])
    return apart_ns > OUTLIER_NS or span["told_back_ns"] > OUTLIER_NS or span["told_jump_ns"] > OFF_NS


def find_clock(chunks: Chunks) -> Clock | None:
    """Return how a recording's times are put right, None when nothing is wrong with them."""
    lines, wrongs = np.zeros(1, LINE), np.zeros(WRONG_COUNT_MAX, WRONG)
    lines["level_ns"] = lines["exchange_ns"] = lines["receive_ns"] = NO_TS_NS
    stretches = follow_all(chunks, lines, wrongs)
    wrong_count = int(lines[0]["wrong_count"])
    if not len(stretches):
        return None
    if wrong_count > len(wrongs):
        zero, none = np.zeros(1, np.int64), np.zeros((0, 2), np.int64)
        return Clock(zero, zero, none[:, 0], none, (), NO_TS_NS, is_steady=False)
    wrongs, floors_ns = keep_outliers(stretches, wrongs[:wrong_count])
    extra_ns, steps = undo_steps(stretches, floors_ns)
    if not steps and not len(wrongs):
        return None
    right_ns = put_right(stretches, wrongs, extra_ns)
    firsts = stretches["number"].copy()
    firsts[0] = 0
    first_ns = NO_TS_NS
    if len(wrongs):
        first_ns = int(right_ns[0, 0] if right_ns[0, 0] != NO_TS_NS else right_ns[0, 1])
    return Clock(firsts, extra_ns, wrongs["number"].copy(), right_ns, steps, first_ns)


def follow_all(chunks: Chunks, lines: np.ndarray, wrongs: np.ndarray) -> np.ndarray:
    """Follow a recording to its end and return its stretches."""
    stretches = np.zeros(STRETCH_ROOM, STRETCH)
    steady_count = steady_count_of(chunks())
    number = 0
    for chunk in chunks():
        timed = np.zeros(len(chunk), TIMED)
        timed = timed[: take_times(chunk, number, MARKET_KINDS, timed)]
        number += len(timed)
        while len(timed):
            timed = timed[follow(lines, stretches, wrongs, timed, steady_count) :]
            if len(timed):
                stretches = np.concatenate([stretches, np.zeros(len(stretches), STRETCH)])
    return stretches[: finish(lines, stretches, wrongs, steady_count)]


def steady_count_of(chunks: Iterator[np.ndarray]) -> int:
    """Return how many events in a row have to agree, by how many events with both times the recording has."""
    count = 0
    for chunk in chunks:
        timed = np.zeros(len(chunk), TIMED)
        timed = timed[: take_times(chunk, 0, MARKET_KINDS, timed)]
        count += int(((timed["exchange_ns"] != NO_TS_NS) & (timed["receive_ns"] != NO_TS_NS)).sum())
        if count >= FEW_EVENT_COUNT:
            return STEADY_EVENT_COUNT
    return max(2, count // 4)


def keep_outliers(stretches: np.ndarray, wrongs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what is wrong, and each stretch's lowest latency: where many events are early, they are not wrong."""
    floors_ns = stretches["floor_ns"].copy()
    both = (wrongs["exchange_ns"] != NO_TS_NS) & (wrongs["receive_ns"] != NO_TS_NS) & (wrongs["stretch"] >= 0)
    latency_ns = wrongs["receive_ns"] - wrongs["exchange_ns"]
    early = both & (latency_ns < wrongs["level_ns"]) & (latency_ns > wrongs["level_ns"] - OFF_NS)
    counts = np.bincount(wrongs["stretch"][early], minlength=len(stretches))
    many = (counts > STEADY_EVENT_COUNT) & (counts * EARLY_SHARE > stretches["count"])
    forgiven = early & many[np.maximum(wrongs["stretch"], 0)]
    venue = forgiven & (wrongs["is_venue"] != 0)
    np.minimum.at(floors_ns, wrongs["stretch"][venue], latency_ns[venue])
    return wrongs[~forgiven], floors_ns


def undo_steps(stretches: np.ndarray, floors_ns: np.ndarray) -> tuple[np.ndarray, tuple[ClockStep, ...]]:
    """Return what is added to each stretch's receive times, and the steps of the clock between them."""
    groups: list[list[int]] = []  # lowest latency, events, first stretch
    group_of = np.zeros(len(stretches), np.int64)
    for index, floor_ns in enumerate(floors_ns.tolist()):
        if floor_ns != NEVER_NS and (not groups or abs(floor_ns - groups[-1][0]) > OUTLIER_NS):
            groups.append([floor_ns, 0, index])
        if groups:
            groups[-1][0] = min(groups[-1][0], floor_ns)
            groups[-1][1] += int(stretches["count"][index])
        group_of[index] = max(0, len(groups) - 1)
    if not groups:
        return np.zeros(len(stretches), np.int64), ()
    level_ns = max(groups, key=lambda group: group[1])[0]
    steps = tuple(
        ClockStep(int(stretches["exchange_ns"][later[2]]), later[0] - before[0]) for before, later in pairwise(groups)
    )
    extra_ns = np.array([level_ns - group[0] for group in groups], np.int64)
    return extra_ns[group_of], steps


def put_right(stretches: np.ndarray, wrongs: np.ndarray, extra_ns: np.ndarray) -> np.ndarray:
    """Return the two times of each wrong event.

    Shape: (n, 2), exchange and receive time.
    """
    right_ns = np.zeros((len(wrongs), 2), np.int64)
    for at, wrong in enumerate(wrongs):
        index = max(0, int(wrong["stretch"]))
        exchange_ns, receive_ns = (int(wrong[name]) for name in ("exchange_ns", "receive_ns"))
        before = [int(wrong[name]) for name in ("exchange_before_ns", "receive_before_ns")]
        level_ns = int(wrong["level_ns"])
        if wrong["stretch"] < 0:
            before = [int(stretches[name][0]) for name in ("exchange_ns", "receive_ns")]
            level_ns = before[1] - before[0]
        after = [int(wrong["exchange_after_ns"]), int(wrong["receive_after_ns"])]
        receive_fits = before[1] - OUTLIER_NS <= receive_ns <= max(before[1], after[1]) + OUTLIER_NS
        exchange_fits = before[0] - LATE_NS <= exchange_ns <= max(before[0], after[0]) + LATE_NS
        if exchange_ns == NO_TS_NS:
            found = (NO_TS_NS, before[1])
        elif receive_ns == NO_TS_NS:
            found = (before[0], NO_TS_NS)
        elif receive_fits:
            found = (receive_ns - level_ns, receive_ns)
        elif exchange_fits:
            found = (exchange_ns, exchange_ns + level_ns)
        else:
            found = (before[0], before[1])
        right_ns[at] = found[0], found[1] if found[1] == NO_TS_NS else found[1] + int(extra_ns[index])
    return right_ns
