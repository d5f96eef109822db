"""Arrivals: how far the mid moves and how far trades reach, which is sigma, A and k of the optimal quoters.

Trades are counted by the distance of their price from the mid, in buckets of doubled width; all that is known fades
with a half-life of 300 s. The rate of trades on one side that reach a distance is fitted as A exp(-k distance): ln of
it over the lower edges of the buckets, each weighed by its trades. Must never say a k that is not above 0.
"""

from collections.abc import Iterator

import numpy as np

from mmfold.engine.codes import Flag
from mmfold.engine.features.seam import Feature, FeatureMetric, Read
from mmfold.engine.jit import kernel
from mmfold.engine.limits import ARRIVAL_BUCKET_COUNT, NS_PER_S, PRICE_TICKS_MAX
from mmfold.engine.maths import exp, log, sqrt
from mmfold.engine.records import NO_PRICE_TICKS
from mmfold.engine.signals import decay_pow2

HALF_LIFE_NS = 300 * NS_PER_S
FOLD_NS_MIN = NS_PER_S
MOVED_S_MIN = 30.0  # of mids, before sigma is said
TRADE_COUNT_MIN = 30.0  # before A and k are
EDGE_COUNT_MIN = 1.0  # trades beyond an edge that tells
A_LOG_MAX = 30.0


@kernel
def on_trade(cell, row):
    """Count a trade by its distance from the mid; a block trade happens off the book, and a price that no book has is
    none.
    """
    mid, price_ticks = cell["signal"]["mid_half_ticks"], row["price_ticks"]
    if mid == NO_PRICE_TICKS or row["flags"] & Flag.BLOCK != 0 or not 0 < price_ticks <= PRICE_TICKS_MAX:
        return
    half_ticks = abs(2 * price_ticks - mid)
    bucket = 0
    while half_ticks > 0 and bucket < ARRIVAL_BUCKET_COUNT - 1:
        half_ticks >>= 1
        bucket += 1
    cell["features"]["arrivals"]["fresh_counts"][bucket] += 1


@kernel
def on_timer(clock, cell):
    """Let what is known fade, and fold what came since, once a second."""
    arrivals, mid = cell["features"]["arrivals"], cell["signal"]["mid_half_ticks"]
    passed_ns = clock["ts_now_ns"] - arrivals["ts_fold_ns"]
    if passed_ns < FOLD_NS_MIN:
        return
    if arrivals["fold_count"] > 0:
        fold(arrivals, mid, passed_ns)
    arrivals["fresh_counts"][:] = 0
    arrivals["fold_count"] += 1
    arrivals["ts_fold_ns"] = clock["ts_now_ns"]
    arrivals["mid_half_ticks"] = 0 if mid == NO_PRICE_TICKS else mid


@kernel
def fold(arrivals, mid, passed_ns):
    """Fold the time since the last fold."""
    decay, passed_s = decay_pow2(passed_ns * 1.0 / HALF_LIFE_NS), passed_ns * 1.0 / NS_PER_S
    arrivals["elapsed_s"] = arrivals["elapsed_s"] * decay + passed_s
    arrivals["moved_s"] = arrivals["moved_s"] * decay
    arrivals["square_ticks"] = arrivals["square_ticks"] * decay
    if mid != NO_PRICE_TICKS and arrivals["mid_half_ticks"] != 0:
        move_ticks = (mid - arrivals["mid_half_ticks"]) * 0.5
        arrivals["moved_s"] += passed_s
        arrivals["square_ticks"] += move_ticks * move_ticks
    for bucket in range(ARRIVAL_BUCKET_COUNT):
        arrivals["counts"][bucket] = arrivals["counts"][bucket] * decay + arrivals["fresh_counts"][bucket]
    is_known = arrivals["moved_s"] >= MOVED_S_MIN
    arrivals["sigma_ticks"] = sqrt(arrivals["square_ticks"] / arrivals["moved_s"]) if is_known else 0.0
    arrivals["a_per_s"], arrivals["k_per_tick"] = fitted(arrivals)


@kernel
def fitted(arrivals):
    """Return (A in 1/s, k in 1/tick) of one side, (0, 0) where they are not known."""
    beyond = weight_sum = x_sum = y_sum = xx_sum = xy_sum = 0.0
    for back in range(ARRIVAL_BUCKET_COUNT):
        bucket = ARRIVAL_BUCKET_COUNT - 1 - back
        count = arrivals["counts"][bucket]
        beyond += count
        if count > 0.0 and beyond >= EDGE_COUNT_MIN:
            x = 0.0 if bucket == 0 else (1 << (bucket - 1)) * 0.5
            y = log(beyond / (2.0 * arrivals["elapsed_s"]))
            weight_sum += beyond
            x_sum += beyond * x
            y_sum += beyond * y
            xx_sum += beyond * x * x
            xy_sum += beyond * x * y
    spread = weight_sum * xx_sum - x_sum * x_sum  # of one edge exactly 0: edges are powers of two
    if beyond < TRADE_COUNT_MIN or spread <= 0.0:
        return 0.0, 0.0
    k = -(weight_sum * xy_sum - x_sum * y_sum) / spread
    if k <= 0.0:
        return 0.0, 0.0
    return exp(min((y_sum + k * x_sum) / weight_sum, A_LOG_MAX)), k


def of(name: str) -> Read:
    """Return what reads a figure, absent while it is not known."""

    def read(records: np.ndarray) -> Iterator[tuple[tuple[str, ...], float | None]]:
        yield (), float(records[name][0]) or None

    return read


ARRIVALS = Feature(
    "arrivals",
    (
        FeatureMetric(
            "mm_mid_sigma_ticks", (), "Deviation of the mid, ticks / sqrt(s), half-life 300 s.", of("sigma_ticks")
        ),
        FeatureMetric(
            "mm_arrival_a_per_s", (), "Trades of a side that reach the mid, 1/s: A of A exp(-k x).", of("a_per_s")
        ),
        FeatureMetric(
            "mm_arrival_k_per_tick", (), "How fast they become rare with distance, 1/tick: k.", of("k_per_tick")
        ),
    ),
)
