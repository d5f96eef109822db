"""What the venue has told of own orders, and the rows that follow; must never invent an answer.

The venue tells an order's state, the core wants what happened: the ledger keeps the last state told of each own
order, so that the first sight of an order is its ACK, another price or size its AMENDED, an end its end, and a
repetition nothing. It also knows own orders by the venue's ids: `execution.fast` names a maker's order in no other
way.
"""

import enum
from collections import deque
from dataclasses import dataclass

import numpy as np

from mmfold.adapters.importers.rows import Row, finish_event
from mmfold.adapters.importers.table import Listing
from mmfold.adapters.venues.link_ids import parse_link_id, run_tag
from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.records import EVENT, FEE_CODE_ZERO, NO_FEE_CODE, NO_ORDER_ID, NO_PRICE_TICKS, NO_VALUE

ENDED_COUNT_MAX = 1 << 11  # ended orders that are still known, for executions that come after the end
NOBODYS_ORDER_ID = 0  # of a foreign fill's row: seq 0 is the MANIFEST and decides nothing, so no order has this id


class EndReason(enum.IntEnum):
    """`code` of a CANCELED or REJECT that a stream tells: the venue's reason is a text there, this is its number."""

    NONE = 0
    USER = 1
    REDUCE_ONLY = 2
    LIQUIDATION = 3
    ADL = 4
    ADMIN = 5
    SETTLE = 6
    SELF_MATCH = 7
    DISCONNECT = 8
    WOULD_TAKE = 9
    NOTHING_TO_FILL = 10
    OTHER = 99


class OrderWord(enum.Enum):
    """What the venue says an order is."""

    WAITING = "not in the book yet"
    OPEN = "open"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"


ENDS = {
    OrderWord.CANCELED: EventKind.CANCELED,
    OrderWord.EXPIRED: EventKind.EXPIRED,
    OrderWord.REJECTED: EventKind.REJECT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReport:
    """The state of one order as the venue tells it.

    Units: whole_lots is the order's whole size, filled_lots of it is filled.
    """

    listing: Listing
    order_id: int
    word: OrderWord
    side: Side
    price_ticks: int
    whole_lots: int
    filled_lots: int
    times: tuple[int, int]  # ts_exchange_ns, ts_receive_ns
    reason: EndReason = EndReason.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One execution of an own order; `fee_ppm` is None where the venue does not tell the rate."""

    listing: Listing
    order_id: int
    side: Side
    price_ticks: int
    qty_lots: int
    number: int
    is_maker: bool
    fee_ppm: int | None
    times: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """Something of our account that is no order of this run: somebody's order or fill, or another symbol's.

    `row` is the EVENT row of a fill in an instrument of ours, with `NOBODYS_ORDER_ID`: it moves our position all the
    same.
    """

    topic: str
    symbol: str
    what: str
    venue_order_id: str = ""
    link_id: str = ""
    row: np.ndarray | None = None


@dataclass(slots=True)
class KnownOrder:
    """The last state told of an own order; `told_lots` is what its FILLs, or its state at first sight, filled of it."""

    price_ticks: int
    whole_lots: int
    told_lots: int = 0
    acked: bool = False
    ended: bool = False
    venue_order_id: str = ""
    numbers: tuple[int, ...] = ()  # of its executions: there are few


class OrderLedger:
    """The own orders of one run as the venue told them."""

    def __init__(self, run_id: str) -> None:
        self.tag = run_tag(run_id)
        self.known: dict[int, KnownOrder] = {}
        self.order_ids: dict[str, int] = {}  # by the venue's order id
        self.ended: deque[int] = deque()

    def find(self, link_id: str, venue_order_id: str) -> int | None:
        """Return the own order that the venue means, or None when it is not one of this run."""
        order_id = parse_link_id(link_id, self.tag) if link_id else self.order_ids.get(venue_order_id)
        if order_id is not None and link_id and venue_order_id:
            self.learn(order_id, venue_order_id)
        return order_id

    def learn(self, order_id: int, venue_order_id: str) -> None:
        """Note the venue's id of an own order."""
        order = self.known.get(order_id)
        if venue_order_id and order is not None and order.venue_order_id != venue_order_id:
            order.venue_order_id = venue_order_id
            self.order_ids[venue_order_id] = order_id

    def note_placed(self, order_id: int, price_ticks: int, whole_lots: int) -> None:
        """Note what is asked for before the request leaves: an ACK then says no more than that."""
        self.known.setdefault(order_id, KnownOrder(price_ticks, whole_lots))

    def note_refused(self, order_id: int) -> None:
        """Forget an order that the venue refused; should it rest all the same, its first word is news again."""
        order = self.known.get(order_id)
        if order is not None and not order.acked and not order.ended:
            del self.known[order_id]
            self.order_ids.pop(order.venue_order_id, None)

    def order_rows(self, report: OrderReport, venue_order_id: str = "") -> list[Row]:
        """Return the rows of what is new in a state, each a whole event; none for a repetition."""
        order = self.known.get(report.order_id)
        placed_here = order is not None
        if order is None:
            order = self.known[report.order_id] = KnownOrder(
                report.price_ticks, report.whole_lots, told_lots=report.filled_lots
            )
        self.learn(report.order_id, venue_order_id)
        if order.ended or report.word == OrderWord.WAITING:
            return []
        rows: list[Row] = []
        is_priced = report.price_ticks != NO_PRICE_TICKS  # a market order cannot be amended
        if report.word == OrderWord.OPEN and not order.acked:
            order.acked = True
            rows.append(answer_row(EventKind.ACK, report))
            # An order of before a restart may have been amended since: its first state is told in full.
            if not placed_here and is_priced:
                rows.append(self.amended_row(order, report))
        is_changed = (report.price_ticks, report.whole_lots) != (order.price_ticks, order.whole_lots)
        if is_priced and is_changed and report.word in (OrderWord.OPEN, OrderWord.FILLED):
            order.price_ticks, order.whole_lots = report.price_ticks, report.whole_lots
            rows.append(self.amended_row(order, report))
        if report.word in ENDS:
            # A REJECT answers a request; an order that was accepted before has expired.
            late = report.word == OrderWord.REJECTED and order.acked
            rows.append(answer_row(EventKind.EXPIRED if late else ENDS[report.word], report))
        if report.word != OrderWord.OPEN:
            self.end(report.order_id, order)
        return rows

    def amended_row(self, order: KnownOrder, report: OrderReport) -> Row:
        """Return an AMENDED with what remains after the fills told so far.

        The venue's own remaining size may count a fill whose execution is still on its way: its FILL would then be
        taken off twice.
        """
        remaining_lots = max(0, order.whole_lots - order.told_lots)
        row = list(answer_row(EventKind.AMENDED, report))
        row[3], row[4] = order.price_ticks, remaining_lots
        return tuple(row)

    def fold(self, told: "OrderReport | Execution | Row | list[Row]", venue_order_id: str = "") -> list[Row]:
        """Return the rows of what was told, which is taken as told from here on: a frame is read whole before."""
        if isinstance(told, list):
            return told
        if isinstance(told, OrderReport):
            return self.order_rows(told, venue_order_id)
        return [self.fill_row(told) if isinstance(told, Execution) else told]

    def fill_row(self, execution: Execution) -> Row:
        """Return the FILL of an execution; told twice it is counted once, but its row is the same again."""
        order = self.known.get(execution.order_id)
        if order is not None and execution.number not in order.numbers:
            order.numbers += (execution.number,)
            order.told_lots += execution.qty_lots
        return fill_row(execution)

    def end(self, order_id: int, order: KnownOrder) -> None:
        """Mark an order as ended and forget the oldest of too many ended ones."""
        if order.ended:
            return
        order.ended = True
        self.ended.append(order_id)
        while len(self.ended) > ENDED_COUNT_MAX:
            forgotten = self.known.pop(self.ended.popleft())
            self.order_ids.pop(forgotten.venue_order_id, None)


def answer_row(kind: EventKind, report: OrderReport) -> Row:
    """Return an ACK, AMENDED, CANCELED, EXPIRED or REJECT without price and size."""
    code = int(report.reason) if kind in (EventKind.CANCELED, EventKind.REJECT) else 0
    index = report.listing.index
    return (0, *report.times, NO_PRICE_TICKS, 0, report.order_id, NO_VALUE, kind, Side.NONE, Flag.LAST, index, code)


def fill_row(execution: Execution) -> Row:
    """Return the FILL of an execution."""
    flags = Flag.LAST | (Flag.MAKER if execution.is_maker else 0)
    price_ticks, qty_lots, index = execution.price_ticks, execution.qty_lots, execution.listing.index
    head = (0, *execution.times, price_ticks, qty_lots, execution.order_id, execution.number)
    return (*head, EventKind.FILL, execution.side, flags, index, fee_code(execution.fee_ppm))


def fee_code(fee_ppm: int | None) -> int:
    """Return FILL.code of a fee rate; one beyond +-3.2 %, which no venue charges, counts as not told."""
    if fee_ppm is None or not -FEE_CODE_ZERO < fee_ppm < FEE_CODE_ZERO:
        return NO_FEE_CODE
    return fee_ppm + FEE_CODE_ZERO


def open_orders_rows(listing: Listing, times: tuple[int, int], orders: list[tuple[int, Side, int, int]]) -> np.ndarray:
    """Return the OPEN_ORDERS event of one instrument; without orders one row without an order id.

    Shape:  orders = (order_id, side, price_ticks, remaining lots).
    """
    kind, index = EventKind.OPEN_ORDERS, listing.index
    rows: list[Row] = [
        (0, *times, price_ticks, qty_lots, order_id, NO_VALUE, kind, side, 0, index, 0)
        for order_id, side, price_ticks, qty_lots in sorted(orders)
    ]
    if not rows:
        rows.append((0, *times, NO_PRICE_TICKS, 0, NO_ORDER_ID, NO_VALUE, kind, Side.NONE, 0, index, 0))
    return finish_event(rows)


def position_row(
    listing: Listing, times: tuple[int, int], qty_lots: int, price_ticks: int, price_e8: int = NO_VALUE
) -> Row:
    """Return the POSITION of an instrument.

    Units: qty_lots is signed, price_ticks the tick at or below the average entry, price_e8 that price x 1e8, or
    sentinels.
    """
    kind = EventKind.POSITION
    head = (0, *times, price_ticks, qty_lots, NO_ORDER_ID, price_e8)
    return (*head, kind, Side.NONE, Flag.LAST, listing.index, 0)


def balance_row(times: tuple[int, int], cash_micros: int) -> Row:
    """Return the BALANCE of the account."""
    head = (0, *times, NO_PRICE_TICKS, 0, NO_ORDER_ID, cash_micros)
    return (*head, EventKind.BALANCE, Side.NONE, Flag.LAST, 0, 0)


def as_rows(rows: list[Row]) -> np.ndarray:
    """Return rows that are whole events each as one array."""
    return np.array(rows, dtype=EVENT)
