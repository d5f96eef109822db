"""What one journal holds of ours: decisions, orders, answers, each with its place in the market.

A place in the market is a count of market events: two journals of one market share it, unlike seqs and times. Memory
grows with our own events, not with the market's. Must never take a journal's word: it is replayed.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.limits import ORDER_COUNT_MAX
from mmfold.engine.orders import SLOTS_PER_LEVEL, SLOTS_PER_SIDE
from mmfold.engine.records import EVENT
from mmfold.replay.parity.market import is_market
from mmfold.replay.result import ReplayResult
from mmfold.replay.run import Replay, ReplayOptions

DECISION_KINDS = (EventKind.PLACE, EventKind.AMEND, EventKind.CANCEL)
ANSWER_KINDS = (
    EventKind.ACK,
    EventKind.REJECT,
    EventKind.AMENDED,
    EventKind.CANCELED,
    EventKind.EXPIRED,
    EventKind.FILL,
)
OWN_FIELDS = (
    "seq", "ts_receive_ns", "kind", "instrument_index", "side", "price_ticks", "qty_lots", "order_id", "flags", "code",
)  # fmt: skip
NOT_PLACED = -1  # number of an order that its journal did not place: an earlier run's
NEVER_INDEX = 1 << 62
INSTRUMENT_SHIFT = 16
NO_MARKET_CODE = 0  # before the first market event
Stream = tuple[int, int]  # instrument_index, side


class NoDecisions(ValueError):
    """A journal without decisions: there is nothing of ours to compare."""

    hint = "give the journal of a live or paper session, or one that mm backtest wrote"


class OwnEvent(NamedTuple):
    """One decision of ours or one answer of the venue.

    Units: `market_index` counts the market events before it, `place` the own events between the last of them and it;
        `order_number` is that of its order among the PLACEs of its instrument and side, from 0, or NOT_PLACED.
    """

    seq: int
    ts_receive_ns: int
    kind: int
    instrument_index: int
    side: int
    price_ticks: int
    qty_lots: int
    order_id: int
    flags: int
    code: int
    market_index: int
    market_code: int  # of the last market event before: kind << 16 | instrument_index
    place: int
    order_side: int
    order_number: int

    @property
    def at(self) -> tuple[int, int]:
        """Where it stands, comparable between two journals of one market."""
        return self.market_index, self.place

    @property
    def market_event(self) -> tuple[int, int]:
        """Kind and instrument_index of the market event before it; kind 0 when there was none."""
        return self.market_code >> INSTRUMENT_SHIFT, self.market_code & ((1 << INSTRUMENT_SHIFT) - 1)


@dataclass(slots=True)
class Order:
    """One order as its journal tells it.

    Units: `end_index` is the place in the market where it ended or was given up, whichever came first.
    """

    placed: OwnEvent
    left_lots: int
    answers: list[OwnEvent] = field(default_factory=list)
    end_index: int = NEVER_INDEX

    @property
    def level(self) -> int:
        """The quoted level that the order is of, as its id says."""
        return (self.placed.order_id & (ORDER_COUNT_MAX - 1)) % SLOTS_PER_SIDE // SLOTS_PER_LEVEL

    @property
    def decision(self) -> tuple[int, ...]:
        """What makes it the same order in another journal: price, size, place in the market."""
        return self.placed.price_ticks, self.placed.qty_lots, self.placed.market_index

    def fills(self) -> list[OwnEvent]:
        """Return its fills in order."""
        return [answer for answer in self.answers if answer.kind == EventKind.FILL]


@dataclass(frozen=True)
class Session:
    """What one journal holds of ours, by instrument and side."""

    result: ReplayResult
    market_count: int
    decisions: dict[Stream, list[OwnEvent]]
    orders: dict[Stream, list[Order]]
    strays: dict[int, list[OwnEvent]]  # answers to orders that the journal did not place
    fills: dict[int, list[OwnEvent]]


class SessionReplay(Replay):
    """A replay that keeps our decisions and the venue's answers, each with its place in the market."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, ReplayOptions(checkpoints=False))
        if not self.manifest.witnessed:
            raise NoDecisions(f"{path} holds market data only")
        self.own_rows: list[np.ndarray] = []
        self.own_places: list[np.ndarray] = []  # (n, 2): market_index, market_code
        self.market_count = 0
        self.market_code = NO_MARKET_CODE

    def feed(self, rows: np.ndarray) -> None:
        """Fold a chunk and keep what is ours."""
        super().feed(rows)
        market = is_market(rows["kind"])
        indices = self.market_count + np.cumsum(market & ((rows["flags"] & Flag.LAST) != 0))
        codes = (rows["kind"].astype(np.int64) << INSTRUMENT_SHIFT) | rows["instrument_index"]
        last = np.maximum.accumulate(np.where(market, np.arange(len(rows)), -1))
        codes = np.where(last < 0, self.market_code, codes[last])
        own = np.isin(rows["kind"], DECISION_KINDS + ANSWER_KINDS)
        self.own_rows.append(rows[own])
        self.own_places.append(np.stack([indices[own], codes[own]], axis=1))
        self.market_count, self.market_code = int(indices[-1]), int(codes[-1])

    def session(self) -> Session:
        """Replay to the end and return what was found.

        Raises: as `Replay.run`.
        """
        result = self.run()
        rows = np.concatenate([np.zeros(0, EVENT), *self.own_rows])
        places = np.concatenate([np.zeros((0, 2), np.int64), *self.own_places])
        return read_session(result, self.market_count, rows, places)


def read_session(result: ReplayResult, market_count: int, rows: np.ndarray, places: np.ndarray) -> Session:
    """Return a session from its own rows and their places: every answer with the order it is to."""
    session = Session(result, market_count, defaultdict(list), defaultdict(list), defaultdict(list), defaultdict(list))
    by_id: dict[int, Order] = {}
    market_index, place = NEVER_INDEX, 0
    columns = [rows[name].tolist() for name in OWN_FIELDS]
    for values, (index, code) in zip(zip(*columns, strict=True), places.tolist(), strict=True):
        place = place + 1 if index == market_index else 0
        market_index = index
        event = OwnEvent._make((*values, index, code, place, int(Side.NONE), NOT_PLACED))
        stream = (event.instrument_index, event.side)
        if event.kind == EventKind.PLACE:
            event = event._replace(order_side=event.side, order_number=len(session.orders[stream]))
            by_id[event.order_id] = Order(event, event.qty_lots)
            session.orders[stream].append(by_id[event.order_id])
        order = by_id.get(event.order_id)
        if order is not None:
            event = event._replace(order_side=order.placed.side, order_number=order.placed.order_number)
        if event.kind in DECISION_KINDS:
            session.decisions[stream].append(event)
        elif order is not None:
            order.answers.append(event)
        else:
            session.strays[event.instrument_index].append(event)
        if event.kind == EventKind.FILL:
            session.fills[event.instrument_index].append(event)
        if order is not None:
            follow_order(order, event)
    return session


def follow_order(order: Order, event: OwnEvent) -> None:
    """Note where an order ends: its last lot is filled, the venue ends it, or we give it up."""
    match event.kind:
        case EventKind.FILL:
            order.left_lots -= event.qty_lots
        case EventKind.AMENDED:
            order.left_lots = event.qty_lots
    # A refusal of an order that was accepted is of its amend or cancel.
    refused = event.kind == EventKind.REJECT and order.answers[0].kind == EventKind.REJECT
    gone = event.kind in (EventKind.CANCEL, EventKind.CANCELED, EventKind.EXPIRED)
    if refused or gone or order.left_lots <= 0:
        order.end_index = min(order.end_index, event.market_index)
