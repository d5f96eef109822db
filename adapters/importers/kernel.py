"""The fast lane of the Binance importer: known shapes of frames, byte by byte into rows.

It takes exactly what it knows and stops at any line that differs by a byte from that: the parser in binance.py is the
reference, gets such a line, and the two agree on every line that this one takes. It must never refuse, round or guess.
Every buffer ends with LF, and nothing here reads past a LF: that is what bounds the reads.
"""

import numpy as np

from adapters.importers.lane import (
    AGGREGATE_INTEGERS,
    BBO_INTEGERS_FUTURES,
    BBO_STEPS,
    BOTH_LEVELS,
    DEPTH_INTEGERS,
    DEPTH_INTEGERS_FUTURES,
    E_TIME,
    FIELD_OF_KEY,
    INTEGERS,
    LEVELS,
    LOWER_A,
    LOWER_B,
    M_SPOT,
    MAKER,
    PAIR,
    PAIR_KEY,
    PREVIOUS_KEY,
    PRICE,
    PRICE_FIELDS,
    QTY,
    STEP_FIELDS,
    STEPS,
    STRINGS,
    SYMBOL,
    T_NUMBER,
    T_TIME,
    TRADE_INTEGERS,
    TRADE_STEPS,
    TRADE_STRINGS,
    TRUTHS,
    U_FIRST,
    U_LAST,
    U_PREVIOUS,
    UNKNOWN_KEY,
    UPPER_A,
    UPPER_B,
    X_TYPE,
    E,
)
from adapters.importers.scan import (
    BRACE_CLOSE,
    BRACKET_CLOSE,
    BRACKET_OPEN,
    COLON,
    COMMA,
    LF,
    NINE,
    QUOTE,
    TILDE,
    ZERO,
    is_text,
    literal_text,
    match,
    scan_integer,
    scan_receive_time,
    scan_steps,
    scan_stream,
    scan_string,
)
from engine.codes import EventKind, Flag, Side
from engine.jit import entry, kernel
from engine.limits import NS_PER_MS, TS_NS_MAX
from engine.records import NO_ORDER_ID, NO_PRICE_TICKS, NO_SEQ, NO_TS_NS

END, ODD_LINE, ROWS_FULL = 0, 1, 2  # why scan_lines came back
TS_MS_MAX = (TS_NS_MAX - 1) // NS_PER_MS

DEPTH_UPDATE = literal_text("depthUpdate")
BOOK_TICKER = literal_text("bookTicker")
TRADE = literal_text("trade")
AGGREGATE_TRADE = literal_text("aggTrade")
MARKET = literal_text("MARKET")
TRUE = literal_text("true")
FALSE = literal_text("false")
LEVELS_NEXT = literal_text(",[")


@kernel
def apply_symbol(lane, start, end):
    """Make the named symbol the line's and tell whether it is known; the one of the line before is tried first."""
    cursor = lane.cursor[0]
    for offset in range(cursor["symbol_count"]):
        index = (cursor["symbol_index"] + offset) % cursor["symbol_count"]
        symbol = lane.symbols[index]
        if symbol["name_bytes"] != end - start:
            continue
        same = True
        for char in range(end - start):
            if symbol["name"][char] != lane.text[start + char]:
                same = False
                break
        if same:
            cursor["symbol_index"] = index
            return True
    return False


@kernel
def scan_levels(lane, pos, side):
    """Write the levels of one side to the rows and return the position after them, or -1; -2 when the rows are full."""
    cursor = lane.cursor[0]
    symbol = lane.symbols[cursor["symbol_index"]]
    text = lane.text
    if text[pos] == BRACKET_CLOSE:
        return pos + 1
    if text[pos] != BRACKET_OPEN:
        return -1
    pos += 1
    row_index = cursor["row_count"]
    while True:
        if row_index == lane.rows.size:
            return -ROWS_FULL
        if text[pos] != QUOTE:
            return -1
        price_ticks, pos = scan_steps(text, pos + 1, symbol["tick_exponent"], symbol["tick_mantissa"])
        if pos < 0 or price_ticks <= 0 or price_ticks > symbol["price_ticks_max"]:
            return -1
        if text[pos] != COMMA or text[pos + 1] != QUOTE:
            return -1
        qty_lots, pos = scan_steps(text, pos + 2, symbol["lot_exponent"], symbol["lot_mantissa"])
        if pos < 0 or qty_lots > symbol["qty_lots_max"] or text[pos] != BRACKET_CLOSE:
            return -1
        row = lane.rows[row_index]
        row["price_ticks"] = price_ticks
        row["qty_lots"] = qty_lots
        row["side"] = side
        row_index += 1
        if text[pos + 1] == BRACKET_CLOSE:
            cursor["row_count"] = row_index
            return pos + 2
        pos = match(text, pos + 1, LEVELS_NEXT)
        if pos < 0:
            return -1


@kernel
def scan_key(text, pos):
    """Return the field of a key and the position after its colon, or -1; pos is at the opening quote."""
    if text[pos] != QUOTE:
        return UNKNOWN_KEY, -1
    key = np.int64(text[pos + 1])
    pos += 2
    if key == ord("p") and text[pos] == ord("s"):
        key, pos = PAIR_KEY, pos + 1
    elif key == ord("p") and text[pos] == ord("u"):
        key, pos = PREVIOUS_KEY, pos + 1
    # A LF as the key's letter is no known field, so the reads below stay on the line.
    if key > TILDE or FIELD_OF_KEY[key] == UNKNOWN_KEY or text[pos] != QUOTE or text[pos + 1] != COLON:
        return UNKNOWN_KEY, -1
    return np.int64(FIELD_OF_KEY[key]), pos + 2


@kernel
def scan_object(lane, pos):
    """Note all values of the message's data and return the position after its closing brace, or -1; -2 when full.

    Strings are noted as start and end, prices and sizes in steps of the symbol's grid, so the symbol has to come first.
    """
    text, fields = lane.text, lane.fields
    integers = strings = steps = levels = truths = np.int64(0)
    while True:
        field, pos = scan_key(text, pos)
        if pos < 0:
            return -1
        bit = np.int64(1) << field
        if (integers | strings | steps | levels | truths) & bit:
            return -1
        if text[pos] == QUOTE:
            if bit & STEP_FIELDS:
                value, pos = scan_field_steps(text, pos + 1, lane.symbols[lane.cursor[0]["symbol_index"]], bit)
                if pos < 0 or strings & (1 << SYMBOL) == 0:
                    return -1
                steps |= bit
                fields[field, 0] = value
            else:
                end = scan_string(text, pos + 1)
                if end < 0 or (field == SYMBOL and not apply_symbol(lane, pos + 1, end)):
                    return -1
                strings |= bit
                fields[field, 0], fields[field, 1] = pos + 1, end
                pos = end + 1
        elif ZERO <= text[pos] <= NINE:
            value, pos = scan_integer(text, pos)
            integers |= bit
            fields[field, 0] = value
        elif text[pos] == BRACKET_OPEN:
            # Levels need the symbol's grid, and bids stand before asks.
            if strings & (1 << SYMBOL) == 0 or (bit | levels != 1 << LOWER_B and bit | levels != BOTH_LEVELS):
                return -1
            levels |= bit
            pos = scan_levels(lane, pos + 1, Side.BID if field == LOWER_B else Side.ASK)
        else:
            truth = match(text, pos, TRUE)
            fields[field, 0] = 1 if truth >= 0 else 0
            truths |= bit
            pos = truth if truth >= 0 else match(text, pos, FALSE)
        if pos < 0:
            return pos
        if text[pos] == BRACE_CLOSE:
            kinds = lane.kinds
            kinds[INTEGERS], kinds[STRINGS], kinds[STEPS], kinds[LEVELS], kinds[TRUTHS] = (
                integers, strings, steps, levels, truths
            )  # fmt: skip
            return pos + 1
        if text[pos] != COMMA:
            return -1
        pos += 1


@kernel
def scan_field_steps(text, pos, symbol, bit):
    """Return a price or a size in steps of the symbol's grid and the position after its closing quote, or -1."""
    if bit & PRICE_FIELDS:
        value, pos = scan_steps(text, pos, symbol["tick_exponent"], symbol["tick_mantissa"])
        return value, pos if 0 < value <= symbol["price_ticks_max"] else -1
    value, pos = scan_steps(text, pos, symbol["lot_exponent"], symbol["lot_mantissa"])
    return value, pos if value <= symbol["qty_lots_max"] else -1


@kernel
def finish_rows(lane, row_first, kind, ts_receive_ns, seqs):
    """Fill what all rows of an event share.

    Shape: seqs = (aux, order_id).
    """
    cursor = lane.cursor[0]
    ts_exchange_ns = NO_TS_NS
    if lane.kinds[INTEGERS] & (1 << T_TIME):
        ts_exchange_ns = lane.fields[T_TIME, 0] * NS_PER_MS
    elif lane.kinds[INTEGERS] & (1 << E_TIME):
        ts_exchange_ns = lane.fields[E_TIME, 0] * NS_PER_MS
    row_last = cursor["row_count"] - 1
    assert row_first <= row_last
    for index in range(row_first, row_last + 1):
        row = lane.rows[index]
        row["seq"] = cursor["seq"]
        row["ts_exchange_ns"] = ts_exchange_ns
        row["ts_receive_ns"] = ts_receive_ns
        row["order_id"] = seqs[1]
        row["aux"] = seqs[0]
        row["kind"] = kind
        row["flags"] = Flag.LAST if index == row_last else 0
        row["instrument_index"] = cursor["symbol_index"]
        row["code"] = 0
    cursor["seq"] += 1
    lane.symbols[cursor["symbol_index"]]["event_count"] += 1


@kernel
def write_row(lane, price_field, qty_field, side):
    """Write one row of a price and a size that were noted."""
    cursor = lane.cursor[0]
    row = lane.rows[cursor["row_count"]]
    row["price_ticks"] = lane.fields[price_field, 0]
    row["qty_lots"] = lane.fields[qty_field, 0]
    row["side"] = side
    cursor["row_count"] += 1


@kernel
def apply_depth(lane, row_first, ts_receive_ns, futures):
    """Finish a BOOK_DELTA; tell whether it was one."""
    cursor, fields, kinds = lane.cursor[0], lane.fields, lane.kinds
    known = DEPTH_INTEGERS_FUTURES if futures else DEPTH_INTEGERS
    if kinds[INTEGERS] != known or kinds[STEPS] != 0 or kinds[STRINGS] & ~(1 << PAIR) != 1 << E | 1 << SYMBOL:
        return False
    if not is_text(lane.text, fields[E, 0], fields[E, 1], DEPTH_UPDATE) or fields[U_FIRST, 0] > fields[U_LAST, 0]:
        return False
    previous = fields[U_PREVIOUS, 0] if futures else fields[U_FIRST, 0] - 1
    if cursor["row_count"] == row_first:
        row = lane.rows[row_first]
        row["price_ticks"] = NO_PRICE_TICKS
        row["qty_lots"] = 0
        row["side"] = Side.NONE
        cursor["row_count"] += 1
    finish_rows(lane, row_first, EventKind.BOOK_DELTA, ts_receive_ns, (fields[U_LAST, 0], previous))
    symbol = lane.symbols[cursor["symbol_index"]]
    if symbol["venue_seq"] != NO_SEQ and symbol["venue_seq"] != previous:
        symbol["gap_count"] += 1
    symbol["venue_seq"] = fields[U_LAST, 0]
    cursor["delta_count"] += 1
    return True


@kernel
def apply_bbo(lane, ts_receive_ns, futures):
    """Write a BBO; tell whether it was one."""
    cursor, fields, kinds = lane.cursor[0], lane.fields, lane.kinds
    known = BBO_INTEGERS_FUTURES if futures else 1 << U_LAST
    if kinds[INTEGERS] != known or kinds[STEPS] != BBO_STEPS:
        return False
    named = kinds[STRINGS] >> E & 1
    if kinds[STRINGS] & ~(1 << PAIR | 1 << E) != 1 << SYMBOL or (futures and not named):
        return False
    if named and not is_text(lane.text, fields[E, 0], fields[E, 1], BOOK_TICKER):
        return False
    row_first = cursor["row_count"]
    write_row(lane, LOWER_B, UPPER_B, Side.BID)
    write_row(lane, LOWER_A, UPPER_A, Side.ASK)
    finish_rows(lane, row_first, EventKind.BBO, ts_receive_ns, (fields[U_LAST, 0], NO_ORDER_ID))
    cursor["bbo_count"] += 1
    return True


@kernel
def apply_trade(lane, ts_receive_ns, futures):
    """Write a TRADE; tell whether it was one of the MARKET type."""
    cursor, fields, kinds = lane.cursor[0], lane.fields, lane.kinds
    if kinds[TRUTHS] != (1 << MAKER if futures else 1 << MAKER | 1 << M_SPOT) or kinds[STEPS] != TRADE_STEPS:
        return False
    if fields[QTY, 0] == 0:
        return False
    number_field = T_NUMBER
    if kinds[INTEGERS] == AGGREGATE_INTEGERS:
        number_field = LOWER_A
        if kinds[STRINGS] != TRADE_STRINGS or not is_text(lane.text, fields[E, 0], fields[E, 1], AGGREGATE_TRADE):
            return False
    else:
        if kinds[INTEGERS] != TRADE_INTEGERS or not is_text(lane.text, fields[E, 0], fields[E, 1], TRADE):
            return False
        if kinds[STRINGS] != (TRADE_STRINGS | 1 << X_TYPE if futures else TRADE_STRINGS):
            return False
        if futures and not is_text(lane.text, fields[X_TYPE, 0], fields[X_TYPE, 1], MARKET):
            return False
    row_first = cursor["row_count"]
    write_row(lane, PRICE, QTY, Side.ASK if fields[MAKER, 0] else Side.BID)
    finish_rows(lane, row_first, EventKind.TRADE, ts_receive_ns, (fields[number_field, 0], NO_ORDER_ID))
    cursor["trade_count"] += 1
    return True


@kernel
def scan_line(lane, pos, form, futures):
    """Write the rows of the line at pos and return the position after its LF; -1 if it is odd, -2 if rows are full."""
    cursor = lane.cursor[0]
    row_first = cursor["row_count"]
    if lane.rows.size - row_first < 2:
        return -ROWS_FULL
    ts_receive_ns, pos = scan_receive_time(lane.text, pos, form)
    if pos < 0:
        return -1
    pos = scan_stream(lane.text, pos)
    if pos < 0:
        return -1
    pos = scan_object(lane, pos)
    if pos < 0:
        return pos
    if lane.text[pos] != BRACE_CLOSE or lane.text[pos + 1] != LF:
        return -1
    kinds = lane.kinds
    if kinds[INTEGERS] & (1 << T_TIME) and lane.fields[T_TIME, 0] > TS_MS_MAX:
        return -1
    if kinds[INTEGERS] & (1 << E_TIME) and lane.fields[E_TIME, 0] > TS_MS_MAX:
        return -1
    if kinds[LEVELS] == BOTH_LEVELS and kinds[TRUTHS] == 0:
        if lane.rows.size == cursor["row_count"]:
            return -ROWS_FULL
        taken = apply_depth(lane, row_first, ts_receive_ns, futures)
    elif kinds[LEVELS] != 0:
        taken = False
    elif kinds[TRUTHS] == 0:
        taken = apply_bbo(lane, ts_receive_ns, futures)
    else:
        taken = kinds[STRINGS] >> E & 1 == 1 and apply_trade(lane, ts_receive_ns, futures)
    if not taken:
        return -1
    cursor["ts_receive_ns"] = max(cursor["ts_receive_ns"], ts_receive_ns)
    return pos + 2


@entry
def scan_lines(lane, form, futures):
    """Write the rows of all lines up to the first odd one, or until the rows are full, and say which."""
    cursor = lane.cursor[0]
    assert lane.text.size == 0 or lane.text[lane.text.size - 1] == LF
    assert 0 <= cursor["pos"] <= lane.text.size and cursor["row_count"] <= lane.rows.size
    while cursor["pos"] < lane.text.size:
        row_count = cursor["row_count"]
        pos = scan_line(lane, cursor["pos"], form, futures)
        if pos < 0:
            cursor["row_count"] = row_count  # what a line wrote before it turned out odd
            return -pos
        cursor["pos"] = pos
        cursor["line"] += 1
    return END
