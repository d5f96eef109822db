"""Turnover: what was traded, fading with a half-life and as sums of 24 hours and 30 days; must never count a fill of
another journal.

Source: spec/core.md 18 L7 (a decayed sum; the average beside it), 19 (30 days, by maker and taker). Units: micros of
the quote currency. Rings roll by the core's clock, at fills and timers.
"""

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from mmfold.engine.codes import Flag
from mmfold.engine.features.seam import Feature, FeatureMetric, Read, total
from mmfold.engine.jit import kernel
from mmfold.engine.limits import (
    BEYOND,
    MICROS_PER_UNIT,
    NS_PER_MS,
    NS_PER_S,
    PRODUCT_MAX,
    TURNOVER_DAY_COUNT,
    TURNOVER_QUARTER_COUNT,
)
from mmfold.engine.signals import decay_pow2
from mmfold.engine.value import notional_micros

HALF_LIFE_NS = 600 * NS_PER_S
DECAY_NS_MIN = NS_PER_S  # a timer decays no more often than this: 0.1 % of the sum
QUARTER_NS = 900 * NS_PER_S
DAY_NS = TURNOVER_QUARTER_COUNT * QUARTER_NS
MAKER, TAKER = 0, 1
LIQUIDITIES = ("maker", "taker")
assert DAY_NS == 86_400 * NS_PER_S


@kernel
def apply_decay(turnover, ts_now_ns):
    """Let the decayed sum fade up to now."""
    decay = decay_pow2((ts_now_ns - turnover["ts_decay_ns"]) * 1.0 / HALF_LIFE_NS)
    turnover["decayed_micros"] = turnover["decayed_micros"] * decay
    turnover["ts_decay_ns"] = ts_now_ns


@kernel
def apply_average(turnover, ts_now_ns, micros):
    """Fold one fill into the average notional: the first one is it, fills of one time are 1 ms apart (spec/core.md
    0).
    """
    if turnover["fill_count"] == 0:
        turnover["average_micros"] = micros * 1.0
        return
    dt_ns = max(ts_now_ns - turnover["ts_fill_ns"], NS_PER_MS)
    decay = decay_pow2(dt_ns * 1.0 / HALF_LIFE_NS)
    turnover["average_micros"] = decay * turnover["average_micros"] + (1.0 - decay) * micros


@kernel
def roll(turnover, ts_now_ns):
    """Empty the quarter hours and days that have left the rings."""
    quarter, day = ts_now_ns // QUARTER_NS, ts_now_ns // DAY_NS
    for number in range(max(turnover["quarter"], quarter - TURNOVER_QUARTER_COUNT) + 1, quarter + 1):
        at = number % TURNOVER_QUARTER_COUNT
        turnover["sum_24h_micros"] -= turnover["quarters"][at]
        turnover["quarters"][at] = 0
    for number in range(max(turnover["day"], day - TURNOVER_DAY_COUNT) + 1, day + 1):
        at = number % TURNOVER_DAY_COUNT
        for liquidity in range(len(LIQUIDITIES)):
            turnover["sum_30d_micros"] -= turnover["days"][liquidity, at]
            turnover["days"][liquidity, at] = 0
    turnover["quarter"] = max(turnover["quarter"], quarter)
    turnover["day"] = max(turnover["day"], day)
    assert turnover["sum_24h_micros"] >= 0 and turnover["sum_30d_micros"] >= 0


@kernel
def on_fill(clock, cell, row):
    """Count the notional of a fill."""
    turnover, ts_now_ns = cell["features"]["turnover"], max(clock["ts_now_ns"], 0)  # nothing may have told a time yet
    micros = notional_micros(cell["instrument"], row["price_ticks"], row["qty_lots"])
    roll(turnover, ts_now_ns)
    assert turnover["sum_30d_micros"] * 1.0 + micros <= PRODUCT_MAX, BEYOND
    # Must succeed from here.
    apply_decay(turnover, ts_now_ns)
    apply_average(turnover, ts_now_ns, micros)
    liquidity = MAKER if (row["flags"] & Flag.MAKER) != 0 else TAKER
    turnover["decayed_micros"] += micros
    turnover["sum_24h_micros"] += micros
    turnover["sum_30d_micros"] += micros
    turnover["quarters"][turnover["quarter"] % TURNOVER_QUARTER_COUNT] += micros
    turnover["days"][liquidity, turnover["day"] % TURNOVER_DAY_COUNT] += micros
    turnover["ts_fill_ns"] = ts_now_ns
    turnover["fill_count"] += 1


@kernel
def on_timer(clock, cell):
    """Let turnover fade and leave the rings while nothing is filled."""
    turnover = cell["features"]["turnover"]
    if turnover["fill_count"] == 0 or clock["ts_now_ns"] - turnover["ts_decay_ns"] < DECAY_NS_MIN:
        return
    apply_decay(turnover, clock["ts_now_ns"])
    roll(turnover, clock["ts_now_ns"])


def of_float(name: str) -> Read:
    """Return what reads an amount that is a float, absent before a fill."""

    def read(records: np.ndarray) -> Iterator[tuple[tuple[str, ...], float | None]]:
        filled = records["fill_count"].any()
        yield (), float(records[name][0]) / MICROS_PER_UNIT if filled else None

    return read


def read_24h(records: np.ndarray) -> Iterator[tuple[tuple[str, ...], Fraction]]:
    """Show the sum of the last 24 hours."""
    yield (), Fraction(total(records["sum_24h_micros"]), MICROS_PER_UNIT)


def read_30d(records: np.ndarray) -> Iterator[tuple[tuple[str, ...], Fraction]]:
    """Show the sums of the last 30 days, as maker and as taker."""
    for liquidity, name in enumerate(LIQUIDITIES):
        yield (name,), Fraction(total(records["days"][:, liquidity]), MICROS_PER_UNIT)


TURNOVER = Feature(
    "turnover",
    (
        FeatureMetric("turnover_usd", (), "Traded notional, halved every 600 s.", of_float("decayed_micros")),
        FeatureMetric(
            "mm_turnover_average_usd",
            (),
            "Notional of a fill, time-aware EWMA with half-life 600 s.",
            of_float("average_micros"),
        ),
        FeatureMetric("mm_turnover_24h_usd", (), "Traded notional of the last 24 hours.", read_24h),
        FeatureMetric(
            "mm_turnover_30d_usd",
            ("liquidity",),
            "Traded notional of the last 30 UTC days, today included, as maker and as taker.",
            read_30d,
        ),
    ),
)
