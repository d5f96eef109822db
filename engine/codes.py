"""Every enumerated code of the core: the byte that stands in a record and its name; must never be renumbered."""

from enum import IntEnum


class EventKind(IntEnum):
    """What a row says. 1..99 inputs, 100..199 outputs (witnesses in a journal), 255 the journal's own frame."""

    MANIFEST = 1
    CONFIG = 2
    COMMAND = 3
    TIMER = 4
    BOOK_SNAPSHOT = 10
    BOOK_DELTA = 11
    BOOK_CLEAR = 12
    BOOK_GAP = 13
    BBO = 14
    TRADE = 15
    MARK = 16
    FUNDING = 17
    BOOK_ORDER = 18
    ACK = 30
    REJECT = 31
    AMENDED = 32
    CANCELED = 33
    EXPIRED = 34
    FILL = 35
    BALANCE = 40
    POSITION = 41
    OPEN_ORDERS = 42
    CONNECTION = 50
    REQUEST_RESULT = 51
    HEALTH = 52
    SCORE = 53
    PLACE = 100
    AMEND = 101
    CANCEL = 102
    AUDIT = 103
    ALERT = 104
    DIGEST = 105
    NOTE = 106
    FRAME = 255


EFFECT_KIND_MIN = 100
EFFECT_KIND_MAX = 199
PAYLOAD_KINDS = (EventKind.MANIFEST, EventKind.CONFIG, EventKind.COMMAND, EventKind.DIGEST)


class Side(IntEnum):
    """Side of a level, an order or a trade's aggressor. BID = buy, ASK = sell."""

    BID = 0
    ASK = 1
    NONE = 2


class Flag(IntEnum):
    """Bits of `flags`."""

    LAST = 1  # last row of its event
    MAKER = 2  # FILL: we were the maker
    BLOCK = 4  # TRADE: a block trade, off the book
    REDUCE_ONLY = 8
    POST_ONLY = 16
    IOC = 32  # PLACE: what does not trade at once ends
    FOK = 64  # PLACE: all of it trades at once, or nothing
    LIQUIDATION = 128  # FILL: the venue closed a position that its margin no longer carried
    OPENING = 256  # POSITION: what is held before the journal's first fill; a second row follows
    PAID = 512  # FUNDING: the account's own settlement; a second row says what was paid


class Venue(IntEnum):
    """Venues that an instrument can be of."""

    GENERIC = 0
    BYBIT = 1
    BINANCE = 2


class Contract(IntEnum):
    """How price times quantity becomes money."""

    LINEAR = 0
    INVERSE = 1
    SPOT = 2


class Continuity(IntEnum):
    """Where a book's snapshots stand relative to its deltas (docs/data.md, book integrity)."""

    IN_STREAM = 0  # Bybit: the snapshot comes in the stream, what follows it continues it
    BESIDE_STREAM = 1  # Binance: the snapshot comes by REST, deltas received before it may be newer


class BookStatus(IntEnum):
    """Whether a book may be quoted on."""

    EMPTY = 0  # no snapshot yet
    LIVE = 1
    STALE = 2  # a gap: waits for a snapshot
    CROSSED = 3  # best bid above best ask: invalid until the next snapshot
    LOCKED = 4  # best bid equals best ask: invalid until the next snapshot


class OrderStatus(IntEnum):
    """Life of an own order."""

    FREE = 0  # the slot holds no order
    CREATED = 1  # decided, the request is on its way
    SUBMITTED = 2  # the request left, the venue has not answered
    ACCEPTED = 3
    AMENDING = 4
    CANCELLING = 5
    UNKNOWN = 6  # a request's outcome is not known: only the venue's word ends this
    DONE = 7


class OrderEvent(IntEnum):
    """What can happen to an own order."""

    SENT = 0
    ACK = 1
    REJECT = 2
    AMEND = 3  # we asked
    AMENDED = 4  # the venue did
    CANCEL = 5  # we asked
    CANCELED = 6  # the venue did
    EXPIRED = 7
    FILL_PARTIAL = 8
    FILL_FULL = 9
    TIMEOUT = 10
    SEEN_OPEN = 11  # reconcile: the venue lists it
    SEEN_ABSENT = 12  # reconcile: the venue does not list it


class Mode(IntEnum):
    """What happens to a decision outside the core."""

    SHADOW = 0  # nothing is sent: a placed order counts as resting at once
    SENT = 1  # orders go to a venue, real or simulated, whose answers are events


class Strategy(IntEnum):
    """Quoters (engine/quoting, one file each)."""

    LADDER = 0
    GRID = 1
    USER = 2  # a user's own file (engine/quoting/user.py)
    AVELLANEDA = 3
    GLFT = 4


class RequestOutcome(IntEnum):
    """`code` of a REQUEST_RESULT event: how a request to the venue ended."""

    OK = 0
    REFUSED = 1
    TIMEOUT = 2
    RATE_LIMITED = 3
    SERVER_ERROR = 4


class CircuitState(IntEnum):
    """State of the circuit breaker."""

    CLOSED = 0
    OPEN = 1  # nothing but cancels is sent
    HALF_OPEN = 2  # a few orders are sent as probes


class ConnectionState(IntEnum):
    """`code` of a CONNECTION event."""

    DOWN = 0
    UP = 1
    WARMING = 2  # up, but not yet to be quoted on: the market's averages are still empty


class AuditKind(IntEnum):
    """`code` of an AUDIT effect (spec/core.md 26)."""

    GUARD = 1
    PARAM = 2
    CONFIG = 3
    ORDER = 4
    RECONCILE = 5
    BLOCK = 6  # the first time that a gate has refused for a reason
    CIRCUIT = 7  # the circuit breaker's state, before and after


class Unit(IntEnum):
    """What a gate's figures are in: `order_id` of an AUDIT row of a block."""

    NONE = 0
    COUNT = 1
    NS = 2
    TICKS = 3
    LOTS = 4
    MICROS = 5
    BPS_E6 = 6  # millionths of a basis point
    CODE = 7  # of an enumeration
    BITS = 8


class AdjustOp(IntEnum):
    """What an adjustment makes of a PARAM: `op` of an ADJUST record; NONE = no record."""

    NONE = 0
    SET = 1
    SCALE_PPM = 2  # times so many millionths
    CAP = 3
    FLOOR = 4
    PIN = 5  # the operator's, over every policy


class AlertCode(IntEnum):
    """`code` of an ALERT effect."""

    BOOK_GAP = 1
    BOOK_INVALID = 2
    ORDER_UNKNOWN = 3
    POSITION_DIFFERS = 4
    BOOK_OVERFLOW = 5
    FILL_UNKNOWN_ORDER = 6
    FUNDING_DIFFERS = 7  # what was paid less what rate, price and size make
    FUNDING_UNMARKED = 8  # no mark price: paid at the book's mid, the last trade or the last fill
    FUNDING_REFUSED = 9  # not paid: the rate or the value is beyond the limits, or nothing tells a price
    POLICY = 10  # of a policy: its number from bit 32 of `aux` on, below what it tells
    DAILY_LOSS = 11  # the account stops for the day: what is lost, negative micros


class Reason(IntEnum):
    """Why an order was placed, changed, cancelled or blocked (spec/core.md 27)."""

    NONE = 0
    QUOTE = 1
    REPRICE = 2
    RESIZE = 3
    LEVEL_DROPPED = 4
    GUARD_PAUSED = 5
    MD_STALE = 6
    BOOK_INVALID = 7
    CROSS_PRICE = 8
    MIN_QTY = 9
    QTY_ZERO = 10
    RISK_LIMIT = 11
    LEVEL_CAP = 12
    ORDER_CAP = 13
    MIN_TIME_IN_BOOK = 14
    DISABLED = 15
    CONTRACT_UNSUPPORTED = 16  # in old journals: inverse contracts were not traded
    CONNECTION_DOWN = 17
    ORDER_UNKNOWN = 18
    FREEZE = 19
    IMBALANCE_GUARD = 20
    MIN_SPREAD = 21
    AUTOPOLICY = 22
    COMMAND = 23
    CONFIG = 24
    THROTTLE = 25
    BACKOFF = 26
    WARMUP = 27
    INTRADAY_CAPS = 28
    NEAR_LIQUIDATION = 29
    LIQUIDITY_INSUFFICIENT = 30
    FLIP_COOLDOWN = 31
    CIRCUIT_OPEN = 32


class Stop(IntEnum):
    """Why `run` came back to its driver."""

    END = 0  # all rows are consumed
    EFFECTS_FULL = 1  # drain the effects and call again
    POLICY = 2  # a control event or a due timer: run the policy lane, then call again
    WITNESS_DIFFERS = 3  # a witnessed effect is not the computed one
    BLOCK = 5  # a chain block ends: drain the effects and call again
    DECIDED = 6  # the event decided something and the driver wants to journal it before the next one
    DIGEST = 4  # a DIGEST witness: compare the state's digest, then call again


class PolicyTask(IntEnum):
    """What the policy lane has to do when `run` stops with POLICY."""

    CONFIG = 1
    COMMAND = 2
    TIMER = 3
