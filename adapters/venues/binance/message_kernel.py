"""The fast lane of the Binance importer: known shapes of combined-stream frames, byte by byte into rows.

The laws of adapters/importers/kernel.py hold; the reference is messages.py.
"""

# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False, disable-error-code="assignment"

import numpy as np

from mmfold.adapters.importers.fast_path import END, SKIP_AGGREGATE, SKIP_SINGLE
from mmfold.adapters.importers.kernel import (
    add_level,
    apply_symbol,
    close_line,
    finish_delta,
    finish_event,
    has_line,
    is_new_trade,
    open_line,
    scan_levels,
    scan_price,
    scan_qty,
)
from mmfold.adapters.importers.scan import (
    AT,
    BRACE_CLOSE,
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
    scan_string,
    scan_truth,
)
from mmfold.adapters.importers.table import AGGREGATE_TRADES, SINGLE_TRADES
from mmfold.adapters.venues.binance.message_fields import (
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
from mmfold.engine.codes import EventKind, Side
from mmfold.engine.jit import entry, kernel
from mmfold.engine.records import NO_ORDER_ID, NO_TS_NS

STREAM_OPEN = literal_text('{"stream":"')
DATA_OPEN = literal_text('","data":{')
DEPTH_STREAM = literal_text("depth")
DEPTH_UPDATE = literal_text("depthUpdate")
BOOK_TICKER = literal_text("bookTicker")
TRADE = literal_text("trade")
AGGREGATE_TRADE = literal_text("aggTrade")
MARKET = literal_text("MARKET")


@kernel
def scan_stream(text, pos):
    """Return the position after a combined stream's envelope, or -1; a partial book stream is not known here."""
    pos = match(text, pos, STREAM_OPEN)
    end = scan_string(text, pos)
    if end < 0:
        return -1
    for index in range(pos, end):
        if text[index] == AT:
            after = match(text, index + 1, DEPTH_STREAM)
            if after >= 0 and ZERO <= text[after] <= NINE:
                return -1
    return match(text, end, DATA_OPEN)


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
    text, work = lane.text, lane.work[0]
    fields = work["fields"]
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
                if strings & (1 << SYMBOL) == 0:
                    return -1
                value, pos = scan_price(lane, pos + 1) if bit & PRICE_FIELDS else scan_qty(lane, pos + 1)
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
            pos = scan_levels(lane, pos + 1, Side.BID if field == LOWER_B else Side.ASK, 0)
        else:
            fields[field, 0], pos = scan_truth(text, pos)
            truths |= bit
        if pos < 0:
            return pos
        if text[pos] == BRACE_CLOSE:
            kinds = work["kinds"]
            kinds[INTEGERS], kinds[STRINGS], kinds[STEPS], kinds[LEVELS], kinds[TRUTHS] = (
                integers, strings, steps, levels, truths
            )  # fmt: skip
            return pos + 1
        if text[pos] != COMMA:
            return -1
        pos += 1


@kernel
def find_ts_ns(work):
    """Return when the venue says that it happened, in ns, and whether its times are in range."""
    ts_ns = NO_TS_NS
    for field in (E_TIME, T_TIME):
        if work["kinds"][INTEGERS] & (1 << field):
            if work["fields"][field, 0] > work["exchange_units_max"]:
                return ts_ns, False
            ts_ns = work["fields"][field, 0] * work["exchange_unit_ns"]
    return ts_ns, True


@kernel
def apply_depth(lane, row_first, ts_exchange_ns):
    """Finish a BOOK_DELTA; tell whether it was one."""
    work = lane.work[0]
    fields, kinds = work["fields"], work["kinds"]
    known = DEPTH_INTEGERS_FUTURES if work["is_futures"] else DEPTH_INTEGERS
    if kinds[INTEGERS] != known or kinds[STEPS] != 0 or kinds[STRINGS] & ~(1 << PAIR) != 1 << E | 1 << SYMBOL:
        return False
    if not is_text(lane.text, fields[E, 0], fields[E, 1], DEPTH_UPDATE) or fields[U_FIRST, 0] > fields[U_LAST, 0]:
        return False
    previous = fields[U_PREVIOUS, 0] if work["is_futures"] else fields[U_FIRST, 0] - 1
    finish_delta(lane, row_first, ts_exchange_ns, fields[U_LAST, 0], previous)
    return True


@kernel
def apply_bbo(lane, ts_exchange_ns):
    """Write a BBO; tell whether it was one."""
    work = lane.work[0]
    fields, kinds = work["fields"], work["kinds"]
    known = BBO_INTEGERS_FUTURES if work["is_futures"] else 1 << U_LAST
    if kinds[INTEGERS] != known or kinds[STEPS] != BBO_STEPS:
        return False
    named = kinds[STRINGS] >> E & 1
    if kinds[STRINGS] & ~(1 << PAIR | 1 << E) != 1 << SYMBOL or (work["is_futures"] and not named):
        return False
    if named and not is_text(lane.text, fields[E, 0], fields[E, 1], BOOK_TICKER):
        return False
    row_first = work["row_count"]
    add_level(lane, fields[LOWER_B, 0], fields[UPPER_B, 0], Side.BID)
    add_level(lane, fields[LOWER_A, 0], fields[UPPER_A, 0], Side.ASK)
    finish_event(lane, row_first, EventKind.BBO, ts_exchange_ns, (fields[U_LAST, 0], NO_ORDER_ID))
    return True


@kernel
def apply_trade(lane, ts_exchange_ns):
    """Write a TRADE, or count it if it is told twice or by a second stream; tell whether it was one of type MARKET."""
    work = lane.work[0]
    fields, kinds, futures = work["fields"], work["kinds"], work["is_futures"]
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
    is_single = number_field == T_NUMBER
    stream = SINGLE_TRADES if is_single else AGGREGATE_TRADES
    symbol = lane.symbols[work["symbol_index"]]
    if symbol["trade_stream"] == 0:
        symbol["trade_stream"] = stream
    if symbol["trade_stream"] != stream:
        work["skip_counts"][SKIP_SINGLE if is_single else SKIP_AGGREGATE] += 1
        return True
    number = fields[number_field, 0]
    row_first = work["row_count"]
    add_level(lane, fields[PRICE, 0], fields[QTY, 0], Side.ASK if fields[MAKER, 0] else Side.BID)
    lane.rows[row_first]["instrument_index"] = work["symbol_index"]
    if is_new_trade(lane, lane.rows[row_first], number, ts_exchange_ns):
        finish_event(lane, row_first, EventKind.TRADE, ts_exchange_ns, (number, NO_ORDER_ID))
    else:
        work["row_count"] = row_first
    return True


@kernel
def scan_message(lane, pos):
    """Write the rows of one message and return the position after its LF; -1 if it is odd, -2 if rows are full."""
    work = lane.work[0]
    row_first = work["row_count"]
    pos = scan_stream(lane.text, pos)
    if pos < 0:
        return -1
    pos = scan_object(lane, pos)
    if pos < 0:
        return pos
    if lane.text[pos] != BRACE_CLOSE or lane.text[pos + 1] != LF:
        return -1
    ts_exchange_ns, in_range = find_ts_ns(work)
    if not in_range:
        return -1
    kinds = work["kinds"]
    if kinds[LEVELS] == BOTH_LEVELS and kinds[TRUTHS] == 0:
        taken = apply_depth(lane, row_first, ts_exchange_ns)
    elif kinds[LEVELS] != 0:
        taken = False
    elif kinds[TRUTHS] == 0:
        taken = apply_bbo(lane, ts_exchange_ns)
    else:
        taken = kinds[STRINGS] >> E & 1 == 1 and apply_trade(lane, ts_exchange_ns)
    return pos + 2 if taken else -1


@entry
def scan_lines(lane):
    """Write the rows of all lines up to the first odd one, or until the rows are full, and say which."""
    while has_line(lane):
        row_count = lane.work[0]["row_count"]
        pos = open_line(lane)
        if pos >= 0:
            pos = scan_message(lane, pos)
        if not close_line(lane, pos, row_count):
            return -pos
    return END


@entry
def scan_frame(lane, text_bytes, ts_receive_ns):
    """Write the rows of one frame of a combined stream, `seq` 0, and return their count; 0 for what is the parser's.

    A trade that was told before is the parser's.
    Shape:  lane.text is the frame and a LF, text_bytes long; the frame itself has none.
    """
    rows, place = lane.rows, lane.work[0]
    place["row_count"] = 0
    place["seq"] = 0
    place["ts_line_ns"] = ts_receive_ns
    if scan_message(lane, 0) != text_bytes:
        return np.int64(0)
    row_count = place["row_count"]
    for index in range(row_count):
        rows[index]["seq"] = 0
    return row_count
