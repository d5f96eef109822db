"""Every own order of a journal, from PLACE to its end, by the same rules as the tearsheet's tallies."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from mmfold.engine.codes import EventKind, OrderStatus, Reason
from mmfold.engine.manifest import Manifest
from mmfold.engine.records import NO_TS_NS
from mmfold.engine.state import State
from mmfold.reports.audit import enum_name
from mmfold.reports.money import instrument_units
from mmfold.reports.tables.columns import UTC_NS, amount_type, amounts, times
from mmfold.reports.tearsheet.orders import ORDER_KINDS, Life, OrderBook, OrderTally

COLUMNS = ("kind", "instrument_index", "order_id", "qty_lots", "price_ticks", "seq", "side", "code")
KINDS = (*ORDER_KINDS, EventKind.AMEND, EventKind.CANCEL)
SIDE_WORDS = ("buy", "sell")
END_WORDS = {
    EventKind.FILL: "filled",
    EventKind.CANCELED: "canceled",
    EventKind.CANCEL: "canceled",  # where nothing is sent
    EventKind.EXPIRED: "expired",
    EventKind.REJECT: "rejected",
}


@dataclass(slots=True)
class OrderLife:
    """One order.

    Units: times in ns by the core's clock; `qty_lots` is what it asked for last, what was filled before included.
    """

    seq: int
    index: int
    order_id: int
    side: int
    price_ticks: int
    qty_lots: int
    reason: int
    ts_placed_ns: int
    filled_lots: int = 0
    fill_count: int = 0
    amend_count: int = 0
    ts_ended_ns: int = NO_TS_NS
    status: str = ""
    cancel_reason: int = int(Reason.NONE)


class OrderLog(OrderBook):
    """Keeps what every order was and came to."""

    def __init__(self, instrument_count: int) -> None:
        super().__init__(instrument_count)
        self.is_shadow = [False] * instrument_count
        self.log: dict[tuple[int, int], OrderLife] = {}
        self.kind_now = 0

    def take(self, rows: np.ndarray, times_ns: np.ndarray) -> None:
        """Fold the first rows of a journal's events, with the core's time at each."""
        wanted = np.isin(rows["kind"], KINDS)
        columns = [rows[name][wanted].tolist() for name in COLUMNS]
        for (kind, index, order_id, qty_lots, *more), ts_ns in zip(
            zip(*columns, strict=True), times_ns[wanted].tolist(), strict=True
        ):
            key = (index, order_id)
            self.kind_now = kind
            if kind == EventKind.PLACE:
                price_ticks, seq, side, code = more
                self.log[key] = OrderLife(seq, index, order_id, side, price_ticks, qty_lots, code, ts_ns)
            self.apply(kind, key, qty_lots, ts_ns)
            if key in self.log:
                self.note(self.log[key], kind, qty_lots, more[0], more[3], ts_ns)

    def note(self, order: OrderLife, kind: int, qty_lots: int, price_ticks: int, code: int, ts_ns: int) -> None:
        """Note what one event says of an order."""
        key = (order.index, order.order_id)
        is_shadow, life = self.is_shadow[order.index], self.lives.get(key)
        match kind:
            case EventKind.FILL:
                order.filled_lots += qty_lots
                order.fill_count += 1
            case EventKind.AMENDED if life is not None:
                self.amend(order, life, price_ticks, qty_lots)
            case EventKind.AMEND if life is not None and is_shadow:
                self.amend(order, life, price_ticks, qty_lots)
            case EventKind.CANCEL:
                order.cancel_reason = code
                if life is not None and is_shadow:
                    self.end(self.tallies[order.index], key, life, ts_ns)

    def amend(self, order: OrderLife, life: Life, price_ticks: int, left_lots: int) -> None:
        """Take over what an order is from here on."""
        life.left_lots = left_lots
        order.price_ticks, order.qty_lots = price_ticks, order.filled_lots + left_lots
        order.amend_count += 1

    def end(self, tally: OrderTally, key: tuple[int, int], life: Life, ts_ns: int) -> None:
        """Count the order, and keep when and how it ended."""
        super().end(tally, key, life, ts_ns)
        order = self.log[key]
        order.ts_ended_ns, order.status = ts_ns, END_WORDS[EventKind(self.kind_now)]

    def finished(self, state: State) -> list[OrderLife]:
        """Return all orders in the order of their PLACE; those without an end are what the core holds them for."""
        statuses = {
            (index, int(order["order_id"])): int(order["status"])
            for index, orders in enumerate(state.orders)
            for order in orders[orders["status"] != OrderStatus.FREE]
        }
        for key in self.lives:
            self.log[key].status = enum_name(OrderStatus, statuses.get(key, int(OrderStatus.DONE)))
        return list(self.log.values())


def orders_table(lives: list[OrderLife], manifest: Manifest, exact: bool) -> pa.Table:
    """Return a row per own order.

    Units: price and qty as the venue has them; times UTC.
    """
    units = [instrument_units(instrument) for instrument in manifest.instruments]
    ticks, lots = [one.tick for one in units], [one.lot for one in units]
    symbols, quotes = [one.symbol for one in manifest.instruments], [one.quote for one in units]
    ints = {name: ints_of(lives, name) for name in ("index", "price_ticks", "qty_lots", "filled_lots")}
    index = ints["index"]
    reasons = [enum_name(Reason, one.reason) for one in lives]
    why = [None if one.cancel_reason == Reason.NONE else enum_name(Reason, one.cancel_reason) for one in lives]
    columns: list[tuple[str, pa.DataType, Any]] = [
        ("seq", pa.int64(), ints_of(lives, "seq")),
        ("order_id", pa.int64(), ints_of(lives, "order_id")),
        ("symbol", pa.string(), [symbols[one.index] for one in lives]),
        ("side", pa.string(), [SIDE_WORDS[one.side] for one in lives]),
        ("price", amount_type(ticks, exact), amounts(ints["price_ticks"], index, ticks, exact)),
        ("qty", amount_type(lots, exact), amounts(ints["qty_lots"], index, lots, exact)),
        ("filled", amount_type(lots, exact), amounts(ints["filled_lots"], index, lots, exact)),
        ("quote", pa.string(), [quotes[one.index] for one in lives]),
        ("status", pa.string(), [one.status for one in lives]),
        ("reason", pa.string(), reasons),
        ("cancel_reason", pa.string(), why),
        ("fills", pa.int64(), ints_of(lives, "fill_count")),
        ("amends", pa.int64(), ints_of(lives, "amend_count")),
        ("ts_placed", UTC_NS, times(ints_of(lives, "ts_placed_ns"))),
        ("ts_ended", UTC_NS, times(ints_of(lives, "ts_ended_ns"))),
    ]
    return pa.table([values for _, _, values in columns], schema=pa.schema([(name, kind) for name, kind, _ in columns]))


def ints_of(lives: list[OrderLife], name: str) -> np.ndarray:
    """Return one field of all orders."""
    return np.array([getattr(one, name) for one in lives], np.int64)
