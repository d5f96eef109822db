"""The reducer: one event in, state and effects out. The only dispatch on event kind; must never look outside its
arguments.

Start reading here: `run` walks a batch of rows, `step` folds one event, docs/architecture.md follows one book update
through.
"""

import numpy as np

from mmfold.engine.circuit import apply_answer_result, apply_result, turn_circuit
from mmfold.engine.codes import (
    EFFECT_KIND_MAX,
    EFFECT_KIND_MIN,
    AlertCode,
    CircuitState,
    EventKind,
    Flag,
    PolicyTask,
    Side,
    Stop,
)
from mmfold.engine.continuity import News, apply_clear, apply_delta, apply_snapshot
from mmfold.engine.day import apply_day_pnl, is_day_lost, stop_day, turn_day
from mmfold.engine.effects import emit_alert, emit_audit, emit_note
from mmfold.engine.exposure import apply_gross
from mmfold.engine.features.registry import (
    features_on_fill,
    features_on_mid,
    features_on_rate,
    features_on_timer,
    features_on_trade,
)
from mmfold.engine.funding import apply_funding
from mmfold.engine.gates.seam import audit_blocks
from mmfold.engine.jit import entry, kernel
from mmfold.engine.limits import CHAIN_BLOCK_EVENT_COUNT, EFFECT_COUNT_MAX, EFFECT_COUNT_PER_EVENT_MAX, POLICY_ROOM
from mmfold.engine.opening import apply_opening, note_opening
from mmfold.engine.orders import apply_answer, apply_open_orders, apply_order_fill, apply_rate
from mmfold.engine.placing import decide_quotes
from mmfold.engine.records import NO_PRICE_TICKS, NO_TS_NS, NO_VALUE
from mmfold.engine.signals import apply_mid
from mmfold.engine.views import cash_micros_of, mark_price_e8_of, resident_bytes_of, score_e9_of, venue_seq_of


@kernel
def step(clock, cells, rows, start, end, out):
    """Fold one event, rows[start:end], into the state; its decisions are appended to `out`.

    Returns a Stop: END, or POLICY when the policy lane has to run before the next event.
    """
    row = rows[start]
    kind = np.int64(row["kind"])
    apply_clock(clock, cells, row, end - start)
    assert row["instrument_index"] < cells.size
    cell = cells[np.int64(row["instrument_index"])]
    match kind:
        case EventKind.BOOK_DELTA:
            news = apply_delta(cell, rows, start, end)
            apply_book(clock, cell, out, row, news)
        case EventKind.TRADE:
            apply_trade(cell, row)
            features_on_trade(cell, row)
        case EventKind.BBO:
            assert end - start == 2
            apply_bbo(cell, rows[start], rows[start + 1])
        case EventKind.BOOK_SNAPSHOT:
            news = apply_snapshot(cell, rows, start, end)
            apply_book(clock, cell, out, row, news)
        case EventKind.BOOK_CLEAR | EventKind.BOOK_GAP:
            news = apply_clear(cell, kind == EventKind.BOOK_GAP)
            apply_book(clock, cell, out, row, news)
        case EventKind.BOOK_ORDER | EventKind.MANIFEST:
            return Stop.END  # counted by now; the delta behind an order of the market has what the book needs
        case EventKind.FILL:
            apply_order_fill(clock, cell, out, row)
            apply_worth(clock, cell)
            features_on_fill(clock, cell, row)
        case EventKind.ACK | EventKind.REJECT | EventKind.AMENDED | EventKind.CANCELED | EventKind.EXPIRED:
            apply_answer_result(clock, cell, out, row)
            apply_answer(clock, cell, out, row)
        case EventKind.REQUEST_RESULT:
            apply_request(clock, cell, out, row)
        case EventKind.OPEN_ORDERS:
            apply_open_orders(clock, cell, out, rows, start, end)
        case EventKind.MARK | EventKind.SCORE:
            apply_reference(cell, row)
        case EventKind.FUNDING:
            apply_funding(clock, cell, out, rows, start, end)
            apply_day_pnl(clock, cell)
        case EventKind.POSITION:
            apply_venue_position(clock, cell, out, rows, start)
        case EventKind.TIMER:
            return apply_timer(clock, cells, out)
        case EventKind.CONNECTION | EventKind.BALANCE | EventKind.HEALTH:
            apply_process(clock, row)
            decide_all(clock, cells, out)
            return Stop.END
        case EventKind.CONFIG:
            return stop_for_policy(out, PolicyTask.CONFIG)
        case EventKind.COMMAND:
            return stop_for_policy(out, PolicyTask.COMMAND)
        case _:
            raise AssertionError("unknown event kind")
    decide_after(clock, cells, cell, out)
    return Stop.END


@kernel
def decide_after(clock, cells, cell, out):
    """Decide the orders of the event's instrument, or of all when it has lost what the day may cost."""
    if is_day_lost(clock, cell):
        stop_day(clock, cell, out)
        decide_all(clock, cells, out)
        return
    if clock["circuit"]["state"] != CircuitState.CLOSED:
        turn_circuit(clock, cell, out)
    decide_quotes(clock, cell, out)
    audit_blocks(clock, cell, out)


@kernel
def apply_worth(clock, cell):
    """Keep what the account is exposed to, and what it made since the day began, in step with one symbol."""
    apply_gross(clock, cell)
    apply_day_pnl(clock, cell)


@kernel
def apply_clock(clock, cells, row, row_count):
    """Advance the core's clock, day and counts; seq alone orders, a receive time that goes back leaves the clock."""
    assert row["seq"] > clock["seq_last"]
    clock["seq_last"] = row["seq"]
    clock["kind_now"] = row["kind"]
    clock["event_count"] += 1
    clock["row_count"] += row_count
    clock["effect_slot"] = 0
    clock["kind_counts"][np.int64(row["kind"])] += 1
    # A payload row has bytes where the times are: control events carry none.
    if row["kind"] > EventKind.COMMAND:
        ts_ns = row["ts_receive_ns"] if row["ts_receive_ns"] != NO_TS_NS else row["ts_exchange_ns"]
        clock["ts_now_ns"] = max(clock["ts_now_ns"], ts_ns)
    if clock["ts_now_ns"] >= clock["day_end_ns"]:
        turn_day(clock, cells)


@kernel
def apply_request(clock, cell, out, row):
    """Fold a request's outcome: its order follows it, then the circuit breaker and the latencies."""
    apply_rate(clock, cell, out, row)
    apply_result(clock, cell, out, row["order_id"], np.int64(row["code"]))
    features_on_rate(cell, row)


@kernel
def apply_book(clock, cell, out, row, news):
    """Refresh what follows from a book; that it is stale is told to the adapter, which asks for a snapshot.

    A message that is nothing to the book makes it no younger.
    """
    if news == News.NONE:
        return
    book = cell["book"]
    book["ts_exchange_ns"] = row["ts_exchange_ns"]
    book["ts_receive_ns"] = clock["ts_now_ns"]
    features_on_mid(clock, cell)
    is_first_mid = cell["signal"]["mid_half_ticks"] == NO_PRICE_TICKS
    apply_mid(clock, cell)
    note_opening(cell)
    if is_first_mid or cell["position"]["position_lots"] != 0:
        apply_worth(clock, cell)
    if news == News.STALE:
        emit_alert(clock, cell, out, AlertCode.BOOK_GAP, book["venue_seq"])
    elif news == News.OVERFLOW:
        emit_alert(clock, cell, out, AlertCode.BOOK_OVERFLOW, book["venue_seq"])


@kernel
def apply_trade(cell, row):
    """Keep the last trade of an instrument."""
    book = cell["book"]
    book["trade_count"] += 1
    book["trade_price_ticks"] = row["price_ticks"]


@kernel
def apply_bbo(cell, bid_row, ask_row):
    """Keep the venue's own best bid and offer beside the book, as a reference; quotes come from the book."""
    assert bid_row["side"] == Side.BID and ask_row["side"] == Side.ASK
    for side in range(2):
        row = bid_row if side == 0 else ask_row
        book_side = cell["sides"][side]
        book_side["bbo_price_ticks"] = row["price_ticks"]
        book_side["bbo_qty_lots"] = row["qty_lots"]
        book_side["bbo_venue_seq"] = venue_seq_of(row)


@kernel
def apply_reference(cell, row):
    """Keep the last mark price or model score of an instrument."""
    if row["kind"] == EventKind.MARK:
        cell["book"]["mark_price_e8"] = mark_price_e8_of(row)
    else:
        cell["book"]["score_e9"] = score_e9_of(row)


@kernel
def apply_process(clock, row):
    """Keep what concerns the whole process: the venue connection, the cash balance, the memory used."""
    if row["kind"] == EventKind.CONNECTION:
        clock["connection_state"] = row["code"]
    elif row["kind"] == EventKind.BALANCE:
        clock["cash_micros"] = cash_micros_of(row)
    else:
        clock["rss_bytes"] = resident_bytes_of(row)


@kernel
def apply_venue_position(clock, cell, out, rows, start):
    """Compare our position with the venue's word; a difference is told, never silently taken over.

    What is held before a journal's first fill is its opening, taken over once.
    """
    row = rows[start]
    if (row["flags"] & Flag.OPENING) != 0:
        apply_opening(clock, cell, out, rows, start)
        apply_worth(clock, cell)
        return
    position = cell["position"]
    position["venue_position_lots"] = row["qty_lots"]
    difference_lots = row["qty_lots"] - position["position_lots"]
    if difference_lots != 0:
        emit_alert(clock, cell, out, AlertCode.POSITION_DIFFERS, difference_lots)


@kernel
def apply_timer(clock, cells, out):
    """Let time pass for every instrument; when the policy lane is due, it runs first and decides with it."""
    for i in range(cells.size):
        features_on_timer(clock, cells[i])
    turn_circuit(clock, cells[0], out)
    if clock["policy_active"] == 0 or (clock["ts_now_ns"] < clock["policy_due_ns"] and not is_woken(clock)):
        decide_all(clock, cells, out)
        return Stop.END
    clock["policy_run_count"] += 1
    return stop_for_policy(out, PolicyTask.TIMER)


@kernel
def is_woken(clock):
    """Tell whether some active policy has seen as many events of a kind as it waits for."""
    for i in range(POLICY_ROOM):
        schedule = clock["schedules"][i]
        kind = schedule["wake_kind"]
        if schedule["active"] == 1 and kind != NO_VALUE and clock["kind_counts"][kind] >= schedule["wake_count"]:
            return True
    return False


@kernel
def stop_for_policy(out, task):
    """Ask the driver to run the policy lane."""
    out["policy_task"] = task
    return Stop.POLICY


@kernel
def decide_all(clock, cells, out):
    """Decide every instrument's orders, in index (= lexicographic) order."""
    for i in range(cells.size):
        decide_quotes(clock, cells[i], out)
    for i in range(cells.size):
        audit_blocks(clock, cells[i], out)


@entry
def run_decide_all(clocks, cells, outs):
    """Decide after the policy lane has changed params or flags."""
    decide_all(clocks[0], cells, outs[0])


@entry
def run_emit(clocks, cells, outs, kind, code):
    """Append an AUDIT, ALERT or NOTE row for the first of `cells`; the policy lane fills it in."""
    if kind == EventKind.AUDIT:
        emit_audit(clocks[0], cells[0], outs[0], code)
    elif kind == EventKind.ALERT:
        emit_alert(clocks[0], cells[0], outs[0], code, NO_VALUE)
    else:
        assert kind == EventKind.NOTE
        emit_note(clocks[0], cells[0], outs[0], code)


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
def run_witness(rows, out):
    """Compare one witnessed effect with the computed one and step over it."""
    row = rows[out["row_index"]]
    if row["kind"] == EventKind.DIGEST:
        out["event_row_index"] = out["row_index"]
        out["row_index"] = end_of_event(rows, out["row_index"])
        return Stop.DIGEST
    if out["witnessed"] == 1:
        if out["witness_index"] >= out["effect_count"]:
            return Stop.WITNESS_DIFFERS
        if not is_same_row(out["effects"][out["witness_index"]], row):
            return Stop.WITNESS_DIFFERS
        out["witness_index"] += 1
    out["row_index"] += 1
    return Stop.END


@kernel
def end_of_event(rows, start):
    """Return the index after the last row of the event that starts at `start`."""
    end = start + 1
    while rows[end - 1]["flags"] & Flag.LAST == 0:
        assert end < rows.size
        end += 1
    return end


@kernel
def run_input(clock, cells, rows, out):
    """Fold the input event that is next, unless the driver has to act first."""
    start = out["row_index"]
    if out["witnessed"] == 1 and out["witness_index"] < out["effect_count"]:
        return Stop.WITNESS_DIFFERS
    if out["effect_count"] + EFFECT_COUNT_PER_EVENT_MAX > EFFECT_COUNT_MAX:
        return Stop.EFFECTS_FULL
    block = rows[start]["seq"] // CHAIN_BLOCK_EVENT_COUNT
    if block != out["block"]:
        out["block"] = block
        if out["effect_count"] > 0:
            return Stop.BLOCK
    end = end_of_event(rows, start)
    out["event_row_index"] = start
    out["row_index"] = end
    stop = step(clock, cells, rows, start, end, out)
    if stop == Stop.END and out["stop_on_effects"] == 1 and out["effect_count"] > 0:
        return Stop.DECIDED
    return stop


@entry
def run(clocks, cells, rows, outs):
    """Fold a batch of whole events, comparing the effects that it holds as witnesses.

    Shape: clocks (1,) CLOCK, cells (n,) CELL, rows EVENT, outs (1,) OUT.
    Returns a Stop; `outs` says where. The driver drains the effects and calls again.
    """
    clock = clocks[0]
    out = outs[0]
    while out["row_index"] < rows.size:
        kind = np.int64(rows[out["row_index"]]["kind"])
        if EFFECT_KIND_MIN <= kind <= EFFECT_KIND_MAX:
            stop = run_witness(rows, out)
        else:
            stop = run_input(clock, cells, rows, out)
        if stop != Stop.END:
            return np.int64(stop)  # a plain number: making a member of it would cost as much as a small event
    return np.int64(Stop.END)
