"""The backtest's loop: the venue at exchange time and the core at receive time, joined by latencies, in one kernel.

Next is what is earliest; at equal times what the core receives comes first (market data, then answers), then the venue
(market data, then requests). Must never let either side see what has not reached it.
"""

from typing import NamedTuple

import numpy as np

from mmfold.engine.codes import AlertCode, EventKind, Flag, Stop
from mmfold.engine.effects import clear_row
from mmfold.engine.jit import entry, kernel
from mmfold.engine.limits import EFFECT_COUNT_PER_EVENT_MAX, EVENT_ROW_COUNT_MAX
from mmfold.engine.records import NO_TS_NS
from mmfold.engine.step import step
from mmfold.replay.bounds import TIMER_COUNT_BETWEEN_MAX
from mmfold.replay.venue.exchange import apply_market
from mmfold.replay.venue.fifo import apply_book_order, unshown_lots
from mmfold.replay.venue.latency import send_request, take_first
from mmfold.replay.venue.records import NEVER_NS, OUTPUT_ROW_COUNT, REQUEST_NOW_COUNT_MAX
from mmfold.replay.venue.requests import accept_request
from mmfold.replay.venue.schedule import run_schedule, schedule_outage


class Arrays(NamedTuple):
    """The core's side, the venue's side (of its cells it uses the book), and the loop's own record."""

    clocks: np.ndarray  # (1,) CLOCK
    cells: np.ndarray  # (n,) CELL
    outs: np.ndarray  # (1,) OUT
    venue_cells: np.ndarray  # (n,) CELL
    venues: np.ndarray  # (n,) VENUE
    sims: np.ndarray  # (1,) SIM
    queues: np.ndarray  # (n,) QUEUES under the queue model FIFO, else (0,)


LOCAL_ANSWER, LOCAL_TIMER, VENUE_SCHEDULE, VENUE_REQUEST, NOTHING = range(5)
ROOM_ROW_COUNT = EVENT_ROW_COUNT_MAX + EFFECT_COUNT_PER_EVENT_MAX  # what one event may put out
assert OUTPUT_ROW_COUNT >= ROOM_ROW_COUNT


@kernel
def send_requests(sim, out):
    """Put the decisions of one event on their way to the venue, at the core's own time: it does not go back.

    An order of unknown state makes the driver ask for the open orders, as it does on a real venue.
    """
    for i in range(out["effect_count"]):
        effect = out["effects"][i]
        asks = effect["kind"] == EventKind.ALERT and effect["code"] == AlertCode.ORDER_UNKNOWN
        if asks or EventKind.PLACE <= effect["kind"] <= EventKind.CANCEL:
            send_request(sim, effect, effect["ts_receive_ns"])


@kernel
def keep_rows(sim, rows, start, end, out):
    """Append one input, if a journal is written, and its effects to the output."""
    output, part = sim["output"], sim["output_start"]
    count = sim["output_count"]
    if sim["keep_inputs"] == 1:
        for i in range(start, end):
            output[part + count] = rows[i]
            count += 1
    for i in range(out["effect_count"]):
        output[part + count] = out["effects"][i]
        sim["effect_places"][sim["effect_count"]] = count
        sim["effect_count"] += 1
        count += 1
    sim["output_count"] = count


@kernel
def end_event(sim, rows, start, end, out):
    """End one input of the core: journal it with its effects, send the requests, number the next one behind them."""
    keep_rows(sim, rows, start, end, out)
    if out["effect_count"] > 0:
        send_requests(sim, out)
    sim["seq_next"] += 1 + out["effect_count"]
    sim["input_row_count"] += end - start
    out["effect_count"] = 0


@kernel
def pass_over_timers(sim):
    """Leave out the timers up to the next market event that the core receives, keeping their pace."""
    interval_ns = sim["rules"]["timer_interval_ns"]
    left_count = (next_local(sim) - sim["ts_timer_ns"]) // interval_ns
    sim["timer_run_count"] = 0
    if left_count > 0:
        sim["ts_timer_ns"] += left_count * interval_ns
        sim["timer_left_out_count"] += left_count


@kernel
def write_timer(sim, row):
    """Write the TIMER that is due and schedule the next one."""
    clear_row(row, EventKind.TIMER, np.int64(0))
    row["ts_exchange_ns"] = NO_TS_NS
    row["ts_receive_ns"] = sim["ts_timer_ns"]
    sim["ts_timer_ns"] += sim["rules"]["timer_interval_ns"]
    sim["timer_run_count"] += 1
    if sim["timer_run_count"] >= TIMER_COUNT_BETWEEN_MAX:
        pass_over_timers(sim)


@kernel
def next_local(sim):
    """Return when the core receives its next market event; a receive time behind its clock means at once."""
    event = sim["event_local"]
    return sim["rows"][sim["starts"][event]]["ts_receive_ns"] if event < sim["event_count"] else NEVER_NS


@kernel
def is_answer_first(sim, source):
    """Tell whether, at one time, an answer comes before what the core receives next: a recorded timer comes behind."""
    return source == LOCAL_ANSWER and sim["rows"][sim["starts"][sim["event_local"]]]["kind"] == EventKind.TIMER


@kernel
def next_venue(sim):
    """Return when the venue's next market event happens."""
    place = sim["event_venue"]
    if place >= sim["order_count"]:
        return NEVER_NS
    return sim["times_ns"][sim["order"][place]]


@kernel
def next_other(sim, local_ns):
    """Return what comes next beside the market, and when; timers end with the market, as do outages not begun.

    One under way still ends: requests lost in it are asked for until then.
    """
    source, ts_ns = NOTHING, NEVER_NS
    if sim["response_count"] > 0:
        source, ts_ns = LOCAL_ANSWER, sim["responses"][0]["ts_ns"]
    if local_ns != NEVER_NS and sim["ts_timer_ns"] < ts_ns:
        source, ts_ns = LOCAL_TIMER, sim["ts_timer_ns"]
    schedule_ns = min(sim["ts_expiry_ns"], sim["ts_outage_ns"])
    if schedule_ns < ts_ns and (local_ns != NEVER_NS or sim["outage_down"] == 1):
        source, ts_ns = VENUE_SCHEDULE, schedule_ns
    if sim["request_count"] > 0 and sim["requests"][0]["ts_ns"] < ts_ns:
        source, ts_ns = VENUE_REQUEST, sim["requests"][0]["ts_ns"]
    return source, ts_ns


@kernel
def run_request(arrays, ts_ns):
    """Process the request that reaches the venue."""
    sim = arrays.sims[0]
    # Without latency an order that the venue refuses can be placed anew at once, for ever.
    sim["request_now_count"] = sim["request_now_count"] + 1 if sim["ts_request_ns"] == ts_ns else 1
    sim["ts_request_ns"] = ts_ns
    assert sim["request_now_count"] <= REQUEST_NOW_COUNT_MAX, "orders and refusals without end at one instant"
    sim["ts_now_ns"] = ts_ns
    row = sim["requests"][0]["row"]
    index = np.int64(row["instrument_index"])
    venue = arrays.venues[index]
    if arrays.queues.size > 0:
        side = np.int64(row["side"])
        venue["unshown_lots"] = unshown_lots(venue, arrays.queues[index], side, row["price_ticks"])
    accept_request(sim, venue, arrays.venue_cells[index], row, ts_ns)
    take_first(sim["requests"], sim["request_count"])
    sim["request_count"] -= 1


@kernel
def take_answer(sim):
    """Move the answer that the core receives, all its rows, to `scratch`; returns their number."""
    scratch, responses = sim["scratch"], sim["responses"]
    count = 0
    while True:
        scratch[count] = responses[count]["row"]
        count += 1
        if scratch[count - 1]["flags"] & Flag.LAST != 0:
            break
    for _ in range(count):
        take_first(responses, sim["response_count"])
        sim["response_count"] -= 1
    return count


@kernel
def run_beside(arrays, source, ts_ns):
    """Process what comes beside the market: a request or the clock at the venue, an answer or a timer at the core.

    Returns Stop.POLICY when the policy lane has to run before the event is over: its row waits in `scratch`.
    """
    sim, out = arrays.sims[0], arrays.outs[0]
    if source == VENUE_REQUEST:
        run_request(arrays, ts_ns)
        return Stop.END
    if source == VENUE_SCHEDULE:
        sim["ts_now_ns"] = ts_ns
        run_schedule(sim, arrays.venues, arrays.venue_cells, ts_ns)
        return Stop.END
    rows = sim["scratch"]
    end = 1
    if source == LOCAL_TIMER:
        write_timer(sim, rows[0])
    else:
        end = take_answer(sim)
    for i in range(end):
        rows[i]["seq"] = sim["seq_next"]
    stop = step(arrays.clocks[0], arrays.cells, rows, np.int64(0), end, out)
    if stop == Stop.END:
        end_event(sim, rows, np.int64(0), end, out)
    return stop


@kernel
def run_venue(arrays, venue_ns):
    """Process the venue's next market event."""
    sim = arrays.sims[0]
    rows, starts = sim["rows"], sim["starts"]
    event = sim["order"][sim["event_venue"]]
    sim["event_venue"] += 1
    sim["ts_now_ns"] = venue_ns
    start, end = starts[event], starts[event + 1]
    index = np.int64(rows[start]["instrument_index"])
    if rows[start]["kind"] == EventKind.BOOK_ORDER:
        apply_book_order(arrays.venues[index], arrays.queues[index], rows[start])
    else:
        apply_market(sim, arrays.venues[index], arrays.venue_cells[index], rows, start, end)


@entry
def begin_schedule(arrays, ts_first_ns):
    """Set what the venue does by the clock before its first event, or behind an outage."""
    schedule_outage(arrays.sims[0], ts_first_ns)


@entry
def end_policy(arrays):
    """End the event that the policy lane has just run for."""
    sim = arrays.sims[0]
    end_event(sim, sim["scratch"], np.int64(0), np.int64(1), arrays.outs[0])


@entry
def fold_control(arrays, row_count):
    """Fold one event that comes from neither market nor venue (MANIFEST, CONFIG); its rows stand in the window.

    POLICY leaves it to be ended by `end_control`.
    """
    sim = arrays.sims[0]
    for i in range(row_count):
        sim["rows"][i]["seq"] = sim["seq_next"]
    return step(arrays.clocks[0], arrays.cells, sim["rows"], np.int64(0), row_count, arrays.outs[0])


@entry
def end_control(arrays, row_count):
    """End an event of `fold_control`."""
    sim = arrays.sims[0]
    end_event(sim, sim["rows"], np.int64(0), row_count, arrays.outs[0])


@entry
def simulate(arrays):
    """Run venue and core until `ts_stop_ns`, an event that is held, the window's end, a full output, or work for the
    policy lane.

    Returns a Stop: END, EFFECTS_FULL (drain the output), POLICY.
    """
    sim, clock, out, cells = arrays.sims[0], arrays.clocks[0], arrays.outs[0], arrays.cells
    rows, starts = sim["rows"], sim["starts"]
    local_ns, venue_ns = next_local(sim), next_venue(sim)
    source, other_ns = next_other(sim, local_ns)
    while sim["output_count"] + ROOM_ROW_COUNT <= OUTPUT_ROW_COUNT:
        if min(local_ns, venue_ns, other_ns) >= sim["ts_stop_ns"]:
            return Stop.END
        if local_ns <= venue_ns and (
            local_ns < other_ns or (local_ns == other_ns and not is_answer_first(sim, source))
        ):
            start, end = starts[sim["event_local"]], starts[sim["event_local"] + 1]
            sim["event_local"] += 1
            for i in range(start, end):
                rows[i]["seq"] = sim["seq_next"]
            stop = step(clock, cells, rows, start, end, out)
            if stop != Stop.END:
                sim["scratch"][0] = rows[start]  # a recorded timer
                return stop
            end_event(sim, rows, start, end, out)
            sim["timer_run_count"] = 0
            if sim["event_local"] == sim["event_hold"]:
                return Stop.END
            local_ns = next_local(sim)
            source, other_ns = next_other(sim, local_ns)
        elif venue_ns < other_ns or (venue_ns == other_ns and source >= VENUE_SCHEDULE):
            run_venue(arrays, venue_ns)
            venue_ns = next_venue(sim)
            source, other_ns = next_other(sim, local_ns)
        else:
            stop = run_beside(arrays, source, other_ns)
            if stop != Stop.END:
                return stop
            source, other_ns = next_other(sim, local_ns)
    return Stop.EFFECTS_FULL
