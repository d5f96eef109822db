"""The reducer: one event in, state and effects out. The only dispatch on event kind; must never look outside its arguments.

Start reading here: `run` walks a batch of rows, `step` folds one event, docs/architecture.md follows one book update through.
"""

import numpy as np

from engine.book import apply_clear, apply_delta, apply_snapshot
from engine.codes import (
    EFFECT_KIND_MAX,
    EFFECT_KIND_MIN,
    AlertCode,
    EventKind,
    Flag,
    PolicyTask,
    Stop,
)
from engine.effects import emit_alert
from engine.jit import entry, kernel
from engine.limits import CHAIN_BLOCK_EVENT_COUNT, EFFECT_COUNT_PER_EVENT_MAX
from engine.orders import apply_answer, apply_open_orders, apply_order_fill, apply_rate
from engine.placing import decide_quotes
from engine.position import apply_funding
from engine.records import NO_TS_NS
from engine.signals import apply_mid


@kernel
def step(state, rows, start, end, effects, cursor):
    """Fold one event, rows[start:end], into the state; its decisions are appended to `effects`.

    Returns a Stop: END, or POLICY when the policy lane has to run before the next event.
    """
    row = rows[start]
    kind = np.int64(row["kind"])
    i = np.int64(row["instrument_index"])
    apply_clock(state, row, end - start)
    assert i < state.cells.size
    match kind:
        case EventKind.BOOK_DELTA:
            stale = apply_delta(state, rows, start, end)
            apply_book(state, effects, cursor, row, stale)
        case EventKind.TRADE:
            apply_trade(state, row)
        case EventKind.BBO:
            apply_bbo(state, rows, start)
        case EventKind.BOOK_SNAPSHOT:
            stale = apply_snapshot(state, rows, start, end)
            apply_book(state, effects, cursor, row, stale)
        case EventKind.BOOK_CLEAR | EventKind.BOOK_GAP:
            stale = apply_clear(state, i, kind == EventKind.BOOK_GAP)
            apply_book(state, effects, cursor, row, stale)
        case EventKind.FILL:
            apply_order_fill(state, effects, cursor, row)
        case EventKind.ACK | EventKind.REJECT | EventKind.AMENDED | EventKind.CANCELED | EventKind.EXPIRED:
            apply_answer(state, row)
        case EventKind.RATE:
            apply_rate(state, effects, cursor, row)
        case EventKind.OPEN_ORDERS:
            apply_open_orders(state, rows, start, end)
        case EventKind.MARK | EventKind.SCORE:
            apply_reference(state, row)
        case EventKind.FUNDING:
            apply_funding(state, row)
        case EventKind.POSITION:
            apply_venue_position(state, effects, cursor, row)
        case EventKind.TIMER:
            return apply_timer(state, effects, cursor)
        case EventKind.CONNECTION | EventKind.BALANCE | EventKind.HEALTH:
            apply_process(state, row)
            decide_all(state, effects, cursor)
            return Stop.END
        case EventKind.CONFIG:
            return stop_for_policy(cursor, PolicyTask.CONFIG)
        case EventKind.COMMAND:
            return stop_for_policy(cursor, PolicyTask.COMMAND)
        case EventKind.MANIFEST:
            return Stop.END
        case _:
            raise AssertionError("unknown event kind")
    decide_quotes(state, effects, cursor, i)
    return Stop.END


@kernel
def apply_clock(state, row, row_count):
    """Advance the core's clock and counts; seq alone orders, a receive time that goes back leaves the clock."""
    clock = state.clock[0]
    assert row["seq"] > clock["seq_last"]
    clock["seq_last"] = row["seq"]
    clock["event_count"] += 1
    clock["row_count"] += row_count
    clock["effect_slot"] = 0
    state.clock[0]["kind_counts"][np.int64(row["kind"])] += 1
    # A payload row has bytes where the times are: control events carry none.
    if row["kind"] > EventKind.COMMAND:
        ts_ns = row["ts_receive_ns"] if row["ts_receive_ns"] != NO_TS_NS else row["ts_exchange_ns"]
        clock["ts_now_ns"] = max(clock["ts_now_ns"], ts_ns)


@kernel
def apply_book(state, effects, cursor, row, stale):
    """Refresh what follows from a book; a gap or an overflow is told to the adapter, which asks for a snapshot."""
    i = np.int64(row["instrument_index"])
    book = state.cells[i]["book"]
    book["ts_exchange_ns"] = row["ts_exchange_ns"]
    book["ts_receive_ns"] = state.clock[0]["ts_now_ns"]
    apply_mid(state, i)
    if stale:
        emit_alert(state, effects, cursor, i, AlertCode.BOOK_GAP, book["venue_seq"])


@kernel
def apply_trade(state, row):
    """Keep the last trade of an instrument."""
    book = state.cells[np.int64(row["instrument_index"])]["book"]
    book["trade_count"] += 1
    book["trade_price_ticks"] = row["price_ticks"]


@kernel
def apply_reference(state, row):
    """Keep the last mark price or model score of an instrument."""
    book = state.cells[np.int64(row["instrument_index"])]["book"]
    if row["kind"] == EventKind.MARK:
        book["mark_price_e8"] = row["aux"]
    else:
        book["score_e9"] = row["aux"]


@kernel
def apply_process(state, row):
    """Keep what concerns the whole process: the venue connection, the cash balance, the memory used."""
    clock = state.clock[0]
    if row["kind"] == EventKind.CONNECTION:
        clock["connection_state"] = row["code"]
    elif row["kind"] == EventKind.BALANCE:
        clock["cash_micros"] = row["aux"]
    else:
        clock["rss_bytes"] = row["aux"]


@kernel
def apply_bbo(state, rows, start):
    """Keep the venue's own best bid and offer beside the book, as a reference; quotes come from the book."""
    for side in range(2):
        row = rows[start + side]
        assert row["side"] == side
        book_side = state.cells[np.int64(row["instrument_index"])]["sides"][side]
        book_side["bbo_price_ticks"] = row["price_ticks"]
        book_side["bbo_qty_lots"] = row["qty_lots"]
        book_side["bbo_venue_seq"] = row["aux"]


@kernel
def apply_venue_position(state, effects, cursor, row):
    """Compare our position with the venue's word; a difference is told, never silently taken over."""
    i = np.int64(row["instrument_index"])
    position = state.cells[i]["position"]
    position["venue_position_lots"] = row["qty_lots"]
    if position["position_lots"] != row["qty_lots"]:
        difference_lots = row["qty_lots"] - position["position_lots"]
        emit_alert(state, effects, cursor, i, AlertCode.POSITION_DIFFERS, difference_lots)


@kernel
def apply_timer(state, effects, cursor):
    """Let time pass for every instrument; when the policy lane is due, it runs first and decides with it."""
    clock = state.clock[0]
    if clock["ts_now_ns"] < clock["policy_due_ns"]:
        decide_all(state, effects, cursor)
        return Stop.END
    clock["policy_due_ns"] = clock["ts_now_ns"] + clock["policy_interval_ns"]
    clock["policy_run_count"] += 1
    return stop_for_policy(cursor, PolicyTask.TIMER)


@kernel
def stop_for_policy(cursor, task):
    """Ask the driver to run the policy lane."""
    cursor[0]["policy_task"] = task
    return Stop.POLICY


@kernel
def decide_all(state, effects, cursor):
    """Decide every instrument's orders, in index (= lexicographic) order."""
    for i in range(state.cells.size):
        decide_quotes(state, effects, cursor, i)


@entry
def run_decide_all(state, effects, cursor):
    """Decide after the policy lane has changed params or flags."""
    decide_all(state, effects, cursor)


@kernel
def is_same_row(effect, row):
    """Tell whether a computed effect is the witnessed one, field by field."""
    return (
        effect["seq"] == row["seq"]
        and effect["kind"] == row["kind"]
        and effect["price_ticks"] == row["price_ticks"]
        and effect["qty_lots"] == row["qty_lots"]
        and effect["order_id"] == row["order_id"]
        and effect["aux"] == row["aux"]
        and effect["side"] == row["side"]
        and effect["flags"] == row["flags"]
        and effect["instrument_index"] == row["instrument_index"]
        and effect["code"] == row["code"]
        and effect["ts_receive_ns"] == row["ts_receive_ns"]
        and effect["ts_exchange_ns"] == row["ts_exchange_ns"]
    )


@kernel
def run_witness(rows, effects, cursor):
    """Compare one witnessed effect with the computed one and step over it."""
    place = cursor[0]
    row = rows[place["row_index"]]
    if row["kind"] == EventKind.DIGEST:
        place["event_row_index"] = place["row_index"]
        place["row_index"] = end_of_event(rows, place["row_index"])
        return Stop.DIGEST
    if place["witnessed"] == 1:
        if place["witness_index"] >= place["effect_count"]:
            return Stop.WITNESS_DIFFERS
        if not is_same_row(effects[place["witness_index"]], row):
            return Stop.WITNESS_DIFFERS
        place["witness_index"] += 1
    place["row_index"] += 1
    return Stop.END


@kernel
def end_of_event(rows, start):
    """Return the index after the last row of the event that starts at `start`."""
    end = start + 1
    while rows[end - 1]["flags"] & Flag.LAST == 0:
        assert end < rows.size
        end += 1
    return end


@entry
def run(state, rows, effects, cursor):
    """Fold a batch of whole events, comparing the effects that it holds as witnesses.

    Returns a Stop; `cursor` says where. The driver drains the effects and calls again.
    """
    place = cursor[0]
    while place["row_index"] < rows.size:
        kind = np.int64(rows[place["row_index"]]["kind"])
        if EFFECT_KIND_MIN <= kind <= EFFECT_KIND_MAX:
            stop = run_witness(rows, effects, cursor)
        else:
            if place["witnessed"] == 1 and place["witness_index"] < place["effect_count"]:
                return Stop.WITNESS_DIFFERS
            if place["effect_count"] + EFFECT_COUNT_PER_EVENT_MAX > effects.size:
                return Stop.EFFECTS_FULL
            start = place["row_index"]
            block = rows[start]["seq"] // CHAIN_BLOCK_EVENT_COUNT
            if block != place["block"]:
                place["block"] = block
                if place["effect_count"] > 0:
                    return Stop.BLOCK
            end = end_of_event(rows, start)
            place["event_row_index"] = start
            place["row_index"] = end
            stop = step(state, rows, start, end, effects, cursor)
        if stop != Stop.END:
            return stop
    return Stop.END
