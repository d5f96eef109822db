"""Every limit of the core and the relations between them; must never be read from configuration."""

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
NS_PER_DAY = 86_400 * NS_PER_S
MICROS_PER_UNIT = 1_000_000
PPM = 1_000_000
E8 = 100_000_000
E9 = 1_000_000_000

ROW_BYTES = 64
PAYLOAD_ROW_BYTES = 48  # bytes of a payload that one row carries
PAYLOAD_BYTES_MAX = 1 << 20
EVENT_ROW_COUNT_MAX = 1 << 17  # rows of one event: a full-depth snapshot of any venue known fits 10 times
CHAIN_BLOCK_EVENT_COUNT = 1024  # events between two restarts of the chain's hash (docs/data.md, chain)

INSTRUMENT_COUNT_MAX = 256
LEVEL_COUNT_MAX = 10  # quoted levels of one side
ADJUST_COUNT_MAX = 128  # adjustments of one instrument's PARAMS: a pin of each, and those of policies
ARRIVAL_BUCKET_COUNT = 24  # of trades by their distance from the mid: 0, 1, 2 to 3, 4 to 7 half ticks ...
USER_MEMORY_COUNT = 16  # real and whole numbers that a user's strategy may remember of an instrument, of each
FIRST_BLOCK_ROOM = 48  # reasons that one event may be the first to be blocked for
POLICY_ROOM = 16  # policies, by their ids
AUTHOR_SHIFT = 32  # of `aux` of an AUDIT row: the reason below, the policy that had the last word above
NOTE_BYTES_MAX = 1 << 12  # of a policy's note, as text
NOTE_PART_BYTES = 24  # of it in one effect
NOTE_PART_COUNT_MAX = -(-NOTE_BYTES_MAX // NOTE_PART_BYTES)
CIRCUIT_SECOND_COUNT = 60  # longest window of the circuit breaker
CIRCUIT_PROBE_ROOM = 16  # most probes of it
THROTTLE_OP_COUNT = 3  # place, amend, cancel
THROTTLE_SECOND_COUNT = 16  # longest window of the throttle
ORDER_COUNT_MAX = 64  # own orders of one instrument, both sides, any status
EFFECT_COUNT_MAX = 1 << 16  # effects buffer of the driver, drained between batches
EFFECT_COUNT_PER_EVENT_MAX = 1 << 14  # what one event may decide at most: the room that `run` keeps free

MARKOUT_HORIZONS_MS = (200, 500)
MARKOUT_HORIZON_COUNT = len(MARKOUT_HORIZONS_MS)
MARKOUT_FILL_ROOM = 256  # fills of one instrument that wait for their markouts
MARKOUT_RATIO_MAX = 100  # a mid further from a fill's price marks nothing: sums of 9e8 fills fit 64 bits
TURNOVER_QUARTER_COUNT = 96  # quarter hours of a day
TURNOVER_DAY_COUNT = 30
ORDER_AGE_BOUNDS_MS = (100, 500, 1_000, 5_000)
LATENCY_BOUNDS_MS = (0, 5, 10, 20, 50, 100, 200, 400, 800, 1_600)

BOOK_WINDOW_TICKS = 1 << 17  # dense part of one side of a book, a ring of ticks
BOOK_BETTER_TICKS = 1 << 15  # room kept between the window's start and the best price
BOOK_BLOCK_TICKS = 64  # ticks counted together, so that the scan for the next level skips empty blocks
BOOK_FAR_COUNT_MAX = 1 << 13  # levels of one side beyond the window
BOOK_HELD_ROW_COUNT_MAX = 1 << 13  # rows of deltas kept while a book waits for its snapshot
BOOK_HELD_DROP_ROW_COUNT = 1 << 11  # rows of the oldest that go together when there is no room: less is moved
BOOK_STAMP_AHEAD_NS = 60 * NS_PER_S  # a venue's stamp further ahead of its receive time is no time
BOOK_LATE_RUN_COUNT = 3  # late messages that continue each other: the venue numbers anew
BOOK_LATE_RUN_NS = 200 * NS_PER_MS  # those whose stamps are not later have to go on for so long: no burst does

DAY_MICROS_MAX = 1 << 52  # won or lost by one symbol in a day: that of all of them fits 64 bits

PRICE_TICKS_MAX = 1 << 40
QTY_LOTS_MAX = 1 << 44
TS_NS_MAX = 1 << 62
POSITION_LOTS_MAX = QTY_LOTS_MAX  # of a linear or spot instrument, and less where its lots are worth more
INVERSE_LOTS_MAX = 1 << 31  # of an inverse contract
VALUE_LOTS_MAX = 1 << 32  # lots of an inverse contract that are valued at once: a position turned round
PRODUCT_MAX = 1 << 62  # of a price, lots and the tick value's numerator, in half ticks: money fits 64 bits
HOLDING_MAX = 1 << 58  # of such a product what may be held: room for a price that rises eightfold
TICK_VALUE_NUMERATOR_MAX = 1 << 31
TICK_VALUE_DENOMINATOR_MAX = 1 << 43  # times a fee rate in ppm it fits 64 bits
LOT_RATIO_MAX = 1 << 31  # of a lot's numerator and denominator: their squares fit 64 bits
BEYOND = "beyond what is counted in 64 bits"  # of an assertion that the world may break, not only we
VALUE_TICKLOTS_MAX = 1 << 61  # value of lots of an inverse contract, in 1e-9 base
VALUE_E8_MAX = 1 << 61  # of lots at a price from outside, in 1e-8 quote: its parts stay in 64 bits
BASE_VALUE_MAX = 1 << 60  # of one lot of an inverse contract at one tick, numerator; in 1e-9 base
BASE_VALUE_DENOMINATOR_MAX = 1 << 5
LOT_NOTIONAL_MICROS_MAX = 1 << 31  # of one lot of an inverse contract
BASE_DIVISOR_MAX = 2 * PRICE_TICKS_MAX * BASE_VALUE_DENOMINATOR_MAX  # of a base value, at half ticks
ORDER_ID_SEQ_SHIFT = 16  # order_id = seq << 16 | instrument_index << 6 | slot
ORDER_ID_INSTRUMENT_SHIFT = 6
SEQ_MAX = 1 << 46

assert BOOK_WINDOW_TICKS & (BOOK_WINDOW_TICKS - 1) == 0, "the window is a ring: index = key & (size - 1)"
assert MARKOUT_FILL_ROOM & (MARKOUT_FILL_ROOM - 1) == 0, "fills are a ring: index = number & (size - 1)"
assert BOOK_WINDOW_TICKS % BOOK_BLOCK_TICKS == 0
assert BOOK_BETTER_TICKS * 2 <= BOOK_WINDOW_TICKS
assert 1 << ORDER_ID_INSTRUMENT_SHIFT == ORDER_COUNT_MAX
assert INSTRUMENT_COUNT_MAX << ORDER_ID_INSTRUMENT_SHIFT <= 1 << ORDER_ID_SEQ_SHIFT
assert SEQ_MAX << ORDER_ID_SEQ_SHIFT <= 1 << 62
assert ORDER_COUNT_MAX >= 2 * 2 * LEVEL_COUNT_MAX, "each level may have one order leaving and one arriving"
assert EFFECT_COUNT_MAX >= 2 * EFFECT_COUNT_PER_EVENT_MAX
assert 4 * POLICY_ROOM * NOTE_PART_COUNT_MAX <= EFFECT_COUNT_PER_EVENT_MAX, "a note of each policy at one event"
assert BASE_DIVISOR_MAX * 2 * (1 << 16) <= 1 << 63, "a base value is divided 16 bits of lots at a time"
assert 2 * INVERSE_LOTS_MAX <= VALUE_LOTS_MAX <= 1 << 32
assert POSITION_LOTS_MAX <= 1 << 46, "a share of a position is divided 16 bits at a time"
assert TICK_VALUE_DENOMINATOR_MAX * PPM <= 1 << 63 and LOT_RATIO_MAX**2 <= 1 << 62
assert PAYLOAD_BYTES_MAX <= EVENT_ROW_COUNT_MAX * PAYLOAD_ROW_BYTES
