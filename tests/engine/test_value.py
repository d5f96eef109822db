"""What lots are worth, against fractions: exact, and where it cannot be, rounded against us by less than a unit."""

from collections.abc import Callable
from fractions import Fraction
from math import ceil, floor
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mmfold.engine import value
from mmfold.engine.limits import (
    BASE_VALUE_MAX,
    BEYOND,
    E8,
    HOLDING_MAX,
    MICROS_PER_UNIT,
    POSITION_LOTS_MAX,
    PPM,
    PRICE_TICKS_MAX,
    PRODUCT_MAX,
    VALUE_LOTS_MAX,
    VALUE_TICKLOTS_MAX,
)
from mmfold.engine.manifest import Instrument, ManifestError
from mmfold.engine.state import make_state
from tests.engine.rows import make_manifest

# tick, lot, contract value: BTCUSD_PERP, ETHUSD_PERP, a contract of a dollar, a cheap coin, steps that do not divide.
GRIDS = [
    *(("0.1", "1", "100"), ("0.01", "1", "10"), ("0.5", "1", "1"), ("0.00001", "1", "10")),
    *(("3", "1", "1"), ("0.7", "0.1", "9"), ("25", "0.5", "0.3")),
]
contracts = st.sampled_from(GRIDS).map(
    lambda grid: Instrument(symbol="X", contract="inverse", tick_size=grid[0], lot_size=grid[1], contract_value=grid[2])
)
half_ticks = st.one_of(st.integers(1, 2_000_000), st.integers(1, 2 * PRICE_TICKS_MAX))
lot_counts = st.one_of(st.integers(0, 10), st.integers(0, 1 << 20), st.integers(0, VALUE_LOTS_MAX))


def plain(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """Return a kernel as Python runs it."""
    function: Callable[..., Any] = getattr(kernel, "py_func", kernel)
    return function


def row_of(instrument: Instrument) -> np.void:
    """Return the core's record of an instrument."""
    fields = {name: getattr(instrument, name) for name in ("contract", "tick_size", "lot_size", "contract_value")}
    row: np.void = make_state(make_manifest(**fields)).instruments[0]
    return row


def base_of(instrument: Instrument, half: int, lots: int) -> Fraction:
    """Return the base value in 1e-9 base by the contract's definition: lots x lot x value / price."""
    quote = lots * Fraction(instrument.lot_size) * Fraction(instrument.contract_value)
    return quote / (Fraction(instrument.tick_size) * half / 2) * 10**9


@given(contracts, half_ticks, lot_counts)
@example(Instrument(symbol="X", contract="inverse", tick_size="0.1", lot_size="1"), 2 * PRICE_TICKS_MAX, VALUE_LOTS_MAX)
@example(
    Instrument(symbol="X", contract="inverse", tick_size="3", lot_size="1"), PRICE_TICKS_MAX - 1, VALUE_LOTS_MAX - 1
)
def test_a_base_value_is_exact(instrument: Instrument, half: int, lots: int) -> None:
    exact, row = base_of(instrument, half, lots), row_of(instrument)
    if 2 * instrument.base_value_ratio()[0] // (instrument.base_value_ratio()[1] * half) * lots > VALUE_TICKLOTS_MAX:
        with pytest.raises(AssertionError):
            value.base_parts(row, half, lots)
        return
    whole, rest, divisor = value.base_parts(row, half, lots)
    assert int(whole) + Fraction(int(rest), int(divisor)) == exact
    # What is bought is paid no less for, what is sold brings no more; -exact is what the lots stand for.
    assert value.value_half_ticklots(row, half, lots, 1) == 2 * ceil(-exact)
    assert value.value_half_ticklots(row, half, lots, -1) == 2 * floor(-exact)


@given(contracts, st.integers(1, 2_000_000), st.integers(1, 1 << 20), st.integers(-32_767, 32_767))
def test_a_fee_is_the_exact_one_rounded_up(instrument: Instrument, price: int, lots: int, rate_ppm: int) -> None:
    exact = base_of(instrument, 2 * price, lots) * rate_ppm / PPM
    if base_of(instrument, 2 * price, lots) < VALUE_TICKLOTS_MAX // 2:
        assert plain(value.fee_micros)(row_of(instrument), price, lots, rate_ppm) == ceil(exact)


@given(contracts, st.integers(-(1 << 31), 1 << 31), st.integers(10**4, 10**14), st.booleans())
def test_the_value_at_the_mark_is_rounded_once(instrument: Instrument, lots: int, mark_e8: int, upward: bool) -> None:
    quote = lots * Fraction(instrument.lot_size) * Fraction(instrument.contract_value)
    exact = quote / Fraction(mark_e8, E8) * 1_000 * E8
    if abs(exact) < VALUE_TICKLOTS_MAX // 20:
        found = plain(value.base_value_e8)(row_of(instrument), lots, mark_e8, upward)
        assert found == (ceil(exact) if upward else floor(exact))


@pytest.mark.parametrize(
    ("grid", "lots", "price", "bought", "sold", "fee", "notional"),
    [
        # 100 USD at 60,000.0 are 0.0016666666.. BTC: 1,666,666.67 of 1e-9; 500 ppm of it are 833.33.
        (GRIDS[0], 1, 600_000, -1_666_666, -1_666_667, 834, 100),
        (GRIDS[0], 3, 600_000, -5_000_000, -5_000_000, 2_500, 300),
        (GRIDS[0], 1, 500_000, -2_000_000, -2_000_000, 1_000, 100),
        (GRIDS[1], 7, 250_000, -28_000_000, -28_000_000, 14_000, 70),
        # A dollar of a coin at a cent: 1,000 coins for 10.
        (GRIDS[3], 1, 1_000, -1_000_000_000_000, -1_000_000_000_000, 500_000_000, 10),
    ],
)
def test_values_by_hand(
    grid: tuple[str, str, str], lots: int, price: int, bought: int, sold: int, fee: int, notional: int
) -> None:
    tick, lot, contract_value = grid
    row = row_of(
        Instrument(symbol="X", contract="inverse", tick_size=tick, lot_size=lot, contract_value=contract_value)
    )
    assert value.value_ticklots(row, price, lots, 1) == bought
    assert value.value_ticklots(row, price, lots, -1) == sold
    assert plain(value.fee_micros)(row, price, lots, 500) == fee
    for at in (1, price, 10 * price):
        assert value.notional_micros(row, at, lots) == value.notional_mid_micros(row, at, lots) == notional * 1_000_000


@given(st.sampled_from([("0.1", "0.001"), ("0.5", "1"), ("0.0000001", "10")]), half_ticks, st.integers(0, 1 << 20))
def test_a_linear_contract_is_price_x_lots(grid: tuple[str, str], half: int, lots: int) -> None:
    instrument = Instrument(symbol="X", tick_size=grid[0], lot_size=grid[1])
    row = row_of(instrument)
    exact = Fraction(grid[0]) * Fraction(grid[1]) * half * lots * MICROS_PER_UNIT / 2
    if 2 * exact * row["tick_value_denominator"] > PRODUCT_MAX:  # told, and never wrapped
        for call in (value.notional_mid_micros, lambda *a: value.value_half_ticklots(*a, 1)):
            with pytest.raises(AssertionError, match=BEYOND):
                call(row, half, lots)
        return
    assert (
        value.value_half_ticklots(row, half, lots, 1) == value.value_half_ticklots(row, half, lots, -1) == half * lots
    )
    assert value.notional_mid_micros(row, half, lots) == floor(exact)


STEP_PAIRS = [("0.1", "0.001"), ("0.0000000001", "0.1"), ("1", "1"), ("100", "1"), ("0.00000001", "0.00000001")]


@given(st.sampled_from(STEP_PAIRS), st.integers(1, PRICE_TICKS_MAX), st.integers(0, (1 << 62) - 1))
@example(("100", "1"), 46_116_860_185, 0)  # one lot is worth more than fits
@example(("100", "1"), 46_116, 1 << 61)
def test_what_an_amount_buys_is_exact_or_less_and_can_be_held(grid: tuple[str, str], price: int, micros: int) -> None:
    row = row_of(Instrument(symbol="X", tick_size=grid[0], lot_size=grid[1]))
    lot_micros = Fraction(grid[0]) * Fraction(grid[1]) * price * MICROS_PER_UNIT
    lots, most = int(value.lots_worth(row, price, micros)), int(value.holding_lots_max(row, price))
    assert 0 <= lots <= most <= POSITION_LOTS_MAX
    assert most * price * int(row["tick_value_numerator"]) <= HOLDING_MAX * (1 + Fraction(1, 1 << 40))
    million = floor(lot_micros * 1_000_000)
    if million >= 1 << 20 and million * 4 < 1 << 62 and micros < (1 << 62) // 1_000_000:
        assert lots == min(micros * 1_000_000 // million, most), "as it was before there were limits"
    assert lots * lot_micros <= micros * (1 + Fraction(1, 10**6)) + lot_micros
    assert lots == most or (lots + 1_000_001) * lot_micros > micros * (1 - Fraction(1, 10**6))


@pytest.mark.parametrize(
    ("fields", "fits"),
    [
        ({"tick_size": "0.1", "lot_size": "1", "contract_value": "100"}, True),
        ({"tick_size": "0.0000001", "lot_size": "1", "contract_value": "10"}, True),
        ({"tick_size": "0.0000000001", "lot_size": "1", "contract_value": "10"}, False),  # 1e20 of 1e-9 base at a tick
        ({"tick_size": "37", "lot_size": "1"}, False),  # thirty-sevenths
        ({"tick_size": "0.1", "lot_size": "0.0000001", "contract_value": "0.01"}, False),  # a thousandth of a micro
        ({"tick_size": "1", "lot_size": "1", "contract_value": "5000"}, False),
    ],
)
def test_an_inverse_contract_must_be_countable(fields: dict[str, str], fits: bool) -> None:
    assert Instrument(symbol="X", **fields)  # linear: nothing of it is counted in base
    if fits:
        assert Instrument(symbol="X", contract="inverse", **fields).base_value_ratio()[0] <= BASE_VALUE_MAX
        return
    with pytest.raises(ManifestError, match="cannot be counted in 1e-9 of the base currency"):
        Instrument(symbol="X", contract="inverse", **fields)
