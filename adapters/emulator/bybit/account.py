"""One account at the venue: its orders at its desk, executions, positions, wallet; must never decide a fill itself.

The desk (replay/venue/desk.py) matches; this file gives its slots to orders, keeps its answers and tells listeners.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from decimal import ROUND_CEILING, Decimal
from typing import Any

import numpy as np

from mmfold.adapters.emulator.bybit.books import Books
from mmfold.adapters.emulator.bybit.codes import TOO_LATE_TO_CANCEL, TOO_LATE_TO_REPLACE, VenueCode, VenueError, code_of
from mmfold.adapters.emulator.bybit.keys import ApiKey
from mmfold.adapters.emulator.bybit.ledger import (
    MONEY_PLACES,
    Execution,
    Position,
    Wallet,
    check_margin,
    fast_payload,
    make_execution,
    make_settlement,
)
from mmfold.adapters.emulator.bybit.naming import named_products, takes_orders
from mmfold.adapters.emulator.bybit.numbers import parse_price, parse_qty
from mmfold.adapters.emulator.bybit.orders import EXPIRY_REASONS, NewOrder, Order, Params, find_product, parse_new_order
from mmfold.adapters.emulator.bybit.payloads import make_uuid
from mmfold.adapters.emulator.bybit.reduce_only import closable, cut_to_position
from mmfold.adapters.emulator.market.clock import VenueClock
from mmfold.adapters.emulator.market.symbol import SymbolMarket
from mmfold.engine.codes import EventKind, Flag, Side
from mmfold.engine.limits import E9, NS_PER_MS, ORDER_COUNT_MAX, ORDER_ID_INSTRUMENT_SHIFT, ORDER_ID_SEQ_SHIFT, PPM
from mmfold.engine.records import EVENT, FEE_CODE_ZERO, NO_FEE_CODE, NO_ORDER_ID, NO_PRICE_TICKS, NO_VALUE
from mmfold.replay.venue.desk import Desk
from mmfold.replay.venue.records import RejectCode

SLOTS_PER_SIDE = ORDER_COUNT_MAX // 2
CLOSED_ORDER_COUNT_MAX = 2_000
EXECUTION_COUNT_MAX = 10_000

Listener = Callable[[str, list[dict[str, Any]]], None]  # (topic, entries)


class Account:
    """One key's account."""

    def __init__(
        self,
        key: ApiKey,
        uid: int,
        markets: Mapping[str, SymbolMarket],
        desk: Desk,
        clock: VenueClock,
        deposit: Decimal,
    ) -> None:
        self.key, self.uid, self.markets, self.desk, self.clock = key, uid, markets, desk, clock
        self.products = {symbol: market.product for symbol, market in markets.items()}
        self.symbols = [market.product.symbol for market in sorted(markets.values(), key=lambda m: m.product.index)]
        self.positions = {symbol: Position(market) for symbol, market in markets.items()}
        self.wallet = Wallet(next(iter(self.products.values())).quote_coin, deposit, positions=self.positions)
        self.open: dict[int, Order] = {}  # by the desk's id
        self.by_id: dict[str, Order] = {}
        self.by_link: dict[str, Order] = {}
        self.closed: deque[Order] = deque()
        self.executions: deque[Execution] = deque(maxlen=EXECUTION_COUNT_MAX)
        self.books = Books()
        self.listeners: list[Listener] = []
        self.order_count = self.execution_count = self.desk_ns = 0
        self.refusal: RejectCode | None = None  # of the request under way
        self.cancelling: tuple[Order, str] | None = None

    # Requests

    def create(self, params: Params) -> Order:
        """Place an order.

        Raises: VenueError.
        """
        new = parse_new_order(params, self.products)
        if new.link_id and new.link_id in self.by_link:
            raise VenueError(VenueCode.LINK_ID_DUPLICATE)
        new = cut_to_position(new, self.positions[new.product.symbol].one_way())
        check_margin(new, self.positions[new.product.symbol], self.wallet, self.order_margin())
        order = self.admit(new)
        row = self.request_row(EventKind.PLACE, order)
        row["flags"] = new.flags
        row["price_ticks"] = NO_PRICE_TICKS if order.price_ticks is None else order.price_ticks
        row["qty_lots"] = new.qty_lots
        try:
            self.request(row)
        except VenueError:
            self.forget(order)
            raise
        return order

    def admit(self, new: NewOrder) -> Order:
        """Give an order its ids and a free slot at the desk.

        Raises: VenueError when all slots of its side are taken.
        """
        index, first = new.product.index, 0 if new.side == Side.BID else SLOTS_PER_SIDE
        taken = {order.desk_id & (ORDER_COUNT_MAX - 1) for order in self.open.values() if order.product is new.product}
        slot = next((slot for slot in range(first, first + SLOTS_PER_SIDE) if slot not in taken), None)
        if slot is None:
            raise VenueError(
                VenueCode.ORDER_COUNT, f"Cannot have more than {SLOTS_PER_SIDE} active orders of a side and symbol here"
            )
        self.order_count += 1
        now_ms = self.clock.now_ms()
        market = self.markets[new.product.symbol]
        last = market.last_price_ticks
        order = Order(
            number=self.order_count,
            desk_id=(self.order_count << ORDER_ID_SEQ_SHIFT) | index << ORDER_ID_INSTRUMENT_SHIFT | slot,
            order_id=make_uuid("order", self.key.key, self.order_count),
            link_id=new.link_id,
            product=new.product,
            side=new.side,
            is_market=new.price_ticks is None,
            time_in_force=new.time_in_force,
            reduce_only=new.reduce_only,
            close_on_trigger=new.close_on_trigger,
            price_ticks=market.protective_price(new.side) if new.price_ticks is None else new.price_ticks,
            qty_lots=new.qty_lots,
            created_ms=now_ms,
            updated_ms=now_ms,
            last_price=new.product.price_text(last) if last is not None else "",
        )
        self.open[order.desk_id] = self.by_id[order.order_id] = order
        if order.link_id:
            self.by_link[order.link_id] = order
        return order

    def forget(self, order: Order) -> None:
        """Drop an order that was refused: its link id may be used again."""
        self.open.pop(order.desk_id, None)
        self.by_id.pop(order.order_id, None)
        if order.link_id:
            self.by_link.pop(order.link_id, None)

    def order_margin(self) -> Decimal:
        """Return what the open orders bind."""
        return sum(
            (
                order.product.value(order.price_ticks or 0, order.left_lots)
                / self.positions[order.product.symbol].leverage
                for order in self.open.values()
                if not order.reduce_only
            ),
            Decimal(0),
        )

    def amend(self, params: Params) -> Order:
        """Change an order's price or whole size.

        Raises: VenueError.
        """
        order = self.find_open(params, TOO_LATE_TO_REPLACE)
        product = order.product
        price_ticks, qty_lots = order.price_ticks, order.qty_lots
        if params.get("price") not in (None, ""):
            price_ticks = parse_price(product, params["price"])
        if params.get("qty") not in (None, ""):
            qty_lots = parse_qty(product, params["qty"])
        if order.reduce_only:
            qty_lots = min(qty_lots, order.filled_lots + closable(self.positions[product.symbol], order.side))
        if (price_ticks, qty_lots) == (order.price_ticks, order.qty_lots):
            raise VenueError(
                VenueCode.PARAMETER, "The order remains unchanged as the parameters entered match the existing ones."
            )
        if qty_lots <= order.filled_lots:
            raise VenueError(VenueCode.QTY_FILLED)
        self.request(self.amend_row(order, price_ticks, qty_lots))
        return order

    def cancel(self, params: Params) -> Order:
        """End an order.

        Raises: VenueError.
        """
        order = self.find_open(params)
        self.end_by_user(order, "CancelByUser")
        return order

    def end_by_user(self, order: Order, cancel_type: str) -> None:
        """End an order for a reason that is not the market's.

        Raises: VenueError.
        """
        self.cancelling = order, cancel_type
        try:
            self.request(self.request_row(EventKind.CANCEL, order))
        finally:
            self.cancelling = None

    def cancel_all(self, params: Params, cancel_type: str = "CancelByUser") -> list[Order]:
        """End all orders of the symbols that a request is about."""
        symbols = {product.symbol for product in named_products(params, self.products)} if takes_orders(params) else ()
        ended = [order for order in self.open.values() if order.product.symbol in symbols]
        for order in ended:
            self.end_by_user(order, cancel_type)
        return ended

    def find(self, params: Params) -> Order | None:
        """Return the order that a request names; the order id goes before the link id."""
        if params.get("orderId"):
            return self.by_id.get(str(params["orderId"]))
        return self.by_link.get(str(params.get("orderLinkId") or ""))

    def find_open(self, params: Params, missing: str = TOO_LATE_TO_CANCEL) -> Order:
        """Return the open order that a request names; `missing` is said where there is none.

        Raises: VenueError.
        """
        product = find_product(params, self.products)
        if not params.get("orderId") and not params.get("orderLinkId"):
            raise VenueError(VenueCode.PARAMETER, "params error: orderId or orderLinkId is required")
        order = self.find(params)
        if order is None or not order.is_open or order.product is not product:
            raise VenueError(VenueCode.ORDER_UNKNOWN, missing)
        return order

    # The desk

    def request_row(self, kind: EventKind, order: Order) -> Any:
        """Return a request's row with what all requests have."""
        row = np.zeros(1, EVENT)[0]
        row["ts_exchange_ns"] = row["ts_receive_ns"] = self.clock.now_ns()
        row["price_ticks"], row["aux"] = NO_PRICE_TICKS, NO_VALUE
        row["order_id"], row["kind"], row["side"] = order.desk_id, kind, order.side
        row["flags"], row["instrument_index"] = Flag.LAST, order.product.index
        return row

    def amend_row(self, order: Order, price_ticks: int | None, qty_lots: int) -> Any:
        """Return the row of an AMEND to a price and a whole size."""
        row = self.request_row(EventKind.AMEND, order)
        row["price_ticks"] = price_ticks
        row["qty_lots"], row["aux"] = qty_lots - order.filled_lots, order.filled_lots
        return row

    def rehearse(self) -> None:
        """Have the desk compiled before the first client comes."""
        self.desk.rehearse(self.desk_time(self.clock.now_ns()))

    def request(self, row: Any) -> None:
        """Hand one request to the desk and take its answers.

        Raises: VenueError when the desk refused it.
        """
        self.refusal = None
        now_ns = int(row["ts_exchange_ns"])
        self.take(self.desk.request(row, self.desk_time(now_ns)), now_ns)
        if self.refusal is not None:
            raise VenueError(code_of(self.refusal))

    def desk_time(self, now_ns: int) -> int:
        """Return the time of what reaches the desk: where the clock goes back, it stands still."""
        self.desk_ns = max(self.desk_ns, now_ns)
        return self.desk_ns

    def apply_market(self, rows: np.ndarray, now_ns: int) -> None:
        """Show one market event to the desk and take what it filled."""
        answers = self.desk.apply_market(rows, self.desk_time(now_ns))
        if len(answers):
            self.take(answers, now_ns)

    def take(self, answers: Iterable[Any], now_ns: int) -> None:
        """Take the desk's answers in their order; then reduce-only orders are fitted to the positions that are left."""
        now_ms = now_ns // NS_PER_MS
        traded: set[str] = set()
        for row in answers:
            kind = int(row["kind"])
            if kind == EventKind.REJECT:
                self.refusal = RejectCode(int(row["code"]))
                continue
            order = self.open.get(int(row["order_id"])) if row["order_id"] != NO_ORDER_ID else None
            if order is None:
                continue  # an order ends once: what the desk says of it later is of no use
            order.updated_ms = max(order.updated_ms, now_ms)
            if kind == EventKind.FILL:
                traded.add(order.product.symbol)
                self.take_fill(order, row, now_ms)
                continue
            if kind == EventKind.AMENDED:
                order.price_ticks = int(row["price_ticks"])
                order.qty_lots = order.filled_lots + int(row["qty_lots"])
            elif kind == EventKind.EXPIRED:
                self.end(order, "UNKNOWN", EXPIRY_REASONS[order.time_in_force])
            elif kind == EventKind.CANCELED:
                self.end(order, self.cancel_type_of(order), "EC_NoError")
            self.tell("order", [order.stream_payload()])
        for symbol in sorted(traded):
            self.fit_reduce_only(symbol, now_ns)

    def take_fill(self, order: Order, row: Any, now_ms: int) -> None:
        """Book one fill; a reduce-only order ends where the position does, whatever traded at its price."""
        lots = qty_lots = int(row["qty_lots"])
        if order.reduce_only:
            lots = min(lots, closable(self.positions[order.product.symbol], order.side))
        if lots:
            self.apply_fill(order, row, lots, now_ms)
        if lots < qty_lots:
            self.desk.request(self.request_row(EventKind.CANCEL, order), self.desk_time(self.clock.now_ns()))
            self.end(order, "CancelByReduceOnly", "EC_NoError")
            self.tell("order", [order.stream_payload()])

    def fit_reduce_only(self, symbol: str, now_ns: int) -> None:
        """Cut a symbol's reduce-only orders to what is left of its position, or end them."""
        position = self.positions[symbol]
        for order in [one for one in self.open.values() if one.reduce_only and one.product.symbol == symbol]:
            lots = closable(position, order.side)
            if order.left_lots <= lots:
                continue
            row = self.request_row(EventKind.CANCEL, order)
            if lots:
                row = self.amend_row(order, order.price_ticks, order.filled_lots + lots)
            answers = self.desk.request(row, self.desk_time(now_ns))
            self.take([answer for answer in answers if answer["kind"] != EventKind.REJECT], now_ns)

    def cancel_type_of(self, order: Order) -> str:
        """Return why the desk says that an order is cancelled: it was asked to, or by a rule of its own."""
        if self.cancelling is not None and self.cancelling[0] is order:
            return self.cancelling[1]
        return "CancelByReduceOnly" if order.reduce_only else "CancelBySmp"

    def end(self, order: Order, cancel_type: str, reason: str) -> None:
        """Close an order that was not filled in full."""
        order.status, order.cancel_type, order.reject_reason = "Cancelled", cancel_type, reason
        self.close(order)

    def close(self, order: Order) -> None:
        """Keep an order among the closed ones, of which the oldest are forgotten."""
        del self.open[order.desk_id]
        self.closed.append(order)
        if len(self.closed) > CLOSED_ORDER_COUNT_MAX:
            self.forget(self.closed.popleft())

    def apply_fill(self, order: Order, row: Any, qty_lots: int, now_ms: int) -> None:
        """Book so much of one fill."""
        price_ticks = int(row["price_ticks"])
        maker, code = bool(row["flags"] & Flag.MAKER), int(row["code"])
        product, market = order.product, self.markets[order.product.symbol]
        rate = product.maker_rate if maker else product.taker_rate
        if code != NO_FEE_CODE:
            rate = Decimal(code - FEE_CODE_ZERO) / PPM
        fee = product.value(price_ticks, qty_lots) * rate
        order.filled_lots += qty_lots
        order.filled_ticklots += price_ticks * qty_lots
        order.fee += fee
        order.status = "Filled" if order.filled_lots >= order.qty_lots else "PartiallyFilled"
        position = self.positions[product.symbol]
        profit, closed_lots = position.apply_fill(order.side, price_ticks, qty_lots, fee)
        position.created_ms = position.created_ms or now_ms
        position.updated_ms = now_ms
        market.interest.change(qty_lots - 2 * closed_lots, now_ms)
        self.wallet.fees += fee
        self.wallet.profit += profit
        if not order.is_open:
            self.close(order)
        self.execution_count += 1
        fill = {
            "price_ticks": price_ticks, "qty_lots": qty_lots, "maker": maker, "rate": rate, "fee": fee,
            "closed_lots": closed_lots,
        }  # fmt: skip
        execution = make_execution(self.execution_count, order, market, fill, now_ms, self.key.key)
        self.executions.append(execution)
        self.books.note_fill(order, position, fill, profit, now_ms)
        self.books.note(execution, position, self.wallet, profit)
        self.tell("order", [order.stream_payload()])
        told = execution.payload()
        self.tell("execution", [{"category": "linear", "isLeverage": "0"} | told])
        self.tell("execution.fast", [fast_payload(told)])
        self.tell("position", [position.stream_payload()])
        self.tell("wallet", [self.wallet.payload(self.order_margin())])

    def settle_funding(self, symbol: str, rate_e9: int) -> None:
        """Pay or receive funding on an open position; longs pay a positive rate. It is told as an execution."""
        position = self.positions[symbol]
        if not position.lots:
            return
        value = position.value() if position.lots > 0 else -position.value()
        fee = (value * rate_e9 / E9).quantize(MONEY_PLACES, ROUND_CEILING)
        self.wallet.funding += fee
        self.execution_count += 1
        now_ms = self.clock.now_ms()
        execution = make_settlement(self.execution_count, position, Decimal(rate_e9) / E9, fee, now_ms, self.key.key)
        self.executions.append(execution)
        self.books.note(execution, position, self.wallet)
        self.tell("execution", [{"category": "linear", "isLeverage": "0"} | execution.payload()])
        self.tell("wallet", [self.wallet.payload(self.order_margin())])

    def tell(self, topic: str, entries: list[dict[str, Any]]) -> None:
        """Hand entries of a private topic to those who listen."""
        for listener in list(self.listeners):
            listener(topic, entries)
