"""The PnL difference of two journals of one market in parts that add up exactly; must never round a sum."""

from dataclasses import astuple, dataclass

from mmfold.engine.codes import Side
from mmfold.replay.parity.compare import Found, Matched, find_differences, match_sessions
from mmfold.replay.parity.session import Session
from mmfold.reports.position import mark_half_ticks
from mmfold.reports.tearsheet.fold import pnl_parts

ROUNDING_MICROS_MAX = 2  # two amounts rounded down against two parts rounded towards zero


@dataclass(frozen=True, slots=True)
class PnlDifference:
    """B's net PnL less A's, and what it is made of: total = fills + latency + fees + funding, exactly.

    Units: micros of the quote currency, each part as it changes the net PnL. `fills` holds the residue of the
        roundings, `rounding`, so that the parts add up; exchanging A and B negates every part.
    """

    fills: int = 0
    latency: int = 0
    fees: int = 0
    funding: int = 0
    rounding: int = 0

    @property
    def total(self) -> int:
        """B's net PnL less A's, in micros."""
        return self.fills + self.latency + self.fees + self.funding

    def __add__(self, other: "PnlDifference") -> "PnlDifference":
        return PnlDifference(*(x + y for x, y in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True)
class Parity:
    """Two sessions on one market, compared."""

    a: Session
    b: Session
    found: Found
    matched: list[Matched]
    pnl: list[PnlDifference]

    @property
    def diverged(self) -> bool:
        """Tell whether anything differs that is not time alone."""
        return self.found.first is not None or any(any(astuple(part)) for part in self.pnl)


def towards_zero(numerator: int, denominator: int) -> int:
    """Return a quotient rounded towards zero: the same for an amount and its negative."""
    size = abs(numerator) // denominator
    return size if numerator >= 0 else -size


def fills_value(session: Session, index: int) -> int:
    """Return what an instrument's fills are worth at the end: sum of side x lots x (mark - price), in half ticklots."""
    mark = mark_half_ticks(session.result.state, index) or 0  # none: there was no fill either
    return sum(
        (1 if fill.side == Side.BID else -1) * fill.qty_lots * (mark - 2 * fill.price_ticks)
        for fill in session.fills.get(index, [])
    )


def split_pnl(a: Session, b: Session, index: int, latency_half_ticklots: int) -> PnlDifference:
    """Return one instrument's difference in parts, every fill valued to the end.

    Both markets end alike, so a lot that both have filled differs by its price alone: that is `latency`. The rest of
    the value is of lots that one side has, `fills`.
    """
    instrument, net_a, net_b = a.result.state.instruments[index], *(pnl_parts(s.result.state, index) for s in (a, b))
    numerator, denominator = int(instrument["tick_value_numerator"]), 2 * int(instrument["tick_value_denominator"])
    gross = (net_b.spread + net_b.inventory) - (net_a.spread + net_a.inventory)
    latency = towards_zero(latency_half_ticklots * numerator, denominator)
    alone = fills_value(b, index) - fills_value(a, index) - latency_half_ticklots
    rounding = gross - latency - towards_zero(alone * numerator, denominator)
    assert abs(rounding) <= ROUNDING_MICROS_MAX, "the fills of a journal are not its core's position"
    return PnlDifference(
        fills=gross - latency,
        latency=latency,
        fees=net_a.fees - net_b.fees,
        funding=net_a.funding - net_b.funding,
        rounding=rounding,
    )


def compare_sessions(a: Session, b: Session) -> Parity:
    """Compare two sessions whose markets are the same."""
    matched = match_sessions(a, b)
    pnl = [split_pnl(a, b, index, found.latency_half_ticklots) for index, found in enumerate(matched)]
    return Parity(a, b, find_differences(a, b), matched, pnl)
