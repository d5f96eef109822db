"""Order age: how long orders had rested when they were filled, amended or ended, in buckets; must never count an order
that the venue refused.

Source: spec/core.md 14 for the buckets; a bound belongs to the bucket below it. Age is the core's clock less the time
of the PLACE; an amend does not make an order young.
"""

from collections.abc import Iterator

import numpy as np

from mmfold.engine.codes import EventKind, OrderEvent, OrderStatus
from mmfold.engine.features.seam import Feature, FeatureMetric, total
from mmfold.engine.jit import kernel
from mmfold.engine.limits import NS_PER_MS, ORDER_AGE_BOUNDS_MS

BOUNDS_NS = np.array(ORDER_AGE_BOUNDS_MS, np.int64) * NS_PER_MS
FILLED, AMENDED, ENDED, NOTHING = 0, 1, 2, -1
EVENTS = ("filled", "amended", "ended")
LOWER_MS = (0, *ORDER_AGE_BOUNDS_MS[:-1])
BUCKETS = (
    *(f"{low}-{high}ms" for low, high in zip(LOWER_MS, ORDER_AGE_BOUNDS_MS, strict=True)),
    f"{ORDER_AGE_BOUNDS_MS[-1]}ms+",
)


@kernel
def bucket_of(age_ns):
    """Return the bucket of an age."""
    for i in range(BOUNDS_NS.size):
        if age_ns <= BOUNDS_NS[i]:
            return i
    return BOUNDS_NS.size


@kernel
def event_of(kind, order_event, before, after):
    """Return what has happened to an order; one that ends by its last fill is filled, one that was refused is none."""
    # The table has FILL_FULL for an amend that leaves nothing, too: only that of a FILL is one.
    if kind == EventKind.FILL and (order_event == OrderEvent.FILL_PARTIAL or order_event == OrderEvent.FILL_FULL):
        return FILLED
    if order_event == OrderEvent.AMENDED and after == OrderStatus.ACCEPTED:
        return AMENDED
    if after == OrderStatus.DONE and before != OrderStatus.DONE and order_event != OrderEvent.REJECT:
        return ENDED
    return NOTHING


@kernel
def on_order(clock, cell, slot, order_event, before):
    """Count the age of an order that something has happened to."""
    order = cell["orders"][slot]
    event = event_of(clock["kind_now"], order_event, before, order["status"])
    if event != NOTHING:
        age_ns = clock["ts_now_ns"] - order["ts_placed_ns"]
        cell["features"]["order_age"]["counts"][event, bucket_of(age_ns)] += 1


def read_counts(records: np.ndarray) -> Iterator[tuple[tuple[str, ...], int]]:
    """Show every bucket of every event."""
    for event, event_name in enumerate(EVENTS):
        for bucket, bucket_name in enumerate(BUCKETS):
            yield (event_name, bucket_name), total(records["counts"][:, event, bucket])


ORDER_AGE = Feature(
    "order_age",
    (
        FeatureMetric(
            "mm_order_age_bucket_total",
            ("event", "bucket"),
            "Own orders by their age when they were filled, amended or ended otherwise, each in its one bucket.",
            read_counts,
        ),
    ),
)
