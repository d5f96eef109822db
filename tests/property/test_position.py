"""Position, cost, fees and funding against exact fractions: cash is kept to the last ticklot, no rounding is ours."""

from fractions import Fraction
from math import ceil, floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.limits import E8, E9, MICROS_PER_UNIT, PPM
from mmfold.engine.manifest import Instrument
from mmfold.replay.result import SAMPLE
from mmfold.replay.sampling import write_samples
from tests.engine.rows import House, book_event, event, make_manifest

GRIDS = [("0.1", "0.001"), ("0.01", "0.1"), ("0.0000001", "1"), ("0.5", "0.00001"), ("1", "1"), ("0.00000001", "0.01")]
MAKER_PPM, TAKER_PPM = -25, 550

instruments = st.sampled_from(GRIDS).map(
    lambda grid: Instrument(
        symbol="X", tick_size=grid[0], lot_size=grid[1], maker_fee_ppm=MAKER_PPM, taker_fee_ppm=TAKER_PPM
    )
)
fills = st.tuples(
    st.sampled_from([Side.BID, Side.ASK]),
    st.integers(1, 1_000_000),
    st.one_of(st.integers(1, 9), st.integers(1, 200_000)),
    st.booleans(),
)


class Ledger:
    """The naive oracle: average cost and cash as fractions of a ticklot and of a micro."""

    def __init__(self, instrument: Instrument) -> None:
        self.tick_value = Fraction(instrument.tick_size) * Fraction(instrument.lot_size) * MICROS_PER_UNIT
        self.lots = self.cash = self.closes = 0
        self.average = self.realized = Fraction(0)
        self.fees = 0

    def fill(self, side: Side, price: int, qty: int, maker: bool) -> None:
        sign = 1 if side == Side.BID else -1
        self.cash -= sign * price * qty
        self.fees += ceil(price * qty * self.tick_value * (MAKER_PPM if maker else TAKER_PPM) / PPM)
        closed = min(qty, abs(self.lots)) if self.lots * sign < 0 else 0
        self.realized += -sign * (price - self.average) * closed
        self.closes += closed > 0
        after = self.lots + sign * qty
        if not closed:
            self.average = (self.average * abs(self.lots) + price * qty) / abs(after)
        elif after * sign > 0:
            self.average = Fraction(price)
        self.lots = after


def fill_row(fill: tuple[Side, int, int, bool]) -> np.ndarray:
    side, price, qty, maker = fill
    fields = {"side": side, "price_ticks": price, "qty_lots": qty, "flags": Flag.MAKER * maker}
    return event(EventKind.FILL, **fields)


def pnl_micros(house: House) -> int:
    samples = np.zeros(1, SAMPLE)
    write_samples(house.core.state.clock, house.core.state.cells, samples)
    return int(samples[0]["pnl_micros"])


def house_of(instrument: Instrument) -> House:
    fields = {name: getattr(instrument, name) for name in ("tick_size", "lot_size", "maker_fee_ppm", "taker_fee_ppm")}
    return House(make_manifest(**fields), enabled=0)


@given(instruments, st.lists(fills, min_size=1, max_size=12), st.integers(2, 1_000_000))
def test_fills_against_average_cost(
    instrument: Instrument, history: list[tuple[Side, int, int, bool]], bid: int
) -> None:
    house, ledger = house_of(instrument), Ledger(instrument)
    house.feed(book_event(EventKind.BOOK_SNAPSHOT, [(bid, 1)], [(bid + 3, 1)]))
    for fill in history:
        house.feed(fill_row(fill))
        ledger.fill(*fill)
        position = house.cell["position"]
        assert position["position_lots"] == ledger.lots
        assert position["fees_micros"] == ledger.fees
        # Cost shares are rounded to whole ticklots, each by less than one; cash is exact.
        assert position["realized_ticklots"] - position["cost_ticklots"] == ledger.cash
        assert abs(position["realized_ticklots"] - ledger.realized) <= ledger.closes
        assert position["cost_ticklots"] == 0 or position["position_lots"] != 0
    position = house.cell["position"]
    assert position["bought_lots"] - position["sold_lots"] == ledger.lots
    assert position["turnover_ticklots"] == sum(price * qty for _, price, qty, _ in history)
    assert position["maker_fill_count"] == sum(maker for *_, maker in history)
    exact = (ledger.cash + Fraction(2 * bid + 3, 2) * ledger.lots) * ledger.tick_value - ledger.fees
    assert exact - 2 < pnl_micros(house) <= exact


@given(
    instruments, st.integers(-2_000_000, 2_000_000).filter(bool), st.integers(1, 10**13), st.integers(-(10**7), 10**7)
)
def test_funding_is_rounded_against_us_by_a_micro_at_most(
    instrument: Instrument, lots: int, mark_e8: int, rate_e9: int
) -> None:
    house = house_of(instrument)
    house.feed(fill_row((Side.BID if lots > 0 else Side.ASK, 1, abs(lots), True)))
    house.feed(event(EventKind.FUNDING, aux=rate_e9, order_id=mark_e8))
    exact = lots * Fraction(instrument.lot_size) * Fraction(mark_e8, E8) * Fraction(rate_e9, E9) * MICROS_PER_UNIT
    assert ceil(exact) <= house.cell["position"]["funding_micros"] <= ceil(exact) + 1


@pytest.mark.parametrize(
    ("fills", "realized", "cost", "fees"),
    [
        # 5 bought at 100, 2 sold at 103: 6 gained, 300 left of 500; 550 ppm of 500 and 206 USD.
        ([("bid", 100, 5), ("ask", 103, 2)], 6, 300, 275_000 + 113_300),
        # Sold through zero: 5 closed at 103, 3 opened short at 103.
        ([("bid", 100, 5), ("ask", 103, 8)], 15, -309, 275_000 + 453_200),
        # Average of 100 and 101 over 3 lots is 302 / 3; of one lot 100 is taken, 202 stays.
        ([("bid", 100, 1), ("bid", 101, 2), ("ask", 100, 1)], 0, 202, 55_000 + 111_100 + 55_000),
        ([("ask", 100, 2), ("bid", 90, 2)], 20, 0, 110_000 + 99_000),
    ],
)
def test_fills_by_hand(fills: list[tuple[str, int, int]], realized: int, cost: int, fees: int) -> None:
    house = house_of(Instrument(symbol="X", tick_size="1", lot_size="1", maker_fee_ppm=0, taker_fee_ppm=550))
    for side, price, qty in fills:
        house.feed(fill_row((Side[side.upper()], price, qty, False)))
    position = house.cell["position"]
    assert (position["realized_ticklots"], position["cost_ticklots"], position["fees_micros"]) == (realized, cost, fees)


def test_a_fee_of_many_millions_is_exact() -> None:
    house = house_of(Instrument(symbol="X", tick_size="1", lot_size="1", maker_fee_ppm=0, taker_fee_ppm=550))
    house.feed(fill_row((Side.BID, 1_000_000, 200_000, False)))  # 2e11 units: micros x ppm would pass 64 bits
    assert house.cell["position"]["fees_micros"] == 200_000 * 550 * MICROS_PER_UNIT


def test_a_rebate_is_rounded_down() -> None:
    house = house_of(Instrument(symbol="X", tick_size="0.000001", lot_size="1", maker_fee_ppm=-25, taker_fee_ppm=1))
    house.feed(fill_row((Side.BID, 50_000, 1, True)))  # 1.25 micros
    assert house.cell["position"]["fees_micros"] == -floor(Fraction(5, 4))
    house.feed(fill_row((Side.ASK, 1, 1, False)))  # a millionth of a micro, still a cost
    assert house.cell["position"]["fees_micros"] == 0


@pytest.mark.parametrize(
    ("maker", "code", "fees"),
    [
        (False, 0, 550),  # not told: the instrument's rates
        (True, 0, -25),
        (False, (1 << 15) + 100, 100),
        (True, (1 << 15) + 100, 100),
        (True, 1 << 15, 0),  # told to be free
        (False, (1 << 15) - 80, -80),
        (False, 1, -32_767),
        (True, 65_535, 32_767),
    ],
)
def test_a_fill_costs_the_rate_that_the_venue_charged(maker: bool, code: int, fees: int) -> None:
    house = house_of(Instrument(symbol="X", tick_size="1", lot_size="1", maker_fee_ppm=-25, taker_fee_ppm=550))
    row = fill_row((Side.BID, 1, 1, maker))
    row["code"] = code
    house.feed(row)
    assert house.cell["position"]["fees_micros"] == fees
