"""Two journals, or one under two configurations: where they part, and how often; aligned by market event, never by seq.

Effects, and the venue's answers where both journals have their own, are compared unit by unit (aligned.py): per
instrument, kind and side the n-th with the n-th. An order is named by the market event it was placed after, because an
id holds the seq. Memory grows with the orders, not with the market. Must never stop at the first difference.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mmfold.engine.codes import AlertCode, EventKind
from mmfold.engine.manifest import Manifest
from mmfold.engine.policy.note import chains_of
from mmfold.engine.records import NO_TS_NS
from mmfold.engine.state import State
from mmfold.replay.debug.aligned import EFFECT_KINDS, Run, SideUnits, Units, aligned_runs
from mmfold.replay.debug.differing_state import FieldDifference, differing_fields
from mmfold.replay.debug.told import Told
from mmfold.replay.parity.market import market_facts

if TYPE_CHECKING:
    from mmfold.replay.debug.library import Library

NO_INSTRUMENT = -1  # of a note
PLACE_SHIFT = 20  # of an order's name: the unit it was placed in above, its number among those of the unit below
Key = tuple[int, int, int, int]  # unit, shared index of the instrument, kind, side


class NotComparable(ValueError):
    """Two journals that have no instrument in common, or one whose prices do not mean the same."""

    hint = "mm diff compares journals of the same instruments: mm journal info shows them"


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in a journal: behind a market event; seq is -1 before the first one."""

    seq: int = -1
    ts_ns: int = NO_TS_NS
    kind: int = 0
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a first difference; `note` are the effects of the note that `row` is a part of.

    Units: `cause_seq` is of the input that decided it, of an answer its own; where there is nothing, of the input after
        which the other side has it.
    """

    row: np.void | None
    cause_seq: int
    after: Place
    note: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """A decision or an answer that differs."""

    symbol: str
    unit: int  # paired market events up to here
    place: int  # among the decisions and answers behind the last of them
    a: Side
    b: Side


@dataclass(slots=True)
class Counts:
    """Decisions or answers of one instrument and kind: alike, otherwise, on one side only."""

    same: int = 0
    changed: int = 0
    a_only: int = 0
    b_only: int = 0

    @property
    def differs(self) -> bool:
        """Tell whether any is not alike."""
        return bool(self.changed or self.a_only or self.b_only)


@dataclass(frozen=True)
class End:
    """One side at its end."""

    manifest: Manifest
    state: State
    document: dict[str, Any]  # the configuration in force
    rows: int
    is_free: bool  # decided by this build's core under another configuration or rules, not as journaled


@dataclass(frozen=True)
class Difference:
    """What two sides differ in.

    `decision` and `answer` are the first of each that differs; `fields` is the state right after `decision`, else after
    `answer`, else at the end, where settings are no difference. `counts` is by (symbol, kind): a note is compared part
    by part, under a dash.
    """

    a: End
    b: End
    decision: Pair | None
    answer: Pair | None
    fields: tuple[FieldDifference, ...]
    counts: dict[tuple[str, EventKind], Counts]
    market_count: int  # market events and timers that both have
    market_a_only: int
    market_b_only: int
    is_one_journal: bool
    compares_answers: bool

    @property
    def first(self) -> Pair | None:
        """What differs first, a decision or an answer."""
        pairs = (one for one in (self.decision, self.answer) if one is not None)
        return min(pairs, key=lambda one: (one.unit, one.place), default=None)

    @property
    def differs(self) -> bool:
        """Tell whether anything differs that is no setting."""
        markets = self.market_a_only or self.market_b_only
        return bool(markets or self.fields) or any(one.differs for one in self.counts.values())


class Instruments(NamedTuple):
    """The instruments of both sides by one index.

    Shape: `a` and `b` map a side's instrument_index to that of `symbols`; `shared` are (symbol, index in A, in B).
    """

    symbols: tuple[str, ...]
    a: np.ndarray
    b: np.ndarray
    shared: tuple[tuple[str, int, int], ...]


def join_instruments(a: Manifest, b: Manifest) -> Instruments:
    """Return the instruments of two manifests by one index.

    Raises: NotComparable.
    """
    of_a, of_b = a.symbol_index(), b.symbol_index()
    symbols = tuple(sorted(of_a.keys() | of_b.keys()))
    shared = tuple((name, of_a[name], of_b[name]) for name in symbols if name in of_a and name in of_b)
    if not shared:
        raise NotComparable(f"no instrument in common: A has {', '.join(of_a)}, B {', '.join(of_b)}")
    for name, at_a, at_b in shared:
        if market_facts(a.instruments[at_a]) != market_facts(b.instruments[at_b]):
            raise NotComparable(f"{name}: tick, lot or contract differ between A and B, so no price can be compared")
    places = [np.array([symbols.index(name) for name in of], np.int64) for of in (of_a, of_b)]
    return Instruments(symbols, places[0], places[1], shared)


@dataclass
class SideTally:
    """What is kept of one side from run to run."""

    places: np.ndarray
    names: dict[int, int] = field(default_factory=dict)  # order_id -> what names the order on both sides
    placed: Counter[tuple[int, int, int]] = field(default_factory=Counter)  # in the last unit
    last: Place = field(default_factory=Place)

    def name_orders(self, own: np.ndarray, units: np.ndarray) -> None:
        """Give every order placed a name: its unit, side and number there."""
        placed = own["kind"] == EventKind.PLACE
        rows, units = own[placed], units[placed]
        indices = self.places[rows["instrument_index"]]
        for order_id, *key in zip(
            rows["order_id"].tolist(), units.tolist(), indices.tolist(), rows["side"].tolist(), strict=True
        ):
            unit, index, side = key
            number = self.placed[unit, index, side]
            self.placed[unit, index, side] += 1
            self.names[order_id] = -2 - (unit << PLACE_SHIFT | number << 2 | side)
        if len(units):
            self.placed = Counter({key: many for key, many in self.placed.items() if key[0] == units[-1]})

    def facts(self, own: np.ndarray, units: np.ndarray) -> np.ndarray:
        """Return what of decisions and answers must be alike.

        Shape: (n, 9): unit, instrument, kind, side, price, qty, flags and code, aux, order.
        """
        self.name_orders(own, units)
        names, kinds = self.names, own["kind"]
        orders = np.array([names.get(one, one) for one in own["order_id"].tolist()], np.int64)
        is_note = kinds == EventKind.NOTE
        orders[is_note] = own["order_id"][is_note]
        orders[kinds == EventKind.PLACE] = 0
        indices = np.where(is_note, NO_INSTRUMENT, self.places[own["instrument_index"]])
        aux = own["aux"].copy()
        aux[~np.isin(kinds, EFFECT_KINDS)] = 0
        for place in np.flatnonzero((kinds == EventKind.ALERT) & (own["code"] == AlertCode.ORDER_UNKNOWN)):
            aux[place] = names.get(int(aux[place]), int(aux[place]))
        flags = own["flags"].astype(np.int64) << 16 | own["code"]
        columns = (
            units, indices, kinds, own["side"], own["price_ticks"], own["qty_lots"],
            flags, aux, orders,
        )  # fmt: skip
        return np.stack([column.astype(np.int64) for column in columns], axis=1)


class Tally:
    """Counts what is alike and keeps the first pairs that are not."""

    def __init__(self, instruments: Instruments, is_one_journal: bool) -> None:
        self.symbols = instruments.symbols
        self.a, self.b = SideTally(instruments.a), SideTally(instruments.b)
        self.is_one_journal = is_one_journal
        self.counts: defaultdict[tuple[int, int], Counts] = defaultdict(Counts)
        self.decision: Pair | None = None
        self.answer: Pair | None = None
        self.market_count = -1  # the unit before the market is none of it
        self.lone = [0, 0]

    def take(self, run: Run) -> None:
        """Take the next units of both sides."""
        base = self.market_count + 1
        if run.is_paired:
            self.market_count += len(run.a.keys)
        else:
            self.lone[0] += len(run.a.keys)
            self.lone[1] += len(run.b.keys)
        facts = []
        for side, units in ((self.a, run.a), (self.b, run.b)):
            numbers = base + units.own_units if run.is_paired else np.full(len(units.own), base - 1)
            facts.append(side.facts(units.own, numbers))
        if facts[0].shape == facts[1].shape and bool((facts[0] == facts[1]).all()):
            self.count_same(facts[0])
        else:
            self.compare(run, base, facts[0], facts[1])
        for side, units in ((self.a, run.a), (self.b, run.b)):
            if len(units.keys):
                side.last = self.place(units, len(units.keys) - 1)

    def count_same(self, facts: np.ndarray) -> None:
        """Count rows that are alike."""
        pairs, counts = np.unique(facts[:, 1:3], axis=0, return_counts=True)
        for (index, kind), count in zip(pairs.tolist(), counts.tolist(), strict=True):
            self.counts[index, kind].same += count

    def compare(self, run: Run, base: int, a: np.ndarray, b: np.ndarray) -> None:
        """Compare the n-th with the n-th of each unit, instrument, kind and side."""
        groups_a, groups_b = grouped(a), grouped(b)
        found: dict[bool, tuple[tuple[int, ...], int | None, int | None]] = {}  # the first, by whether it is decided
        for key in groups_a.keys() | groups_b.keys():
            counts = self.counts[key[1], key[2]]
            for x, y in zip_longest(groups_a.get(key, ()), groups_b.get(key, ())):
                if x is not None and y is not None:
                    if x[0] == y[0]:
                        counts.same += 1
                        continue
                    counts.changed += 1
                elif x is not None:
                    counts.a_only += 1
                else:
                    counts.b_only += 1
                rank = (key[0], min(one[1] for one in (x, y) if one is not None), *key[1:])
                is_decided = key[2] in EFFECT_KINDS
                if is_decided not in found or rank < found[is_decided][0]:
                    found[is_decided] = (rank, x and x[2], y and y[2])
        if True in found and self.decision is None:
            self.decision = self.pair(run, base, *found[True])
        if False in found and self.answer is None:
            self.answer = self.pair(run, base, *found[False])

    def pair(self, run: Run, base: int, rank: tuple[int, ...], at_a: int | None, at_b: int | None) -> Pair:
        """Return a first difference from the places of its rows, None where a side has none; `rank` is its own."""
        units, own = (run.a, at_a) if at_a is not None else (run.b, at_b)
        assert own is not None, "one side has it"
        unit = int(units.own_units[own])
        symbol = symbol_text(self.symbols, rank[2])
        cause = int(units.own_causes[own])
        sides = []
        for units, at, side in ((run.a, at_a, self.a), (run.b, at_b, self.b)):
            if at is not None:
                after = self.place(units, int(units.own_units[at]))
                sides.append(Side(units.own[at].copy(), int(units.own_causes[at]), after, note_of(units.own, at)))
            else:
                after = self.place(units, unit) if run.is_paired else side.last
                sides.append(Side(None, cause if self.is_one_journal else after.seq, after))
        return Pair(symbol, rank[0], rank[1], *sides)

    def place(self, units: Units, unit: int) -> Place:
        """Return the market event that a unit begins with; one before the first begins with none."""
        kind = int(units.kinds[unit])
        if not kind:
            return Place()
        symbol = "" if kind == EventKind.TIMER else self.symbols[int(units.instruments[unit])]
        return Place(int(units.seqs[unit]), int(units.ts_ns[unit]), kind, symbol)


def symbol_text(symbols: tuple[str, ...], index: int) -> str:
    """Return the symbol of a shared index, a dash for what is of no instrument."""
    return "-" if index == NO_INSTRUMENT else symbols[index]


def note_of(own: np.ndarray, at: int) -> np.ndarray | None:
    """Return the parts of the note that a row is one of."""
    if own["kind"][at] != EventKind.NOTE:
        return None
    return next(own[first:end].copy() for first, end in chains_of(own) if first <= at < end)


def grouped(facts: np.ndarray) -> dict[Key, list[tuple[list[int], int, int]]]:
    """Return {(unit, instrument, kind, side): [(all that must be alike, place in the unit, place in the run)]}."""
    groups: dict[Key, list[tuple[list[int], int, int]]] = {}
    unit, start = -1, 0
    for place, values in enumerate(facts.tolist()):
        if values[0] != unit:
            unit, start = values[0], place
        groups.setdefault((values[0], values[1], values[2], values[3]), []).append((values, place - start, place))
    return groups


def diff(a: "Library", b: "Library", on_progress: Callable[[int], None] = lambda rows: None) -> Difference:
    """Compare what two journals tell, or one under two configurations, to their ends; `on_progress` gets A's rows.

    Raises: NotComparable, NotItsOwn, JournalError, JsonlError, ConfigError, ConfigPayloadError.
    """
    instruments = join_instruments(a.manifest, b.manifest)
    sides = Told(a.path, a.options), Told(b.path, b.options)
    sides[0].on_progress = on_progress
    is_one_journal = a.path.resolve() == b.path.resolve()
    with_answers = not any(side.is_free for side in sides)  # the answers are to what was decided then
    tally = Tally(instruments, is_one_journal)
    units = (
        SideUnits(side, places, with_answers)
        for side, places in zip(sides, (instruments.a, instruments.b), strict=True)
    )
    for run in aligned_runs(*units):
        tally.take(run)
    ends = [
        End(side.manifest, side.core.state, side.core.document, side.rows, side.is_free) for side in sides
    ]  # fmt: skip
    pair = tally.decision or tally.answer
    if pair is None:
        fields = differing_fields(ends[0].state, ends[1].state, instruments.shared, with_settings=False)
    else:
        states = [state_after(one, side.cause_seq) for one, side in ((a, pair.a), (b, pair.b))]
        fields = differing_fields(states[0], states[1], instruments.shared, with_settings=True)
    return Difference(
        a=ends[0], b=ends[1], decision=tally.decision, answer=tally.answer, fields=fields,
        counts=dict(counts_of(tally)), market_count=tally.market_count, market_a_only=tally.lone[0],
        market_b_only=tally.lone[1], is_one_journal=is_one_journal, compares_answers=with_answers,
    )  # fmt: skip


def counts_of(tally: Tally) -> Iterator[tuple[tuple[str, EventKind], Counts]]:
    """Yield the counts by symbol and kind."""
    for (index, kind), counts in sorted(tally.counts.items()):
        yield (symbol_text(tally.symbols, index), EventKind(kind)), counts


def state_after(library: "Library", seq: int) -> State:
    """Return the state right after the input event at a seq, as that side's core has it."""
    side = Told(library.path, replace(library.options, until_seq=seq))
    for _ in side.told():
        pass
    return side.core.state
