"""A running session filled by hand: a book with tops, two own orders, streams and latencies."""

from mmfold.adapters.live.operator.status import LiveStatus
from mmfold.adapters.venues.connection import StreamStatus
from mmfold.engine.codes import OrderStatus, Reason, Side
from mmfold.engine.limits import BOOK_WINDOW_TICKS, NS_PER_MS
from mmfold.engine.orders import SLOTS_PER_SIDE
from tests.reports.examples import MANIFEST, START_NS, example_state


def example_status() -> LiveStatus:
    """Return a session that trades: a book with tops, two own orders, three streams, some latencies."""
    state = example_state()
    cell = state.cells[0]
    for side, key, lots in ((Side.BID, -617_404, 1_500), (Side.ASK, 617_406, 250)):
        cell["sides"][side]["best_key"] = key
        cell["window_qty_lots"][side, key & (BOOK_WINDOW_TICKS - 1)] = lots
    for slot, status, price in ((0, OrderStatus.ACCEPTED, 617_300), (SLOTS_PER_SIDE, OrderStatus.UNKNOWN, 617_500)):
        order = cell["orders"][slot]
        order["order_id"], order["status"], order["price_ticks"] = 0xABC + slot, status, price
        order["qty_lots"], order["filled_lots"], order["ts_placed_ns"] = 3, 1, START_NS
    cell["orders"][1]["status"] = OrderStatus.DONE
    state.cells[1]["quoter"]["block_reason"] = Reason.MD_STALE
    status = LiveStatus("testnet", "bybit", MANIFEST, state, "out/s", START_NS, "5eed5eed5eed", phase="trading")
    status.streams = {
        "public": StreamStatus("public", up=True, reconnects=2, frames=900, refused=1, ts_frame_ns=START_NS),
        "private": StreamStatus("private", up=True, frames=7),
    }
    status.seq_next, status.head, status.warmup_skips, status.rate_limited = 41, "9f" * 32, 5, 3
    status.clock_offset_ns, status.loop_drift_ns, status.freezes = -1_500_000, 250_000, 2
    for duration_ms in (1, 4, 30, 400, 9_000):
        status.order_latency[0].add(duration_ms * NS_PER_MS)
    status.tick_to_order.add(25_000)
    status.alerts.raised["book_gap"], status.alerts.sent["exec"], status.alerts.failed["exec"] = 42, 3, 1
    status.alerts.begin("webhook")
    return status
