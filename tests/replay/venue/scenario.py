"""A market and a script of requests as plain data, made from a seed, and the real loop that plays them.

The core is fed but decides nothing: what reaches the venue is the script's, so every answer is the venue's alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from random import Random
from typing import Any

import numpy as np

from mmfold.engine.codes import EventKind, Flag, Side, Stop
from mmfold.engine.limits import E8, MICROS_PER_UNIT, NS_PER_MS, ORDER_COUNT_MAX
from mmfold.engine.manifest import Manifest
from mmfold.engine.orders import SLOTS_PER_SIDE
from mmfold.engine.records import EVENT, NO_ORDER_ID, NO_PRICE_TICKS, NO_TS_NS, NO_VALUE
from mmfold.engine.state import make_out, make_state
from mmfold.replay.assumptions import Assumptions, FeeTier
from mmfold.replay.venue.fifo import make_queues
from mmfold.replay.venue.loop import Arrays, simulate
from mmfold.replay.venue.queue import QueueModel
from mmfold.replay.venue.records import MESSAGE, NEVER_NS, SIM, make_venues
from mmfold.replay.window import Windows, feed_latency_of, measure_span
from tests.engine.rows import T0_NS, book_event, event, make_manifest
from tests.replay.venue.by_order import tell_orders

Level = tuple[int, int, int]  # side, price_ticks, qty_lots
BOOK = (EventKind.BOOK_SNAPSHOT, EventKind.BOOK_DELTA)
STREAM = (*BOOK, EventKind.BOOK_ORDER)
MS = NS_PER_MS


PLAIN = Assumptions(queue_model=QueueModel.RISK_AVERSE, entry_latency_ns=0, response_latency_ns=0)


@dataclass(frozen=True, kw_only=True)
class Happening:
    """One market event; times in ns, None where the recording has no exchange time."""

    kind: EventKind
    exchange_ns: int | None
    receive_ns: int
    instrument: int = 0
    levels: tuple[Level, ...] = ()
    seq: int = 0
    prev: int | None = None
    aggressor: Side = Side.NONE  # of a TRADE; the side of an order of the market
    number: int = 0  # of an order of the market
    price: int = 0
    qty: int = 0
    block: bool = False

    def rows(self) -> np.ndarray:
        """Return the event's rows, not numbered yet."""
        times = {
            "ts_exchange_ns": NO_TS_NS if self.exchange_ns is None else self.exchange_ns,
            "ts_receive_ns": self.receive_ns,
            "instrument_index": self.instrument,
        }
        if self.kind in BOOK:
            sides = [[(price, qty) for at, price, qty in self.levels if at == side] for side in (Side.BID, Side.ASK)]
            prev = NO_ORDER_ID if self.prev is None else self.prev
            return book_event(self.kind, sides[0], sides[1], aux=self.seq, order_id=prev, **times)
        if self.kind == EventKind.TRADE:
            flags = Flag.BLOCK if self.block else 0
            trade = {"side": self.aggressor, "price_ticks": self.price, "qty_lots": self.qty, "flags": flags}
            return event(self.kind, **trade, **times)
        if self.kind == EventKind.BOOK_ORDER:
            fields = {"side": self.aggressor, "price_ticks": self.price, "qty_lots": self.qty, "aux": self.seq}
            return event(self.kind, order_id=self.number, **fields, **times)
        if self.kind == EventKind.MARK:
            return event(self.kind, aux=self.price * E8 if self.price else NO_VALUE, **times)
        return event(self.kind, **times)


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request as it reaches the venue at `ts_ns`; `filled` is what an amend believes to be filled."""

    ts_ns: int
    kind: EventKind
    order_id: int
    instrument: int = 0
    price: int = 0
    qty: int = 0
    filled: int = 0
    flags: int = Flag.POST_ONLY  # of a PLACE; without a price (0) it is a market order

    @property
    def side(self) -> Side:
        """The side that the order's slot is on."""
        return Side.BID if self.order_id % ORDER_COUNT_MAX < SLOTS_PER_SIDE else Side.ASK

    def row(self) -> np.ndarray:
        """Return the request's row."""
        fields = {"instrument_index": self.instrument, "order_id": self.order_id, "side": self.side}
        if self.kind != EventKind.CANCEL:
            fields |= {"price_ticks": self.price or NO_PRICE_TICKS, "qty_lots": self.qty}
        if self.kind == EventKind.PLACE:
            fields["flags"] = self.flags
        if self.kind == EventKind.AMEND:
            fields["aux"] = self.filled
        return event(self.kind, **fields)


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What happens, and under which assumptions; `cuts` are the events that a new chunk of the recording starts at."""

    manifest: Manifest
    market: tuple[Happening, ...]
    requests: tuple[Request, ...] = ()
    assumptions: Assumptions = PLAIN
    cuts: tuple[int, ...] = ()


@dataclass
class Played:
    """What came out: the inputs of the core in their order, and where the venue stands."""

    inputs: np.ndarray
    arrays: Arrays = field(repr=False)


def make_arrays(manifest: Manifest, assumptions: Assumptions) -> Arrays:
    """Return the arrays of a loop before its first event, without timers and with a core that decides nothing."""
    state = make_state(manifest)
    arrays = Arrays(
        clocks=state.clock,
        cells=state.cells,
        outs=make_out(False),
        venue_cells=make_state(manifest).cells,
        venues=make_venues(manifest.instruments),
        sims=np.zeros(1, SIM),
        queues=make_queues(len(manifest.instruments) if assumptions.queue_model == QueueModel.FIFO else 0),
    )
    arrays.sims[0]["ts_timer_ns"] = arrays.sims[0]["ts_expiry_ns"] = arrays.sims[0]["ts_outage_ns"] = NEVER_NS
    arrays.sims[0]["keep_inputs"] = 1
    return arrays


def chunks_of(scenario: Scenario) -> list[np.ndarray]:
    """Return the recording's rows, cut where the scenario says."""
    parts = [one.rows() for one in scenario.market]
    for seq, part in enumerate(parts):
        part["seq"] = seq + 1
    bounds = [0, *sorted({cut for cut in scenario.cuts if cut < len(parts)}), len(parts)]
    return [np.concatenate(parts[a:b]) for a, b in pairwise(bounds)]


def play(scenario: Scenario, watch: Callable[[Arrays], None] = lambda arrays: None) -> Played:
    """Run the real window and the real loop over a scenario; `watch` looks on after each chunk."""
    arrays = make_arrays(scenario.manifest, scenario.assumptions)
    sim = arrays.sims[0]
    scenario.assumptions.apply(sim, seed=0)
    messages = np.zeros(len(scenario.requests), MESSAGE)
    for message, request in zip(messages, scenario.requests, strict=True):
        message["ts_ns"], message["row"] = request.ts_ns, request.row()[0]
    sim["requests"][: len(messages)] = messages
    sim["request_count"] = len(messages)
    chunks = chunks_of(scenario)
    windows = Windows(iter(chunks), feed_latency_of(measure_span(iter(chunks))), arrays.sims)
    taken, more = [np.zeros(0, EVENT)], True
    while more:
        more = windows.advance()
        stop = simulate(arrays)
        assert stop == Stop.END
        taken.append(sim["output"][: sim["output_count"]].copy())
        sim["output_count"] = sim["effect_count"] = 0
        watch(arrays)
    rows = np.concatenate(taken)
    return Played(rows[rows["kind"] < EventKind.PLACE], arrays)


class Walk:
    """One instrument's true book, from which its messages are made: a mid that walks, levels that come and go."""

    def __init__(self, index: int, random: Random, mid: int = 100, reach: int = 4) -> None:
        self.index, self.random = index, random
        self.mid = mid
        self.low, self.high = mid - reach, mid + reach
        self.seq = 10
        self.depth = 0  # levels of a side that are told at most, 0: all
        self.book: dict[tuple[int, int], int] = {}
        self.gap = False

    def move(self) -> tuple[Level, ...]:
        """Change the book; returns the levels that differ."""
        random, before = self.random, self.shown()
        self.mid += random.choice((-2, -1, -1, 0, 0, 0, 0, 0, 1, 1, 2))
        self.mid = min(max(self.mid, self.low), self.high)
        self.book = {k: q for k, q in self.book.items() if (k[1] < self.mid) == (k[0] == Side.BID) and k[1] != self.mid}
        for _ in range(random.randrange(4)):
            side, depth = random.choice((Side.BID, Side.ASK)), random.randrange(1, 6)
            price = self.mid - depth if side == Side.BID else self.mid + depth
            self.book[side, price] = random.choice((0, 1, 2, 5, 9, 40))
        if random.random() < 0.02:  # a crossed or locked book
            self.book[Side.BID, self.mid + random.randrange(3)] = 3
        self.book = {key: qty for key, qty in self.book.items() if qty}
        shown = self.shown()
        changed = {key: 0 for key in before if key not in shown}
        changed |= {key: qty for key, qty in shown.items() if before.get(key) != qty or random.random() < 0.1}
        return tuple((*key, qty) for key, qty in sorted(changed.items()))

    def shown(self) -> dict[tuple[int, int], int]:
        """Return what is told of the book: the best levels."""
        sides = [sorted((key for key in self.book if key[0] == side), key=lambda key: key[1]) for side in (0, 1)]
        bids, asks = sides[0][::-1], sides[1]
        count = self.depth or len(self.book)
        return {key: self.book[key] for key in (*bids[:count], *asks[:count])}

    def happening(self, exchange_ns: int | None, receive_ns: int) -> Happening:
        """Return the instrument's next market event."""
        random = self.random
        at = {"exchange_ns": exchange_ns, "receive_ns": receive_ns, "instrument": self.index}
        draw = random.random()
        if not self.book or draw < (0.4 if self.gap else 0.03):
            self.move()
            self.gap = False
            self.seq += random.randrange(2)
            levels = tuple((*key, qty) for key, qty in sorted(self.shown().items()))
            return Happening(kind=EventKind.BOOK_SNAPSHOT, levels=levels, seq=self.seq, **at)
        if draw < 0.6:
            prev = self.seq
            self.seq += random.choice((1, 1, 3))
            if random.random() < 0.03:
                self.gap, prev = True, prev + 1
            elif random.random() < 0.03:  # older than the book
                return Happening(kind=EventKind.BOOK_DELTA, levels=self.move(), seq=prev - 1, prev=prev - 2, **at)
            return Happening(kind=EventKind.BOOK_DELTA, levels=self.move(), seq=self.seq, prev=prev, **at)
        if draw < 0.95:
            aggressor = random.choice((Side.BID, Side.ASK))
            depth = random.choice((0, 1, 1, 1, 2, 3))
            price = self.mid + depth if aggressor == Side.BID else self.mid - depth
            qty = random.choice((1, 2, 3, 5, 8, 30))
            block = random.random() < 0.05
            return Happening(kind=EventKind.TRADE, aggressor=aggressor, price=price, qty=qty, block=block, **at)
        kind = random.choice((EventKind.MARK, EventKind.BOOK_GAP, EventKind.BOOK_CLEAR))
        price = self.mid + (self.seq % 5 - 2) * 15 if kind == EventKind.MARK else 0
        return Happening(kind=kind, price=price, **at)


PLACE_FLAGS = (
    *(Flag.POST_ONLY,) * 6, 0, Flag.IOC, Flag.FOK, Flag.POST_ONLY | Flag.REDUCE_ONLY, Flag.IOC | Flag.REDUCE_ONLY
)  # fmt: skip


def random_requests(random: Random, walks: list[Walk], span_ns: int) -> tuple[Request, ...]:
    """Return a script: orders near the market, amends and cancels of them at any time, repeats, unknown ids."""
    requests: list[Request] = []
    placed: list[Request] = []
    times = sorted(T0_NS + random.randrange(-MS, span_ns) // MS * MS for _ in range(random.randrange(60)))
    for seq, ts_ns in enumerate(times, 1):
        draw = random.random()
        if not placed or draw < 0.45:
            slot = random.choice((0, 1, 2, SLOTS_PER_SIDE, SLOTS_PER_SIDE + 1, ORDER_COUNT_MAX - 1))
            away = random.choice((-1, 0, 1, 1, 1, 2, 2, 3, 5))
            price = 100 - away if slot < SLOTS_PER_SIDE else 100 + away
            instrument, qty = random.randrange(len(walks)), random.choice((1, 2, 3, 5, 20, 60, 60))
            order_id = (seq << 16) | (instrument << 6) | slot
            kind, flags = EventKind.PLACE, random.choice(PLACE_FLAGS)
            price = 0 if flags & Flag.IOC and random.random() < 0.3 else price
            same = {"order_id": order_id, "instrument": instrument, "price": price, "qty": qty, "flags": flags}
            one = Request(ts_ns=ts_ns, kind=kind, **same)
            placed.append(one)
        else:
            old = random.choice(placed[-8:])
            same = {"ts_ns": ts_ns, "order_id": old.order_id, "instrument": old.instrument}
            if draw < 0.5:
                one = Request(kind=EventKind.PLACE, price=old.price, qty=old.qty, flags=old.flags, **same)
            elif draw < 0.75 and old.price:
                price, qty = old.price + random.choice((0, 0, 0, -1, 1)), max(1, old.qty + random.randrange(-2, 3))
                filled = random.choice((0, 0, 1, 2))
                one = Request(kind=EventKind.AMEND, price=price, qty=qty, filled=filled, **same)
            else:
                one = Request(kind=EventKind.CANCEL, **same)
        requests.append(one)
    return tuple(requests)


def random_assumptions(random: Random, lot_size: str) -> Assumptions:
    """Return a venue's rules: mostly plain, each rule now and then."""
    return Assumptions(
        entry_latency_ns=0,
        queue_model=random.choice(list(QueueModel)),
        partial_fills=random.random() < 0.7,
        response_latency_ns=random.choice((0, 1, 10 * MS, 50 * MS)),
        request_per_s_max=random.choice((0, 0, 0, 0, 0, 20)),
        order_lifetime_ns=random.choice((0, 0, 0, 3 * MS, 40 * MS)),
        min_notional_filter=True,
        extra_slippage_ppm=random.choice((0, 0, 0, 30_000)),
        fee_tiers=random.choice(((), (), (FeeTier(0, 100, 500), FeeTier(200, -50, 300), FeeTier(900, -60, 250)))),
        equity_micros=random.choice((0, 0, 0, 60, 700)) * int(Fraction(lot_size) * MICROS_PER_UNIT),
        initial_margin_ppm=random.choice((100_000, 1_000_000)),
        maintenance_margin_ppm=random.choice((5_000, 90_000)),
        liquidation_fee_ppm=random.choice((0, 700)),
    )


def random_scenario(seed: int, venue: str) -> Scenario:
    """Return the scenario of a seed, on a venue whose snapshots are in (bybit) or beside (binance) the stream."""
    random = Random(seed)
    count = random.choice((1, 1, 2))
    walks = [Walk(index, random) for index in range(count)]
    depth = random.choice((0, 1, 2, 3)) if venue == "bybit" else 0
    for walk in walks:
        walk.depth = depth
    market: list[Happening] = []
    exchange_ns = T0_NS
    behind_ns = random.choice((0, 0, 5 * MS))  # a receive clock that is behind the exchange's
    step_back = random.choice((0.0, 0.1))
    for _ in range(random.randrange(2, 120)):
        exchange_ns += random.choice((0, 0, MS, MS, 2 * MS, 7 * MS))
        told_ns = exchange_ns - (random.randrange(4) * MS if random.random() < 0.1 else 0)
        receive_ns = max([exchange_ns + random.randrange(4) * MS, *(one.receive_ns + behind_ns for one in market[-1:])])
        receive_ns -= behind_ns + (random.randrange(6) * MS if random.random() < step_back else 0)
        known = None if random.random() < 0.02 else told_ns
        market.append(random.choice(walks).happening(known, receive_ns))
    if all(one.exchange_ns is None or one.kind not in (*BOOK, EventKind.TRADE) for one in market):
        return random_scenario(seed + 1, venue)
    rules: dict[str, Any] = {
        "maker_fee_ppm": 100,
        "taker_fee_ppm": 500,
        "min_notional_micros": random.choice((0, 400_000)),
    }
    rules |= {"lot_size": random.choice(("1", "0.001")), "min_qty_lots": 2, "book_depth": depth}
    assumptions = random_assumptions(random, rules["lot_size"])
    if random.random() < (0.9 if assumptions.queue_model == QueueModel.FIFO else 0.1):
        market = tell_orders(random, market)
    return Scenario(
        manifest=make_manifest(*"XY"[:count], venue=venue, **rules),
        market=tuple(market),
        requests=random_requests(random, walks, exchange_ns - T0_NS + 20 * MS),
        assumptions=assumptions,
        cuts=tuple(random.randrange(1, 120) for _ in range(random.choice((0, 1, 5, 200)))),
    )
