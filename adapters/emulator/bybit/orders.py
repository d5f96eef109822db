"""Orders of an account: what a request may ask for, what an order is, how the venue writes it; must never match.

Source: Bybit v5 place order, amend order and order stream pages, enum definitions (read 2026-11-20).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from mmfold.adapters.emulator.bybit.codes import VenueCode, VenueError
from mmfold.adapters.emulator.bybit.numbers import parse_price, parse_qty
from mmfold.adapters.emulator.bybit.payloads import SIDES
from mmfold.adapters.emulator.market.product import Product, plain
from mmfold.engine.codes import Flag, Side

LINK_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")
SIDE_OF = {"Buy": Side.BID, "Sell": Side.ASK}
FLAGS_OF_TIME_IN_FORCE = {"GTC": 0, "PostOnly": Flag.POST_ONLY, "IOC": Flag.IOC, "FOK": Flag.FOK}
# Asking for these would change what happens, and the emulator does not do it: refused, not ignored.
UNSUPPORTED = ("triggerPrice", "takeProfit", "stopLoss", "orderIv", "slippageTolerance")
OPEN_STATUSES = ("New", "PartiallyFilled")
EXPIRY_REASONS = {
    "PostOnly": "EC_PostOnlyWillTakeLiquidity",
    "IOC": "EC_NoImmediateQtyToFill",
    "FOK": "EC_CancelForNoFullFill",
    "GTC": "EC_NoError",
}

Params = Mapping[str, Any]


@dataclass(slots=True, kw_only=True)
class Order:
    """One order of an account.

    Units: filled_ticklots is the sum of price x size of its fills.
    """

    number: int
    desk_id: int
    order_id: str
    link_id: str
    product: Product
    side: Side
    is_market: bool
    time_in_force: str
    reduce_only: bool
    close_on_trigger: bool
    price_ticks: int | None
    qty_lots: int
    created_ms: int
    updated_ms: int
    last_price: str
    status: str = "New"
    reject_reason: str = "EC_NoError"
    cancel_type: str = "UNKNOWN"
    filled_lots: int = 0
    filled_ticklots: int = 0
    fee: Decimal = Decimal(0)

    @property
    def is_open(self) -> bool:
        """Whether the order may still trade."""
        return self.status in OPEN_STATUSES

    @property
    def left_lots(self) -> int:
        """What may still trade."""
        return self.qty_lots - self.filled_lots if self.is_open else 0

    def price_text(self) -> str:
        """Return the price, of a market order the worst one; empty without."""
        return self.product.price_text(self.price_ticks) if self.price_ticks is not None else ""

    def avg_price(self) -> str:
        """Return the average fill price, empty without a fill."""
        if not self.filled_lots:
            return ""
        average = self.product.tick * self.filled_ticklots / self.filled_lots
        return plain(average.quantize(self.product.tick / 100))

    def payload(self) -> dict[str, Any]:
        """Return the order as REST lists it."""
        product = self.product
        return {
            "orderId": self.order_id,
            "orderLinkId": self.link_id,
            "blockTradeId": "",
            "symbol": product.symbol,
            "price": self.price_text() or "0",
            "qty": product.qty_text(self.qty_lots),
            "side": SIDES[self.side],
            "isLeverage": "",
            "positionIdx": 0,
            "orderStatus": self.status,
            "createType": "CreateByUser",
            "cancelType": self.cancel_type,
            "rejectReason": self.reject_reason,
            "avgPrice": self.avg_price(),
            "leavesQty": product.qty_text(self.left_lots),
            "leavesValue": plain(product.value(self.price_ticks or 0, self.left_lots)),
            "cumExecQty": product.qty_text(self.filled_lots),
            "cumExecValue": plain(product.tick * product.lot * self.filled_ticklots),
            "cumExecFee": plain(self.fee),
            "cumFeeDetail": {product.quote_coin: plain(self.fee)} if self.filled_lots else {},
            "timeInForce": self.time_in_force,
            "orderType": "Market" if self.is_market else "Limit",
            "stopOrderType": "",
            "orderIv": "",
            "marketUnit": "",
            "triggerPrice": "",
            "takeProfit": "",
            "stopLoss": "",
            "tpTriggerBy": "",
            "slTriggerBy": "",
            "triggerDirection": 0,
            "triggerBy": "",
            "lastPriceOnCreated": self.last_price,
            "reduceOnly": self.reduce_only,
            "closeOnTrigger": self.close_on_trigger,
            "smpType": "None",
            "smpGroup": 0,
            "smpOrderId": "",
            "tpslMode": "",
            "tpLimitPrice": "",
            "slLimitPrice": "",
            "placeType": "",
            "createdTime": str(self.created_ms),
            "updatedTime": str(self.updated_ms),
        }

    def stream_payload(self) -> dict[str, Any]:
        """Return the order as the private stream tells it."""
        return self.payload() | {"category": "linear", "feeCurrency": ""}


@dataclass(frozen=True, slots=True)
class NewOrder:
    """A checked request to place an order."""

    product: Product
    side: Side
    price_ticks: int | None  # None: at market
    qty_lots: int  # 0: the whole position
    time_in_force: str
    reduce_only: bool
    close_on_trigger: bool
    link_id: str

    @property
    def flags(self) -> int:
        """Flags of the PLACE row; that an order only reduces is the account's to see to."""
        return Flag.LAST | FLAGS_OF_TIME_IN_FORCE[self.time_in_force]


def require_category(params: Params) -> None:
    """Check that the linear market is asked for.

    Raises: VenueError.
    """
    if params.get("category") != "linear":
        raise VenueError(VenueCode.PARAMETER, "params error: category invalid, this venue has linear")


def find_product(params: Params, products: Mapping[str, Product]) -> Product:
    """Return the product of a request's symbol.

    Raises: VenueError.
    """
    product = products.get(str(params.get("symbol", "")))
    if product is None:
        raise VenueError(VenueCode.PARAMETER, "params error: symbol invalid")
    return product


def choice(params: Params, name: str, choices: Mapping[str, Any], default: str = "") -> str:
    """Return one of some words.

    Raises: VenueError.
    """
    word = str(params.get(name) or default)
    if word not in choices:
        raise VenueError(VenueCode.PARAMETER, f"params error: {name} invalid")
    return word


def flag(params: Params, name: str) -> bool:
    """Return a boolean.

    Raises: VenueError.
    """
    value = params.get(name, False)
    if not isinstance(value, bool):
        raise VenueError(VenueCode.PARAMETER, f"params error: {name} invalid")
    return value


def parse_new_order(params: Params, products: Mapping[str, Product]) -> NewOrder:
    """Check the parameters of an order.

    Raises: VenueError.
    """
    require_category(params)
    product = find_product(params, products)
    for name in UNSUPPORTED:
        if params.get(name) not in (None, "", "0", 0, False):
            raise VenueError(VenueCode.PARAMETER, f"params error: {name} is not supported by this venue")
    if str(params.get("positionIdx", 0)) != "0":
        raise VenueError(VenueCode.PARAMETER, "position idx not match position mode")
    side = SIDE_OF[choice(params, "side", SIDE_OF)]
    is_market = choice(params, "orderType", {"Limit": 0, "Market": 0}) == "Market"
    time_in_force = "IOC" if is_market else choice(params, "timeInForce", FLAGS_OF_TIME_IN_FORCE, "GTC")
    link_id = params.get("orderLinkId") or ""
    if link_id and not (isinstance(link_id, str) and LINK_ID.fullmatch(link_id)):
        raise VenueError(VenueCode.PARAMETER, "params error: orderLinkId invalid")
    reduce_only, close_on_trigger = flag(params, "reduceOnly"), flag(params, "closeOnTrigger")
    if close_on_trigger and not reduce_only:
        raise VenueError(VenueCode.PARAMETER, "params error: closeOnTrigger needs reduceOnly at this venue")
    is_whole = close_on_trigger and str(params.get("qty")) == "0"
    qty_lots = 0 if is_whole else parse_qty(product, params.get("qty"))
    price_ticks = None if is_market else parse_price(product, params.get("price"))
    order = NewOrder(product, side, price_ticks, qty_lots, time_in_force, reduce_only, close_on_trigger, link_id)
    if (
        price_ticks is not None
        and not order.reduce_only
        and product.value(price_ticks, qty_lots) < product.min_notional
    ):
        raise VenueError(
            VenueCode.NOTIONAL,
            f"Order does not meet minimum order value {plain(product.min_notional)}{product.quote_coin}",
        )
    return order
