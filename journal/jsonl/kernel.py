"""Compiled reader of canonical JSONL lines of the hot kinds; must never accept what `journal/jsonl/lines.py` refuses.

It reads exactly what the encoder writes (sorted keys, no spaces, shortest decimals) and leaves every other line, good
or bad, to the reference. The buffer must end with a newline: no scan step goes past one, because no token, number or
hash contains it.
"""

import numpy as np

from mmfold.engine.codes import Flag, Side
from mmfold.engine.jit import entry, kernel
from mmfold.engine.records import NO_PRICE_TICKS
from mmfold.journal.jsonl.decimals import DIGIT_COUNT_MAX
from mmfold.journal.jsonl.lines import HASH_BYTES
from mmfold.journal.jsonl.tables import (
    KEY_LENGTHS,
    KEY_SLOTS,
    KEY_TOKENS,
    KEY_VALUES,
    KIND_ALLOWED,
    KIND_CODES,
    KIND_IS_BOOK,
    KIND_IS_PAIR,
    KIND_LENGTHS,
    KIND_NEEDED,
    KIND_QTY_MIN,
    KIND_TOKENS,
    NIBBLES,
    POWERS,
    PRICE_MASK,
    REASON_CODES,
    REASON_LENGTHS,
    REASON_TOKENS,
    SEAL_MASK,
    SEQ_MASK,
    SIDE_CODES,
    SIDE_LENGTHS,
    SIDE_TOKENS,
    SLOTS_EMPTY,
    TRUE_LENGTHS,
    TRUE_TOKENS,
    Cursor,
    Part,
    Slot,
    Step,
    Value,
)

QUOTE, COMMA, DOT, ZERO = ord('"'), ord(","), ord("."), ord("0")
OPEN, CLOSE, OPEN_LIST, CLOSE_LIST, NEWLINE = ord("{"), ord("}"), ord("["), ord("]"), ord("\n")
INT_CHAR_COUNT_MAX = 19  # with a first digit below 9 these fit an int64
SLOW = -1  # the reference must read this line
NO_ROOM = -2
LAST = int(Flag.LAST)
KEY_COUNT = len(KEY_LENGTHS)
SIDE_BID, SIDE_ASK = int(Side.BID), int(Side.ASK)


@kernel
def scan_token(buffer, at, first, count, tokens, lengths):
    """Return the index of the token that stands at `at`, looking from `first` up to `count`, or SLOW."""
    for index in range(first, count):
        length = lengths[index]
        same = 0
        while same < length and buffer[at + same] == tokens[index, same]:
            same += 1
        if same == length:
            return index
    return SLOW


@kernel
def scan_int(buffer, at):
    """Return (value, end) of a plain integer; end is SLOW for anything else."""
    start = at
    value = 0
    while ZERO <= buffer[at] <= ZERO + 9 and at - start < INT_CHAR_COUNT_MAX:
        value = value * 10 + (np.int64(buffer[at]) - ZERO)
        at += 1
    count = at - start
    if count == 0 or (buffer[start] == ZERO and count > 1):
        return 0, SLOW
    if count == INT_CHAR_COUNT_MAX and buffer[start] == ZERO + 9:
        return 0, SLOW
    return value, at


@kernel
def scan_decimal(buffer, at):
    """Return (mantissa, digits behind the point, end) of a quoted decimal; end is SLOW for anything else."""
    if buffer[at] != QUOTE:
        return 0, 0, SLOW
    at += 1
    start = at
    mantissa = 0
    while ZERO <= buffer[at] <= ZERO + 9:
        mantissa = mantissa * 10 + (np.int64(buffer[at]) - ZERO)
        at += 1
    digit_count = at - start
    fraction = 0
    if digit_count and buffer[at] == DOT:
        at += 1
        start = at
        while ZERO <= buffer[at] <= ZERO + 9:
            mantissa = mantissa * 10 + (np.int64(buffer[at]) - ZERO)
            at += 1
        fraction = at - start
        if fraction == 0:
            return 0, 0, SLOW
        digit_count += fraction
    if digit_count == 0 or digit_count > DIGIT_COUNT_MAX or buffer[at] != QUOTE:
        return 0, 0, SLOW
    return mantissa, fraction, at + 1


@kernel
def scan_pair(buffer, at, levels, index):
    """Read one `["price","qty"]` into a level and return its end or SLOW."""
    if buffer[at] != OPEN_LIST:
        return SLOW
    levels[index, Part.PRICE], levels[index, Part.PRICE_FRACTION], at = scan_decimal(buffer, at + 1)
    if at == SLOW or buffer[at] != COMMA:
        return SLOW
    levels[index, Part.QTY], levels[index, Part.QTY_FRACTION], at = scan_decimal(buffer, at + 1)
    if at == SLOW or buffer[at] != CLOSE_LIST:
        return SLOW
    return at + 1


@kernel
def scan_levels(buffer, at, slots, levels):
    """Read a list of levels behind those already scanned and return its end or SLOW."""
    if buffer[at] != OPEN_LIST:
        return SLOW
    at += 1
    if buffer[at] == CLOSE_LIST:
        return at + 1
    while slots[Slot.LEVEL_COUNT] < len(levels):
        at = scan_pair(buffer, at, levels, slots[Slot.LEVEL_COUNT])
        if at == SLOW:
            return SLOW
        slots[Slot.LEVEL_COUNT] += 1
        if buffer[at] == CLOSE_LIST:
            return at + 1
        if buffer[at] != COMMA:
            return SLOW
        at += 1
    return SLOW


@kernel
def scan_hash(buffer, at, out):
    """Read 64 quoted lower-case hex digits into a line's hash and return their end or SLOW.

    No branch looks at a digit: hashes are random, each wrong guess would cost more than the digit.
    """
    end = at + 2 * HASH_BYTES + 1
    if end >= len(buffer) or buffer[at] != QUOTE or buffer[end] != QUOTE:
        return SLOW
    bad = np.uint8(0)
    for index in range(HASH_BYTES):
        high = NIBBLES[buffer[at + 1 + 2 * index]]
        low = NIBBLES[buffer[at + 2 + 2 * index]]
        bad |= high | low
        out[index] = (high << 4) | (low & 15)
    return end + 1 if bad < 16 else SLOW


@kernel
def scan_word(buffer, at, value, work):
    """Return (code, end) of a word; end is SLOW for an unknown one."""
    if value == Value.SYMBOL:
        index = scan_token(buffer, at, 0, work["instrument_count"], work["tokens"], work["token_bytes"])
        return (index, at + work["token_bytes"][index]) if index != SLOW else (0, SLOW)
    if value == Value.KIND:
        index = scan_token(buffer, at, 0, len(KIND_LENGTHS), KIND_TOKENS, KIND_LENGTHS)
        return (index, at + KIND_LENGTHS[index]) if index != SLOW else (0, SLOW)
    if value == Value.SIDE:
        index = scan_token(buffer, at, 0, len(SIDE_LENGTHS), SIDE_TOKENS, SIDE_LENGTHS)
        return (SIDE_CODES[index], at + SIDE_LENGTHS[index]) if index != SLOW else (0, SLOW)
    index = scan_token(buffer, at, 0, len(REASON_LENGTHS), REASON_TOKENS, REASON_LENGTHS)
    return (REASON_CODES[index], at + REASON_LENGTHS[index]) if index != SLOW else (0, SLOW)


@kernel
def scan_value(buffer, at, rank, work, mark):
    """Read the value of one key and return its end or SLOW."""
    value, slot = KEY_VALUES[rank], KEY_SLOTS[rank]
    slots, levels = work["slots"], work["levels"]
    if value == Value.INT:
        slots[slot], at = scan_int(buffer, at)
    elif value == Value.PRICE:
        levels[0, Part.PRICE], levels[0, Part.PRICE_FRACTION], at = scan_decimal(buffer, at)
    elif value == Value.QTY:
        levels[0, Part.QTY], levels[0, Part.QTY_FRACTION], at = scan_decimal(buffer, at)
    elif value == Value.HASH:
        at = scan_hash(buffer, at, mark["hash"] if slot else mark["prev"])
    elif value == Value.PAIR:
        at = scan_pair(buffer, at, levels, slot)
    elif value == Value.LEVELS:
        before = slots[Slot.LEVEL_COUNT]
        at = scan_levels(buffer, at, slots, levels)
        if slot == SIDE_BID:
            slots[Slot.BID_COUNT] = slots[Slot.LEVEL_COUNT] - before
    elif value == Value.BIT:
        slots[Slot.FLAGS] |= slot
        at = at + TRUE_LENGTHS[0] if scan_token(buffer, at, 0, 1, TRUE_TOKENS, TRUE_LENGTHS) == 0 else SLOW
    else:
        slots[slot], at = scan_word(buffer, at, value, work)
    return at


@kernel
def scale_units(mantissa, fraction, steps, instrument):
    """Return how many steps a decimal is, or SLOW when it is off the grid, too large or not in shortest form."""
    shift = steps[instrument, Step.EXPONENT] - fraction
    if shift < 0 or shift > DIGIT_COUNT_MAX or mantissa > POWERS[DIGIT_COUNT_MAX - shift]:
        return SLOW
    units = mantissa * POWERS[shift]
    step = steps[instrument, Step.MANTISSA]
    if step != 1:
        whole = units // step
        if whole * step != units:
            return SLOW
        units = whole
    return units if units <= steps[instrument, Step.UNITS_MAX] else SLOW


@kernel
def write_row(row, source, side, qty_min, work):
    """Write one row with the price and size of a scanned level; False when the reference must read the line."""
    slots, levels = work["slots"], work["levels"]
    instrument = slots[Slot.INSTRUMENT_INDEX]
    price_ticks = scale_units(
        levels[source, Part.PRICE], levels[source, Part.PRICE_FRACTION], work["ticks"], instrument
    )
    qty_lots = scale_units(levels[source, Part.QTY], levels[source, Part.QTY_FRACTION], work["lots"], instrument)
    if price_ticks == SLOW or qty_lots < qty_min:
        return False
    write_common(row, slots)
    row["price_ticks"] = price_ticks
    row["qty_lots"] = qty_lots
    row["side"] = side
    return True


@kernel
def write_common(row, slots):
    """Write what all rows of the event share; no price, no size, not the last row."""
    row["seq"] = slots[Slot.SEQ]
    row["ts_exchange_ns"] = slots[Slot.TS_EXCHANGE_NS]
    row["ts_receive_ns"] = slots[Slot.TS_RECEIVE_NS]
    row["price_ticks"] = NO_PRICE_TICKS
    row["qty_lots"] = 0
    row["order_id"] = slots[Slot.ORDER_ID]
    row["aux"] = slots[Slot.AUX]
    row["kind"] = KIND_CODES[slots[Slot.KIND]]
    row["side"] = slots[Slot.SIDE]
    row["flags"] = slots[Slot.FLAGS]
    row["instrument_index"] = slots[Slot.INSTRUMENT_INDEX]
    row["code"] = slots[Slot.CODE]


@kernel
def write_event(rows, first, work, has_price):
    """Write the event's rows, bids before asks, and return their end, SLOW or NO_ROOM."""
    slots = work["slots"]
    kind = slots[Slot.KIND]
    count = 1
    if KIND_IS_PAIR[kind]:
        count = 2
    elif KIND_IS_BOOK[kind]:
        count = max(1, slots[Slot.LEVEL_COUNT])
    if first + count > len(rows):
        return NO_ROOM
    if (KIND_IS_BOOK[kind] and slots[Slot.LEVEL_COUNT]) or KIND_IS_PAIR[kind]:
        bid_count = 1 if KIND_IS_PAIR[kind] else slots[Slot.BID_COUNT]
        ask_count = count - bid_count
        for index in range(count):
            side = SIDE_BID if index < bid_count else SIDE_ASK
            # The asks of a book are scanned first, their key sorts before the bids; a pair lies in row order.
            source = index
            if KIND_IS_BOOK[kind]:
                source = index + ask_count if index < bid_count else index - bid_count
            if not write_row(rows[first + index], source, side, KIND_QTY_MIN[kind], work):
                return SLOW
    elif has_price:
        if not write_row(rows[first], 0, slots[Slot.SIDE], 0, work):
            return SLOW
    else:
        write_common(rows[first], slots)
    rows[first + count - 1]["flags"] |= LAST
    return first + count


@kernel
def parse_line(buffer, at, rows, mark, work):
    """Read one line into rows and return its end, SLOW or NO_ROOM."""
    slots, cursor = work["slots"], work["cursor"]
    for index in range(len(slots)):
        slots[index] = SLOTS_EMPTY[index]
    if buffer[at] != OPEN:
        return SLOW
    found = 0
    rank = 0
    separator = COMMA
    while separator == COMMA:
        rank = scan_token(buffer, at + 1, rank, KEY_COUNT, KEY_TOKENS, KEY_LENGTHS)  # in ascending order, so none twice
        if rank == SLOW:
            return SLOW
        at = scan_value(buffer, at + 1 + KEY_LENGTHS[rank], rank, work, mark)
        if at == SLOW:
            return SLOW
        found |= 1 << rank
        rank += 1
        separator = np.int64(buffer[at])
    if separator != CLOSE or buffer[at + 1] != NEWLINE:
        return SLOW
    sealed = cursor[Cursor.SEALED] != 0
    kind = slots[Slot.KIND]
    seal = SEAL_MASK | SEQ_MASK if sealed else 0
    needed = KIND_NEEDED[kind] | seal
    if found & needed != needed or found & ~(KIND_ALLOWED[kind] | seal):
        return SLOW
    if found & SEQ_MASK and slots[Slot.SEQ] != cursor[Cursor.SEQ]:
        return SLOW
    slots[Slot.SEQ] = cursor[Cursor.SEQ]
    row_end = write_event(rows, cursor[Cursor.ROW], work, found & PRICE_MASK)
    if row_end < 0:
        return row_end
    cursor[Cursor.ROW] = row_end
    return at + 2


@entry
def parse_lines(buffer, rows, marks, works):
    """Read lines until the buffer ends or a line needs the reference or more room; return 0, SLOW or NO_ROOM.

    Shape: buffer uint8, whole lines; rows EVENT; marks MARK; works one WORK, whose cursor says where to go on.
    """
    assert len(buffer) and buffer[len(buffer) - 1] == NEWLINE
    assert len(works) == 1
    work = works[0]
    cursor = work["cursor"]
    while cursor[Cursor.AT] < len(buffer):
        line = cursor[Cursor.LINE]
        if line == len(marks):
            return NO_ROOM
        mark = marks[line]
        end = parse_line(buffer, cursor[Cursor.AT], rows, mark, work)
        if end < 0:
            return end
        mark["offset"] = cursor[Cursor.AT]
        cursor[Cursor.AT] = end
        cursor[Cursor.LINE] += 1
        cursor[Cursor.SEQ] += 1
    return 0
