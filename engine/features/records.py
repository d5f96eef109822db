"""The records of the features, one after the other in every CELL; must never need a value other than zero to start.

They stand apart from the kernels because the state is laid out before it is chosen whether kernels are compiled
(docs/adr/0006).
"""

from mmfold.engine.limits import MARKOUT_FILL_ROOM, MARKOUT_HORIZON_COUNT
from mmfold.engine.packed import record
from mmfold.engine.schema import I8

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

FEATURE_FIELDS: list[tuple] = [
    ("markouts", MARKOUTS),
]
FEATURE_SET = record(sum(field[1].itemsize for field in FEATURE_FIELDS), FEATURE_FIELDS)
