"""Records of the simulated venue; same rules as engine/records.py: packed, little-endian, sizes asserted."""

import numpy as np

from engine.limits import EVENT_ROW_COUNT_MAX, ORDER_COUNT_MAX
from engine.records import EVENT, F8, I8, SIDE_COUNT, record

MESSAGE_COUNT_MAX = 1 << 12  # requests, or responses, on their way at one time
REQUEST_NOW_COUNT_MAX = 1 << 14  # requests that reach the venue at one instant
OUTPUT_ROW_COUNT = 1 << 18  # rows of the new journal between two visits of the driver
WINDOW_ROW_COUNT = 1 << 18  # market rows that one side has still to process
assert REQUEST_NOW_COUNT_MAX >= MESSAGE_COUNT_MAX
assert OUTPUT_ROW_COUNT >= 2 * EVENT_ROW_COUNT_MAX

VENUE_ORDER = record(
    72,
    [
        ("order_id", I8),
        ("resting", I8),
        ("price_ticks", I8),
        ("qty_lots", I8),  # remaining
        ("ts_accepted_ns", I8),
        ("front_lots", F8),  # estimated quantity ahead in the queue
        ("traded_lots", F8),  # traded at the price since its displayed quantity last changed
        ("filled_lots", I8),
        ("displayed_lots", I8),  # at the price, before a snapshot rebuilds the book
    ],
)

VENUE = record(
    16 + SIDE_COUNT * 8 + 72 * ORDER_COUNT_MAX,
    [
        ("execution_count", I8),
        ("refused_count", I8),
        ("resting_counts", I8, (SIDE_COUNT,)),
        ("orders", VENUE_ORDER, (ORDER_COUNT_MAX,)),  # by the core's slot: it reuses a slot when the order is done
    ],
)

MESSAGE = record(72, [("ts_ns", I8), ("row", EVENT)])

# One record, so that the loop's kernels get plain pointers (docs/adr/0003).
SIM_FIELDS: list[tuple] = [
    ("event_venue", I8),  # next event of the window in exchange order
    ("event_local", I8),  # next event of the window in receive order
    ("event_count", I8),  # events in the window
    ("order_count", I8),  # those of them that the venue processes
    ("ts_seen_ns", I8),  # the latest receive time of the venue's events
    ("ts_stop_ns", I8),  # beyond, the window may lack events
    ("ts_timer_ns", I8),
    ("ts_venue_ns", I8),  # of the market event that the venue processes
    ("timer_interval_ns", I8),
    ("entry_latency_ns", I8),
    ("response_latency_ns", I8),
    ("queue_model", I8),
    ("partial_fills", I8),
    ("seq_next", I8),
    ("request_count", I8),
    ("ts_request_ns", I8),  # of the last request that reached the venue
    ("request_now_count", I8),  # requests that reached it at that instant
    ("response_count", I8),
    ("output_count", I8),
    ("input_row_count", I8),
    ("keep_inputs", I8),
    ("requests", MESSAGE, (MESSAGE_COUNT_MAX,)),
    ("responses", MESSAGE, (MESSAGE_COUNT_MAX,)),
    ("scratch", EVENT, (1,)),  # the timer or answer under way
    ("rows", EVENT, (WINDOW_ROW_COUNT,)),  # the window: market rows in receive order
    ("starts", I8, (WINDOW_ROW_COUNT + 1,)),  # first row of each event, and the end
    ("order", I8, (WINDOW_ROW_COUNT,)),  # the venue's events by time
    ("times_ns", I8, (WINDOW_ROW_COUNT,)),  # of each event at the venue
    ("output", EVENT, (OUTPUT_ROW_COUNT,)),  # rows of the new journal
]
SIM = record(sum(np.dtype([field]).itemsize for field in SIM_FIELDS), SIM_FIELDS)
