"""Markouts: how far the mid has moved from a fill's price when 200 and 500 ms have passed; must never look at a later
mid.

Source: spec/core.md 21. Time is the core's clock. A fill's markout is taken at the last mid at or before its due time:
by the first event behind that, before it changes the mid. Without a mid at that time there is none.
"""

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from mmfold.engine.codes import Side
from mmfold.engine.features.seam import COLOR, Feature, FeatureMetric, Read, total
from mmfold.engine.jit import kernel
from mmfold.engine.limits import MARKOUT_FILL_ROOM, MARKOUT_HORIZONS_MS, MARKOUT_RATIO_MAX, NS_PER_MS
from mmfold.engine.records import NO_PRICE_TICKS

HORIZONS_NS = np.array(MARKOUT_HORIZONS_MS, np.int64) * NS_PER_MS
FILL_MASK = MARKOUT_FILL_ROOM - 1
SHIFT = 10_000  # 1e-4 bps are 1e-8: four digits, twice
E4_PER_BPS = 10_000
DECIMALS = 6


@kernel
def markout_e4(price_ticks, mid_half_ticks):
    """Return (mid - price) / price, exact and rounded toward zero; the products stay in 64 bits.

    Units: 1e-4 bps = 1e-8.
    """
    distance, divisor = mid_half_ticks - 2 * price_ticks, 2 * price_ticks
    assert price_ticks > 0 and abs(distance) <= MARKOUT_RATIO_MAX * divisor
    size = abs(distance)
    middle = size % divisor * SHIFT
    low = middle % divisor * SHIFT
    value = (size // divisor * SHIFT + middle // divisor) * SHIFT + low // divisor
    return value if distance > 0 else -value


@kernel
def apply_markout(horizon, fill, mid_half_ticks):
    """Count one fill whose time has come."""
    price_ticks = fill["price_ticks"]
    if mid_half_ticks == NO_PRICE_TICKS or mid_half_ticks > 2 * MARKOUT_RATIO_MAX * price_ticks:
        horizon["unmarked_count"] += 1
        return
    value = markout_e4(price_ticks, mid_half_ticks)
    signed = value * fill["sign"]
    horizon["sample_count"] += 1
    horizon["sum_e4"] += value
    horizon["up_count"] += (value > 0) * 1
    horizon["sum_signed_e4"] += signed
    horizon["up_signed_count"] += (signed > 0) * 1


@kernel
def apply_due(clock, cell):
    """Count every fill whose time has passed, at the mid that still is."""
    markouts = cell["features"]["markouts"]
    mid_half_ticks = cell["signal"]["mid_half_ticks"]
    for i in range(HORIZONS_NS.size):
        horizon = markouts["horizons"][i]
        while horizon["fill_number"] < markouts["fill_count"]:
            fill = markouts["fills"][horizon["fill_number"] & FILL_MASK]
            if clock["ts_now_ns"] <= fill["ts_ns"] + HORIZONS_NS[i]:
                break
            apply_markout(horizon, fill, mid_half_ticks)
            horizon["fill_number"] += 1
            markouts["pending_count"] -= 1
    assert markouts["pending_count"] >= 0


@kernel
def on_mid(clock, cell):
    """Take what is due before the mid changes; with nothing pending this is all that a book update pays."""
    if cell["features"]["markouts"]["pending_count"] != 0:
        apply_due(clock, cell)


@kernel
def on_timer(clock, cell):
    """Take what is due when time passes in a market that stands still."""
    on_mid(clock, cell)


@kernel
def on_fill(clock, cell, row):
    """Let a fill wait for its horizons; without room the oldest leaves, uncounted but told."""
    on_mid(clock, cell)
    markouts = cell["features"]["markouts"]
    number = markouts["fill_count"]
    for i in range(HORIZONS_NS.size):
        horizon = markouts["horizons"][i]
        if number - horizon["fill_number"] == MARKOUT_FILL_ROOM:
            horizon["fill_number"] += 1
            horizon["dropped_count"] += 1
            markouts["pending_count"] -= 1
    fill = markouts["fills"][number & FILL_MASK]
    fill["ts_ns"] = clock["ts_now_ns"]
    fill["price_ticks"] = row["price_ticks"]
    fill["sign"] = 1 if row["side"] == Side.BID else -1
    markouts["fill_count"] += 1
    markouts["pending_count"] += HORIZONS_NS.size


def of_horizon(*names: str) -> Read:
    """Return what reads a count of each horizon, less another when two are named."""

    def read(records: np.ndarray) -> Iterator[tuple[tuple[str, ...], int]]:
        for i, horizon_ms in enumerate(MARKOUT_HORIZONS_MS):
            first, *rest = (total(records["horizons"][:, i][name]) for name in names)
            yield (str(horizon_ms), COLOR), first - sum(rest)

    return read


def of_average(name: str) -> Read:
    """Return what reads the average of each horizon in bps, absent without a sample."""

    def read(records: np.ndarray) -> Iterator[tuple[tuple[str, ...], Fraction | None]]:
        for i, horizon_ms in enumerate(MARKOUT_HORIZONS_MS):
            horizons = records["horizons"][:, i]
            count = total(horizons["sample_count"])
            average = round(Fraction(total(horizons[name]), count * E4_PER_BPS), DECIMALS) if count else None
            yield (str(horizon_ms), COLOR), average

    return read


LABELS = ("horizon_ms", "color")
MARKOUTS = Feature(
    "markouts",
    (
        FeatureMetric("markout_up_total", LABELS, "Fills with the mid above their price.", of_horizon("up_count")),
        FeatureMetric(
            "markout_down_total",
            LABELS,
            "Fills with the mid at or below their price.",
            of_horizon("sample_count", "up_count"),
        ),
        FeatureMetric("markout_avg_bps", LABELS, "Mean of (mid - price) / price, bps.", of_average("sum_e4")),
        FeatureMetric(
            "markout_signed_up_total",
            LABELS,
            "Fills that the mid has moved in favour of: up of a buy, down of a sell.",
            of_horizon("up_signed_count"),
        ),
        FeatureMetric(
            "markout_signed_down_total",
            LABELS,
            "Fills that the mid has not moved in favour of.",
            of_horizon("sample_count", "up_signed_count"),
        ),
        FeatureMetric(
            "markout_signed_avg_bps",
            LABELS,
            "Mean markout for our side, bps: negative is adverse.",
            of_average("sum_signed_e4"),
        ),
        FeatureMetric(
            "markout_samples_total", LABELS, "Fills marked, all symbols.", of_horizon("sample_count"), by_symbol=False
        ),
        FeatureMetric(
            "mm_markouts_unmarked_total",
            LABELS,
            "Fills whose time came while there was no mid.",
            of_horizon("unmarked_count"),
        ),
        FeatureMetric(
            "mm_markouts_dropped_total",
            LABELS,
            "Fills that had to leave for newer ones before their time came.",
            of_horizon("dropped_count"),
        ),
    ),
)
