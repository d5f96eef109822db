"""What /status says of a session: one JSON object, amounts as decimal strings; must never hold a secret.

Read from the state as it stands between two events; nothing here is computed that the core or the reports do not have.
"""

from fractions import Fraction
from typing import Any

from mmfold.adapters.live.operator.status import Histogram, LiveStatus
from mmfold.adapters.venues.connection import StreamStatus
from mmfold.config.aliases import ALIASES, AliasTable
from mmfold.engine.codes import BookStatus, OrderStatus, Reason, Side
from mmfold.engine.limits import BOOK_WINDOW_TICKS, MICROS_PER_UNIT, NS_PER_MS, NS_PER_S
from mmfold.engine.orders import SLOTS_PER_SIDE
from mmfold.engine.records import NO_VALUE
from mmfold.engine.state import NO_KEY
from mmfold.reports.money import Units, decimal_text, instrument_units
from mmfold.reports.opening import opening_fields
from mmfold.reports.position import position_amounts

OPEN = range(OrderStatus.CREATED, OrderStatus.DONE)
SIDES = (Side.BID, Side.ASK)
PERCENTILES = (50, 99)


def status_document(status: LiveStatus, ts_now_ns: int, names: AliasTable = ALIASES) -> dict[str, Any]:
    """Return everything that a person asks of a running session, renamed keys under both names.

    Units: times in ns since 1970, ages in ms, latencies in the unit that their key names.
    """
    reasons = status.not_ready()
    cash = int(status.state.clock[0]["cash_micros"])
    document = {
        "cash": None if cash == NO_VALUE else decimal_text(Fraction(cash, MICROS_PER_UNIT)),
        "clock_offset_ns": status.clock_offset_ns,
        "freezes": status.freezes,
        "head": status.head,
        "journal": status.journal,
        "live_enabled": status.is_live_enabled,
        "loop_drift_ns": status.loop_drift_ns,
        "mode": status.mode,
        "params_hash": status.params_hash,
        "phase": status.phase,
        "rate_limited": status.rate_limited,
        "ready": not reasons,
        "reasons": reasons,
        "run_id": status.manifest.run_id,
        "seq_next": status.seq_next,
        "streams": {name: stream_document(one, ts_now_ns) for name, one in status.streams.items()},
        "symbols": {
            one.symbol: symbol_document(status, index, ts_now_ns)
            for index, one in enumerate(status.manifest.instruments)
        },
        "tick_to_order_us": histogram_document(status.tick_to_order),
        "ts_now_ns": ts_now_ns,
        "ts_started_ns": status.ts_started_ns,
        "uptime_seconds": uptime_seconds(status, ts_now_ns),
        "venue": status.venue,
        "warmup_skips": status.warmup_skips,
    }
    return names.with_old_keys("/status", document)


def uptime_seconds(status: LiveStatus, ts_now_ns: int) -> int:
    """Return how long the session runs; 0 where the clock was set back before its start."""
    return max(0, (ts_now_ns - status.ts_started_ns) // NS_PER_S)


def stream_document(stream: StreamStatus, ts_now_ns: int) -> dict[str, Any]:
    """Return one connection."""
    age_ms = (ts_now_ns - stream.ts_frame_ns) // NS_PER_MS if stream.ts_frame_ns else None
    return {
        "frames": stream.frames,
        "last_frame_age_ms": age_ms,
        "reconnects": stream.reconnects,
        "refused": stream.refused,
        "up": stream.up,
    }


def histogram_document(histogram: Histogram) -> dict[str, Any]:
    """Return count and percentiles of a histogram."""
    return {"count": histogram.count} | {
        f"p{percent}_at_most": percentile(histogram, percent) for percent in PERCENTILES
    }


def percentile(histogram: Histogram, percent: int) -> int | None:
    """Return the bound of the bucket that holds the nearest rank, None where none was counted or it has no bound."""
    rank = max(1, -(-histogram.count * percent // 100))
    for bound, count in zip(histogram.bounds, histogram.counts, strict=False):
        if rank <= count:
            return bound
        rank -= count
    return None


def symbol_document(status: LiveStatus, index: int, ts_now_ns: int) -> dict[str, Any]:
    """Return one instrument: book, own orders, position, money, and what keeps it from quoting."""
    cell, units = status.state.cells[index], instrument_units(status.manifest.instruments[index])
    symbol = status.manifest.instruments[index].symbol
    counts = {one.name.lower(): int(cell["blocked_counts"][one]) for one in Reason}
    reason = int(cell["quoter"]["block_reason"])
    return {
        "blocked": None if reason == Reason.NONE else Reason(reason).name.lower(),
        "blocked_counts": {name: count for name, count in counts.items() if count},
        "book": book_document(cell, units),
        "frozen": bool(cell["quoter"]["frozen"]),
        "order_latency_ms": histogram_document(status.order_latency[index]),
        "orders": orders_document(cell, units, ts_now_ns),
        "paused": [side.name.lower() for side in SIDES if cell["quote_sides"][side]["paused"]],
        "pnl": money_document(status, index, units),
        "position": units.qty(int(cell["position"]["position_lots"])),
        "unexplained": status.unexplained.get(symbol),
        "unknown_orders": int(cell["quoter"]["unknown_order_count"]),
    }


def book_document(cell: Any, units: Units) -> dict[str, Any]:
    """Return a book's status and its best level of each side."""
    return {
        "ask": top_level(cell, Side.ASK, units),
        "bid": top_level(cell, Side.BID, units),
        "status": BookStatus(int(cell["book"]["status"])).name.lower(),
    }


def top_level(cell: Any, side: Side, units: Units) -> list[str] | None:
    """Return [price, size] of the best level, None of an empty side."""
    book_side = cell["sides"][side]
    key = int(book_side["best_key"])
    if key == NO_KEY:
        return None
    # The best level is always within the ring (engine/book.py, set_best).
    lots = int(cell["window_qty_lots"][side, key & (BOOK_WINDOW_TICKS - 1)])
    return [units.price(int(book_side["best_price_ticks"])), units.qty(lots)]


def orders_document(cell: Any, units: Units, ts_now_ns: int) -> list[dict[str, Any]]:
    """Return the own orders that are open, or whose outcome only the venue knows; bids first."""
    return [
        {
            "age_ms": (ts_now_ns - int(row["ts_placed_ns"])) // NS_PER_MS,
            "filled": units.qty(int(row["filled_lots"])),
            "order_id": str(row["order_id"]),
            "price": units.price(int(row["price_ticks"])),
            "qty": units.qty(int(row["qty_lots"])),
            "side": (Side.BID if slot < SLOTS_PER_SIDE else Side.ASK).name.lower(),
            "status": OrderStatus(int(row["status"])).name.lower(),
        }
        for slot, row in enumerate(cell["orders"])
        if int(row["status"]) in OPEN
    ]


def money_document(status: LiveStatus, index: int, units: Units) -> dict[str, Any]:
    """Return an instrument's PnL and what it is in; None where an open position has no mark."""
    amounts = position_amounts(status.manifest, status.state, index)
    names = ("realized", "unrealized", "fees", "funding", "net", "notional")
    values = {name: getattr(amounts, name) for name in names}
    texts = {name: None if value is None else decimal_text(value) for name, value in values.items()}
    opening = opening_fields(status.manifest, status.state, index)
    return texts | {"money": units.money, "opening": opening, "quote": units.quote}
