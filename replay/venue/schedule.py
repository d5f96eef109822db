"""What the venue does by the clock: orders whose life ends, outages of the trading connection, restarts.

An outage breaks the trading connection, not the market feed: requests time out, answers wait for its end. A restart is
an outage in which the venue drops all resting orders.
"""

from mmfold.engine.codes import ConnectionState, EventKind
from mmfold.engine.jit import kernel
from mmfold.engine.limits import NS_PER_MS, ORDER_COUNT_MAX
from mmfold.engine.records import NO_ORDER_ID
from mmfold.replay.venue.account import cancel_all
from mmfold.replay.venue.answers import answer_arrival_ns, end_order, list_orders, post_answer, respond
from mmfold.replay.venue.chance import draw_32, is_drawn
from mmfold.replay.venue.latency import response_latency_ns
from mmfold.replay.venue.records import NEVER_NS, Purpose


@kernel
def schedule_outage(sim, ts_first_ns):
    """Draw when the next outage begins: within an interval after the one before."""
    rules = sim["rules"]
    if rules["outage_interval_ns"] == 0:
        sim["ts_outage_ns"] = NEVER_NS
        return
    room_ns = rules["outage_interval_ns"] - rules["outage_ns"]
    # In steps of a millisecond, so that the product stays in 64 bits.
    offset_ms = (room_ns // NS_PER_MS * draw_32(rules["seed"], sim["outage_index"], Purpose.OUTAGE)) >> 32
    sim["ts_outage_ns"] = ts_first_ns + offset_ms * NS_PER_MS


@kernel
def begin_outage(sim, venues, cells, ts_ns):
    """Break the connection; the core's side notices after a response's time."""
    rules = sim["rules"]
    row = post_answer(sim, ts_ns, ts_ns + response_latency_ns(sim, ts_ns), EventKind.CONNECTION, cells[0], NO_ORDER_ID)
    row["code"] = ConnectionState.DOWN
    sim["outage_down"] = 1
    sim["ts_outage_ns"] = ts_ns + rules["outage_ns"]
    if is_drawn(rules["seed"], sim["outage_index"], Purpose.RESTART, rules["restart_ppm"]):
        for index in range(cells.size):
            cancel_all(sim, venues[index], cells[index], EventKind.CANCELED, ts_ns)


@kernel
def end_outage(sim, venues, cells, ts_ns):
    """Restore the connection: what was missed arrives, then every instrument's open orders, then it counts as up."""
    sim["outage_down"] = 0
    for index in range(cells.size):
        list_orders(sim, venues[index], cells[index], ts_ns)
    row = post_answer(sim, ts_ns, answer_arrival_ns(sim, ts_ns), EventKind.CONNECTION, cells[0], NO_ORDER_ID)
    row["code"] = ConnectionState.UP
    sim["outage_index"] += 1
    schedule_outage(sim, ts_ns)


@kernel
def expire_orders(sim, venues, cells, ts_ns):
    """End the orders whose life is over and find the next that will be."""
    sim["ts_expiry_ns"] = NEVER_NS
    for index in range(cells.size):
        for slot in range(ORDER_COUNT_MAX):
            order = venues[index]["orders"][slot]
            if order["resting"] == 1 and order["ts_expiry_ns"] <= ts_ns:
                end_order(sim, venues[index], slot)
                respond(sim, ts_ns, EventKind.EXPIRED, cells[index], order["order_id"])
            elif order["resting"] == 1:
                sim["ts_expiry_ns"] = min(sim["ts_expiry_ns"], order["ts_expiry_ns"])


@kernel
def run_schedule(sim, venues, cells, ts_ns):
    """Do what is due by the clock."""
    if sim["ts_expiry_ns"] <= ts_ns:
        expire_orders(sim, venues, cells, ts_ns)
    elif sim["outage_down"] == 0:
        begin_outage(sim, venues, cells, ts_ns)
    else:
        end_outage(sim, venues, cells, ts_ns)
