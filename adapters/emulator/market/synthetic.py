"""A made-up market as EVENT rows: a seeded integer walk with a deep book; must never read clock or random state.

Every draw is a hash of (seed, instrument, step, purpose), so a market is the same on every machine. Takers hit the
touch in most steps, and each move of the price trades through the levels that it takes.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np

from mmfold.adapters.emulator.errors import VenueSetupError
from mmfold.config.instruments import find_instrument
from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.limits import E8, NS_PER_MS
from mmfold.engine.manifest import Instrument, Manifest
from mmfold.engine.records import EVENT, NO_ORDER_ID, NO_PRICE_TICKS, NO_TS_NS, NO_VALUE

STEP_NS = 50 * NS_PER_MS
DEPTH = 100  # levels of a side
MOVE_UNITS_MAX = 6
QUIET_PERCENT = 50  # steps in which the price stays
TAKER_PERCENT = 70  # quiet steps in which a taker hits the touch
CHANGE_COUNT = 4  # levels that change otherwise, per step
MARK_STEPS = 20
QTY_LEAST_DIVISOR = 20  # a level holds at least a twentieth of the largest
PULL_DIVISOR = 10  # the walk turns back within a tenth of where it started


@dataclass(frozen=True)
class Shape:
    """Where a symbol's market starts and how coarse it is."""

    price: str
    unit_ticks: int  # distance of two levels
    qty_lots_max: int


SHAPES = {"BTCUSDT": Shape("60000", 5, 3_000), "ETHUSDT": Shape("3000", 3, 4_000)}


def draw(seed: int, *key: int) -> int:
    """Return a uniform number of 32 bits; hashing costs a microsecond, which a made-up market can afford."""
    text = ",".join(map(str, (seed, *key))).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=4).digest(), "little")


MARKET_OF_VENUE = {"bybit": "linear", "binance": "usdm"}


def synthetic_manifest(seed: int, symbols: Sequence[str], venue: str = "bybit") -> Manifest:
    """Return the manifest of a made-up market that a venue lists, on its own grids.

    Raises: VenueSetupError.
    """
    instruments: list[Instrument] = []
    for symbol in sorted(set(symbols) or SHAPES):
        instrument = find_instrument(venue, MARKET_OF_VENUE[venue], symbol) if symbol in SHAPES else None
        if instrument is None:
            raise VenueSetupError(f"no synthetic market for {symbol}", f"there are {', '.join(SHAPES)}")
        instruments.append(instrument)
    return Manifest(run_id=f"synthetic-{seed}", instruments=tuple(instruments), seed=seed, source="synthetic")


def make_rows(kind: EventKind, index: int, levels: list[tuple[Side, int, int]]) -> np.ndarray:
    """Return the rows of one event: (side, price, qty) each."""
    rows = np.zeros(len(levels), EVENT)
    rows["kind"] = kind
    rows["instrument_index"] = index
    rows["ts_exchange_ns"] = rows["ts_receive_ns"] = NO_TS_NS
    rows["order_id"], rows["aux"] = NO_ORDER_ID, NO_VALUE
    rows["side"] = [level[0] for level in levels]
    rows["price_ticks"] = [level[1] for level in levels]
    rows["qty_lots"] = [level[2] for level in levels]
    rows["flags"][-1] = Flag.LAST
    return rows


@dataclass
class Walk:
    """One symbol's market: levels stand on a grid of units around `center`, the best bid's unit."""

    seed: int
    index: int
    shape: Shape
    tick: Decimal
    center: int = 0
    anchor: int = 0
    step: int = 0
    qty_lots: dict[int, int] = field(default_factory=dict)  # by unit; bids up to center, asks above
    swapped: set[int] = field(default_factory=set)  # prices that changed sides in this step

    def __post_init__(self) -> None:
        self.anchor = self.center = int(Decimal(self.shape.price) / self.tick) // self.shape.unit_ticks
        for unit in range(self.center - DEPTH + 1, self.center + DEPTH + 1):
            self.qty_lots[unit] = self.draw_qty(unit)

    def draw(self, purpose: int) -> int:
        """Return this step's draw for a purpose."""
        return draw(self.seed, self.index, self.step, purpose)

    def draw_qty(self, unit: int) -> int:
        """Return a new size for a level."""
        least = self.shape.qty_lots_max // QTY_LEAST_DIVISOR
        return least + draw(self.seed, self.index, self.step, 100, unit) % (self.shape.qty_lots_max - least)

    def level(self, unit: int) -> tuple[Side, int, int]:
        """Return a level as it stands."""
        side = Side.BID if unit <= self.center else Side.ASK
        return side, unit * self.shape.unit_ticks, self.qty_lots.get(unit, 0)

    def snapshot(self) -> np.ndarray:
        """Return the whole book."""
        return make_rows(EventKind.BOOK_SNAPSHOT, self.index, [self.level(unit) for unit in sorted(self.qty_lots)])

    def trade(self, side: Side, unit: int, qty_lots: int) -> np.ndarray:
        """Return a taker's trade at a level."""
        rows = make_rows(EventKind.TRADE, self.index, [(side, unit * self.shape.unit_ticks, qty_lots)])
        rows["aux"] = self.step
        return rows

    def mark(self) -> np.ndarray:
        """Return mark and index price: the mid, and a little beside it."""
        rows = make_rows(EventKind.MARK, self.index, [(Side.NONE, NO_PRICE_TICKS, 0)])
        mid_e8 = int(self.tick * E8 * self.shape.unit_ticks * (2 * self.center + 1)) // 2
        rows["aux"] = mid_e8
        rows["order_id"] = mid_e8 + mid_e8 // 20_000
        return rows

    def advance(self) -> list[np.ndarray]:
        """Return the events of the next step."""
        self.step += 1
        events = [self.mark()] if self.step % MARK_STEPS == 0 else []
        changed: set[int] = set()
        if self.draw(0) % 100 < QUIET_PERCENT:
            events += self.take_touch(changed)
        else:
            events += self.move(changed)
        for purpose in range(20, 20 + CHANGE_COUNT):
            unit = self.center - DEPTH + 1 + self.draw(purpose) % (2 * DEPTH)
            self.qty_lots[unit] = self.draw_qty(unit)
            changed.add(unit)
        levels = [self.level(unit) for unit in changed]
        # A price that changed sides is removed where it was.
        levels += [(Side(1 - side), price, 0) for side, price, _ in levels if price in self.swapped]
        self.swapped = set()
        return [*events, make_rows(EventKind.BOOK_DELTA, self.index, sorted(levels))]

    def take_touch(self, changed: set[int]) -> list[np.ndarray]:
        """Let a taker hit the touch; what is left of a small level is filled up again."""
        if self.draw(1) % 100 >= TAKER_PERCENT:
            return []
        side = Side(self.draw(2) % 2)
        unit = self.center + 1 if side == Side.BID else self.center
        qty_lots = max(1, self.qty_lots[unit] * (10 + self.draw(3) % 60) // 100)
        self.qty_lots[unit] -= qty_lots
        if self.qty_lots[unit] < self.shape.qty_lots_max // QTY_LEAST_DIVISOR:
            self.qty_lots[unit] = self.draw_qty(unit)
        changed.add(unit)
        return [self.trade(side, unit, qty_lots)]

    def move(self, changed: set[int]) -> list[np.ndarray]:
        """Move the price by some units, trading through the levels on the way."""
        units = 1 + self.draw(4) % MOVE_UNITS_MAX
        pull = (self.center - self.anchor) * PULL_DIVISOR * 50 // self.anchor  # percent of steps turned round
        up = self.draw(5) % 100 < 50 - pull
        side, step = (Side.BID, 1) if up else (Side.ASK, -1)
        trades = []
        for _ in range(units):
            taken = self.center + 1 if up else self.center
            trades.append(self.trade(side, taken, self.qty_lots[taken]))
            far_out, far_in = (self.center - DEPTH + 1, self.center + DEPTH + 1)
            if not up:
                far_out, far_in = self.center + DEPTH, self.center - DEPTH
            self.qty_lots.pop(far_out)
            self.center += step
            self.qty_lots[taken], self.qty_lots[far_in] = self.draw_qty(taken), self.draw_qty(far_in)
            self.swapped.add(taken * self.shape.unit_ticks)
            changed |= {taken, far_out, far_in}
        return trades


def synthetic_events(manifest: Manifest) -> Iterator[tuple[int, np.ndarray]]:
    """Return (time since the start in ns, rows of one event) without end."""
    walks = [
        Walk(manifest.seed, index, SHAPES[instrument.symbol], Decimal(instrument.tick_size))
        for index, instrument in enumerate(manifest.instruments)
    ]
    return walked(walks, STEP_NS)


def walked(walks: Sequence[Walk], step_ns: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (time since the start in ns, rows of one event) of some walks, a step of each in so many ns."""
    for walk in walks:
        yield 0, walk.snapshot()
        yield 0, walk.mark()
    step = 0
    while True:
        step += 1
        for walk in walks:
            offset_ns = step * step_ns + walk.index * step_ns // len(walks)
            for rows in walk.advance():
                yield offset_ns, rows
