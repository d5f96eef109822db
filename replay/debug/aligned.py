"""Two journals side by side: their market events paired by content, with what is ours between them.

A unit is one market event, or timer, with the decisions and answers that follow it. Units are paired in order by a
64-bit hash of the event without its seq; where they part, the next common event within a window is looked for. Must
never hold more than a chunk and a window of either side.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from mmfold.engine.codes import AuditKind, EventKind, Flag, Reason
from mmfold.engine.records import EVENT, NO_TS_NS
from mmfold.engine.views import is_effect
from mmfold.replay.debug.told import Told
from mmfold.replay.parity.market import is_market, market_word
from mmfold.replay.parity.session import ANSWER_KINDS

WINDOWS = (64, 4096)  # units of both sides in which the next common one is looked for, the near ones first
EFFECT_KINDS = (EventKind.PLACE, EventKind.AMEND, EventKind.CANCEL, EventKind.AUDIT, EventKind.ALERT, EventKind.NOTE)
HASH_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, bits well spread: 2^64 / golden ratio
HASH_SHIFT = np.uint64(29)
ROW_WORDS = EVENT.itemsize // 8
BEFORE_MARKET = 0  # key of the unit that holds what comes before the first market event


class Units(NamedTuple):
    """Some units of one side, in order.

    Shape: keys, seqs, ts_ns, kinds and instruments have one entry per market event; own (EVENT), own_units and
        own_causes one per decision or answer. Units: own_units counts from the first of these units, own_causes is the
        seq of the input that caused a decision, an answer's own seq.
    """

    keys: np.ndarray
    seqs: np.ndarray
    ts_ns: np.ndarray
    kinds: np.ndarray
    instruments: np.ndarray
    own: np.ndarray
    own_units: np.ndarray
    own_causes: np.ndarray

    def cut(self, count: int) -> "tuple[Units, Units]":
        """Return the first units and the rest."""
        own = int(np.searchsorted(self.own_units, count))
        first = Units(*(part[:count] for part in self[:5]), *(part[:own] for part in self[5:]))
        rest = Units(*(part[count:] for part in self[:5]), *(part[own:] for part in self[5:]))
        return first, rest._replace(own_units=rest.own_units - count)


class Run(NamedTuple):
    """Units that are paired one with one, or, where `is_paired` is not set, units without a partner."""

    a: Units
    b: Units
    is_paired: bool


class SideUnits:
    """The units of one side, read as they are asked for.

    Shape: `places` maps the side's instrument_index to the index that both sides share.
    """

    def __init__(self, side: Told, places: np.ndarray, with_answers: bool) -> None:
        self.chunks = side.told()
        self.places = places
        self.own_kinds = EFFECT_KINDS + (ANSWER_KINDS if with_answers else ())
        self.cause_seq = 0
        self.ended = False
        none, zero = np.zeros(0, np.int64), np.zeros(1, np.int64)
        self.units = Units(
            np.array([BEFORE_MARKET], np.uint64), zero, zero + NO_TS_NS, zero, zero, np.zeros(0, EVENT), none, none
        )

    @property
    def count(self) -> int:
        """How many units are whole: the last one is once the next has begun or the journal has ended."""
        return len(self.units.keys) - (not self.ended)

    def fill(self, count: int) -> None:
        """Read until there are so many whole units, or the end."""
        while self.count < count and not self.ended:
            rows = next(self.chunks, None)
            if rows is None:
                self.ended = True
            elif len(rows):
                read = self.units_of(rows)
                self.units = Units(*(np.concatenate(parts) for parts in zip(self.units, read, strict=True)))

    def units_of(self, rows: np.ndarray) -> Units:
        """Return what a chunk adds, `own_units` counted from the first unit that is held."""
        kinds = rows["kind"]
        market = is_market(kinds) | (kinds == EventKind.TIMER)
        own = np.isin(kinds, self.own_kinds) & ~is_setting(rows)
        begun = np.cumsum(market & ((rows["flags"] & Flag.LAST) != 0))
        inputs = np.maximum.accumulate(np.where(is_effect(kinds), -1, np.arange(len(rows))))
        causes = np.where(inputs < 0, self.cause_seq, rows["seq"][inputs])
        self.cause_seq = int(causes[-1])
        word = market_word(rows[market])
        starts = np.flatnonzero(np.concatenate([[True], (word["flags"][:-1] & Flag.LAST) != 0])[: len(word)])
        heads = word[starts]
        indices = self.places[heads["instrument_index"]]
        owned = rows[own]
        return Units(
            event_keys(word, starts, self.places), heads["seq"], heads["ts_receive_ns"],
            heads["kind"].astype(np.int64), indices, owned, begun[own] + (len(self.units.keys) - 1), causes[own],
        )  # fmt: skip

    def take(self, count: int) -> Units:
        """Take the first units."""
        taken, self.units = self.units.cut(count)
        return taken


def is_setting(rows: np.ndarray) -> np.ndarray:
    """Tell which rows say what an operator's configuration has changed: what was set, nothing that was decided."""
    told = (rows["kind"] == EventKind.AUDIT) & (rows["aux"] == Reason.CONFIG)
    return told & np.isin(rows["code"], (AuditKind.PARAM, AuditKind.CONFIG))


def event_keys(rows: np.ndarray, starts: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return a hash of each event's rows: all of them but the seq, the instrument by its shared index."""
    if not len(rows):
        return np.zeros(0, np.uint64)
    rows = rows.copy()
    indices = places[rows["instrument_index"]]
    rows["instrument_index"] = np.where(rows["kind"] == EventKind.TIMER, 0, indices)  # time is of no instrument
    rows["seq"] = np.arange(len(rows)) - np.repeat(starts, np.diff(starts, append=len(rows)))  # the row's place
    words = rows.view(np.uint64).reshape(-1, ROW_WORDS)
    keys = np.zeros(len(rows), np.uint64)
    for column in range(ROW_WORDS):
        keys ^= words[:, column]
        keys *= HASH_FACTOR
        keys ^= keys >> HASH_SHIFT
    return np.add.reduceat(keys, starts)


def aligned_runs(a: SideUnits, b: SideUnits) -> Iterator[Run]:
    """Yield both sides' units in order, paired where their market events are the same."""
    while True:
        for side in (a, b):
            side.fill(WINDOWS[-1])
        count = min(a.count, b.count)
        if not a.count and not b.count:
            return
        differs = a.units.keys[:count] != b.units.keys[:count]
        same = int(np.argmax(differs)) if differs.any() else count
        if same:
            yield Run(a.take(same), b.take(same), is_paired=True)
        else:
            count_a, count_b = lone_counts(a, b)
            yield Run(a.take(count_a), b.take(count_b), is_paired=False)


def lone_counts(a: SideUnits, b: SideUnits) -> tuple[int, int]:
    """Return how many units of each side stand before the next common one.

    Where no window has one, the side whose window ends earlier is passed over: a partner would have been in the other.
    """
    if not a.count or not b.count:
        return a.count, b.count
    for window in WINDOWS:
        size_a, size_b = min(window, a.count), min(window, b.count)
        _, at_a, at_b = np.intersect1d(a.units.keys[:size_a], b.units.keys[:size_b], return_indices=True)
        if len(at_a):
            nearest = int(np.argmin(at_a + at_b))
            return int(at_a[nearest]), int(at_b[nearest])
    end_a, end_b = int(a.units.ts_ns[size_a - 1]), int(b.units.ts_ns[size_b - 1])
    return size_a if end_a <= end_b else 0, size_b if end_b <= end_a else 0
