"""One account's orders in one market, without a backtest's loop: what an emulated or a paper venue asks to match.

The same kernels as a backtest's venue, at zero latency: answers come back from the call. Must never see a core.
"""

import numpy as np

from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.jit import entry
from mmfold.engine.limits import ORDER_COUNT_MAX
from mmfold.engine.manifest import Manifest
from mmfold.engine.orders import SLOTS_PER_SIDE
from mmfold.engine.records import EVENT, NO_VALUE
from mmfold.engine.state import make_state
from mmfold.replay.assumptions import Assumptions
from mmfold.replay.venue.exchange import apply_market
from mmfold.replay.venue.fifo import apply_book_order, make_queues, unshown_lots
from mmfold.replay.venue.queue import QueueModel
from mmfold.replay.venue.records import NEVER_NS, SIM, make_venues
from mmfold.replay.venue.requests import accept_request
from mmfold.replay.venue.schedule import run_schedule

AT_ONCE = Assumptions(entry_latency_ns=0, response_latency_ns=0)


@entry
def run_market(sims, venues, cells, queues, rows, ts_ns):
    """Fold one market event, rows whole, into the venue of its instrument."""
    sim = sims[0]
    sim["ts_now_ns"] = ts_ns
    index = np.int64(rows[0]["instrument_index"])
    if rows[0]["kind"] != EventKind.BOOK_ORDER:
        apply_market(sim, venues[index], cells[index], rows, np.int64(0), np.int64(rows.size))
    elif queues.size > 0:
        apply_book_order(venues[index], queues[index], rows[0])


@entry
def run_request(sims, venues, cells, queues, rows, ts_ns):
    """Carry out one request."""
    sim = sims[0]
    sim["ts_now_ns"] = ts_ns
    index = np.int64(rows[0]["instrument_index"])
    if queues.size > 0:
        side = np.int64(rows[0]["side"])
        lots = unshown_lots(venues[index], queues[index], side, rows[0]["price_ticks"])
        venues[index]["unshown_lots"] = lots
    accept_request(sim, venues[index], cells[index], rows[0], ts_ns)


@entry
def run_clock(sims, venues, cells, ts_ns):
    """Do what has come due by the clock."""
    sim = sims[0]
    while min(sim["ts_expiry_ns"], sim["ts_outage_ns"]) <= ts_ns:
        sim["ts_now_ns"] = min(sim["ts_expiry_ns"], sim["ts_outage_ns"])
        run_schedule(sim, venues, cells, sim["ts_now_ns"])


class Desk:
    """One account at the venue: market events and requests in, answers out, at the caller's times.

    Shapes: rows are EVENT, one event at a time. An order's id names its slot (engine/orders.py): 0 to 31 buys, 32 to 63
    sells; ids grow within a slot. A PLACE without POST_ONLY may take; without a price it is a market order.
    Units: ts_ns may not go back.
    """

    def __init__(self, manifest: Manifest, assumptions: Assumptions = AT_ONCE, *, seed: int = 0) -> None:
        self.manifest = manifest
        self.cells = make_state(manifest).cells
        self.venues = make_venues(manifest.instruments)
        self.sims = np.zeros(1, SIM)
        is_fifo = assumptions.queue_model == QueueModel.FIFO
        self.queues = make_queues(len(manifest.instruments) if is_fifo else 0)
        assumptions.apply(self.sims[0], seed)
        self.sims["ts_expiry_ns"] = self.sims["ts_outage_ns"] = NEVER_NS

    def apply_market(self, rows: np.ndarray, ts_ns: int) -> np.ndarray:
        """Fold one market event and return what it did to the orders: FILL, EXPIRED."""
        run_market(self.sims, self.venues, self.cells, self.queues, np.ascontiguousarray(rows), ts_ns)
        return self.take_answers()

    def request(self, row: np.void, ts_ns: int) -> np.ndarray:
        """Carry out a PLACE, AMEND or CANCEL and return the answers: ACK, REJECT (code = RejectCode), FILL, ..."""
        run_request(self.sims, self.venues, self.cells, self.queues, np.array([row], EVENT), ts_ns)
        return self.take_answers()

    def rehearse(self, ts_ns: int) -> None:
        """Run what changes nothing, so that the kernels are compiled before anybody waits for an answer."""
        row = np.zeros(1, EVENT)
        row["kind"], row["flags"], row["side"], row["aux"] = EventKind.MARK, Flag.LAST, Side.NONE, NO_VALUE
        self.apply_market(row, ts_ns)
        row["kind"], row["order_id"] = EventKind.CANCEL, 0
        answers = self.request(row[0], ts_ns)
        assert [int(answer["kind"]) for answer in answers] == [EventKind.REJECT]

    def advance(self, ts_ns: int) -> np.ndarray:
        """Let time pass and return the answers: orders whose life ended."""
        run_clock(self.sims, self.venues, self.cells, ts_ns)
        return self.take_answers()

    def lots_before(self, index: int, order_id: int) -> int:
        """Return what is left of the own orders of an instrument that a trade at an order's price fills before it."""
        orders = self.venues[index]["orders"]
        own, side = orders[order_id % ORDER_COUNT_MAX], order_id % ORDER_COUNT_MAX // SLOTS_PER_SIDE
        same = orders[side * SLOTS_PER_SIDE : (side + 1) * SLOTS_PER_SIDE]
        better = (same["price_ticks"] - own["price_ticks"]) * (1 if side == Side.BID else -1)
        before = (better > 0) | ((better == 0) & (same["joined"] < own["joined"]))
        return int(same["qty_lots"][before & (same["resting"] == 1)].sum())

    def take_answers(self) -> np.ndarray:
        """Return the answers under way and forget them."""
        sim = self.sims[0]
        rows: np.ndarray = sim["responses"]["row"][: sim["response_count"]].copy()
        sim["response_count"] = 0
        return rows
