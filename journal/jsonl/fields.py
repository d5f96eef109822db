"""Which row fields every event kind uses and how text spells them; must never spell one row in two ways.

One table, `KINDS`, drives the JSONL encoder and decoder, the compiled JSONL parser, the check for canonical rows and
the Parquet export. The kinds are described in docs/data.md, sections 2 and 6.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, IntEnum
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import numpy as np

from mmfold.engine.codes import AlertCode, AuditKind, ConnectionState, EventKind, Flag, Reason, RequestOutcome, Side
from mmfold.engine.limits import (
    AUTHOR_SHIFT,
    E8,
    E9,
    MICROS_PER_UNIT,
    POLICY_ROOM,
    PRICE_TICKS_MAX,
    QTY_LOTS_MAX,
)
from mmfold.engine.manifest import Instrument, Manifest
from mmfold.engine.records import FEE_CODE_ZERO, NO_FEE_CODE, NO_ORDER_ID, NO_PRICE_TICKS, NO_TS_NS, NO_VALUE
from mmfold.journal.jsonl.decimals import FieldError, Grid, format_units, grid_of, parse_units, show, units_max

INT_MIN = NO_VALUE + 1  # the sentinel is absence, what is below it means nothing
INT_MAX = (1 << 63) - 1

# What a column holds in a row of a kind that does not use it.
EMPTY = {
    "ts_exchange_ns": NO_TS_NS,
    "ts_receive_ns": NO_TS_NS,
    "price_ticks": NO_PRICE_TICKS,
    "qty_lots": 0,
    "order_id": NO_ORDER_ID,
    "aux": NO_VALUE,
    "side": int(Side.NONE),
    "instrument_index": 0,
    "code": 0,
}


class Scale(NamedTuple):
    """What the decimals of one instrument are counted in."""

    symbol: str
    tick: Grid
    lot: Grid
    tick_text: str
    lot_text: str


@lru_cache(maxsize=1024)
def scale_of(instrument: Instrument) -> Scale:
    """Return the tick and lot grids of an instrument."""
    tick, lot = grid_of(Decimal(instrument.tick_size)), grid_of(Decimal(instrument.lot_size))
    return Scale(instrument.symbol, tick, lot, instrument.tick_size, instrument.lot_size)


def scales_of(manifest: Manifest) -> list[Scale]:
    """Return the scales of the manifest's instruments, by instrument_index."""
    return [scale_of(instrument) for instrument in manifest.instruments]


class Codec(Protocol):
    """One spelling of an int64: to JSON, from JSON, and which values it can spell."""

    def render(self, units: int, scale: Scale) -> object:
        """Return the JSON value."""

    def parse(self, value: object, scale: Scale) -> int:
        """Return the column's value, or raise FieldError."""

    def valid(self, column: np.ndarray, instruments: np.ndarray, scales: Sequence[Scale]) -> np.ndarray:
        """Return a mask of the values that `render` can spell."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A JSON integer."""

    low: int = INT_MIN
    high: int = INT_MAX

    def render(self, units: int, scale: Scale) -> object:
        """Return the integer itself."""
        return units

    def parse(self, value: object, scale: Scale) -> int:
        """Return the integer, refusing booleans, floats and strings."""
        if type(value) is not int:
            raise FieldError(f"{show(value)} is not an integer")
        if not self.low <= value <= self.high:
            raise FieldError(f"{show(value)} is not within {self.low} .. {self.high}")
        return value

    def valid(self, column: np.ndarray, instruments: np.ndarray, scales: Sequence[Scale]) -> np.ndarray:
        """Return which values are inside the bounds."""
        return (column >= self.low) & (column <= self.high)


@dataclass(frozen=True, slots=True)
class FeeRate:
    """A JSON integer, the fee rate of a fill in ppm; the column holds its distance from a code that is not 0."""

    high: int = FEE_CODE_ZERO - 1

    def render(self, units: int, scale: Scale) -> object:
        """Return the rate."""
        return units - FEE_CODE_ZERO

    def parse(self, value: object, scale: Scale) -> int:
        """Return the code of a rate, refusing booleans, floats and strings."""
        return Whole(-self.high, self.high).parse(value, scale) + FEE_CODE_ZERO

    def valid(self, column: np.ndarray, instruments: np.ndarray, scales: Sequence[Scale]) -> np.ndarray:
        """Return which codes stand for a rate."""
        return column != NO_FEE_CODE


@dataclass(frozen=True, slots=True)
class Word:
    """A code spelled as a lower-case word."""

    names: tuple[tuple[str, int], ...]

    def render(self, units: int, scale: Scale) -> object:
        """Return the word of a code."""
        return next(name for name, code in self.names if code == units)

    def parse(self, value: object, scale: Scale) -> int:
        """Return the code of a word."""
        for name, code in self.names:
            if name == value:
                return code
        raise FieldError(f"{show(value)} is not one of {', '.join(name for name, _ in self.names)}")

    def valid(self, column: np.ndarray, instruments: np.ndarray, scales: Sequence[Scale]) -> np.ndarray:
        """Return which values have a word."""
        return np.isin(column, [code for _, code in self.names])


@dataclass(frozen=True, slots=True)
class AuthoredWord:
    """A code spelled as its word, and behind an @ the policy that had the last word, from bit AUTHOR_SHIFT on."""

    word: Word

    def render(self, units: int, scale: Scale) -> object:
        """Return the word of a code, with its policy where it is not the operator."""
        author, code = divmod(units, 1 << AUTHOR_SHIFT)
        return f"{self.word.render(code, scale)}@{author}" if author else self.word.render(code, scale)

    def parse(self, value: object, scale: Scale) -> int:
        """Return the code of a word and its policy."""
        word, at, author = value.partition("@") if isinstance(value, str) else (value, "", "")
        if at and author not in AUTHORS:
            raise FieldError(f"{show(value)} has no policy of 1 to {POLICY_ROOM - 1} behind its @")
        return (int(author) << AUTHOR_SHIFT if at else 0) | self.word.parse(word, scale)

    def valid(self, column: np.ndarray, instruments: np.ndarray, scales: Sequence[Scale]) -> np.ndarray:
        """Return which values have a word, and a policy that there is room for."""
        has_word = self.word.valid(column & ((1 << AUTHOR_SHIFT) - 1), instruments, scales)
        return has_word & (column >= 0) & (column < POLICY_ROOM << AUTHOR_SHIFT)


@dataclass(frozen=True, slots=True)
class Fixed:
    """A decimal string counted in a step that is the same for all instruments."""

    grid: Grid
    signed: bool = False

    def render(self, units: int, scale: Scale) -> object:
        """Return the decimal text."""
        return format_units(units, self.grid)

    def parse(self, value: object, scale: Scale) -> int:
        """Return the units of a decimal text."""
        try:
            return parse_units(value, self.grid, self.signed)
        except FieldError as error:
            step = f" (step {format_units(1, self.grid)})" if "off the grid" in str(error) else ""
            raise FieldError(f"{error}{step}", error.hint) from None

    def valid(self, column: np.ndarray, instruments: np.ndarray, scales: Sequence[Scale]) -> np.ndarray:
        """Return which values have at most 18 digits and an allowed sign."""
        high = units_max(self.grid, INT_MAX)
        return (column >= (-high if self.signed else 0)) & (column <= high)


@dataclass(frozen=True, slots=True)
class Scaled:
    """A decimal string counted in the instrument's ticks or lots."""

    unit: str  # "tick" or "lot"
    limit: int
    low: int = 0
    signed: bool = False

    def grid(self, scale: Scale) -> Grid:
        """Return the instrument's step."""
        return scale.tick if self.unit == "tick" else scale.lot

    def render(self, units: int, scale: Scale) -> object:
        """Return the decimal text."""
        return format_units(units, self.grid(scale))

    def parse(self, value: object, scale: Scale) -> int:
        """Return the ticks or lots of a decimal text."""
        try:
            units = parse_units(value, self.grid(scale), self.signed)
        except FieldError as error:
            if "off the grid" not in str(error):
                raise
            step = scale.tick_text if self.unit == "tick" else scale.lot_text
            message = f"{show(value)} is off the {self.unit} grid of {scale.symbol} ({self.unit} {step})"
            raise FieldError(message, f"fix the value, or the {self.unit}_size of {scale.symbol}") from None
        if not (-self.limit if self.signed else self.low) <= units <= units_max(self.grid(scale), self.limit):
            raise FieldError(f"{show(value)} is {'not positive' if units < self.low else 'too large'}")
        return units

    def valid(self, column: np.ndarray, instruments: np.ndarray, scales: Sequence[Scale]) -> np.ndarray:
        """Return which values are inside the limits of their instruments."""
        high = np.array([units_max(self.grid(scale), self.limit) for scale in scales], np.int64)[instruments]
        return (column >= (-high if self.signed else self.low)) & (column <= high)


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a kind's JSON object: its column and its spelling; an optional one is left out where that is empty."""

    key: str
    column: str
    codec: Codec
    optional: bool = False


class Shape(Enum):
    """What the rows of an event are."""

    PAYLOAD = "payload"  # rows of raw bytes
    SINGLE = "single"  # one row
    LEVELS = "levels"  # bids, then asks; the fields of a level are price and qty
    PAIR = "pair"  # the bid row, then the ask row
    ORDERS = "orders"  # one row per order
    ACCOUNT = "account"  # one row, and a second one exactly where `second_bit` is set
    NOTE = "note"  # one row: a part of a note (journal/jsonl/notes.py)


@dataclass(frozen=True, slots=True)
class KindFields:
    """How one kind is spelled: `fields` once per event, `each` once per level or order, `bits` as booleans.

    `second` are the fields of the second row of an ACCOUNT, which stands exactly where `second_bit` is set.
    """

    kind: EventKind
    shape: Shape
    fields: tuple[Field, ...] = ()
    each: tuple[Field, ...] = ()
    bits: tuple[tuple[str, Flag], ...] = ()
    second: tuple[Field, ...] = ()
    second_bit: int = 0

    @property
    def word(self) -> str:
        """The kind as JSON and Parquet spell it."""
        return self.kind.name.lower()

    @property
    def has_symbol(self) -> bool:
        """Whether events of the kind are about one instrument."""
        return self.shape is not Shape.PAYLOAD and self.kind not in WITHOUT_SYMBOL


def _words(codes: type[IntEnum]) -> Word:
    return Word(tuple((code.name.lower(), int(code)) for code in codes))


def _optional(key: str, column: str, codec: Codec) -> Field:
    return Field(key, column, codec, optional=True)


WITHOUT_SYMBOL = (EventKind.TIMER, EventKind.BALANCE, EventKind.CONNECTION, EventKind.HEALTH, EventKind.NOTE)
LEVEL_SIDE = Word((("bid", int(Side.BID)), ("ask", int(Side.ASK))))
ORDER_SIDE = Word((("buy", int(Side.BID)), ("sell", int(Side.ASK))))
REASON = _words(Reason)
AUTHORS = frozenset(map(str, range(1, POLICY_ROOM)))
ANY_INT = Whole()
CODE = Whole(0, 0xFFFF)
TICKS = Scaled("tick", PRICE_TICKS_MAX)
LOTS = Scaled("lot", QTY_LOTS_MAX)
RATE_E9 = Fixed(grid_of(1 / Decimal(E9)), signed=True)
PRICE_E8 = Fixed(grid_of(1 / Decimal(E8)))
MICROS = Fixed(grid_of(1 / Decimal(MICROS_PER_UNIT)), signed=True)

TIMES = (
    _optional("ts_exchange_ns", "ts_exchange_ns", ANY_INT),
    _optional("ts_receive_ns", "ts_receive_ns", ANY_INT),
)
PRICE = Field("price", "price_ticks", TICKS)
QTY = Field("qty", "qty_lots", LOTS)
QTY_POSITIVE = Field("qty", "qty_lots", Scaled("lot", QTY_LOTS_MAX, low=1))
SIDE = Field("side", "side", ORDER_SIDE)
ORDER = Field("order_id", "order_id", ANY_INT)
MARKET_ORDER = Field("market_order_id", "order_id", ANY_INT)
WHY = Field("reason", "code", REASON)
VENUE_CODE = _optional("code", "code", CODE)
VENUE_SEQ = _optional("venue_seq", "aux", ANY_INT)
VENUE_SEQ_PREV = _optional("venue_seq_prev", "order_id", ANY_INT)


def _single(kind: EventKind, *fields: Field, bits: tuple[tuple[str, Flag], ...] = ()) -> KindFields:
    return KindFields(kind, Shape.SINGLE, fields, bits=bits)


_K = EventKind
_TABLE = (
    KindFields(_K.MANIFEST, Shape.PAYLOAD),
    KindFields(_K.CONFIG, Shape.PAYLOAD),
    KindFields(_K.COMMAND, Shape.PAYLOAD),
    _single(_K.TIMER),
    KindFields(_K.BOOK_SNAPSHOT, Shape.LEVELS, (VENUE_SEQ,), (PRICE, QTY_POSITIVE)),
    KindFields(_K.BOOK_DELTA, Shape.LEVELS, (VENUE_SEQ, VENUE_SEQ_PREV), (PRICE, QTY)),
    _single(_K.BOOK_CLEAR),
    _single(_K.BOOK_GAP),
    KindFields(_K.BBO, Shape.PAIR, (VENUE_SEQ,), (PRICE, QTY)),
    _single(
        _K.TRADE,
        *(SIDE, PRICE, QTY, _optional("trade_number", "aux", ANY_INT), _optional("trade_id", "order_id", ANY_INT)),
        bits=(("block", Flag.BLOCK),),
    ),
    _single(_K.MARK, Field("mark_price", "aux", PRICE_E8), _optional("index_price", "order_id", PRICE_E8)),
    KindFields(
        _K.FUNDING,
        Shape.ACCOUNT,
        (Field("rate", "aux", RATE_E9), _optional("mark_price", "order_id", PRICE_E8)),
        bits=(("settled", Flag.PAID),),
        second=(Field("paid", "aux", MICROS), SIDE, QTY, Field("execution", "order_id", ANY_INT)),
        second_bit=Flag.PAID,
    ),
    _single(_K.BOOK_ORDER, SIDE, PRICE, QTY, MARKET_ORDER, VENUE_SEQ),
    _single(_K.ACK, ORDER),
    _single(_K.REJECT, ORDER, VENUE_CODE),
    _single(_K.AMENDED, ORDER, PRICE, QTY),
    _single(_K.CANCELED, ORDER, VENUE_CODE),
    _single(_K.EXPIRED, ORDER),
    _single(
        _K.FILL,
        *(ORDER, SIDE, PRICE, QTY, _optional("execution", "aux", ANY_INT), _optional("fee_ppm", "code", FeeRate())),
        bits=(("maker", Flag.MAKER),),
    ),
    _single(_K.BALANCE, Field("cash", "aux", MICROS)),
    KindFields(
        _K.POSITION,
        Shape.ACCOUNT,
        (
            Field("qty", "qty_lots", Scaled("lot", QTY_LOTS_MAX, low=-QTY_LOTS_MAX, signed=True)),
            _optional("price", "price_ticks", TICKS),
            _optional("average_price", "aux", PRICE_E8),
            _optional("pnl_before", "order_id", MICROS),
        ),
        bits=(("opening", Flag.OPENING),),
        second=(Field("fees_before", "aux", MICROS), Field("funding_before", "order_id", MICROS)),
        second_bit=Flag.OPENING,
    ),
    KindFields(_K.OPEN_ORDERS, Shape.ORDERS, (), (ORDER, SIDE, PRICE, QTY)),
    _single(_K.CONNECTION, Field("state", "code", _words(ConnectionState))),
    _single(
        _K.REQUEST_RESULT,
        Field("outcome", "code", _words(RequestOutcome)),
        *(_optional("order_id", "order_id", ANY_INT), _optional("latency_ns", "aux", ANY_INT)),
    ),
    _single(_K.HEALTH, _optional("resident_bytes", "aux", ANY_INT), _optional("loop_drift_ns", "order_id", ANY_INT)),
    _single(_K.SCORE, Field("score", "aux", RATE_E9)),
    _single(_K.PLACE, ORDER, SIDE, PRICE, QTY, WHY, bits=(("post_only", Flag.POST_ONLY),)),
    _single(_K.AMEND, ORDER, SIDE, PRICE, QTY, _optional("filled_lots", "aux", ANY_INT), WHY),
    _single(_K.CANCEL, ORDER, _optional("side", "side", ORDER_SIDE), WHY),
    _single(
        _K.AUDIT,
        Field("audit", "code", _words(AuditKind)),
        _optional("side", "side", ORDER_SIDE),
        _optional("order_id", "order_id", ANY_INT),
        _optional("before", "price_ticks", ANY_INT),
        Field("after", "qty_lots", Whole(-INT_MAX - 1)),  # 0 is a value here, the column has no sentinel
        _optional("reason", "aux", AuthoredWord(REASON)),
    ),
    _single(_K.ALERT, Field("alert", "code", _words(AlertCode)), _optional("detail", "aux", ANY_INT)),
    KindFields(_K.DIGEST, Shape.PAYLOAD),
    KindFields(_K.NOTE, Shape.NOTE),
)
KINDS: dict[int, KindFields] = {int(entry.kind): entry for entry in _TABLE}
WORDS: dict[Any, KindFields] = {entry.word: entry for entry in _TABLE}
FORMER_WORDS = {"rate": KINDS[EventKind.REQUEST_RESULT]}  # of files of 0.1.0: read, never written
assert set(KINDS) == set(EventKind) - {EventKind.FRAME}, "every kind has its fields"
