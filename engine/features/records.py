"""The records of the features, one after the other in every CELL; must never need a value other than zero to start.

They stand apart from the kernels because the state is laid out before it is chosen whether kernels are compiled
(docs/adr/0006).
"""

from mmfold.engine.limits import (
    ARRIVAL_BUCKET_COUNT,
    LATENCY_BOUNDS_MS,
    MARKOUT_FILL_ROOM,
    MARKOUT_HORIZON_COUNT,
    ORDER_AGE_BOUNDS_MS,
    TURNOVER_DAY_COUNT,
    TURNOVER_QUARTER_COUNT,
)
from mmfold.engine.record_types import record
from mmfold.engine.schema import F8, I8

MARKOUT_HORIZON = record(
    64,
    [
        ("fill_number", I8),  # of the first fill that waits for this horizon
        ("sample_count", I8),
        ("sum_e4", I8),  # of (mid - price) / price in 1e-4 bps, each rounded toward zero
        ("up_count", I8),  # samples above 0
        ("sum_signed_e4", I8),  # the same x 1 of a buy, -1 of a sell
        ("up_signed_count", I8),
        ("unmarked_count", I8),  # fills whose time came while there was no mid
        ("dropped_count", I8),  # fills that had to leave for newer ones before their time came
    ],
)

MARKOUT_FILL = record(24, [("ts_ns", I8), ("price_ticks", I8), ("sign", I8)])

MARKOUTS = record(
    16 + MARKOUT_HORIZON.itemsize * MARKOUT_HORIZON_COUNT + MARKOUT_FILL.itemsize * MARKOUT_FILL_ROOM,
    [
        ("pending_count", I8),  # fills x horizons that wait
        ("fill_count", I8),
        ("horizons", MARKOUT_HORIZON, (MARKOUT_HORIZON_COUNT,)),
        ("fills", MARKOUT_FILL, (MARKOUT_FILL_ROOM,)),  # a ring over fills
    ],
)

LIQUIDITY_COUNT = 2  # maker, taker

TURNOVER = record(
    72 + 8 * TURNOVER_QUARTER_COUNT + 8 * LIQUIDITY_COUNT * TURNOVER_DAY_COUNT,
    [
        ("fill_count", I8),
        ("ts_fill_ns", I8),
        ("ts_decay_ns", I8),  # up to which `decayed_micros` is decayed
        ("decayed_micros", F8),  # traded notional, halved every half-life
        ("average_micros", F8),  # time-aware EWMA of the notional of a fill
        ("quarter", I8),  # newest quarter hour of the ring, since 1970
        ("day", I8),  # newest day of the ring, since 1970
        ("sum_24h_micros", I8),  # of `quarters`: at least 23 h 45 min, at most 24 h
        ("sum_30d_micros", I8),  # of `days`: 30 UTC days, today included
        ("quarters", I8, (TURNOVER_QUARTER_COUNT,)),  # a ring over quarter hours
        ("days", I8, (LIQUIDITY_COUNT, TURNOVER_DAY_COUNT)),  # as maker, as taker; rings over UTC days
    ],
)

AGE_EVENT_COUNT = 3  # filled, amended, ended
AGE_BUCKET_COUNT = len(ORDER_AGE_BOUNDS_MS) + 1
ORDER_AGE = record(
    8 * AGE_EVENT_COUNT * AGE_BUCKET_COUNT,
    [("counts", I8, (AGE_EVENT_COUNT, AGE_BUCKET_COUNT))],  # by bucket, the last one without a bound
)

ANSWER_COUNT = 2  # the request's own, the order's first
LATENCY_BUCKET_COUNT = len(LATENCY_BOUNDS_MS) + 1
LATENCY = record(
    8 * ANSWER_COUNT * LATENCY_BUCKET_COUNT,
    [("counts", I8, (ANSWER_COUNT, LATENCY_BUCKET_COUNT))],  # by bucket, the last one without a bound
)

ARRIVALS = record(
    72 + 16 * ARRIVAL_BUCKET_COUNT,
    [
        ("sigma_ticks", F8),  # of the mid, ticks / sqrt(s); 0: not known; so for the next two
        ("a_per_s", F8),  # trades of one side that reach the mid
        ("k_per_tick", F8),  # how fast they become rare with the distance
        ("fold_count", I8),
        ("ts_fold_ns", I8),  # up to which all below but `fresh_counts` is decayed
        ("mid_half_ticks", I8),  # at that time; 0: there was none
        ("elapsed_s", F8),  # decayed sums: time in which trades were counted,
        ("moved_s", F8),  # time between mids,
        ("square_ticks", F8),  # and their squared moves
        ("fresh_counts", I8, (ARRIVAL_BUCKET_COUNT,)),  # trades since then, by distance from the mid
        ("counts", F8, (ARRIVAL_BUCKET_COUNT,)),  # decayed
    ],
)

FEATURE_FIELDS: list[tuple] = [
    ("markouts", MARKOUTS),
    ("turnover", TURNOVER),
    ("order_age", ORDER_AGE),
    ("latency", LATENCY),
    ("arrivals", ARRIVALS),
]
FEATURE_SET = record(sum(field[1].itemsize for field in FEATURE_FIELDS), FEATURE_FIELDS)
