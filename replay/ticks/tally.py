"""The figures of a run of fills, exact to the last digit; must never round: that is for who prints them.

Source: spec/reports.md 1, spec/core.md 24.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from fractions import Fraction

from mmfold.replay.ticks.model import Fill

# 200 digits hold any sum of products of numbers within the loader's bounds; were it not so, Inexact would stop the run.
EXACT = Context(prec=200, traps=[Inexact, InvalidOperation, Overflow])

Figures = Mapping[str, Fraction]

# The report's keys in the order of its table: the contract's six, then what the sum of bps should have been.
COUNT = "fills_total"
METRICS = (
    COUNT,
    "net_bps",
    "taker_share_pct",
    "order_age_p95_ms",
    "fees_bps",
    "turnover_usd",
    "net_bps_avg",
)
P95 = Fraction(95, 100)


@dataclass(slots=True)
class Tally:
    """What the fills so far add up to; memory grows with the number of different ages, not with fills.

    Units: `fee_notional` in bps x quote currency.
    """

    fills: int = 0
    takers: int = 0
    fees_bps: Decimal = Decimal(0)
    turnover: Decimal = Decimal(0)
    fee_notional: Decimal = Decimal(0)
    ages_ms: Counter[int] = field(default_factory=Counter)

    def add(self, fill: Fill, age_ms: int) -> None:
        """Count one fill; the decimal context must be EXACT.

        Units: `age_ms` since the order was placed.
        """
        assert fill.qty > 0 and age_ms >= 0, (fill, age_ms)
        notional = fill.price * fill.qty
        self.fills += 1
        self.takers += fill.is_taker
        self.fees_bps += fill.fee_bps
        self.turnover += notional
        self.fee_notional += fill.fee_bps * notional
        self.ages_ms[age_ms] += 1

    def figures(self) -> dict[str, Fraction]:
        """Return the report's figures.

        `net_bps` is minus the sum of the fees' bps, so it grows with the number of fills; `net_bps_avg` weighs each fee
        by its notional, which is what the fees were per turnover.
        """
        return {
            "fills_total": Fraction(self.fills),
            "net_bps": -Fraction(self.fees_bps),
            "taker_share_pct": Fraction(100 * self.takers, self.fills or 1),
            "order_age_p95_ms": quantile(self.ages_ms, P95),
            "fees_bps": Fraction(self.fees_bps),
            "turnover_usd": Fraction(self.turnover),
            "net_bps_avg": -Fraction(self.fee_notional) / Fraction(self.turnover) if self.turnover else Fraction(0),
        }


def quantile(counts: Counter[int], share: Fraction) -> Fraction:
    """Return a quantile of counted values, linear between neighbours at (n - 1) x share; 0 of nothing.

    Source: spec/reports.md 0.7, the backtest's p95.
    """
    total = counts.total()
    if total == 0:
        return Fraction(0)
    position = (total - 1) * share
    index = int(position)
    low, high = value_at(counts, index), value_at(counts, min(index + 1, total - 1))
    return low + (high - low) * (position - index)


def value_at(counts: Counter[int], index: int) -> int:
    """Return the value at an index of the sorted values."""
    for value in sorted(counts):
        index -= counts[value]
        if index < 0:
            return value
    raise AssertionError(f"{index} behind the last value")
