"""Tables of the compiled JSONL reader, made from `journal.fields.KINDS`; must never know a kind that is not there."""

from enum import IntEnum

import numpy as np

from mmfold.engine.codes import EventKind, Side
from mmfold.engine.limits import EVENT_ROW_COUNT_MAX, INSTRUMENT_COUNT_MAX, PRICE_TICKS_MAX, QTY_LOTS_MAX
from mmfold.engine.manifest import canonical_json
from mmfold.engine.records import I8, record
from mmfold.journal.jsonl.decimals import DIGIT_COUNT_MAX, units_max
from mmfold.journal.jsonl.fields import EMPTY, KINDS, ORDER_SIDE, REASON, TIMES, Field, KindFields, Scale, Shape
from mmfold.journal.jsonl.lines import HASH_BYTES

HOT_KINDS = (
    EventKind.BBO,
    EventKind.BOOK_DELTA,
    EventKind.TRADE,
    EventKind.PLACE,
    EventKind.CANCEL,
    EventKind.AMEND,
    EventKind.ACK,
    EventKind.FILL,
    EventKind.CANCELED,
    EventKind.AMENDED,
    EventKind.BOOK_SNAPSHOT,
    EventKind.TIMER,
    EventKind.BOOK_ORDER,
)


class Value(IntEnum):
    """What stands behind a key."""

    INT = 0
    PRICE = 1
    QTY = 2
    LEVELS = 3
    PAIR = 4
    HASH = 5
    SIDE = 6
    REASON = 7
    KIND = 8
    SYMBOL = 9
    BIT = 10


class Slot(IntEnum):
    """Columns of the event that are the same in all its rows, and what the scan counts."""

    SEQ = 0
    TS_EXCHANGE_NS = 1
    TS_RECEIVE_NS = 2
    ORDER_ID = 3
    AUX = 4
    SIDE = 5
    CODE = 6
    INSTRUMENT_INDEX = 7
    FLAGS = 8
    KIND = 9  # index into HOT_KINDS
    LEVEL_COUNT = 10
    BID_COUNT = 11  # of a book; what a kind without bids and asks leaves at 0


class Cursor(IntEnum):
    """Where the reader stands; the kernel moves it past every line that it took."""

    AT = 0
    LINE = 1
    ROW = 2
    SEQ = 3
    SEALED = 4


class Step(IntEnum):
    """Columns of an instrument's tick and lot tables."""

    MANTISSA = 0
    EXPONENT = 1
    UNITS_MAX = 2


class Part(IntEnum):
    """Columns of a scanned level: mantissas and digits behind the point, before the instrument is known."""

    PRICE = 0
    PRICE_FRACTION = 1
    QTY = 2
    QTY_FRACTION = 3


MARK = record(
    72,
    [("offset", I8), ("prev", "u1", (HASH_BYTES,)), ("hash", "u1", (HASH_BYTES,))],  # of one line
)
TOKEN_BYTES = 40  # a quoted symbol without escapes fits; the reference reads lines with longer ones
WORK = record(
    8 * (len(Slot) + len(Cursor) + 1 + INSTRUMENT_COUNT_MAX * (1 + 2 * len(Step)) + EVENT_ROW_COUNT_MAX * len(Part))
    + INSTRUMENT_COUNT_MAX * TOKEN_BYTES,
    [
        ("cursor", I8, (len(Cursor),)),
        ("slots", I8, (len(Slot),)),
        ("instrument_count", I8),
        ("token_bytes", I8, (INSTRUMENT_COUNT_MAX,)),
        ("tokens", "u1", (INSTRUMENT_COUNT_MAX, TOKEN_BYTES)),
        ("ticks", I8, (INSTRUMENT_COUNT_MAX, len(Step))),
        ("lots", I8, (INSTRUMENT_COUNT_MAX, len(Step))),
        ("levels", I8, (EVENT_ROW_COUNT_MAX, len(Part))),
    ],
)


def _tokens(texts: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """Return texts as a padded table and their lengths."""
    table = np.zeros((len(texts), max(map(len, texts)) + 1), np.uint8)
    for index, text in enumerate(texts):
        table[index, : len(text)] = np.frombuffer(text, np.uint8)
    return table, np.array([len(text) for text in texts], np.int64)


def _value_of(field: Field) -> Value:
    special = {"price": Value.PRICE, "qty": Value.QTY, "side": Value.SIDE, "reason": Value.REASON}
    return special.get(field.key, Value.INT)


def _keys() -> dict[str, tuple[Value, int]]:
    """Return what stands behind each key of the hot kinds, and the slot or flag it sets."""
    keys = {
        "kind": (Value.KIND, int(Slot.KIND)),
        "symbol": (Value.SYMBOL, int(Slot.INSTRUMENT_INDEX)),
        "seq": (Value.INT, int(Slot.SEQ)),
        "prev": (Value.HASH, 0),
        "hash": (Value.HASH, 1),
        "bids": (Value.LEVELS, int(Side.BID)),
        "asks": (Value.LEVELS, int(Side.ASK)),
        "bid": (Value.PAIR, int(Side.BID)),
        "ask": (Value.PAIR, int(Side.ASK)),
    }
    for kind in HOT_KINDS:
        for field in (*TIMES, *KINDS[kind].fields):
            if field.column != "code" or field.codec is REASON:  # other codes are rare: the reference reads them
                slot = Slot.__members__.get(field.column.upper(), Slot.LEVEL_COUNT)
                keys[field.key] = (_value_of(field), int(slot))
        keys.update({key: (Value.BIT, int(flag)) for key, flag in KINDS[kind].bits})
    return dict(sorted(keys.items()))


_KEYS = _keys()
_RANKS = {key: rank for rank, key in enumerate(_KEYS)}


def _mask(keys: set[str]) -> int:
    return sum(1 << _RANKS[key] for key in keys)


def _needed(fields: KindFields) -> set[str]:
    keys = {"kind"} | {field.key for field in fields.fields if not field.optional}
    keys |= {"symbol"} if fields.has_symbol else set()
    sides: dict[Shape, set[str]] = {Shape.LEVELS: {"bids", "asks"}, Shape.PAIR: {"bid", "ask"}}
    return keys | sides.get(fields.shape, set())


def _allowed(fields: KindFields) -> set[str]:
    keys = _needed(fields) | {"seq"} | {key for key, _ in fields.bits}
    return keys | {field.key for field in (*TIMES, *fields.fields) if field.key in _RANKS}


KEY_TOKENS, KEY_LENGTHS = _tokens([f'"{key}":'.encode() for key in _KEYS])
KEY_VALUES = np.array([value for value, _ in _KEYS.values()], np.int64)
KEY_SLOTS = np.array([slot for _, slot in _KEYS.values()], np.int64)
KIND_TOKENS, KIND_LENGTHS = _tokens([f'"{KINDS[kind].word}"'.encode() for kind in HOT_KINDS])
KIND_CODES = np.array(HOT_KINDS, np.int64)
KIND_NEEDED = np.array([_mask(_needed(KINDS[kind])) for kind in HOT_KINDS], np.int64)
KIND_ALLOWED = np.array([_mask(_allowed(KINDS[kind])) for kind in HOT_KINDS], np.int64)
KIND_QTY_MIN = np.array([kind == EventKind.BOOK_SNAPSHOT for kind in HOT_KINDS], np.int64)
KIND_IS_BOOK = np.array([KINDS[kind].shape is Shape.LEVELS for kind in HOT_KINDS], np.bool_)
KIND_IS_PAIR = np.array([KINDS[kind].shape is Shape.PAIR for kind in HOT_KINDS], np.bool_)
SIDE_TOKENS, SIDE_LENGTHS = _tokens([f'"{name}"'.encode() for name, _ in ORDER_SIDE.names])
SIDE_CODES = np.array([code for _, code in ORDER_SIDE.names], np.int64)
REASON_TOKENS, REASON_LENGTHS = _tokens([f'"{name}"'.encode() for name, _ in REASON.names])
REASON_CODES = np.array([code for _, code in REASON.names], np.int64)
TRUE_TOKENS, TRUE_LENGTHS = _tokens([b"true"])
SEAL_MASK, SEQ_MASK, PRICE_MASK = _mask({"prev", "hash"}), _mask({"seq"}), _mask({"price"})
NIBBLES = np.full(256, 255, np.uint8)  # value of each hex digit
NIBBLES[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16)
POWERS = np.array([10**power for power in range(DIGIT_COUNT_MAX + 1)], np.int64)
SLOTS_EMPTY = np.array([EMPTY.get(slot.name.lower(), 0) for slot in Slot], np.int64)


def new_work(scales: list[Scale]) -> np.ndarray:
    """Return the kernel's one record of scratch: the instruments, and room for one line.

    It is a record because arrays inside a record cost no reference counting, which took nine tenths of the time.
    """
    work = np.zeros(1, WORK)
    work["instrument_count"] = len(scales)
    for index, scale in enumerate(scales):
        token = canonical_json(scale.symbol)
        fits = len(token) <= TOKEN_BYTES
        work["token_bytes"][0, index] = len(token) if fits else -1  # a length that no text has
        if fits:
            work["tokens"][0, index, : len(token)] = np.frombuffer(token, np.uint8)
        for column, grid, limit in (("ticks", scale.tick, PRICE_TICKS_MAX), ("lots", scale.lot, QTY_LOTS_MAX)):
            work[column][0, index] = grid.mantissa, grid.exponent, units_max(grid, limit)
    return work
