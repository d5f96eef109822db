"""A venue in the middle of a journal: its market as it stands, the orders that rest there, requests on their way.

Must never know more of an order than the journal says: what stood ahead of it in its queue is not in there, so it
stands behind all that is displayed.
"""

import numpy as np

from mmfold.engine.codes import EventKind, Flag
from mmfold.engine.jit import entry, kernel
from mmfold.engine.limits import ORDER_COUNT_MAX
from mmfold.engine.value import notional_micros
from mmfold.replay.venue.answers import add_volume
from mmfold.replay.venue.exchange import apply_market
from mmfold.replay.venue.fifo import apply_book_order
from mmfold.replay.venue.latency import send_request
from mmfold.replay.venue.loop import next_venue, run_venue
from mmfold.replay.venue.requests import rest_order


@kernel
def count_answers(sim, venue, cell, rows, start, end):
    """Count what the venue told before: its numbers go on from there."""
    kind = rows[start]["kind"]
    if EventKind.ACK <= kind <= EventKind.FILL or kind == EventKind.OPEN_ORDERS or kind == EventKind.REQUEST_RESULT:
        sim["answer_count"] += end - start
    elif kind == EventKind.CONNECTION:
        sim["answer_count"] += 1
    if kind == EventKind.FILL:
        row = rows[start]
        venue["execution_count"] += 1
        if sim["rules"]["fee_tier_count"] > 0:
            micros = notional_micros(cell["instrument"], row["price_ticks"], row["qty_lots"])
            add_volume(venue, row["ts_exchange_ns"], micros)


@entry
def fold_before(arrays, rows):
    """Fold whole inputs of a journal at the venue, where none of our orders rests yet."""
    sim = arrays.sims[0]
    start = np.int64(0)
    for i in range(rows.size):
        if rows[i]["flags"] & Flag.LAST == 0:
            continue
        kind, index, end = rows[start]["kind"], np.int64(rows[start]["instrument_index"]), i + 1
        venue, cell = arrays.venues[index], arrays.venue_cells[index]
        if kind == EventKind.BOOK_ORDER:
            if arrays.queues.size > 0:
                apply_book_order(venue, arrays.queues[index], rows[start])
        elif kind == EventKind.BOOK_DELTA or kind == EventKind.BOOK_SNAPSHOT or kind == EventKind.MARK:
            apply_market(sim, venue, cell, rows, start, end)
        else:
            count_answers(sim, venue, cell, rows, start, end)
        start = end


@entry
def enter_orders(arrays, resting, requests, ts_ns):
    """Let the venue come to a time, put orders at the end of their queues and send what is on its way.

    Shape: resting are PLACE rows at the price and of the size that the order has, `aux` of it not filled; requests are
        as they were decided, and reach the venue when their latency says, not before `ts_ns`.
    """
    sim = arrays.sims[0]
    while next_venue(sim) < ts_ns:
        run_venue(arrays, next_venue(sim))
    sim["ts_now_ns"] = ts_ns
    for i in range(resting.size):
        row = resting[i]
        index = np.int64(row["instrument_index"])
        venue = arrays.venues[index]
        venue["orders"][np.int64(row["order_id"] & (ORDER_COUNT_MAX - 1))]["order_id"] = row["order_id"]
        rest_order(sim, venue, arrays.venue_cells[index], row, row["aux"], ts_ns)
    sim["ts_sent_ns"] = max(sim["ts_sent_ns"], ts_ns)
    for i in range(requests.size):
        send_request(sim, requests[i], requests[i]["ts_receive_ns"])
