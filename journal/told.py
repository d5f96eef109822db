"""Trades that a venue told twice, known by its own ids; the memory has one size, whatever the recording.

A trade is told again where id, time, price and size are: some captures give all trades one id, and those are not one.

Two tables of ids, one being filled: when it is full the older one is emptied and filled next. So at least the last
`TOLD_ID_COUNT` trades of all instruments are remembered and at most twice as many; a trade told again after more than
that is taken for a new one.
Must never import numba: the importers' compiled lanes compile `key_of_trade` and `was_told` from here.
"""

import hashlib
import re
from typing import NamedTuple

import numpy as np

from mmfold.engine.codes import EventKind
from mmfold.engine.limits import INSTRUMENT_COUNT_MAX, NS_PER_MS
from mmfold.engine.records import NO_ORDER_ID

TOLD_ID_COUNT = 1 << 19  # more than an hour of the busiest market: recorders that are an hour apart overlap
SLOT_COUNT = 2 * TOLD_ID_COUNT
TRADE_ID_BITS = 62
TRADE_ID_MAX = (1 << TRADE_ID_BITS) - 1
INSTRUMENT_SHIFT = 54  # numbers of trades are below it, the bits of a UUID are as mixed as before
WORD_MASK = (1 << 31) - 1
FIBONACCI = 1_640_531_527  # odd and below 2^31, so that no product overflows
PRICE_FACTOR, QTY_FACTOR = 2_135_587_861, 1_367_130_551  # likewise
SLOT_SHIFT = 11  # 31 bits less those of a slot
UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
NUMBER_DIGIT_COUNT_MAX = 19

assert INSTRUMENT_COUNT_MAX << INSTRUMENT_SHIFT == 1 << TRADE_ID_BITS
assert SLOT_COUNT == 1 << (31 - SLOT_SHIFT)
assert -NO_ORDER_ID > TRADE_ID_MAX, "no id is the sentinel"


class Told(NamedTuple):
    """The memory.

    Shape: keys (2, SLOT_COUNT) i8, 0 an empty slot; place (2,) i8, the table that is filled and how many ids it has.
    """

    keys: np.ndarray
    place: np.ndarray


def no_trades() -> Told:
    """Return a memory without any trade; the pages of it that are never used are never there."""
    return Told(np.zeros((2, SLOT_COUNT), np.int64), np.zeros(2, np.int64))


def key_of_trade(instrument_index, trade_id, ts_exchange_ns, price_ticks, qty_lots):  # type: ignore[no-untyped-def]
    """Return what a trade is known by: 1 or more. Of the time whole ms count, which every recording has.

    Units: 0 <= trade_id <= TRADE_ID_MAX.
    """
    time = ((ts_exchange_ns // NS_PER_MS) & WORD_MASK) * FIBONACCI
    level = ((price_ticks & WORD_MASK) * PRICE_FACTOR) ^ ((qty_lots & WORD_MASK) * QTY_FACTOR)
    return ((trade_id ^ (np.int64(instrument_index) << INSTRUMENT_SHIFT) ^ time ^ level) & TRADE_ID_MAX) + 1


def was_told(keys, place, key):  # type: ignore[no-untyped-def]
    """Tell whether a trade was told before, and remember it.

    Shape: keys, place as in Told; key of key_of_trade.
    """
    assert key > 0
    home = ((((key ^ (key >> 31)) & WORD_MASK) * FIBONACCI) >> SLOT_SHIFT) & (SLOT_COUNT - 1)
    filled = place[0]
    free = home
    for table in (1 - filled, filled):
        slot = home
        while keys[table, slot] != 0:
            if keys[table, slot] == key:
                return True
            slot = (slot + 1) & (SLOT_COUNT - 1)
        free = slot
    if place[1] == TOLD_ID_COUNT:
        filled = 1 - filled
        keys[filled, :] = 0
        place[0], place[1], free = filled, 0, home
    keys[filled, free] = key
    place[1] += 1
    return False


def trade_id_of(text: str) -> int:
    """Return 62 bits of a trade's id: of a UUID its last ones, of a number itself, else those of its sha256."""
    if UUID.fullmatch(text):
        return int(text[19:23] + text[24:], 16) & TRADE_ID_MAX
    if text.isascii() and text.isdigit() and len(text) <= NUMBER_DIGIT_COUNT_MAX and (text[0] != "0" or text == "0"):
        number = int(text)
        if number <= TRADE_ID_MAX:
            return number
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[-8:]) & TRADE_ID_MAX


def told_again(told: Told, rows: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Tell of each row whether it is a trade that was told before; the others are remembered.

    Shape: rows EVENT; ids i8 of each row, NO_ORDER_ID for one that cannot be told from another.
    """
    again = np.zeros(len(rows), bool)
    for at in np.flatnonzero((rows["kind"] == EventKind.TRADE) & (ids >= 0)).tolist():
        row = rows[at]
        key = key_of_trade(row["instrument_index"], ids[at], row["ts_exchange_ns"], row["price_ticks"], row["qty_lots"])
        again[at] = was_told(told.keys, told.place, key)
    return again
