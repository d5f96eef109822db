"""What a position is worth, exactly; must never round where the core does not, and never replace its accounting."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from mmfold.engine.codes import Contract
from mmfold.engine.limits import MICROS_PER_UNIT
from mmfold.engine.manifest import Manifest
from mmfold.engine.records import NO_PRICE_TICKS, NO_VALUE
from mmfold.engine.state import State
from mmfold.reports.money import instrument_units


@dataclass(frozen=True, slots=True)
class PositionAmounts:
    """Amounts of one instrument.

    Units: `Units.money`: quote, or thousandths of the base; turnover, notional and exposure always in quote. Fees and
        funding positive = paid; None = no mark for an open position.
    """

    realized: Fraction  # before fees and funding
    unrealized: Fraction | None
    fees: Fraction
    funding: Fraction
    opening: Fraction  # gained up to the first mid by what was held before the journal; no part of net
    before: Fraction  # net of the journals before this one: realised - fees - funding
    net: Fraction | None  # of this journal
    spread: Fraction  # earned at the fills against the mid; inventory = realised + unrealised - spread
    inventory: Fraction | None
    turnover: Fraction
    notional: Fraction | None  # signed, at the mark
    exposure: Fraction | None


def mark_half_ticks(state: State, index: int) -> int | None:
    """Return the price a position is valued at: the mid, else the last fill, in half ticks (spec/core.md 20)."""
    mid = int(state.signals[index]["mid_half_ticks"])
    if mid != NO_PRICE_TICKS:
        return mid
    fill = int(state.positions[index]["price_fill_ticks"])
    return None if fill == NO_PRICE_TICKS else 2 * fill


def worth_half_ticklots(state: State, index: int, half_ticks: int) -> int:
    """Return what an instrument's position is worth at a price in half ticklots, as the core has it: of an inverse
    contract minus its base value, rounded down to whole ticklots.
    """
    instrument, lots = state.instruments[index], int(state.positions[index]["position_lots"])
    if lots == 0 or instrument["contract"] != Contract.INVERSE:
        return lots * half_ticks
    value, denominator = int(instrument["base_value_numerator"]), int(instrument["base_value_denominator"])
    return 2 * (-2 * lots * value // (denominator * half_ticks))


def opening_net_micros(row: np.void) -> int:
    """Return what the journals before this one had realised, less their fees and funding."""
    return int(row["opening_pnl_micros"]) - int(row["opening_fees_micros"]) - int(row["opening_funding_micros"])


def position_amounts(manifest: Manifest, state: State, index: int) -> PositionAmounts:
    """Return the amounts of an instrument's position."""
    row, units = state.positions[index], instrument_units(manifest.instruments[index])
    value, traded = units.tick_value, int(row["bought_lots"]) + int(row["sold_lots"])
    lots, mark = int(row["position_lots"]), mark_half_ticks(state, index)
    if mark is None and lots == 0:
        mark = 0  # a flat position is worth nothing at any price
    realized = int(row["realized_ticklots"]) * value
    fees = Fraction(int(row["fees_micros"]), MICROS_PER_UNIT)
    funding = Fraction(int(row["funding_micros"]), MICROS_PER_UNIT)
    worth = None if mark is None else worth_half_ticklots(state, index, mark) * value / 2
    notional = lots * units.lot_notional if units.is_inverse else worth
    unrealized = None if worth is None else worth - int(row["cost_ticklots"]) * value
    gained = int(row["opening_unrealized_micros"])
    opening = Fraction(gained, MICROS_PER_UNIT) if gained != NO_VALUE else unrealized or Fraction(0)
    own = None if unrealized is None else realized + unrealized - opening
    spread = int(row["spread_half_ticklots"]) * value / 2
    return PositionAmounts(
        realized=realized,
        unrealized=unrealized,
        fees=fees,
        funding=funding,
        opening=opening,
        before=Fraction(opening_net_micros(row), MICROS_PER_UNIT),
        net=None if own is None else own - fees - funding,
        spread=spread,
        inventory=None if own is None else own - spread,
        turnover=traded * units.lot_notional if units.is_inverse else int(row["turnover_ticklots"]) * value,
        notional=notional,
        exposure=None if notional is None else abs(notional),
    )
