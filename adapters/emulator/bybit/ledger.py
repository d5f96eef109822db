"""An account's money: positions, executions and wallet, exact; must never estimate what a fill has decided.

Source: Bybit v5 position, execution and wallet stream pages and recorded samples (read 2026-11-20).
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import orjson

from mmfold.adapters.emulator.bybit.codes import VenueCode, VenueError
from mmfold.adapters.emulator.bybit.numbers import parse_decimal
from mmfold.adapters.emulator.bybit.orders import NewOrder, Order, Params
from mmfold.adapters.emulator.bybit.payloads import SIDES, make_uuid
from mmfold.adapters.emulator.market.product import Product, plain
from mmfold.adapters.emulator.market.symbol import SymbolMarket
from mmfold.engine.codes import Side

LEVERAGE_DEFAULT, LEVERAGE_MAX = 10, 100
MAINTENANCE_RATE = Decimal("0.005")
RISK_ID, RISK_LIMIT_VALUE = 1, "2000000"  # one tier, of every size
MONEY_PLACES = Decimal("0.00000001")


def money(value: Decimal) -> str:
    """Return an amount as the venue writes it: at most 8 places."""
    return plain(value.quantize(MONEY_PLACES))


@dataclass(slots=True)
class Position:
    """The position in one symbol.

    Units: cost_ticklots is the signed sum of price x size of what is open, exact.
    """

    market: SymbolMarket
    lots: int = 0
    cost_ticklots: Decimal = Decimal(0)
    realized: Decimal = Decimal(0)
    session_realized: Decimal = Decimal(0)
    leverage: Decimal = Decimal(LEVERAGE_DEFAULT)
    created_ms: int = 0
    updated_ms: int = 0
    is_hedged: bool = False  # long and short apart: this venue lists the mode and takes no order in it

    def one_way(self) -> "Position":
        """Return the position for an order of one-way mode.

        Raises: VenueError.
        """
        if self.is_hedged:
            raise VenueError(VenueCode.PARAMETER, "position idx not match position mode")
        return self

    @property
    def product(self) -> Product:
        """What is held."""
        return self.market.product

    def apply_fill(self, side: Side, price_ticks: int, qty_lots: int, fee: Decimal) -> tuple[Decimal, int]:
        """Take one fill and return the profit that it realised and the size that it closed."""
        signed = qty_lots if side == Side.BID else -qty_lots
        unit = self.product.tick * self.product.lot
        closed = min(abs(signed), abs(self.lots)) if signed * self.lots < 0 else 0
        profit = Decimal(0)
        if closed:
            cost = self.cost_ticklots * closed / abs(self.lots)
            sign = 1 if self.lots > 0 else -1
            profit = (sign * closed * price_ticks - cost) * unit
            self.cost_ticklots -= cost
        opened = abs(signed) - closed
        self.lots += signed
        self.cost_ticklots += (opened if side == Side.BID else -opened) * price_ticks
        if self.lots == 0:
            self.cost_ticklots = Decimal(0)
        self.realized += profit - fee
        self.session_realized = self.session_realized + profit - fee if self.lots else Decimal(0)
        return profit, closed

    def set_leverage(self, params: Params) -> None:
        """Set the leverage of both sides.

        Raises: VenueError.
        """
        leverage = parse_leverage(params.get("buyLeverage"))
        if leverage != parse_leverage(params.get("sellLeverage")):
            raise VenueError(VenueCode.PARAMETER, "buy leverage must equal sell leverage in one-way mode")
        if leverage == self.leverage:
            raise VenueError(VenueCode.LEVERAGE_SAME)
        self.leverage = leverage

    def value(self) -> Decimal:
        """Return the position's value at the mark price, not signed."""
        return abs(self.lots) * self.product.lot * self.market.mark_price()

    def unrealized(self) -> Decimal:
        """Return the profit of what is open, at the mark price."""
        mark = self.market.mark_price()
        return self.lots * self.product.lot * mark - self.cost_ticklots * self.product.tick * self.product.lot

    def entry_price(self) -> str:
        """Return the average entry price."""
        return money(self.cost_ticklots / self.lots * self.product.tick) if self.lots else "0"

    def payload(self) -> dict[str, Any]:
        """Return the position as REST lists it."""
        side = "" if not self.lots else SIDES[Side.BID if self.lots > 0 else Side.ASK]
        value = self.value()
        return {
            "positionIdx": 0,
            "riskId": RISK_ID,
            "riskLimitValue": RISK_LIMIT_VALUE,
            "symbol": self.product.symbol,
            "side": side,
            "size": self.product.qty_text(abs(self.lots)),
            "avgPrice": self.entry_price(),
            "positionValue": money(value),
            "tradeMode": 0,
            "positionStatus": "Normal",
            "autoAddMargin": 0,
            "adlRankIndicator": 0,
            "leverage": plain(self.leverage),
            "positionBalance": money(value / self.leverage),
            "markPrice": self.product.floor_text(self.market.mark_price()),
            "liqPrice": "",
            "bustPrice": "",
            "positionMM": money(value * MAINTENANCE_RATE),
            "positionIM": money(value / self.leverage),
            "tpslMode": "Full",
            "takeProfit": "0",
            "stopLoss": "0",
            "trailingStop": "0",
            "unrealisedPnl": money(self.unrealized()),
            "curRealisedPnl": money(self.session_realized),
            "cumRealisedPnl": money(self.realized),
            "seq": self.market.cross_seq,
            "isReduceOnly": False,
            "mmrSysUpdateTime": "",
            "leverageSysUpdatedTime": "",
            "sessionAvgPrice": "",
            "createdTime": str(self.created_ms),
            "updatedTime": str(self.updated_ms),
        }

    def payloads(self) -> list[dict[str, Any]]:
        """Return what REST lists of a symbol: its position, or in hedge mode both sides, which are flat here."""
        told = self.payload()
        return [told | {"positionIdx": side} for side in (1, 2)] if self.is_hedged else [told]

    def stream_payload(self) -> dict[str, Any]:
        """Return the position as the private stream tells it: some names differ."""
        told = self.payload()
        told["entryPrice"] = told.pop("avgPrice")
        told["mmrSysUpdatedTime"] = told.pop("mmrSysUpdateTime")
        return told | {"category": "linear"}


@dataclass(frozen=True, slots=True)
class Execution:
    """One fill of an order, as told for ever after; kept as text, a tenth of the objects' size."""

    number: int
    ts_ms: int
    symbol: str
    order_id: str
    link_id: str
    kind: str
    body: bytes

    def payload(self) -> dict[str, Any]:
        """Return the execution as REST lists it."""
        told: dict[str, Any] = orjson.loads(self.body)
        return told


def make_execution(
    number: int, order: Order, market: SymbolMarket, fill: dict[str, Any], now_ms: int, owner: str
) -> Execution:
    """Return the record of a fill: {price_ticks, qty_lots, maker, rate, fee, closed_lots}."""
    product = order.product
    fields = {
        "symbol": product.symbol,
        "orderType": "Market" if order.is_market else "Limit",
        "underlyingPrice": "",
        "orderLinkId": order.link_id,
        "orderId": order.order_id,
        "stopOrderType": "UNKNOWN",
        "execTime": str(now_ms),
        "feeCurrency": "",
        "createType": "CreateByUser",
        "side": SIDES[order.side],
        "indexPrice": "",
        "leavesQty": product.qty_text(order.left_lots),
        "isMaker": fill["maker"],
        "execFee": plain(fill["fee"]),
        "feeRate": plain(fill["rate"]),
        "execId": make_uuid("execution", owner, number),
        "tradeIv": "",
        "blockTradeId": "",
        "markPrice": product.floor_text(market.mark_price()),
        "execPrice": product.price_text(fill["price_ticks"]),
        "markIv": "",
        "orderQty": product.qty_text(order.qty_lots),
        "orderPrice": order.price_text() or "0",
        "execValue": plain(product.value(fill["price_ticks"], fill["qty_lots"])),
        "execType": "Trade",
        "execQty": product.qty_text(fill["qty_lots"]),
        "closedSize": product.qty_text(fill["closed_lots"]),
        "seq": market.cross_seq,
    }
    # What orjson returns holds on to the 8 kB that it was written into.
    body = memoryview(orjson.dumps(fields)).tobytes()
    return Execution(number, now_ms, product.symbol, order.order_id, order.link_id, "Trade", body)


def make_settlement(number: int, position: Position, rate: Decimal, fee: Decimal, now_ms: int, owner: str) -> Execution:
    """Return the record of a funding settlement: an execution of no order, of the position's side and size."""
    product, order_id = position.product, make_uuid("settlement", owner, number)
    mark = product.floor_text(position.market.mark_price())
    fields = {
        "symbol": product.symbol,
        "orderType": "UNKNOWN",
        "underlyingPrice": "",
        "orderLinkId": "",
        "orderId": order_id,
        "stopOrderType": "UNKNOWN",
        "execTime": str(now_ms),
        "feeCurrency": "",
        "createType": "",
        "side": SIDES[Side.BID if position.lots > 0 else Side.ASK],
        "indexPrice": "",
        "leavesQty": "0",
        "isMaker": False,
        "execFee": plain(fee),
        "feeRate": plain(rate),
        "execId": make_uuid("execution", owner, number),
        "tradeIv": "",
        "blockTradeId": "",
        "markPrice": mark,
        "execPrice": mark,
        "markIv": "",
        "orderQty": "0",
        "orderPrice": "0",
        "execValue": plain(abs(position.value())),
        "execType": "Funding",
        "execQty": product.qty_text(abs(position.lots)),
        "closedSize": "0",
        "seq": position.market.cross_seq,
    }
    body = memoryview(orjson.dumps(fields)).tobytes()
    return Execution(number, now_ms, product.symbol, order_id, "", "Funding", body)


def fast_payload(fields: dict[str, Any]) -> dict[str, Any]:
    """Return an execution as `execution.fast` tells it."""
    names = (
        "symbol", "execId", "execPrice", "execQty", "orderId", "isMaker", "orderLinkId", "side", "execTime", "seq",
    )  # fmt: skip
    return {"category": "linear"} | {name: fields[name] for name in names}


@dataclass
class Wallet:
    """The account's cash in one coin.

    Units: quote coin.
    """

    coin: str
    deposit: Decimal
    fees: Decimal = Decimal(0)
    profit: Decimal = Decimal(0)
    funding: Decimal = Decimal(0)
    positions: dict[str, Position] = field(default_factory=dict)

    def cash(self) -> Decimal:
        """Return the balance without what is unrealised."""
        return self.deposit + self.profit - self.fees - self.funding

    def equity(self) -> Decimal:
        """Return the balance with what is unrealised."""
        return self.cash() + sum((position.unrealized() for position in self.positions.values()), Decimal(0))

    def position_margin(self) -> Decimal:
        """Return what the positions bind."""
        return sum((position.value() / position.leverage for position in self.positions.values()), Decimal(0))

    def payload(self, order_margin: Decimal) -> dict[str, Any]:
        """Return the unified account with its one coin."""
        equity, cash, position_margin = self.equity(), self.cash(), self.position_margin()
        unrealized = equity - cash
        maintenance = sum((position.value() for position in self.positions.values()), Decimal(0)) * MAINTENANCE_RATE
        bound = position_margin + order_margin
        rates = [money(part / equity) if equity > 0 else "0" for part in (bound, maintenance)]
        coin = {
            "coin": self.coin,
            "equity": money(equity),
            "usdValue": money(equity),
            "walletBalance": money(cash),
            "availableToWithdraw": "",
            "availableToBorrow": "",
            "borrowAmount": "0",
            "accruedInterest": "0",
            "totalOrderIM": money(order_margin),
            "totalPositionIM": money(position_margin),
            "totalPositionMM": money(maintenance),
            "unrealisedPnl": money(unrealized),
            "cumRealisedPnl": money(self.profit - self.fees - self.funding),
            "bonus": "0",
            "collateralSwitch": True,
            "marginCollateral": True,
            "locked": "0",
            "spotHedgingQty": "0",
        }
        return {
            "totalEquity": money(equity),
            "accountIMRate": rates[0],
            "totalMarginBalance": money(equity),
            "totalInitialMargin": money(bound),
            "accountType": "UNIFIED",
            "totalAvailableBalance": money(max(Decimal(0), equity - bound)),
            "accountMMRate": rates[1],
            "totalPerpUPL": money(unrealized),
            "totalWalletBalance": money(cash),
            "accountLTV": "0",
            "totalMaintenanceMargin": money(maintenance),
            "coin": [coin],
        }


def check_margin(new: NewOrder, position: Position, wallet: Wallet, order_margin: Decimal) -> None:
    """Check that the account can carry an order: what closes the position binds nothing more.

    Raises: VenueError.
    """
    if new.reduce_only:
        return
    price = position.market.mark_price() if new.price_ticks is None else new.product.tick * new.price_ticks
    signed = position.lots if new.side == Side.BID else -position.lots
    added = max(0, new.qty_lots + min(signed, 0))
    needed = price * new.product.lot * added / position.leverage
    if order_margin + wallet.position_margin() + needed > wallet.equity():
        raise VenueError(VenueCode.MARGIN)


def parse_leverage(text: object) -> Decimal:
    """Return a leverage.

    Raises: VenueError.
    """
    leverage = parse_decimal(text, "leverage")
    if not 1 <= leverage <= LEVERAGE_MAX:
        raise VenueError(VenueCode.PARAMETER, "leverage invalid")
    return leverage
