"""Records of the simulated venue; same rules as engine/records.py: packed, little-endian, sizes asserted."""

from enum import IntEnum

import numpy as np

from mmfold.engine.limits import EVENT_ROW_COUNT_MAX, ORDER_COUNT_MAX
from mmfold.engine.manifest import Instrument
from mmfold.engine.records import EVENT, F8, I8, SIDE_COUNT, record
from mmfold.engine.state import NO_KEY

MESSAGE_COUNT_MAX = 1 << 12  # requests, or responses, on their way at one time
REQUEST_NOW_COUNT_MAX = 1 << 14  # requests that reach the venue at one instant
OUTPUT_ROW_COUNT = 1 << 18  # rows of the new journal between two visits of the driver
OUTPUT_PART_COUNT = 3  # one is being filled, the others written
WINDOW_ROW_COUNT = 1 << 18  # market rows that one side has still to process
LATENCY_SAMPLE_COUNT_MAX = 1 << 16
FEE_TIER_COUNT_MAX = 16
OWN_TICK_ROOM = 64  # prices that are told apart at which own orders rest
VOLUME_DAY_COUNT = 30  # fee tiers look back over so many days
NEVER_NS = 1 << 62
assert REQUEST_NOW_COUNT_MAX >= MESSAGE_COUNT_MAX
assert OUTPUT_ROW_COUNT >= 2 * EVENT_ROW_COUNT_MAX


class RejectCode(IntEnum):
    """`code` of a REJECT of the simulated venue."""

    DUPLICATE = 1  # the id was used before
    UNKNOWN_ORDER = 2  # no such order rests
    BOOK_INVALID = 3  # no valid book to match against
    PRICE = 4  # not above zero
    MIN_QTY = 5
    MIN_NOTIONAL = 6
    REDUCE_ONLY = 7  # it would not reduce the position
    WOULD_TAKE = 8  # an amend of a post-only order that reaches the other side
    MARGIN = 9  # more than the account's equity carries
    NOTHING_LEFT = 10  # an amend to less than what is filled


class Purpose(IntEnum):
    """What a random draw is for; draws of two purposes are independent."""

    ENTRY = 1
    RESPONSE = 2
    TOXIC = 3
    OUTAGE = 4
    RESTART = 5


# What a backtest takes for granted about its venue (replay/assumptions.py has the same names), 0 switching a rule off.
RULES = record(
    200,
    [
        ("seed", I8),
        ("queue_model", I8),
        ("partial_fills", I8),
        ("timer_interval_ns", I8),
        ("entry_latency_ns", I8),
        ("response_latency_ns", I8),
        ("latency_std_ns", I8),
        ("amend_latency_ns", I8),  # of amends, cancels; the sentinel NO_VALUE: as for new orders
        ("cancel_latency_ns", I8),
        ("latency_sample_count", I8),
        ("toxic_fill_ppm", I8),  # chance that a maker's fill is charged as a taker's
        ("extra_slippage_ppm", I8),  # of the mid, by which every fill's price is worse
        ("fee_tier_count", I8),
        ("volume_micros", I8),  # notional traded in the days before
        ("request_per_s_max", I8),
        ("request_timeout_ns", I8),
        ("order_lifetime_ns", I8),
        ("min_notional_filter", I8),
        ("equity_micros", I8),  # deposit of each instrument's isolated account
        ("initial_margin_ppm", I8),
        ("maintenance_margin_ppm", I8),
        ("liquidation_fee_ppm", I8),
        ("outage_interval_ns", I8),
        ("outage_ns", I8),
        ("restart_ppm", I8),  # share of the outages in which the venue drops all resting orders
    ],
)

LATENCY_SAMPLE = record(24, [("ts_request_ns", I8), ("entry_ns", I8), ("response_ns", I8)])
FEE_TIER = record(24, [("volume_micros", I8), ("maker_fee_ppm", I8), ("taker_fee_ppm", I8)])

VENUE_ORDER = record(
    128,
    [
        ("order_id", I8),
        ("resting", I8),
        ("price_ticks", I8),
        ("qty_lots", I8),  # remaining
        ("flags", I8),  # of its PLACE
        ("ts_accepted_ns", I8),
        ("ts_expiry_ns", I8),
        ("arrival", I8),  # FIFO: how many orders of the market had joined a queue before it
        ("joined", I8),  # when it joined its queue, among own orders
        ("front_lots", F8),  # estimated quantity ahead in the queue
        ("traded_lots", F8),  # traded at the price since its displayed quantity last changed
        ("filled_lots", I8),
        ("displayed_lots", I8),  # at the price, before a snapshot rebuilds the book, or when it was last shown
        ("hidden", I8),  # its price is outside of what is shown of the book (replay/venue/shown.py)
        ("was_hidden", I8),  # ever, since it was accepted
        ("told_lots", I8),  # FIFO: what the market's orders at the price changed by since the book was last told
    ],
)

VENUE = record(
    88 + SIDE_COUNT * (40 + 8 * OWN_TICK_ROOM) + 8 * VOLUME_DAY_COUNT + 128 * ORDER_COUNT_MAX,
    [
        ("execution_count", I8),
        ("refused_count", I8),
        ("liquidation_count", I8),
        ("volume_day", I8),  # UTC day of the newest of the days
        ("arrival_count", I8),  # FIFO: orders of the market that joined a queue
        ("arrival_shown", I8),  # those of them before the last book message: its levels have them
        ("unshown_lots", I8),  # of the others, at the price of the request under way
        ("join_count", I8),  # own orders that joined a queue
        ("book_depth", I8),  # levels of a side that the feed shows at most, 0: any number
        ("hidden_count", I8),  # own orders outside of what is shown, at most
        ("outside_count", I8),  # orders that ever rested there
        ("shown_counts", I8, (SIDE_COUNT,)),  # most levels shown since the last snapshot
        ("span_keys", I8, (SIDE_COUNT,)),  # how far a book without such a bound is known
        ("resting_counts", I8, (SIDE_COUNT,)),
        ("best_keys", I8, (SIDE_COUNT,)),  # no own order rests at a better key; exact where it was last looked for
        ("open_lots", I8, (SIDE_COUNT,)),
        ("own_tick_counts", I8, (SIDE_COUNT, OWN_TICK_ROOM)),  # resting orders by their price: own_ticks.py
        ("volume_micros", I8, (VOLUME_DAY_COUNT,)),  # own notional by day, a ring
        ("orders", VENUE_ORDER, (ORDER_COUNT_MAX,)),  # by the core's slot: it reuses a slot when the order is done
    ],
)


def make_venues(instruments: tuple[Instrument, ...]) -> np.ndarray:
    """Return the venue's side of instruments before the first event.

    Shape: (n,) VENUE.
    """
    venues = np.zeros(len(instruments), VENUE)
    venues["best_keys"] = venues["span_keys"] = NO_KEY
    venues["book_depth"] = [one.book_depth for one in instruments]
    return venues


MESSAGE = record(72, [("ts_ns", I8), ("row", EVENT)])

# One record, so that the loop's kernels get plain pointers (docs/adr/0003).
SIM_FIELDS: list[tuple] = [
    ("event_venue", I8),  # next event of the window in exchange order
    ("event_local", I8),  # next event of the window in receive order
    ("event_count", I8),  # events in the window
    ("order_count", I8),  # those of them that the venue processes
    ("event_hold", I8),  # the loop comes back before the core receives this one, 0: none
    ("keeps_times", I8),  # 1: a journal that is forked, whose rows stay as they are, times included
    ("venue_shift_ns", I8),  # then: what the venue's clock is ahead; NEVER_NS: a message happens when it is received
    ("ts_seen_ns", I8),  # the latest receive time of the venue's events
    ("ts_stop_ns", I8),  # beyond, the window may lack events
    ("ts_timer_ns", I8),
    ("timer_run_count", I8),  # timers since the last market event that the core received
    ("timer_left_out_count", I8),
    ("ts_now_ns", I8),  # of what the venue processes: its only clock
    ("ts_expiry_ns", I8),  # when the next resting order's life ends
    ("ts_outage_ns", I8),  # when the next outage begins or, while it lasts, ends
    ("outage_index", I8),
    ("outage_down", I8),
    ("seq_next", I8),
    ("request_count", I8),
    ("ts_request_ns", I8),  # of the last request that reached the venue
    ("request_now_count", I8),  # requests that reached it at that instant
    ("request_second", I8),  # of the request budget
    ("request_second_count", I8),
    ("ts_sent_ns", I8),  # when the last request on its way arrives: one connection keeps their order
    ("ts_told_ns", I8),  # when the last answer on its way arrives
    ("answer_count", I8),
    ("response_count", I8),
    ("output_start", I8),  # of the part that is being filled
    ("output_count", I8),
    ("effect_count", I8),
    ("input_row_count", I8),
    ("keep_inputs", I8),
    ("rules", RULES),
    ("requests", MESSAGE, (MESSAGE_COUNT_MAX,)),
    ("responses", MESSAGE, (MESSAGE_COUNT_MAX,)),
    ("fee_tiers", FEE_TIER, (FEE_TIER_COUNT_MAX,)),
    ("latency_samples", LATENCY_SAMPLE, (LATENCY_SAMPLE_COUNT_MAX,)),
    ("scratch", EVENT, (ORDER_COUNT_MAX,)),  # the timer or answer under way
    ("rows", EVENT, (WINDOW_ROW_COUNT,)),  # the window: market rows in receive order
    ("starts", I8, (WINDOW_ROW_COUNT + 1,)),  # first row of each event, and the end
    ("order", I8, (WINDOW_ROW_COUNT,)),  # the venue's events by time
    ("times_ns", I8, (WINDOW_ROW_COUNT,)),  # of each event at the venue
    ("output", EVENT, (OUTPUT_PART_COUNT * OUTPUT_ROW_COUNT,)),  # rows of the new journal: one part is being filled
    ("effect_places", I8, (OUTPUT_ROW_COUNT,)),  # which of that part's rows are effects
]
SIM = record(sum(np.dtype([field]).itemsize for field in SIM_FIELDS), SIM_FIELDS)
