"""An account's books: what executions did to its cash and what closing orders earned; must never move money.

Source: Bybit v5 transaction log and closed PnL pages, recorded answers (read 2026-11-30).
"""

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import orjson

from mmfold.adapters.emulator.bybit.ledger import Execution, Position, Wallet, money
from mmfold.adapters.emulator.bybit.orders import Order
from mmfold.adapters.emulator.bybit.payloads import SIDES
from mmfold.adapters.emulator.market.product import plain
from mmfold.engine.codes import Side

TRANSACTION_COUNT_MAX = 10_000
CLOSED_COUNT_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Transaction:
    """One change of cash, kept as text."""

    number: int
    ts_ms: int
    symbol: str
    kind: str
    body: bytes

    def payload(self) -> dict[str, Any]:
        """Return the change as REST lists it."""
        told: dict[str, Any] = orjson.loads(self.body)
        return told


@dataclass(slots=True)
class ClosedProfit:
    """What an order earned on the part of a position that it closed.

    Units: values and fees in quote coin.
    """

    number: int
    order: Order
    leverage: Decimal
    created_ms: int
    updated_ms: int
    lots: int = 0
    entry_value: Decimal = Decimal(0)
    exit_value: Decimal = Decimal(0)
    open_fee: Decimal = Decimal(0)
    close_fee: Decimal = Decimal(0)
    fill_count: int = 0

    def payload(self) -> dict[str, Any]:
        """Return the profit as REST lists it: fees are in it, funding is not."""
        order, product = self.order, self.order.product
        gained = (self.exit_value - self.entry_value) * (1 if order.side == Side.ASK else -1)
        size = product.lot * self.lots
        return {
            "symbol": product.symbol,
            "orderId": order.order_id,
            "orderType": "Market" if order.is_market else "Limit",
            "execType": "Trade",
            "side": SIDES[order.side],
            "qty": product.qty_text(order.qty_lots),
            "orderPrice": order.price_text() or "0",
            "closedSize": product.qty_text(self.lots),
            "cumEntryValue": money(self.entry_value),
            "avgEntryPrice": money(self.entry_value / size),
            "cumExitValue": money(self.exit_value),
            "avgExitPrice": money(self.exit_value / size),
            "closedPnl": money(gained - self.open_fee - self.close_fee),
            "openFee": money(self.open_fee),
            "closeFee": money(self.close_fee),
            "fillCount": str(self.fill_count),
            "leverage": plain(self.leverage),
            "createdTime": str(self.created_ms),
            "updatedTime": str(self.updated_ms),
        }


@dataclass
class Books:
    """The changes of an account's cash and its closed profits, of which the oldest are forgotten."""

    transactions: deque[Transaction] = field(default_factory=lambda: deque(maxlen=TRANSACTION_COUNT_MAX))
    closed: OrderedDict[str, ClosedProfit] = field(default_factory=OrderedDict)  # by order id
    open_fees: dict[str, Decimal] = field(default_factory=dict)  # paid for what a symbol's position holds
    closed_count: int = 0

    def note(self, execution: Execution, position: Position, wallet: Wallet, profit: Decimal = Decimal(0)) -> None:
        """Note what an execution has done to the cash; the wallet and the position are as it left them."""
        told = execution.payload()
        paid, is_trade = Decimal(told["execFee"]), told["execType"] == "Trade"
        # A settlement's rate is signed for the side: what a long pays, a short receives.
        rate = told["feeRate"] if is_trade or position.lots > 0 else plain(-Decimal(told["feeRate"]))
        size = position.product.qty_text(abs(position.lots))
        fields = {
            "id": f"{wallet.coin}_{told['symbol']}_{execution.number}",
            "symbol": told["symbol"],
            "category": "linear",
            "side": told["side"],
            "transactionTime": told["execTime"],
            "type": "TRADE" if is_trade else "SETTLEMENT",
            "transSubType": "",
            "qty": told["execQty"],
            "size": f"-{size}" if position.lots < 0 else size,
            "currency": wallet.coin,
            "tradePrice": told["execPrice"],
            "funding": "" if is_trade else plain(-paid),
            "fee": plain(paid) if is_trade else "0",
            "cashFlow": money(profit),
            "change": money(profit - paid),
            "cashBalance": money(wallet.cash()),
            "feeRate": rate,
            "bonusChange": "",
            "tradeId": told["execId"],
            "orderId": told["orderId"],
            "orderLinkId": told["orderLinkId"],
            "extraFees": "",
        }
        body = memoryview(orjson.dumps(fields)).tobytes()  # as of executions
        self.transactions.append(Transaction(execution.number, execution.ts_ms, execution.symbol, fields["type"], body))

    def note_fill(self, order: Order, position: Position, fill: dict[str, Any], profit: Decimal, now_ms: int) -> None:
        """Note what a fill has closed: {price_ticks, qty_lots, fee, closed_lots}; the position is as it left it."""
        product, qty_lots, closed_lots = order.product, fill["qty_lots"], fill["closed_lots"]
        before_lots = abs(position.lots - (qty_lots if order.side == Side.BID else -qty_lots))
        paid = self.open_fees.get(product.symbol, Decimal(0))
        open_fee = paid * closed_lots / before_lots if closed_lots else Decimal(0)
        close_fee = fill["fee"] * closed_lots / qty_lots
        self.open_fees[product.symbol] = paid - open_fee + fill["fee"] - close_fee
        if not closed_lots:
            return
        record = self.closed.get(order.order_id)
        if record is None:
            self.closed_count += 1
            record = ClosedProfit(self.closed_count, order, position.leverage, now_ms, now_ms)
            self.closed[order.order_id] = record
            if len(self.closed) > CLOSED_COUNT_MAX:
                self.closed.popitem(last=False)
        exit_value = product.value(fill["price_ticks"], closed_lots)
        record.lots += closed_lots
        record.exit_value += exit_value
        record.entry_value += exit_value - profit if order.side == Side.ASK else exit_value + profit
        record.open_fee += open_fee
        record.close_fee += close_fee
        record.fill_count += 1
        record.updated_ms = now_ms
