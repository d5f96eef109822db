"""Every record of the core, to the byte; must never have hidden padding, unsigned 64-bit fields or defaults.

Hidden padding: numba copies it, NumPy skips it, so equal states would hash differently. The bytes are described in
docs/data.md; sentinels stand for absence, never 0, -1 or NaN.
"""

import numpy as np

from mmfold.engine.clock_records import CIRCUIT as CIRCUIT
from mmfold.engine.clock_records import CLOCK as CLOCK
from mmfold.engine.clock_records import KIND_COUNT as KIND_COUNT
from mmfold.engine.clock_records import SCHEDULE as SCHEDULE
from mmfold.engine.codes import Reason
from mmfold.engine.features.records import FEATURE_SET
from mmfold.engine.limits import (
    ADJUST_COUNT_MAX,
    BOOK_BLOCK_TICKS,
    BOOK_FAR_COUNT_MAX,
    BOOK_HELD_ROW_COUNT_MAX,
    BOOK_WINDOW_TICKS,
    EFFECT_COUNT_MAX,
    FIRST_BLOCK_ROOM,
    LEVEL_COUNT_MAX,
    ORDER_COUNT_MAX,
    PAYLOAD_ROW_BYTES,
    ROW_BYTES,
    THROTTLE_OP_COUNT,
    THROTTLE_SECOND_COUNT,
    USER_MEMORY_COUNT,
)
from mmfold.engine.record_types import record as record
from mmfold.engine.schema import F8 as F8
from mmfold.engine.schema import I8 as I8
from mmfold.engine.schema import PARAM_FIELDS

NO_PRICE_TICKS = -(1 << 62)
NO_TS_NS = -(1 << 62)
NO_SEQ = -(1 << 62)
NO_ORDER_ID = -(1 << 62)
NO_VALUE = -(1 << 62)

SEQ_RESTARTED = 1  # of the snapshot that a venue sends in the stream of a book after a restart

NO_FEE_CODE = 0  # `code` of a FILL whose fee rate the venue did not tell
FEE_CODE_ZERO = 1 << 15  # `code` of a FILL that cost 0 ppm; a rate stands as its distance from here

SIDE_COUNT = 2
REASON_ROOM = 128  # counts by Reason; a new one changes no layout
COUNTER_ROOM = 64  # counters of an instrument, named or not yet
assert max(Reason) < REASON_ROOM
BOOK_BLOCK_COUNT = BOOK_WINDOW_TICKS // BOOK_BLOCK_TICKS

EVENT = record(
    ROW_BYTES,
    [
        ("seq", I8),
        ("ts_exchange_ns", I8),
        ("ts_receive_ns", I8),
        ("price_ticks", I8),
        ("qty_lots", I8),
        ("order_id", I8),
        ("aux", I8),
        ("kind", "u1"),
        ("side", "u1"),
        ("flags", "<u2"),
        ("instrument_index", "<u2"),
        ("code", "<u2"),
    ],
)
KIND_AT = 56  # where it stands in a row, for code that looks at bytes
assert EVENT.fields is not None and EVENT.fields["kind"][1] == KIND_AT

PAYLOAD = record(
    ROW_BYTES,
    [
        ("seq", I8),
        ("payload", "u1", (PAYLOAD_ROW_BYTES,)),
        ("kind", "u1"),
        ("side", "u1"),
        ("flags", "<u2"),
        ("instrument_index", "<u2"),
        ("code", "<u2"),  # payload bytes used in this row
    ],
)
assert EVENT.fields is not None and PAYLOAD.fields is not None
assert EVENT.fields["kind"][1] == PAYLOAD.fields["kind"][1] == 56

INSTRUMENT = record(
    120,
    [
        ("lot_size_numerator", I8),  # base units of one lot = numerator / denominator
        ("lot_size_denominator", I8),
        ("tick_value_numerator", I8),  # micros of one ticklot = numerator / denominator; inverse contracts: 1
        ("tick_value_denominator", I8),
        ("base_value_numerator", I8),  # inverse contracts: 1e-9 base of one lot at a price of one tick, else 0
        ("base_value_denominator", I8),
        ("lot_notional_numerator", I8),  # inverse contracts: micros of quote of one lot, else 0
        ("lot_notional_denominator", I8),
        ("min_qty_lots", I8),
        ("min_notional_micros", I8),
        ("maker_fee_ppm", I8),
        ("taker_fee_ppm", I8),
        ("contract", I8),
        ("continuity", I8),
        ("venue", I8),
    ],
)

BOOK = record(
    200,
    [
        ("status", I8),
        ("venue_seq", I8),
        ("bridging", I8),  # before the first delta after a snapshot beside the stream: 1, or 2 whatever its number
        ("ts_exchange_ns", I8),
        ("ts_receive_ns", I8),
        ("held_row_count", I8),
        ("snapshot_count", I8),
        ("delta_count", I8),
        ("gap_count", I8),  # breaks of the numbering, restarts and books that a message did not continue
        ("ignored_count", I8),  # messages that are old, told again or late
        ("crossed_count", I8),
        ("clear_count", I8),
        ("trade_count", I8),
        ("trade_price_ticks", I8),
        ("mark_price_e8", I8),
        ("score_e9", I8),
        ("stream_seq", I8),  # of the newest message of the stream, taken, held or left; never of a snapshot beside it
        ("stream_ts_ns", I8),  # what the venue stamped it with, or the sentinel
        ("late_seq", I8),  # of the last late message: engine/numbering.py
        ("late_run_count", I8),  # late messages up to it that continue each other
        ("late_run_ts_ns", I8),  # receive time of the first of them
        ("restart_count", I8),  # times that the venue began to number anew
        ("held_is_cut", I8),  # 1: of the deltas that wait for a snapshot the oldest are gone
        ("held_dropped_count", I8),  # deltas that found no room to wait
        ("far_dropped_count", I8),  # levels that found no room beyond the window, the farthest ones
    ],
)

BOOK_SIDE = record(
    64,
    [
        ("best_key", I8),  # key = price for asks, -price for bids: the best level has the smallest key on both sides
        ("best_price_ticks", I8),
        ("window_start_key", I8),
        ("window_level_count", I8),
        ("far_level_count", I8),
        ("bbo_price_ticks", I8),
        ("bbo_qty_lots", I8),
        ("bbo_venue_seq", I8),
    ],
)

LEVEL = record(16, [("key", I8), ("qty_lots", I8)])

SIGNAL = record(
    72,
    [
        ("mid_half_ticks", I8),  # best bid + best ask, in half ticks
        ("mid_vola_half_ticks", I8),  # mid at the last volatility sample
        ("ts_vola_ns", I8),
        ("vola_sample_count", I8),
        ("variance", F8),
        ("vola_bps", F8),
        ("spread_bps", F8),
        ("microprice_ticks", F8),
        ("imbalance", F8),  # (B - A) / (B + A) over the top `imbalance_levels`, -1..1
    ],
)

QUOTER = record(
    56,
    [
        ("ts_quote_ns", I8),
        ("mid_quote_half_ticks", I8),
        ("requote_forced", I8),
        ("block_reason", I8),  # Reason that keeps the instrument from quoting, NONE when it may
        ("frozen", I8),
        ("unknown_order_count", I8),
        ("quote_count", I8),
    ],
)

QUOTE_SIDE = record(
    48,
    [
        ("pause_until_ns", I8),
        ("paused", I8),
        ("open_lots", I8),
        ("open_order_count", I8),
        ("backoff_until_ns", I8),  # the venue refused an order of this side: none is placed before
        ("ts_fill_ns", I8),  # of the side's last fill, or the sentinel
    ],
)

THROTTLE = record(
    24 + 8 * THROTTLE_OP_COUNT * THROTTLE_SECOND_COUNT,
    [
        ("paused_until_ns", I8),  # the venue said that we ask too much
        ("backoff_ns", I8),  # how long the last such pause was, 0 when all is well
        ("second", I8),  # the newest that is counted
        ("sent_counts", I8, (THROTTLE_OP_COUNT, THROTTLE_SECOND_COUNT)),  # requests by kind, a ring over seconds
    ],
)

TARGET = record(16, [("price_ticks", I8), ("qty_lots", I8)])

ASK = record(
    88,
    [
        # What is asked for: the next gates read it, some make `qty_lots` smaller.
        ("kind", I8),  # of the request: PLACE, AMEND, CANCEL
        ("side", I8),
        ("level", I8),
        ("slot", I8),
        ("price_ticks", I8),
        ("far_price_ticks", I8),  # of the level's other quote
        ("qty_lots", I8),
        # What the last gate that refused had to say (engine/gates/).
        ("reason", I8),
        ("value", I8),
        ("limit", I8),
        ("unit", I8),
    ],
)

BLOCK = record(40, [("reason", I8), ("side", I8), ("value", I8), ("limit", I8), ("unit", I8)])

ORDER = record(
    88,
    [
        ("order_id", I8),
        ("status", I8),
        ("price_ticks", I8),
        ("qty_lots", I8),  # remaining
        ("filled_lots", I8),
        ("pending_price_ticks", I8),  # of the amend under way
        ("pending_qty_lots", I8),
        ("ts_placed_ns", I8),
        ("ts_changed_ns", I8),
        ("mid_placed_half_ticks", I8),
        ("amend_count", I8),
    ],
)

POSITION = record(
    184,
    [
        ("position_lots", I8),
        # Ticklots are tick x lot of quote, of an inverse contract 1e-9 base (engine/value.py); micros follow them.
        ("cost_ticklots", I8),  # signed cost of the open position, exact: sum of price x lots
        ("realized_ticklots", I8),
        ("spread_half_ticklots", I8),  # sum of (mid - price) x side x lots at the fills, mid in half ticks
        ("fees_micros", I8),  # positive = paid, negative = rebate
        ("funding_micros", I8),  # positive = paid
        ("fill_count", I8),
        ("maker_fill_count", I8),
        ("bought_lots", I8),
        ("sold_lots", I8),
        ("turnover_ticklots", I8),
        ("venue_position_lots", I8),
        ("ts_fill_ns", I8),
        ("price_fill_ticks", I8),
        ("gross_micros", I8),  # this symbol's part of the clock's
        ("day_pnl_micros", I8),  # so is this
        ("day_start_micros", I8),  # its PnL of all journals when the day began; the sentinel before a price is known
        ("opening_lots", I8),  # taken over before the first fill (engine/opening.py), from here on
        ("opening_price_e8", I8),
        ("opening_pnl_micros", I8),  # realised by the journals before this one, before fees and funding
        ("opening_fees_micros", I8),
        ("opening_funding_micros", I8),
        ("opening_unrealized_micros", I8),  # gained by what was taken over up to the first mid; the sentinel before
    ],
)

COUNTER = record(
    8 * COUNTER_ROOM,
    [
        ("placed_count", I8),
        ("amended_count", I8),
        ("cancelled_count", I8),
        ("acked_count", I8),
        ("rejected_count", I8),
        ("expired_count", I8),
        ("audit_count", I8),
        ("alert_count", I8),
        ("request_timeout_count", I8),
        ("late_event_count", I8),  # venue answers for an order that is done or not known
        ("post_only_adjust_count", I8),
        ("guard_trip_count", I8),
        ("funding_count", I8),  # settlements told, by the market or the account
        ("settlement_count", I8),  # of them the account's own
        ("reserved", I8, (COUNTER_ROOM - 14,)),  # a new counter takes the first of them: no layout changes
    ],
)

PARAM = record(8 * len(PARAM_FIELDS), [(field.name, field.type) for field in PARAM_FIELDS])

ADJUST = record(
    48,
    [
        ("op", I8),  # AdjustOp; NONE: the record is free
        ("author", I8),  # the policy's id, 0 = the operator
        ("param_id", I8),
        ("reason", I8),
        ("whole", I8),  # the value of an integer PARAM, and of SCALE_PPM
        ("real", F8),  # of a float PARAM
    ],
)

MEMORY = record(
    8 * 2 * USER_MEMORY_COUNT,
    [
        ("real", F8, (USER_MEMORY_COUNT,)),  # in the order in which the strategy file has them
        ("whole", I8, (USER_MEMORY_COUNT,)),
    ],
)

# Everything of one instrument. One record, so that a kernel is handed one plain pointer: arrays as arguments are
# reference-counted at every call, which cost half of the run time and most of the compile time (docs/adr/0003).
CELL_FIELDS: list[tuple] = [
    ("index", I8),  # instrument_index
    ("instrument", INSTRUMENT),
    ("param", PARAM),  # in force: `base` with what `adjusts` make of it
    ("book", BOOK),
    ("sides", BOOK_SIDE, (SIDE_COUNT,)),
    ("signal", SIGNAL),
    ("quoter", QUOTER),
    ("quote_sides", QUOTE_SIDE, (SIDE_COUNT,)),
    ("throttle", THROTTLE),
    ("targets", TARGET, (SIDE_COUNT, LEVEL_COUNT_MAX)),
    ("orders", ORDER, (ORDER_COUNT_MAX,)),
    ("position", POSITION),
    ("counter", COUNTER),
    ("blocked_counts", I8, (REASON_ROOM,)),
    ("ask", ASK),
    ("first_block_count", I8),  # of `first_blocks`, until their AUDIT rows are appended
    ("first_blocks", BLOCK, (FIRST_BLOCK_ROOM,)),
    ("window_qty_lots", I8, (SIDE_COUNT, BOOK_WINDOW_TICKS)),  # a ring over keys
    ("window_block_counts", I8, (SIDE_COUNT, BOOK_BLOCK_COUNT)),  # levels per block of the ring
    ("far_levels", LEVEL, (SIDE_COUNT, BOOK_FAR_COUNT_MAX)),  # beyond the window, worst first
    ("held_rows", EVENT, (BOOK_HELD_ROW_COUNT_MAX,)),  # deltas that wait for a snapshot
    ("base", PARAM),  # as the operator set them
    ("adjusts", ADJUST, (ADJUST_COUNT_MAX,)),  # in the order in which they are folded
    ("features", FEATURE_SET),  # engine/features/
    ("memory", MEMORY),  # of a user's strategy
    ("memory_before", MEMORY),  # as its last call found it
]
CELL = record(sum(np.dtype([field]).itemsize for field in CELL_FIELDS), CELL_FIELDS)

# What a run hands back: where it is in its batch, and the effects decided since the last drain. Not state.
OUT = record(
    64 + ROW_BYTES * EFFECT_COUNT_MAX,
    [
        ("row_index", I8),  # next row of the batch
        ("event_row_index", I8),  # first row of the event that `run` stopped after
        ("policy_task", I8),
        ("block", I8),  # chain block of the effects in the buffer
        ("effect_count", I8),  # effects in the buffer
        ("witness_index", I8),  # effects of the buffer already compared
        ("stop_on_effects", I8),  # 1: come back after every event that decided something
        ("witnessed", I8),  # 1: the rows hold witnesses, compare them
        ("effects", EVENT, (EFFECT_COUNT_MAX,)),
    ],
)
