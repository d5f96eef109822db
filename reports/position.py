"""What a position is worth, exactly; must never round and never replace the core's own accounting."""

from dataclasses import dataclass
from fractions import Fraction

from engine.limits import MICROS_PER_UNIT
from engine.manifest import Manifest
from engine.records import NO_PRICE_TICKS
from engine.state import State
from reports.money import instrument_units


@dataclass(frozen=True, slots=True)
class PositionAmounts:
    """Amounts of one instrument.

    Units: quote currency; fees and funding positive = paid; None = no mark for an open position.
    """

    realized: Fraction  # before fees and funding
    unrealized: Fraction | None
    fees: Fraction
    funding: Fraction
    net: Fraction | None
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


def position_amounts(manifest: Manifest, state: State, index: int) -> PositionAmounts:
    """Return the amounts of an instrument's position."""
    row, value = state.positions[index], instrument_units(manifest.instruments[index]).tick_value
    lots, mark = int(row["position_lots"]), mark_half_ticks(state, index)
    if mark is None and lots == 0:
        mark = 0  # a flat position is worth nothing at any price
    realized = int(row["realized_ticklots"]) * value
    fees = Fraction(int(row["fees_micros"]), MICROS_PER_UNIT)
    funding = Fraction(int(row["funding_micros"]), MICROS_PER_UNIT)
    notional = None if mark is None else lots * mark * value / 2
    unrealized = None if notional is None else notional - int(row["cost_ticklots"]) * value
    spread = int(row["spread_half_ticklots"]) * value / 2
    return PositionAmounts(
        realized=realized,
        unrealized=unrealized,
        fees=fees,
        funding=funding,
        net=None if unrealized is None else realized + unrealized - fees - funding,
        spread=spread,
        inventory=None if unrealized is None else realized + unrealized - spread,
        turnover=int(row["turnover_ticklots"]) * value,
        notional=notional,
        exposure=None if notional is None else abs(notional),
    )
