"""The fast lane of the Bybit importer: v5 book, trade and ticker frames in the venue's own order of keys.

The laws of adapters/importers/kernel.py hold; the reference is messages.py. Klines and tickers without a mark or index
price are read to their end and counted: a stream is full of them.
"""

# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False, disable-error-code="assignment"

import numpy as np

from mmfold.adapters.importers.fast_path import END, ROWS_FULL, SKIP_KLINE, SKIP_TICKER
from mmfold.adapters.importers.kernel import (
    add_level,
    apply_symbol,
    close_line,
    fill_row,
    finish_delta,
    finish_event,
    has_line,
    is_new_trade,
    open_line,
    scan_levels,
    scan_price,
    scan_qty,
    scan_symbol,
)
from mmfold.adapters.importers.scan import (
    BRACE_CLOSE,
    COLON,
    COMMA,
    NINE,
    POINT,
    QUOTE,
    ZERO,
    is_text,
    literal_text,
    match,
    scan_integer,
    scan_steps,
    scan_string,
    scan_text_value,
    scan_trade_id,
    scan_truth,
)
from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.jit import entry, kernel
from mmfold.engine.records import NO_ORDER_ID, NO_PRICE_TICKS, NO_TS_NS, NO_VALUE, SEQ_RESTARTED

E8_EXPONENT, E8_MANTISSA = 8, 1  # mark and index prices are in steps of 1e-8
SYMBOL, MARK_PRICE, INDEX_PRICE = range(3)  # fields of a ticker that are noted
ABSENT = -1

TOPIC = literal_text('{"topic":"')
ORDERBOOK = literal_text("orderbook.")
TRADES = literal_text("publicTrade.")
TICKERS = literal_text("tickers.")
KLINE = literal_text("kline.")
SNAPSHOT = literal_text(',"type":"snapshot","ts":')
DELTA = literal_text(',"type":"delta","ts":')
TYPE = literal_text(',"type":"')
BOOK = literal_text(',"data":{"s":"')
BIDS = literal_text('","b":[')
ASKS = literal_text(',"a":[')
UPDATE = literal_text(',"u":')
NUMBER = literal_text(',"seq":')
CROSS_TIME = literal_text(',"cts":')
DATA_LIST = literal_text(',"data":[')
DATA_OBJECT = literal_text(',"data":{')
DATA_LIST_OBJECT = literal_text(',"data":[{')
TRADE_TIME = literal_text('{"T":')
TRADE_SYMBOL = literal_text(',"s":"')
BUY = literal_text('","S":"Buy","v":"')
SELL = literal_text('","S":"Sell","v":"')
TRADE_PRICE = literal_text(',"p":"')
TICK_DIRECTION = literal_text(',"L":"')
TRADE_ID = literal_text(',"i":"')
BLOCK_TRADE = literal_text(',"BT":')
RETAIL_TRADE = literal_text(',"RPI":')
TRADE_NEXT = literal_text("},")
TRADES_END = literal_text("}]}\n")
CROSS_NUMBER = literal_text(',"cs":')
TIME = literal_text(',"ts":')
OBJECT_END = literal_text("}")
MESSAGE_END = literal_text("}\n")
KLINE_TIME = literal_text('],"ts":')
KLINE_END = literal_text(',"type":"snapshot"}\n')
SYMBOL_KEY = literal_text("symbol")
MARK_KEY = literal_text("markPrice")
INDEX_KEY = literal_text("indexPrice")


@kernel
def scan_ts_ns(lane, pos):
    """Return a venue's time in ns and the position after it, or -1."""
    work = lane.work[0]
    ts_units, pos = scan_integer(lane.text, pos)
    if ts_units > work["exchange_units_max"]:
        return NO_TS_NS, min(pos, -1)
    return ts_units * work["exchange_unit_ns"], pos


@kernel
def scan_book_topic(text, pos):
    """Return the depth and the position after the topic, or -1; pos is after `orderbook.`."""
    depth, pos = scan_integer(text, pos)
    if pos < 0 or text[pos] != POINT:
        return depth, -1
    end = scan_string(text, pos + 1)
    # A further point would be part of the depth.
    for index in range(pos + 1, end):
        if text[index] == POINT:
            return depth, -1
    return depth, end + 1 if end >= 0 else end


@kernel
def scan_book(lane, pos):
    """Write a BOOK_SNAPSHOT or a BOOK_DELTA; count a message of the depth that is not taken."""
    text, work = lane.text, lane.work[0]
    row_first = work["row_count"]
    depth, pos = scan_book_topic(text, pos)
    start = match(text, pos, SNAPSHOT)
    is_snapshot = start >= 0
    ts_ns, pos = scan_ts_ns(lane, start if is_snapshot else match(text, pos, DELTA))
    pos = match(text, scan_symbol(lane, match(text, pos, BOOK)), BIDS)
    pos = scan_levels(lane, pos, Side.BID, 1 if is_snapshot else 0)
    pos = scan_levels(lane, match(text, pos, ASKS), Side.ASK, 1 if is_snapshot else 0)
    update, pos = scan_integer(text, match(text, pos, UPDATE))
    _, pos = scan_integer(text, match(text, pos, NUMBER))
    pos = match(text, pos, OBJECT_END)
    if pos >= 0 and text[pos] == COMMA:
        ts_ns, pos = scan_ts_ns(lane, match(text, pos, CROSS_TIME))
    pos = match(text, pos, MESSAGE_END)
    if pos < 0:
        return pos
    symbol = lane.symbols[work["symbol_index"]]
    if update == SEQ_RESTARTED and not is_snapshot and depth == symbol["book_depth"]:
        return -1
    if depth == symbol["book_depth"] and is_snapshot:
        finish_event(lane, row_first, EventKind.BOOK_SNAPSHOT, ts_ns, (update, NO_ORDER_ID))
    elif depth == symbol["book_depth"]:
        finish_delta(lane, row_first, ts_ns, update, update - 1)
    elif depth == symbol["beside_depth"]:
        work["row_count"] = row_first
        symbol["beside_count"] += 1
    else:
        return -1
    return pos


@kernel
def scan_trade(lane, pos):
    """Write one trade of a list and return the position before its closing brace, or -1; `seq` counts from 0."""
    text, work = lane.text, lane.work[0]
    row_index = work["row_count"]
    if row_index == lane.rows.size:
        return -ROWS_FULL
    ts_ns, pos = scan_ts_ns(lane, match(text, pos, TRADE_TIME))
    pos = scan_symbol(lane, match(text, pos, TRADE_SYMBOL))
    start = match(text, pos, BUY)
    side = Side.BID if start >= 0 else Side.ASK
    qty_lots, pos = scan_qty(lane, start if start >= 0 else match(text, pos, SELL))
    price_ticks, pos = scan_price(lane, match(text, pos, TRADE_PRICE))
    start = match(text, pos, TICK_DIRECTION)
    if start >= 0:
        pos = scan_text_value(text, start)
    trade_id, pos = scan_trade_id(text, match(text, pos, TRADE_ID))
    is_block, pos = scan_truth(text, match(text, pos, BLOCK_TRADE))
    start = match(text, pos, RETAIL_TRADE)
    if start >= 0:
        _, pos = scan_truth(text, start)
    number = NO_VALUE
    start = match(text, pos, NUMBER)
    if start >= 0:
        number, pos = scan_integer(text, start)
    if pos < 0 or qty_lots == 0:
        return min(pos, -1)
    add_level(lane, price_ticks, qty_lots, side)
    row = lane.rows[row_index]
    fill_row(row, work, EventKind.TRADE, ts_ns, (number, trade_id))
    row["flags"] = Flag.LAST | Flag.BLOCK if is_block else Flag.LAST
    return pos


@kernel
def keep_new_trades(lane, row_first):
    """Number the TRADEs of a whole message from row_first on, those that are told twice taken out."""
    work, rows = lane.work[0], lane.rows
    count = row_first
    for index in range(row_first, work["row_count"]):
        row = rows[index]
        if not is_new_trade(lane, row, row["order_id"], row["ts_exchange_ns"]):
            continue
        row["seq"] = work["seq"]
        work["seq"] += 1
        lane.symbols[row["instrument_index"]]["event_count"] += 1
        if count < index:
            rows[count] = row
        count += 1
    work["event_counts"][EventKind.TRADE] += count - row_first
    work["row_count"] = count


@kernel
def scan_trades(lane, pos, line_end):
    """Write the TRADEs of a list, all or none; line_end is where the message has to end, or 0."""
    text, work = lane.text, lane.work[0]
    row_first = work["row_count"]
    pos = match(text, scan_text_value(text, pos), SNAPSHOT)
    _, pos = scan_integer(text, pos)
    pos = match(text, pos, DATA_LIST)
    while pos >= 0:
        pos = scan_trade(lane, pos)
        end = match(text, pos, TRADES_END)
        if end >= 0:
            if line_end not in (0, end):
                return -1
            keep_new_trades(lane, row_first)
            return end
        pos = match(text, pos, TRADE_NEXT)
    return pos


@kernel
def scan_pairs(lane, pos):
    """Note the named fields of a flat object and return the position after its closing brace, or -1."""
    text, fields = lane.text, lane.work[0]["fields"]
    for field in range(INDEX_PRICE + 1):
        fields[field, 0] = ABSENT
    while pos >= 0:
        if text[pos] != QUOTE:
            return -1
        start, end = pos + 1, scan_string(text, pos + 1)
        if end < 0 or text[end + 1] != COLON:
            return -1
        pos = end + 2
        field = ABSENT
        if is_text(text, start, end, SYMBOL_KEY):
            field = SYMBOL
        elif is_text(text, start, end, MARK_KEY):
            field = MARK_PRICE
        elif is_text(text, start, end, INDEX_KEY):
            field = INDEX_PRICE
        if text[pos] == QUOTE:
            if field != ABSENT and fields[field, 0] != ABSENT:
                return -1
            end = scan_string(text, pos + 1)
            if field != ABSENT:
                fields[field, 0], fields[field, 1] = pos + 1, end
            pos = end + 1 if end >= 0 else -1
        elif field != ABSENT:
            return -1
        elif ZERO <= text[pos] <= NINE:
            _, pos = scan_integer(text, pos)
        else:
            _, pos = scan_truth(text, pos)
        if pos >= 0 and text[pos] == BRACE_CLOSE:
            return pos + 1
        if pos >= 0 and text[pos] != COMMA:
            return -1
        pos += 1 if pos >= 0 else 0
    return pos


@kernel
def scan_e8(text, start):
    """Return a price of a ticker in steps of 1e-8 and whether it is plain; the sentinel where there is none."""
    if start == ABSENT:
        return NO_VALUE, True
    value, pos = scan_steps(text, start, E8_EXPONENT, E8_MANTISSA)
    return value, pos >= 0


@kernel
def scan_ticker(lane, pos):
    """Write a MARK when the ticker says a mark or an index price, else count it."""
    text, work = lane.text, lane.work[0]
    fields, row_first = work["fields"], work["row_count"]
    pos = match(text, scan_text_value(text, pos), TYPE)
    pos = scan_pairs(lane, match(text, scan_text_value(text, pos), DATA_OBJECT))
    start = match(text, pos, CROSS_NUMBER)
    if start >= 0:
        _, pos = scan_integer(text, start)
    ts_ns, pos = scan_ts_ns(lane, match(text, pos, TIME))
    pos = match(text, pos, MESSAGE_END)
    if pos < 0:
        return pos
    index_e8, is_index_plain = scan_e8(text, fields[INDEX_PRICE, 0])
    mark_e8, is_mark_plain = scan_e8(text, fields[MARK_PRICE, 0])
    if mark_e8 == NO_VALUE and index_e8 == NO_VALUE:
        work["skip_counts"][SKIP_TICKER] += 1
        return pos
    if not (is_index_plain and is_mark_plain) or fields[SYMBOL, 0] == ABSENT:
        return -1
    if not apply_symbol(lane, fields[SYMBOL, 0], fields[SYMBOL, 1]):
        return -1
    symbol = lane.symbols[work["symbol_index"]]
    if mark_e8 == NO_VALUE and symbol["mark_e8"] == NO_VALUE:
        work["skip_counts"][SKIP_TICKER] += 1
        return pos
    if mark_e8 != NO_VALUE:
        symbol["mark_e8"] = mark_e8
    add_level(lane, NO_PRICE_TICKS, 0, Side.NONE)
    finish_event(lane, row_first, EventKind.MARK, ts_ns, (symbol["mark_e8"], index_e8))
    return pos


@kernel
def scan_kline(lane, pos):
    """Read a kline to its end and count it."""
    text = lane.text
    pos = scan_pairs(lane, match(text, scan_text_value(text, pos), DATA_LIST_OBJECT))
    _, pos = scan_integer(text, match(text, pos, KLINE_TIME))
    pos = match(text, pos, KLINE_END)
    if pos >= 0:
        lane.work[0]["skip_counts"][SKIP_KLINE] += 1
    return pos


@kernel
def scan_message(lane, pos):
    """Write the rows of one message and return the position after its LF; -1 if it is odd, -2 if rows are full."""
    text = lane.text
    topic = match(text, pos, TOPIC)
    pos = match(text, topic, ORDERBOOK)
    if pos >= 0:
        return scan_book(lane, pos)
    pos = match(text, topic, TRADES)
    if pos >= 0:
        return scan_trades(lane, pos, 0)
    pos = match(text, topic, TICKERS)
    if pos >= 0:
        return scan_ticker(lane, pos)
    pos = match(text, topic, KLINE)
    if pos >= 0:
        return scan_kline(lane, pos)
    return -1


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
    """Write the rows of one book delta or list of trades, `seq` 0, and return their count; 0 for any other frame.

    A book that begins or restarts (`u` = 1) is left to the parser, and so is one of a depth that it has not seen, and
    trades that were all told before.
    Shape:  lane.text is the frame and a LF, text_bytes long.
    """
    text, rows, place = lane.text, lane.rows, lane.work[0]
    place["row_count"] = 0
    place["seq"] = 0
    place["ts_line_ns"] = ts_receive_ns
    topic = match(text, 0, TOPIC)
    pos = match(text, topic, ORDERBOOK)
    if pos >= 0:
        pos = scan_book(lane, pos)
    else:
        pos = scan_trades(lane, match(text, topic, TRADES), text_bytes)
    row_count = place["row_count"]
    if pos != text_bytes or row_count == 0:
        return np.int64(0)
    if rows[0]["kind"] == EventKind.BOOK_SNAPSHOT:
        return np.int64(0)
    for index in range(row_count):
        rows[index]["seq"] = 0
    return row_count
