"""What the fast lanes of all venues share: lines, symbols, levels, rows; must never refuse, round or guess.

A lane takes exactly what it knows and stops at any line that differs by a byte from that: the venue's parser is the
reference, gets such a line, and the two agree on every line that the lane takes.
Every buffer ends with LF, and nothing here reads past a LF: that is what bounds the reads.
"""

from mmfold.adapters.importers.fast_path import ROWS_FULL, SKIP_OTHER_MARKET, SKIP_TOLD
from mmfold.adapters.importers.frames import Form
from mmfold.adapters.importers.scan import (
    BRACKET_CLOSE,
    BRACKET_OPEN,
    COMMA,
    LF,
    NINE,
    QUOTE,
    ZERO,
    copy_unescaped,
    literal_text,
    match,
    scan_receive_time,
    scan_stamp,
    scan_steps,
    scan_string,
)
from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.jit import kernel
from mmfold.engine.records import NO_ORDER_ID, NO_PRICE_TICKS, NO_TS_NS
from mmfold.journal import told

PASSED_OVER = -3  # instead of a position: the line is done without its message having been read
EVENT_ROW_COUNT_MIN = 2  # rows of a message without levels

LEVELS_NEXT = literal_text(",[")
CAPTURE_OPEN = literal_text('{"t":"recv","conn":"')
CAPTURE_TIME = literal_text('","ts":')
CAPTURE_DATA = literal_text(',"data":"')
CAPTURE_END = literal_text("}\n")

key_of_trade, was_told = kernel(told.key_of_trade), kernel(told.was_told)


@kernel
def is_span(text, start, end, name):
    """Tell whether a span is the start of a name that is at least as long."""
    index = 0
    while index < end - start and name[index] == text[start + index]:
        index += 1
    return index == end - start


@kernel
def apply_symbol(lane, start, end):
    """Make a symbol the message's and tell whether it is known; the one of the message before is tried first."""
    work = lane.work[0]
    for offset in range(work["symbol_count"]):
        index = (work["symbol_index"] + offset) % work["symbol_count"]
        symbol = lane.symbols[index]
        if symbol["name_bytes"] == end - start and is_span(lane.text, start, end, symbol["name"]):
            work["symbol_index"] = index
            return True
    return False


@kernel
def scan_symbol(lane, pos):
    """Make a symbol the message's and return the position of its closing quote, or -1; pos is after the opening one."""
    end = scan_string(lane.text, pos)
    if end >= 0 and not apply_symbol(lane, pos, end):
        return -1
    return end


@kernel
def scan_price(lane, pos):
    """Return a price in ticks of the message's symbol and the position after its closing quote, or -1."""
    symbol = lane.symbols[lane.work[0]["symbol_index"]]
    price_ticks, pos = scan_steps(lane.text, pos, symbol["tick_exponent"], symbol["tick_mantissa"])
    if price_ticks <= 0 or price_ticks > symbol["price_ticks_max"]:
        return price_ticks, min(pos, -1)
    return price_ticks, pos


@kernel
def scan_qty(lane, pos):
    """Return a size in lots of the message's symbol and the position after its closing quote, or -1."""
    symbol = lane.symbols[lane.work[0]["symbol_index"]]
    qty_lots, pos = scan_steps(lane.text, pos, symbol["lot_exponent"], symbol["lot_mantissa"])
    return qty_lots, pos if qty_lots <= symbol["qty_lots_max"] else min(pos, -1)


@kernel
def scan_levels(lane, pos, side, qty_lots_min):
    """Write the levels of one side to the rows and return the position after them, or -1; -2 when the rows are full."""
    work = lane.work[0]
    text = lane.text
    if pos < 0:
        return pos
    if text[pos] == BRACKET_CLOSE:
        return pos + 1
    if text[pos] != BRACKET_OPEN:
        return -1
    pos += 1
    row_index = work["row_count"]
    while True:
        if row_index == lane.rows.size:
            return -ROWS_FULL
        if text[pos] != QUOTE:
            return -1
        price_ticks, pos = scan_price(lane, pos + 1)
        if pos < 0 or text[pos] != COMMA or text[pos + 1] != QUOTE:
            return -1
        qty_lots, pos = scan_qty(lane, pos + 2)
        if pos < 0 or qty_lots < qty_lots_min or text[pos] != BRACKET_CLOSE:
            return -1
        fill_level(lane.rows[row_index], price_ticks, qty_lots, side)
        row_index += 1
        if text[pos + 1] == BRACKET_CLOSE:
            work["row_count"] = row_index
            return pos + 2
        pos = match(text, pos + 1, LEVELS_NEXT)
        if pos < 0:
            return -1


@kernel
def fill_level(row, price_ticks, qty_lots, side):
    """Fill what a row says of one level or trade."""
    row["price_ticks"] = price_ticks
    row["qty_lots"] = qty_lots
    row["side"] = side


@kernel
def add_level(lane, price_ticks, qty_lots, side):
    """Write a row of one level or trade."""
    work = lane.work[0]
    fill_level(lane.rows[work["row_count"]], price_ticks, qty_lots, side)
    work["row_count"] += 1


@kernel
def fill_row(row, work, kind, ts_exchange_ns, seqs):
    """Fill what all rows of an event share.

    Shape: seqs = (aux, order_id).
    """
    row["seq"] = work["seq"]
    row["ts_exchange_ns"] = ts_exchange_ns
    row["ts_receive_ns"] = work["ts_line_ns"]
    row["order_id"] = seqs[1]
    row["aux"] = seqs[0]
    row["kind"] = kind
    row["flags"] = 0
    row["instrument_index"] = work["symbol_index"]
    row["code"] = 0


@kernel
def finish_event(lane, row_first, kind, ts_exchange_ns, seqs):
    """Make one event of the rows from row_first on; a book message without levels gets its one row here.

    Shape: seqs = (aux, order_id).
    """
    work = lane.work[0]
    if work["row_count"] == row_first:
        add_level(lane, NO_PRICE_TICKS, 0, Side.NONE)
    row_last = work["row_count"] - 1
    assert row_first <= row_last < lane.rows.size
    for index in range(row_first, row_last + 1):
        fill_row(lane.rows[index], work, kind, ts_exchange_ns, seqs)
    lane.rows[row_last]["flags"] = Flag.LAST
    work["seq"] += 1
    work["event_counts"][kind] += 1
    lane.symbols[work["symbol_index"]]["event_count"] += 1


@kernel
def finish_delta(lane, row_first, ts_exchange_ns, venue_seq, venue_seq_prev):
    """Make a BOOK_DELTA of the rows from row_first on."""
    finish_event(lane, row_first, EventKind.BOOK_DELTA, ts_exchange_ns, (venue_seq, venue_seq_prev))


@kernel
def is_new_trade(lane, row, trade_id, ts_exchange_ns):
    """Tell whether a trade is told for the first time, or has no id; count it if not. Its message must be whole."""
    if trade_id == NO_ORDER_ID:
        return True
    key = key_of_trade(row["instrument_index"], trade_id, ts_exchange_ns, row["price_ticks"], row["qty_lots"])
    if not was_told(lane.told_keys, lane.told_place, key):
        return True
    lane.work[0]["skip_counts"][SKIP_TOLD] += 1
    return False


@kernel
def find_connection(lane, start, end):
    """Return the index of a capture's connection that is known, or -1."""
    work = lane.work[0]
    for index in range(work["connection_count"]):
        connection = work["connections"][index]
        if connection["name_bytes"] == end - start and is_span(lane.text, start, end, connection["name"]):
            return index
    return -1


@kernel
def open_capture_line(lane, pos):
    """Copy the message of a capture's line behind the lines and return its start, or -1; PASSED_OVER if it is done."""
    work = lane.work[0]
    text = lane.text
    start = match(text, pos, CAPTURE_OPEN)
    end = scan_string(text, start)
    connection = find_connection(lane, start, end) if end >= 0 else -1
    pos = match(text, end, CAPTURE_TIME)
    if connection < 0 or pos < 0 or (text[pos] == ZERO and ZERO <= text[pos + 1] <= NINE):
        return -1
    work["ts_line_ns"], pos = scan_stamp(text, pos, work["receive_unit_ns"], work["ts_low_ns"])
    pos = match(text, pos, CAPTURE_DATA)
    if pos < 0:
        return -1
    pos = match(text, copy_unescaped(text, pos, work["text_bytes"]), CAPTURE_END)
    if pos < 0 or text[work["text_bytes"]] == LF:
        return -1
    work["line_end"] = pos
    if work["connections"][connection]["is_other"]:
        work["skip_counts"][SKIP_OTHER_MARKET] += 1
        return PASSED_OVER
    return work["text_bytes"]


@kernel
def open_line(lane):
    """Note the receive time of the next line and return where its message starts, or -1; PASSED_OVER if it is done."""
    work = lane.work[0]
    if lane.rows.size - work["row_count"] < EVENT_ROW_COUNT_MIN:
        return -ROWS_FULL
    if work["form"] == Form.CAPTURE:
        return open_capture_line(lane, work["pos"])
    work["ts_line_ns"], pos = scan_receive_time(lane.text, work)
    return pos


@kernel
def close_line(lane, pos, row_count):
    """Go on to the next line, or forget what an odd one wrote, and tell which; pos is after its message and LF."""
    work = lane.work[0]
    if pos < 0 and pos != PASSED_OVER:
        work["row_count"] = row_count
        return False
    work["pos"] = work["line_end"] if work["form"] == Form.CAPTURE else pos
    work["line"] += 1
    work["message_count"] += 1
    work["ts_receive_ns"] = max(work["ts_receive_ns"], work["ts_line_ns"])
    return True


@kernel
def has_line(lane):
    """Tell whether there is a next line."""
    work = lane.work[0]
    assert 0 <= work["pos"] <= work["text_bytes"] < lane.text.size and work["row_count"] <= lane.rows.size
    return work["pos"] < work["text_bytes"]


assert NO_ORDER_ID == NO_TS_NS
